//! The seed's own time and numbers.

use std::sync::atomic::{AtomicU64, Ordering};

use host_model::{Clock, Timestamp};

/// Where every run begins: 2023-11-14T22:13:20Z.
const START_MILLIS: u64 = 1_700_000_000_000;

/// A clock that stands still until a step moves it, in either direction.
#[derive(Debug)]
pub(crate) struct SimClock(AtomicU64);

impl SimClock {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(START_MILLIS))
    }

    pub(crate) fn forward(&self, millis: u64) {
        self.0.fetch_add(millis, Ordering::Relaxed);
    }

    pub(crate) fn back(&self, millis: u64) {
        self.0.fetch_sub(millis, Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }

    fn uptime_millis(&self) -> u64 {
        self.0.load(Ordering::Relaxed).saturating_sub(START_MILLIS)
    }
}
