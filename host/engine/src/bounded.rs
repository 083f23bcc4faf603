//! Work that ends at its deadline, whatever it waits for.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Instant;

use tokio::time::sleep_until;

/// The deadline passed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the deadline passed")]
pub(crate) struct DeadlinePassed;

/// Ends with [`DeadlinePassed`] at the deadline. Needs a tokio runtime around it.
///
/// The timer is set only when the work first has to wait: work that ends in one go costs none (ADR 4).
pub(crate) async fn bounded<T>(deadline: Instant, work: impl Future<Output = T>) -> Result<T, DeadlinePassed> {
    let mut work = pin!(work);
    let mut timer = None;
    poll_fn(|context| {
        if let Poll::Ready(output) = work.as_mut().poll(context) {
            return Poll::Ready(Ok(output));
        }
        let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(deadline.into())));
        timer.as_mut().poll(context).map(|()| Err(DeadlinePassed))
    })
    .await
}
