//! When failures are a crash loop: an agent that only fails is taken out of service before it burns what others could use.

use std::collections::VecDeque;

use host_model::{AgentId, TenantId, TrapCause};
use parking_lot::Mutex;
use tokio::sync::mpsc;

/// So many failures in a row are a crash loop,
const FAILURES_MAX: usize = 10;
/// if they happen within a minute.
const WITHIN_MS: u64 = 60_000;
/// Alarms that wait to be acted on. What finds no room is raised again by the agent's next failure.
const ALARMS_MAX: usize = 256;

/// An agent that is in a crash loop.
#[derive(Debug)]
pub struct CrashAlarm {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub agent: AgentId,
    /// What happened, bounded and inert.
    pub reason: String,
}

/// Where alarms are raised, and where they are acted on.
pub(crate) fn alarms() -> (mpsc::Sender<CrashAlarm>, mpsc::Receiver<CrashAlarm>) {
    mpsc::channel(ALARMS_MAX)
}

/// Counts one agent's failures, over all its starts and instances.
pub(crate) struct CrashLoop {
    tenant: TenantId,
    agent: AgentId,
    streak: Mutex<Streak>,
    alarms: mpsc::Sender<CrashAlarm>,
}

impl CrashLoop {
    pub(crate) fn new(tenant: TenantId, agent: AgentId, alarms: mpsc::Sender<CrashAlarm>) -> Self {
        Self { tenant, agent, streak: Mutex::default(), alarms }
    }

    /// Something was done to its end.
    pub(crate) fn succeeded(&self) {
        self.streak.lock().end();
    }

    /// An instance was cut off. Never waits.
    ///
    /// A passed deadline is no crash: a busy host or a slow peer brings that about too. Nor is a failure of the host's own.
    pub(crate) fn cut_off(&self, now_ms: u64, cause: TrapCause, detail: &str) {
        if matches!(cause, TrapCause::Timeout | TrapCause::Host) {
            return;
        }
        let Some(span_ms) = self.streak.lock().failed(now_ms) else { return };
        let word = cause.as_str();
        let reason =
            format!("crash loop: {FAILURES_MAX} failures in a row within {span_ms} ms, the last: {word}: {detail}");
        // With no room for it, the next failure raises it again.
        let _ = self.alarms.try_send(CrashAlarm { tenant: self.tenant.clone(), agent: self.agent.clone(), reason });
    }
}

/// The last failures with no success in between, oldest first.
#[derive(Debug, Default)]
struct Streak(VecDeque<u64>);

impl Streak {
    fn end(&mut self) {
        self.0.clear();
    }

    /// Within how many milliseconds the last failures came, if that makes them a crash loop.
    fn failed(&mut self, now_ms: u64) -> Option<u64> {
        if self.0.len() == FAILURES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(now_ms);
        let span_ms = now_ms.saturating_sub(*self.0.front()?);
        (self.0.len() == FAILURES_MAX && span_ms <= WITHIN_MS).then_some(span_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raised(times_ms: impl IntoIterator<Item = u64>) -> Option<u64> {
        let mut streak = Streak::default();
        times_ms.into_iter().map(|now| streak.failed(now)).last().flatten()
    }

    #[test]
    fn ten_failures_in_a_row_within_a_minute_are_a_crash_loop() {
        assert_eq!(raised(0..9), None);
        assert_eq!(raised(0..10), Some(9));
        assert_eq!(raised((0..9).chain([60_000])), Some(60_000));
        assert_eq!(raised((0..9).chain([60_001])), None);
        // The oldest falls out of the window, the rest still counts.
        assert_eq!(raised([0].into_iter().chain(50_000..50_008).chain([60_001, 60_002])), Some(10_002));
    }

    #[test]
    fn a_success_in_between_ends_the_row() {
        let mut streak = Streak::default();
        (0..9).for_each(|now| assert_eq!(streak.failed(now), None));
        streak.end();
        assert_eq!(streak.failed(9), None);
    }

    #[test]
    fn what_the_guest_is_not_to_blame_for_is_not_counted() {
        let check = |cause, alarms: usize| {
            let (sender, mut receiver) = alarms_of(cause);
            drop(sender);
            assert_eq!(std::iter::from_fn(|| receiver.try_recv().ok()).count(), alarms, "{cause:?}");
        };
        check(TrapCause::Trap, 1);
        check(TrapCause::Fuel, 1);
        check(TrapCause::Memory, 1);
        check(TrapCause::Timeout, 0);
        check(TrapCause::Host, 0);
    }

    fn alarms_of(cause: TrapCause) -> (CrashLoop, mpsc::Receiver<CrashAlarm>) {
        let (sender, receiver) = alarms();
        let counted = CrashLoop::new("acme".parse().unwrap(), "echo".parse().unwrap(), sender);
        (0..10).for_each(|now| counted.cut_off(now, cause, "unreachable"));
        (counted, receiver)
    }
}
