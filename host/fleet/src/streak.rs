//! Failures in a row: how long the next message or the next instance waits for them, and when they are a crash loop.
//!
//! Pure. A failure is a run that was cut off, and no success since. The waits count all of them; a crash loop counts those alone
//! that the guest is to blame for.

use std::time::Duration;

use host_model::TrapCause;

/// The first wait, and the longest. It doubles in between.
const BACK_OFF_MIN: Duration = Duration::from_millis(100);
const BACK_OFF_MAX: Duration = Duration::from_secs(30);
/// Failures in a row that no message waits for: bad luck, or a bad message that was sent again.
const FREE: u32 = 4;
/// So many crashes in a row are a crash loop, however long the waits between them took.
pub(crate) const CRASHES_MAX: u32 = 10;

/// The failures of one agent since its last success or its last start.
#[derive(Debug, Default)]
pub(crate) struct Streak {
    failures: u32,
    crashes: u32,
}

impl Streak {
    /// A run was cut off. Says whether that makes it a crash loop.
    ///
    /// A passed deadline is no crash: a busy host or a slow peer brings that about too. Nor is a failure of the host's own.
    pub(crate) fn failed(&mut self, cause: TrapCause) -> bool {
        self.failures = self.failures.saturating_add(1);
        let crashed = !matches!(cause, TrapCause::Timeout | TrapCause::Host);
        self.crashes = self.crashes.saturating_add(crashed.into());
        crashed && self.crashes >= CRASHES_MAX
    }

    /// A message was handled, or refused in good order; or the agent was started anew.
    pub(crate) fn ended(&mut self) {
        *self = Self::default();
    }

    /// How long to wait before the next message.
    pub(crate) fn message_wait(&self) -> Duration {
        match self.failures.checked_sub(FREE + 1) {
            None => Duration::ZERO,
            Some(more) => doubled(more),
        }
    }

    /// How long to wait before an instance is started in place of one that was cut off.
    pub(crate) fn instance_wait(&self) -> Duration {
        doubled(self.failures.saturating_sub(1))
    }
}

/// The wait after so many waits.
fn doubled(times: u32) -> Duration {
    BACK_OFF_MIN.saturating_mul(1 << times.min(16)).min(BACK_OFF_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(causes: impl IntoIterator<Item = TrapCause>) -> (Streak, bool) {
        let mut streak = Streak::default();
        let looped = causes.into_iter().map(|cause| streak.failed(cause)).last().unwrap_or_default();
        (streak, looped)
    }

    #[test]
    fn a_message_waits_from_the_fifth_failure_in_a_row_an_instance_from_the_first_twice_as_long_each_time() {
        let check = |failed: usize, message: u64, instance: u64| {
            let (mut streak, _) = after([TrapCause::Timeout].repeat(failed));
            let waits = |streak: &Streak| (streak.message_wait().as_millis(), streak.instance_wait().as_millis());
            assert_eq!(waits(&streak), (message.into(), instance.into()), "after {failed}");
            streak.ended();
            assert_eq!(waits(&streak), (0, 100), "a success ends it");
        };
        check(0, 0, 100);
        check(1, 0, 100);
        check(2, 0, 200);
        check(4, 0, 800);
        check(5, 100, 1_600);
        check(6, 200, 3_200);
        check(10, 3_200, 30_000);
        check(13, 25_600, 30_000);
        check(14, 30_000, 30_000);
        check(1_000, 30_000, 30_000);
    }

    #[test]
    fn ten_crashes_in_a_row_are_a_crash_loop_and_each_further_one_says_so_again() {
        let check = |causes: Vec<TrapCause>, expected| assert_eq!(after(causes.clone()).1, expected, "{causes:?}");
        let times = |cause, times| [cause].repeat(times);
        check(times(TrapCause::Trap, 9), false);
        check(times(TrapCause::Trap, 10), true);
        check(times(TrapCause::Trap, 11), true);
        check(times(TrapCause::Fuel, 10), true);
        check(times(TrapCause::Memory, 10), true);
        check([times(TrapCause::Trap, 5), times(TrapCause::Memory, 5)].concat(), true);
    }

    #[test]
    fn what_the_guest_is_not_to_blame_for_neither_counts_as_a_crash_nor_ends_the_row() {
        let check = |cause| {
            assert!(!after([cause].repeat(100)).1, "{cause:?}");
            let mixed = [TrapCause::Trap].repeat(9).into_iter().chain([cause]);
            let (mut streak, looped) = after(mixed);
            assert_eq!((looped, streak.failed(TrapCause::Trap)), (false, true), "{cause:?}");
        };
        check(TrapCause::Timeout);
        check(TrapCause::Host);
    }

    #[test]
    fn a_success_in_between_ends_the_row() {
        let (mut streak, _) = after([TrapCause::Trap].repeat(9));
        streak.ended();
        assert!(!streak.failed(TrapCause::Trap));
    }
}
