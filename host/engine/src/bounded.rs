//! A future that ends at its deadline, whatever it waits for.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::time::{Sleep, sleep_until};

/// The deadline passed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the deadline passed")]
pub(crate) struct DeadlinePassed;

/// Ends with [`DeadlinePassed`] at the deadline. Needs a tokio runtime around it.
///
/// The timer is set only when the future first has to wait: a call that ends in one go costs none (ADR 0004).
pub(crate) struct Bounded<F> {
    future: Pin<Box<F>>,
    deadline: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<F> Bounded<F> {
    pub(crate) fn new(deadline: Instant, future: F) -> Self {
        Self { future: Box::pin(future), deadline, timer: None }
    }
}

impl<F: Future> Future for Bounded<F> {
    type Output = Result<F::Output, DeadlinePassed>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(output) = self.future.as_mut().poll(context) {
            return Poll::Ready(Ok(output));
        }
        let deadline = self.deadline;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline.into())));
        timer.as_mut().poll(context).map(|()| Err(DeadlinePassed))
    }
}
