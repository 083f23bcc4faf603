//! So many in each second, or each day, for things that are merely counted: the time is the caller's.

use std::sync::atomic::{AtomicU64, Ordering};

/// A second of the clock, in milliseconds.
const SECOND_MILLIS: u64 = 1_000;
/// A day of the clock, which is UTC, in milliseconds.
const DAY_MILLIS: u64 = 24 * 60 * 60 * SECOND_MILLIS;
/// Bits of the count in a window's word; the rest number the window. A number comes again after 16,777,216 windows, half a year of
/// seconds, which can only matter to who used nothing in between, and then by one window's use.
const COUNT_BITS: u32 = 40;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;

/// This window's are used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{asked} more on top of {used} is over {max}, until {retry_after_millis} ms from now")]
pub struct OverRate {
    /// Used in this window.
    pub used: u64,
    /// What was asked for on top.
    pub asked: u64,
    /// The most in one window.
    pub max: u64,
    /// Until the next window begins, in milliseconds.
    pub retry_after_millis: u64,
}

/// At most `max` in each second or day of the clock. Without locks, and exact under concurrency.
#[derive(Debug)]
pub struct Rate {
    window_millis: u64,
    max: AtomicU64,
    /// The window's number in the high bits, what was used of it in the low ones.
    window: AtomicU64,
    refused: AtomicU64,
}

impl Rate {
    /// A rate of `max` in a second.
    pub fn per_second(max: u64) -> Self {
        Self::in_each(SECOND_MILLIS, max)
    }

    /// A rate of `max` in a day.
    pub fn per_day(max: u64) -> Self {
        Self::in_each(DAY_MILLIS, max)
    }

    fn in_each(window_millis: u64, max: u64) -> Self {
        Self {
            window_millis,
            max: AtomicU64::new(max.min(COUNT_MASK)),
            window: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Changes the rate. What was used of this window stays used.
    pub fn set_max(&self, max: u64) {
        self.max.store(max.min(COUNT_MASK), Ordering::Relaxed);
    }

    /// Takes so many of this window's, or none.
    pub fn take(&self, now_millis: u64, asked: u64) -> Result<(), OverRate> {
        let max = self.max.load(Ordering::Relaxed);
        let number = (now_millis / self.window_millis) << COUNT_BITS;
        let used_in = |word: u64| if word & !COUNT_MASK == number { word & COUNT_MASK } else { 0 };
        let fits = |word: u64| used_in(word).checked_add(asked).filter(|sum| *sum <= max).map(|sum| number | sum);
        match self.window.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits) {
            Ok(_) => Ok(()),
            Err(word) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                let retry_after_millis = self.window_millis - now_millis % self.window_millis;
                Err(OverRate { used: used_in(word), asked, max, retry_after_millis })
            }
        }
    }

    /// Counts one as refused that was refused elsewhere.
    pub fn refuse(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// How many were refused since this was last asked.
    pub fn take_refused(&self) -> u64 {
        self.refused.swap(0, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_has_its_own_and_no_more() {
        let rate = Rate::per_second(2);
        assert_eq!([0, 10, 999].map(|now| rate.take(now, 1).is_ok()), [true, true, false]);
        assert_eq!([1000, 1001, 1002, 5000].map(|now| rate.take(now, 1).is_ok()), [true, true, false, true]);
        assert_eq!((rate.take_refused(), rate.take_refused()), (2, 0));
    }

    #[test]
    fn what_was_used_counts_in_no_window_of_the_next_months() {
        for windows in [1, 1 << 14, 1 << 20, (1 << 24) - 1] {
            let rate = Rate::per_second(2);
            assert_eq!(rate.take(0, 2), Ok(()));
            assert_eq!(rate.take(windows * SECOND_MILLIS, 2), Ok(()), "{windows} seconds later");
        }
    }

    #[test]
    fn a_refusal_says_how_much_was_used_and_when_it_is_worth_another_try() {
        let noon = 20_000 * DAY_MILLIS + DAY_MILLIS / 2;
        let check = |rate: Rate, retry_after_millis| {
            assert_eq!(rate.take(noon + 1, 7), Ok(()));
            let over = OverRate { used: 7, asked: 4, max: 10, retry_after_millis };
            assert_eq!(rate.take(noon + 1, 4), Err(over));
            assert_eq!(rate.take(noon + 1, 3), Ok(()), "what was refused took nothing");
            assert!(rate.take(noon + 1 + retry_after_millis, 10).is_ok(), "at that time there is a whole new window");
        };
        check(Rate::per_second(10), 999);
        check(Rate::per_day(10), DAY_MILLIS / 2 - 1);
    }

    #[test]
    fn nothing_absurd_fits() {
        let rate = Rate::per_day(u64::MAX);
        assert_eq!(rate.take(0, u64::MAX).unwrap_err().max, COUNT_MASK);
        assert_eq!(rate.take(0, COUNT_MASK), Ok(()));
        assert!(rate.take(0, 1).is_err());
        assert!(rate.take(DAY_MILLIS, 1).is_ok(), "and no number runs over into the next window");
    }

    #[test]
    fn eight_threads_never_overspend() {
        let rate = Rate::per_second(10_000);
        let taken: usize = std::thread::scope(|scope| {
            let take = || (0..2_000).filter(|_| rate.take(5, 1).is_ok()).count();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(take)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(taken, 10_000);
    }
}
