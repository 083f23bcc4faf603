//! One run: steps from a seed, what must hold after each, and the end, when everything has come to rest.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use tests_kit::chance::Chance;

use crate::book::{Book, Check, ensure};
use crate::frames::Frames;
use crate::host::Host;

/// Steps of a run before everything is brought to rest.
pub const STEPS: usize = 200;
/// Steps that are shown of a run that broke.
const SHOWN_MAX: usize = 20;
/// The longest that anybody waits for an answer, in milliseconds.
pub(crate) const WAIT_MS_MAX: u32 = 60_000;
/// Rounds after which a host that has work left will never finish it.
const ROUNDS_MAX: usize = 2_000;

/// A run in which something was not as it must be.
#[derive(Debug)]
pub struct Broken {
    /// Which run: it can be repeated.
    pub seed: u64,
    /// In which step.
    pub step: usize,
    /// What must be and was not.
    pub what: String,
    /// What led to it.
    pub last: Vec<String>,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}, step {}: {}", self.seed, self.step, self.what)?;
        self.last.iter().try_for_each(|step| writeln!(f, "  {step}"))?;
        write!(f, "  again: cargo xtask sim --seed {}", self.seed)
    }
}

/// What a run came to: two runs of one seed have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trace {
    /// Steps that were taken, those to come to rest among them.
    pub steps: usize,
    /// Messages that were admitted.
    pub sent: u64,
    /// Messages that were handled.
    pub handled: u64,
    /// Asks that were refused.
    pub refused: u64,
    /// Frames that were forged, copied or put elsewhere, and refused or passed over.
    pub attacks: u64,
    /// A hash of the words of all steps.
    pub hash: u64,
}

/// A run under way.
pub(crate) struct Sim {
    pub(crate) chance: Chance,
    pub(crate) host: Host,
    pub(crate) book: Book,
    pub(crate) frames: Frames,
    pub(crate) trace: Trace,
    last: VecDeque<String>,
    hasher: DefaultHasher,
    show: bool,
}

/// Runs a seed to its end.
pub fn run(seed: u64) -> Result<Trace, Broken> {
    start(seed, false)
}

/// As [`run`], and writes each step to the standard error stream.
pub fn traced(seed: u64) -> Result<Trace, Broken> {
    start(seed, true)
}

fn start(seed: u64, show: bool) -> Result<Trace, Broken> {
    // Timers are made in it and never fire: who waits too long is told by the run's own clock.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a timer can be had");
    let _inside = runtime.enter();
    let mut chance = Chance::new(seed);
    let host = Host::new(&mut chance);
    let mut sim = Sim {
        chance,
        host,
        book: Book::default(),
        frames: Frames::default(),
        trace: Trace::default(),
        last: VecDeque::new(),
        hasher: DefaultHasher::new(),
        show,
    };
    let checked = sim.steps().and_then(|()| sim.come_to_rest());
    sim.trace.hash = sim.hasher.finish();
    checked.map(|()| sim.trace).map_err(|what| Broken { seed, step: sim.trace.steps, what, last: sim.last.into() })
}

impl Sim {
    /// Remembers what is about to happen, in words that are the same in every run of a seed.
    #[expect(clippy::print_stderr, reason = "who repeats a seed wants to read it")]
    pub(crate) fn tell(&mut self, step: String) {
        self.trace.steps += 1;
        step.hash(&mut self.hasher);
        if self.show {
            eprintln!("{:4} {step}", self.trace.steps);
        }
        if self.last.len() == SHOWN_MAX {
            self.last.pop_front();
        }
        self.last.push_back(step);
    }

    fn steps(&mut self) -> Check {
        for _ in 0..STEPS {
            self.step()?;
            self.check()?;
        }
        Ok(())
    }

    /// What holds after every step, whatever it was.
    fn check(&mut self) -> Check {
        self.book.settle_requests(&self.host.ids)?;
        let unplanned = (self.host.lane.take_pushed().len(), self.host.bus.take_sealed().len());
        ensure(unplanned == (0, 0), || format!("{unplanned:?} messages moved that nobody sent"))?;
        for (at, tenant) in self.host.tenants.iter().enumerate() {
            let (used, open) = (tenant.budgets.requests.used(), self.book.open_of(at));
            ensure(used == open, || format!("{} has {open} requests open and is charged {used}", tenant.id))?;
        }
        self.host.everybody().try_for_each(|(.., agent)| {
            let who = format!("{}/{}", agent.tenant, agent.id);
            let dropped = agent.counters.view().dropped;
            ensure(dropped == agent.lost, || format!("{who} lost {} messages and counts {dropped}", agent.lost))?;
            let Some(address) = agent.address else { return Ok(()) };
            let load = self.host.lane.mailbox.lock().load(address);
            let (waiting, handling) = (self.book.waiting(agent.incarnation()), self.book.handling(agent.incarnation()));
            let booked = (waiting, u32::try_from(handling).unwrap_or(u32::MAX));
            ensure(load == booked, || format!("{who} has {load:?}, by the book {booked:?}"))?;
            let within = waiting <= agent.open.len_max as usize && booked.1 <= agent.open.in_flight_max;
            ensure(within, || format!("{who} has {load:?}, over {:?}", agent.open))
        })
    }

    /// Everybody is on, everything is handled, and nothing is left: no message, no frame, no request, no share of a budget.
    fn come_to_rest(&mut self) -> Check {
        self.everybody_on();
        for _ in 0..ROUNDS_MAX {
            self.tell("rest".to_owned());
            self.host.clock.forward(1_000);
            self.hand_over_all()?;
            self.turn()?;
            self.finish_one()?;
            self.check()?;
            if self.book.in_flight.is_empty()
                && self.book.queues.values().all(VecDeque::is_empty)
                && self.frames.is_empty()
            {
                break;
            }
        }
        let left = self.book.queues.values().map(VecDeque::len).sum::<usize>() + self.book.in_flight.len();
        ensure(left == 0 && self.frames.is_empty(), || {
            format!("{left} messages and {} frames are left", self.frames.len())
        })?;
        self.time_out();
        let untold: Vec<_> =
            self.book.open.iter().filter(|request| !request.is_dead).map(|request| request.id).collect();
        ensure(untold.is_empty(), || format!("nobody was told of the end of {untold:?}"))?;
        self.host.clock.forward(3_600_000);
        self.time_out();
        self.check()?;
        let used: u64 = self.host.tenants.iter().map(|tenant| tenant.budgets.requests.used()).sum();
        ensure(used == 0, || format!("{used} shares were never given back"))
    }
}
