//! How long a lane's thread ran: the time that a turn is charged with.

use std::time::{Duration, Instant};

use cpu_time::ThreadTime;

/// From here on a turn is measured again by the thread's own clock: 50 µs. That one costs five times as much to read, and says how
/// long the thread ran where the other says how long it took, which is more whenever the kernel had the core run something else.
const LONG: Duration = Duration::from_micros(50);

/// Measures one turn after the other. One look at a clock a turn is enough.
pub(super) struct Stopwatch {
    looked: Instant,
    /// What the thread had run by then, when that was last asked, and what it was charged with since.
    ran: Duration,
    charged: Duration,
}

impl Stopwatch {
    pub(super) fn start() -> Self {
        Self { looked: Instant::now(), ran: thread_ran(), charged: Duration::ZERO }
    }

    /// What passed since the last look belongs to no turn.
    pub(super) fn skip(&mut self) {
        self.looked = Instant::now();
    }

    /// What the turn took that ends now, in nanoseconds: never less than the thread ran for it, unless by the turns before.
    pub(super) fn lap_nanos(&mut self) -> u64 {
        let now = Instant::now();
        let mut took = now - self.looked;
        self.looked = now;
        if took < LONG {
            self.charged += took;
        } else {
            let ran = thread_ran();
            took = took.min(ran.saturating_sub(self.ran).saturating_sub(self.charged));
            (self.ran, self.charged) = (ran, Duration::ZERO);
        }
        u64::try_from(took.as_nanos()).unwrap_or(u64::MAX)
    }
}

/// How long this thread ran since it began (`CLOCK_THREAD_CPUTIME_ID` of `clock_gettime(2)`), or nothing if the kernel does not say.
/// By the C library: `rustix` reads the kernel's own page for it, which a process under valgrind does not have.
pub(super) fn thread_ran() -> Duration {
    ThreadTime::try_now().map_or(Duration::ZERO, |ran| ran.as_duration())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{RecvTimeoutError, sync_channel};

    use super::*;

    const LAP: Duration = Duration::from_millis(20);

    fn run_on(at_least: Duration) {
        let end = thread_ran() + at_least;
        while thread_ran() < end {}
    }

    fn nanos(of: Duration) -> u64 {
        u64::try_from(of.as_nanos()).unwrap()
    }

    #[test]
    fn a_turn_is_charged_with_what_its_thread_ran_and_not_with_what_it_waited() {
        let (_open, never) = sync_channel::<()>(0);
        let mut watch = Stopwatch::start();
        run_on(LAP);
        assert!(watch.lap_nanos() >= nanos(LAP));
        assert_eq!(never.recv_timeout(LAP), Err(RecvTimeoutError::Timeout));
        assert!(watch.lap_nanos() < nanos(LAP) / 2);
    }

    #[test]
    fn short_turns_are_charged_once() {
        let began = thread_ran();
        let mut watch = Stopwatch::start();
        let mut charged = 0;
        for _ in 0..10_000 {
            charged += watch.lap_nanos();
        }
        run_on(LAP);
        charged += watch.lap_nanos();
        let ran = nanos(thread_ran()) - nanos(began);
        assert!((nanos(LAP)..=ran + nanos(LAP) / 2).contains(&charged), "{charged} ns of {ran} ns");
    }
}
