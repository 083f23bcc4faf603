//! Failures in a row, and how long the next message waits for them.
//!
//! Pure. A failure is a run that was cut off for what the guest did; what the host did is not counted.

use std::time::Duration;

/// The first wait, and the longest. It doubles in between.
const BACK_OFF_MIN: Duration = Duration::from_millis(100);
const BACK_OFF_MAX: Duration = Duration::from_secs(30);
/// Failures in a row that nobody waits for: bad luck, or a bad message that was sent again.
const FREE: u32 = 4;

/// The failures of one agent since its last success.
#[derive(Debug, Default)]
pub(crate) struct Streak {
    failures: u32,
}

impl Streak {
    pub(crate) fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// A message was handled, or refused in good order.
    pub(crate) fn ended(&mut self) {
        *self = Self::default();
    }

    /// How long to wait before the next message.
    pub(crate) fn wait(&self) -> Duration {
        match self.failures.checked_sub(FREE + 1) {
            None => Duration::ZERO,
            Some(more) => doubled(more),
        }
    }
}

/// The wait after so many waits.
pub(crate) fn doubled(times: u32) -> Duration {
    BACK_OFF_MIN.saturating_mul(1 << times.min(16)).min(BACK_OFF_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_begins_at_the_fifth_failure_in_a_row_and_doubles_up_to_half_a_minute() {
        let check = |failed: usize, millis: u64| {
            let mut streak = Streak::default();
            (0..failed).for_each(|_| streak.failed());
            assert_eq!(streak.wait(), Duration::from_millis(millis), "after {failed}");
            streak.ended();
            assert_eq!(streak.wait(), Duration::ZERO, "a success ends it");
        };
        check(0, 0);
        check(4, 0);
        check(5, 100);
        check(6, 200);
        check(10, 3_200);
        check(13, 25_600);
        check(14, 30_000);
        check(1_000, 30_000);
    }
}
