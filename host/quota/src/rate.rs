//! So many in a second, for things that are merely counted: the time is the caller's.

use std::sync::atomic::{AtomicU64, Ordering};

/// At most `max` in each second of the clock.
#[derive(Debug)]
pub struct Rate {
    max: u32,
    /// The second in the high half, what was used of it in the low half.
    window: AtomicU64,
    refused: AtomicU64,
}

impl Rate {
    /// A rate of `max` in a second.
    pub fn per_second(max: u32) -> Self {
        Self { max, window: AtomicU64::new(0), refused: AtomicU64::new(0) }
    }

    /// Takes one of this second's, if one is left.
    pub fn take(&self, now_millis: u64) -> bool {
        let second = (now_millis / 1000) << 32;
        let next = |window: u64| {
            let used = if window >> 32 == second >> 32 { window & u64::from(u32::MAX) } else { 0 };
            (used < u64::from(self.max)).then_some(second | (used + 1))
        };
        let taken = self.window.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok();
        if !taken {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        taken
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
        assert_eq!([0, 10, 999].map(|now| rate.take(now)), [true, true, false]);
        assert_eq!([1000, 1001, 1002, 5000].map(|now| rate.take(now)), [true, true, false, true]);
        assert_eq!((rate.take_refused(), rate.take_refused()), (2, 0));
    }
}
