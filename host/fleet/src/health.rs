//! How the handling of messages went lately, and what follows: waits, and in the end an alarm.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use host_model::TrapCause;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::LastFailure;
use crate::crash_loop::CrashBell;
use crate::streak::Streak;

/// How it goes with one agent, over all its instances. Outlives a single start.
pub(crate) struct Health {
    last_failure: Mutex<Option<LastFailure>>,
    backing_off: AtomicU32,
    streak: Mutex<Streak>,
    /// Whether there is a streak, so that a success after a success asks for no lock.
    failing: AtomicBool,
    bell: CrashBell,
}

impl Health {
    pub(crate) fn new(bell: CrashBell) -> Self {
        let (last_failure, backing_off, streak) = (Mutex::default(), AtomicU32::default(), Mutex::default());
        Self { last_failure, backing_off, streak, failing: AtomicBool::default(), bell }
    }

    pub(crate) fn last_failure(&self) -> Option<LastFailure> {
        self.last_failure.lock().clone()
    }

    pub(crate) fn note(&self, failure: LastFailure) {
        *self.last_failure.lock() = Some(failure);
    }

    pub(crate) fn backing_off(&self) -> u32 {
        self.backing_off.load(Ordering::Relaxed)
    }

    /// Something was done to its end, or the agent begins anew: what failed before is forgiven.
    pub(crate) fn forgive(&self) {
        if self.failing.swap(false, Ordering::Relaxed) {
            self.streak.lock().ended();
        }
    }

    /// An instance was cut off.
    pub(crate) fn failed(&self, cause: TrapCause, detail: &str) {
        let crash_loop = self.streak.lock().failed(cause);
        self.failing.store(true, Ordering::Relaxed);
        if crash_loop {
            self.bell.ring(cause, detail);
        }
    }

    /// How long to wait before an instance is started in place of one that was cut off.
    pub(crate) fn instance_wait(&self) -> std::time::Duration {
        self.streak.lock().instance_wait()
    }

    /// Waits as long as the failures in a row demand, unless the agent is stopped meanwhile. Counted as backing off.
    pub(crate) async fn back_off(&self, stopping: &CancellationToken) {
        let wait = self.streak.lock().message_wait();
        if !wait.is_zero() {
            let _counted = self.count_backing_off();
            // Stopped or not, the wait is over.
            let _ = stopping.run_until_cancelled(tokio::time::sleep(wait)).await;
        }
    }

    /// One more that backs off, for as long as the answer lives.
    pub(crate) fn count_backing_off(&self) -> BackingOff<'_> {
        self.backing_off.fetch_add(1, Ordering::Relaxed);
        BackingOff(self)
    }
}

/// One instance that waits to be started again. Dropped with the call that waits for it, if the agent is cut off.
pub(crate) struct BackingOff<'a>(&'a Health);

impl Drop for BackingOff<'_> {
    fn drop(&mut self) {
        self.0.backing_off.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use crate::crash_loop::alarms;

    use super::*;

    #[test]
    fn the_tenth_crash_in_a_row_rings_and_a_success_before_it_does_not() {
        let check = |before: usize, forgiven: bool, after: usize, rung: usize| {
            let (sender, mut heard) = alarms();
            let health = Health::new(CrashBell::new("acme".parse().unwrap(), "echo".parse().unwrap(), sender));
            (0..before).for_each(|_| health.failed(TrapCause::Trap, "unreachable"));
            if forgiven {
                health.forgive();
            }
            (0..after).for_each(|_| health.failed(TrapCause::Trap, "unreachable"));
            let alarms: Vec<_> = std::iter::from_fn(|| heard.try_recv().ok()).collect();
            assert_eq!(alarms.len(), rung, "{before} {forgiven} {after}");
            let expected = "crash loop: 10 failures in a row, the last: trap: unreachable";
            assert!(alarms.iter().all(|alarm| alarm.reason == expected), "{alarms:?}");
        };
        check(9, false, 0, 0);
        check(9, false, 1, 1);
        check(9, true, 9, 0);
        check(9, true, 10, 1);
    }
}
