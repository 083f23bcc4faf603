//! Failures in a row: how long the next message waits for, and when they are a crash loop.
//!
//! Pure: the time is the caller's. A failure is a run that was cut off for what the guest did; what the host did is not counted.

use std::collections::VecDeque;
use std::time::Duration;

use host_model::{AgentId, TenantId, Timestamp};

use crate::LastFailure;

/// The first wait, and the longest. It doubles in between.
pub(crate) const BACK_OFF_MIN: Duration = Duration::from_millis(100);
pub(crate) const BACK_OFF_MAX: Duration = Duration::from_secs(30);
/// Failures in a row that nobody waits for: bad luck, or a bad message that was sent again.
const FREE: u32 = 4;
/// So many failures in a row, within so long, are a crash loop.
const CRASHES: usize = 10;
const CRASHES_WITHIN_MILLIS: u64 = 60_000;

/// An agent that fails at every message, and does it fast.
#[derive(Debug, Clone)]
pub struct CrashLoop {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub agent: AgentId,
    /// Failures in a row, in a minute.
    pub failures: usize,
    /// The last of them.
    pub last: LastFailure,
}

/// Told of crash loops, so that somebody decides what becomes of the agent.
pub trait CrashLoops: Send + Sync {
    /// Called on a thread that runs guests, once for every ten failures: hand it on, and return.
    fn found(&self, crash_loop: CrashLoop);
}

/// The failures of one agent since its last success.
#[derive(Debug, Default)]
pub(crate) struct Streak {
    failures: u32,
    /// When the last ones were, oldest first, in milliseconds; at most [`CRASHES`].
    times: VecDeque<u64>,
}

impl Streak {
    /// Counts a failure; says whether it makes a crash loop. Then the next one takes as many failures again.
    pub(crate) fn failed(&mut self, now: Timestamp) -> Option<usize> {
        let now = now.as_millis();
        self.failures = self.failures.saturating_add(1);
        self.times.push_back(now);
        let first = *self.times.front().filter(|_| self.times.len() >= CRASHES)?;
        if now.saturating_sub(first) > CRASHES_WITHIN_MILLIS {
            self.times.pop_front();
            return None;
        }
        self.times.clear();
        Some(CRASHES)
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

    fn failures(streak: &mut Streak, times: &[u64]) -> Vec<bool> {
        times.iter().map(|at| streak.failed(Timestamp::from_millis(*at)).is_some()).collect()
    }

    #[test]
    fn the_wait_begins_at_the_fifth_failure_in_a_row_and_doubles_up_to_half_a_minute() {
        let check = |failed: usize, millis: u64| {
            let mut streak = Streak::default();
            failures(&mut streak, &vec![0; failed]);
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

    #[test]
    fn ten_failures_in_a_row_in_a_minute_are_a_crash_loop_and_nine_or_slower_ones_are_none() {
        let loops = |times: &[u64]| failures(&mut Streak::default(), times).iter().filter(|found| **found).count();
        assert_eq!(loops(&[0; 9]), 0);
        assert_eq!(loops(&[0; 10]), 1);
        assert_eq!(loops(&[0; 19]), 1);
        assert_eq!(loops(&[0; 20]), 2);
        let evenly = |every: u64| (0..100).map(|number| number * every).collect::<Vec<_>>();
        assert_eq!(loops(&evenly(6_666)), 10, "ten in a minute");
        assert_eq!(loops(&evenly(6_667)), 0, "nine of them take longer than a minute");
        let mut streak = Streak::default();
        failures(&mut streak, &[0; 9]);
        streak.ended();
        assert_eq!(failures(&mut streak, &[0; 9]), [false; 9], "a success in between");
        assert!(streak.times.len() <= CRASHES);
    }
}
