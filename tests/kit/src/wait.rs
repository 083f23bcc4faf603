//! Waiting for what can be seen, never for time to pass.

use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// The longest anything here takes, on a busy machine.
const DEADLINE: Duration = Duration::from_secs(20);

/// Looks until there is something to see. Fails the test when that takes longer than anything should.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(began.elapsed() < DEADLINE, "waited {DEADLINE:?} in vain: {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Does something beside the test; ended with it at the latest.
pub fn aside<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    #[expect(clippy::disallowed_methods, reason = "the test's runtime ends with the test, and ends this with it")]
    tokio::spawn(work)
}
