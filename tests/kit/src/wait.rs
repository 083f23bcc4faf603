//! Waiting for what can be seen, never for time to pass.

use std::time::{Duration, Instant};

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
