//! Wake-ups: how a call that waits gets its turn again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::Wake;

use super::lane::Lane;

/// Wakes one slot of a lane. Outlives the call in it: a late wake polls whatever is there now, which is harmless.
pub(super) struct Alarm {
    /// Weak: a waker must not keep a lane alive.
    lane: Weak<Lane>,
    slot: usize,
    rung: AtomicBool,
}

impl Alarm {
    pub(super) fn new(lane: &Arc<Lane>, slot: usize) -> Self {
        Self { lane: Arc::downgrade(lane), slot, rung: AtomicBool::new(false) }
    }

    /// Said before a poll: what rings from now on counts.
    pub(super) fn set(&self) {
        self.rung.store(false, Ordering::Release);
    }

    /// Whether the call can go on: it was woken, or woke itself, since the alarm was set.
    pub(super) fn has_rung(&self) -> bool {
        self.rung.load(Ordering::Acquire)
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.rung.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Some(lane) = self.lane.upgrade() {
            lane.wake(self.slot);
        }
    }
}
