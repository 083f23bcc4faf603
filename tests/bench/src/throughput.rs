//! M1–M4 and M14: messages handled in a second, ours through the whole house, theirs in a loop.

use std::sync::{Arc, Mutex, PoisonError};

use tempfile::TempDir;

use crate::bare::{Bare, Live, Loaded, Setup};
use crate::echo::{self, Mode};
use crate::harness::{Arm, Batch, Plan, rounds};
use crate::house::{Chain, House};
use crate::metric::{Better, Metric, Question, Tell, Wanted, typical};
use crate::quotas::Quotas;
use crate::solo::Solo;
use crate::worker::Worker;

/// Messages of one chain after the first. Long enough that beginning and ending a chain does not show.
const HOP_MAX: u16 = 255;
/// The same where only that it runs is of interest.
const HOP_MAX_SMOKE: u16 = 3;
/// Messages in one unit of a bare batch.
const UNIT: u64 = 16;

/// Everything the arms run on.
struct Bench {
    plan: Plan,
    house: House,
    tuned: Arc<Loaded>,
    default: Arc<Loaded>,
    workers: [Worker; 2],
    payload: Arc<[u8]>,
    /// Their tickers run as long as they live.
    _engines: [Bare; 2],
    _artefacts: TempDir,
}

/// Measures what is wanted of this file.
pub(crate) fn measure(plan: &Plan, wanted: Wanted<'_>, tell: Tell<'_>) -> anyhow::Result<()> {
    type Measure = fn(&Bench) -> anyhow::Result<Metric>;
    let all: [(&str, Measure); 8] = [
        ("M1", Bench::m1),
        ("M1-engine", Bench::m1_engine),
        ("M2", Bench::m2),
        ("M2-engine", Bench::m2_engine),
        ("M3", Bench::m3),
        ("M3-bare", Bench::m3_bare),
        ("M4", Bench::m4),
        ("M14", Bench::m14),
    ];
    let chosen: Vec<_> = all.into_iter().filter(|(name, _)| wanted(name)).collect();
    if chosen.is_empty() {
        return Ok(());
    }
    let bench = Bench::open(plan)?;
    chosen.into_iter().try_for_each(|(_, measure)| tell(measure(&bench)?))
}

impl Bench {
    fn open(plan: &Plan) -> anyhow::Result<Self> {
        let artefacts = TempDir::new()?;
        let hop_max = if plan.judged { HOP_MAX } else { HOP_MAX_SMOKE };
        let house = House::open(2, artefacts.path(), hop_max)?;
        let (tuned, default) = (Bare::new(Setup::Tuned)?, Bare::new(Setup::Default)?);
        let workers = [Worker::start(0)?, Worker::start(1)?];
        Ok(Self {
            plan: *plan,
            workers,
            tuned: tuned.program(&house.component, &artefacts.path().join("tuned.cwasm"))?,
            default: default.program(&house.component, &artefacts.path().join("default.cwasm"))?,
            house,
            payload: echo::payload().into(),
            _engines: [tuned, default],
            _artefacts: artefacts,
        })
    }

    fn m1(&self) -> anyhow::Result<Metric> {
        let mut chain = self.house.chain(0, Mode::PerMessage)?;
        self.compare(
            Question {
                name: "M1",
                floor: Some(0.70),
                better: Better::Higher,
                ours: "publish, gate, bus, gate, mailbox, fresh instance: one shard".to_owned(),
                reference: "fresh instance per message in a loop: one thread, same settings".to_owned(),
            },
            &mut |seeds| Chain::batch(&mut [&mut chain], seeds),
            &mut |units| self.bare_fresh(&self.tuned, 1, units),
        )
    }

    fn m1_engine(&self) -> anyhow::Result<Metric> {
        let (solo, program) = (Arc::new(Solo::open(&self.house)?), self.house.program()?);
        self.compare(
            Question {
                name: "M1-engine",
                floor: None,
                better: Better::Higher,
                ours: "Program::handle_fresh in a loop; what it publishes ends at the bus".to_owned(),
                reference: "as M1".to_owned(),
            },
            &mut |units| {
                let (solo, program) = (solo.clone(), program.clone());
                self.run(vec![move || solo.handle_fresh(&program)], units)
            },
            &mut |units| self.bare_fresh(&self.tuned, 1, units),
        )
    }

    fn m2(&self) -> anyhow::Result<Metric> {
        let mut chain = self.house.chain(0, Mode::Resident)?;
        let live = Arc::new(Mutex::new(self.tuned.start()?));
        self.compare(
            Question {
                name: "M2",
                floor: Some(0.40),
                better: Better::Higher,
                ours: "publish, gate, bus, gate, mailbox, resident instance: one shard".to_owned(),
                reference: "one live instance called in a loop: one thread, same settings".to_owned(),
            },
            &mut |seeds| Chain::batch(&mut [&mut chain], seeds),
            &mut |units| self.bare_resident(&live, units),
        )
    }

    fn m2_engine(&self) -> anyhow::Result<Metric> {
        let (solo, program) = (Arc::new(Solo::open(&self.house)?), self.house.program()?);
        let resident = Arc::new(Mutex::new(solo.start(&program)?));
        let live = Arc::new(Mutex::new(self.tuned.start()?));
        self.compare(
            Question {
                name: "M2-engine",
                floor: None,
                better: Better::Higher,
                ours: "Resident::handle in a loop; what it publishes ends at the bus".to_owned(),
                reference: "as M2".to_owned(),
            },
            &mut |units| {
                let (solo, resident) = (solo.clone(), resident.clone());
                let handle = move || solo.handle(&mut resident.lock().unwrap_or_else(PoisonError::into_inner));
                self.run(vec![handle], units)
            },
            &mut |units| self.bare_resident(&live, units),
        )
    }

    fn m3(&self) -> anyhow::Result<Metric> {
        let (mut one, mut other) = (self.house.chain(0, Mode::PerMessage)?, self.house.chain(1, Mode::PerMessage)?);
        self.compare(
            Question {
                name: "M3",
                floor: Some(10.0),
                better: Better::Higher,
                ours: "two tenants on two shards, whole path, fresh instance per message".to_owned(),
                reference: "Config::new(), fresh instance per message in a loop: two threads".to_owned(),
            },
            &mut |seeds| Chain::batch(&mut [&mut one, &mut other], seeds),
            &mut |units| self.bare_fresh(&self.default, 2, units),
        )
    }

    /// What the settings alone gain for this guest: M3 cannot be more than that.
    fn m3_bare(&self) -> anyhow::Result<Metric> {
        self.compare(
            Question {
                name: "M3-bare",
                floor: None,
                better: Better::Higher,
                ours: "M1's reference on two threads".to_owned(),
                reference: "as M3".to_owned(),
            },
            &mut |units| self.bare_fresh(&self.tuned, 2, units),
            &mut |units| self.bare_fresh(&self.default, 2, units),
        )
    }

    fn m4(&self) -> anyhow::Result<Metric> {
        let mut alone = self.house.chain(0, Mode::PerMessage)?;
        let (mut one, mut other) = (alone.again(), self.house.chain(1, Mode::PerMessage)?);
        let rounds = rounds(
            &self.plan,
            [
                &mut |seeds| Chain::batch(&mut [&mut alone], seeds),
                &mut |seeds| Chain::batch(&mut [&mut one, &mut other], seeds),
                &mut |units| self.bare_fresh(&self.tuned, 2, units),
                &mut |units| self.bare_fresh(&self.tuned, 1, units),
            ],
        )?;
        let ours = typical(&rounds, |[one, two, ..]| two / one);
        let bare = typical(&rounds, |[.., two, one]| two / one);
        let question = Question {
            name: "M4",
            floor: Some(0.90),
            better: Better::Higher,
            ours: format!("as M1, one tenant on one shard to two on two: {ours:.2} x"),
            reference: format!("as M1, one thread to two: {bare:.2} x"),
        };
        let scaling = rounds.iter().map(|[one, two, bare_two, bare_one]| (two / one) / (bare_two / bare_one));
        Ok(question.answer(scaling.collect()))
    }

    /// What is left of a message's time when what its quotas take is taken off it.
    fn m14(&self) -> anyhow::Result<Metric> {
        let (mut chain, quotas) = (self.house.chain(0, Mode::PerMessage)?.again(), Arc::new(Quotas::new()));
        let rounds = rounds(
            &self.plan,
            [&mut |seeds| Chain::batch(&mut [&mut chain], seeds), &mut |units| {
                let quotas = quotas.clone();
                self.run(vec![move || quotas.take()], units)
            }],
        )?;
        let quota_nanos = 1e9 / typical(&rounds, |[_, quotas]| *quotas);
        let question = Question {
            name: "M14",
            floor: Some(0.95),
            better: Better::Higher,
            ours: format!("as M1: {:.2} µs a message", 1e6 / typical(&rounds, |[messages, _]| *messages)),
            reference: format!("the same without what its quotas take: {quota_nanos:.0} ns"),
        };
        Ok(question.answer(rounds.iter().map(|[messages, quotas]| 1.0 - messages / quotas).collect()))
    }

    /// Two arms against each other: ours over theirs.
    fn compare(&self, mut question: Question, ours: Arm<'_>, reference: Arm<'_>) -> anyhow::Result<Metric> {
        let rounds = rounds(&self.plan, [ours, reference])?;
        for (text, rate) in [
            (&mut question.ours, typical(&rounds, |[ours, _]| *ours)),
            (&mut question.reference, typical(&rounds, |[_, reference]| *reference)),
        ] {
            *text = format!("{text}: {:.1} k/s, {:.2} µs each", rate / 1e3, 1e6 / rate);
        }
        Ok(question.answer(rounds.iter().map(|[ours, reference]| ours / reference).collect()))
    }

    fn bare_fresh(&self, program: &Arc<Loaded>, threads: usize, units: u64) -> anyhow::Result<Batch> {
        let handle = || {
            let (program, payload) = (program.clone(), self.payload.clone());
            move || program.handle_fresh(&payload)
        };
        self.run((0..threads).map(|_| handle()).collect(), units)
    }

    fn bare_resident(&self, live: &Arc<Mutex<Live>>, units: u64) -> anyhow::Result<Batch> {
        let (live, payload) = (live.clone(), self.payload.clone());
        let handle = move || live.lock().unwrap_or_else(PoisonError::into_inner).handle(&payload);
        self.run(vec![handle], units)
    }

    /// A loop on each of so many threads at once, until the last has done its share.
    fn run<F>(&self, loops: Vec<F>, units: u64) -> anyhow::Result<Batch>
    where
        F: FnMut() -> anyhow::Result<()> + Send + 'static,
    {
        let each = units * UNIT;
        let done = each * loops.len() as u64;
        Batch::of(done, || {
            let jobs = loops.into_iter().map(|mut one| move || (0..each).try_for_each(|_| one()));
            let begun: Vec<_> =
                self.workers.iter().zip(jobs).map(|(worker, job)| worker.begin(job)).collect::<anyhow::Result<_>>()?;
            begun.into_iter().try_for_each(|pending| pending.wait()?)
        })
    }
}
