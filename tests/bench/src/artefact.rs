//! M11: from compiled code on disk to the first message handled, and what compiling costs beside that.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tempfile::TempDir;

use crate::bare::{Bare, Setup};
use crate::echo;
use crate::harness::{Batch, Plan, rounds};
use crate::house::House;
use crate::metric::{Better, Metric, Question, Tell, Wanted, typical};
use crate::solo::Solo;

/// Rounds in which something is compiled: each takes most of a second.
const COMPILE_ROUNDS: usize = 9;
/// As a host has it; the one message here is a chain of two.
const HOP_MAX: u16 = 32;
/// How much of a file is read at once, as `host/engine` does it.
const CHUNK_LEN: usize = 64 << 10;

struct Bench {
    plan: Plan,
    house: House,
    solo: Solo,
    bare: Bare,
    payload: Vec<u8>,
    /// The host's compiled code. Bare wasmtime loads the same file: its settings are the same, or it would refuse.
    code: PathBuf,
    artefacts: TempDir,
}

/// Measures what is wanted of this file.
pub(crate) fn measure(plan: &Plan, wanted: Wanted<'_>, tell: Tell<'_>) -> anyhow::Result<()> {
    if !["M11", "M11-mac", "M11-compile"].into_iter().any(wanted) {
        return Ok(());
    }
    let bench = Bench::open(plan)?;
    if wanted("M11") || wanted("M11-mac") {
        bench.load()?.into_iter().try_for_each(&mut *tell)?;
    }
    if wanted("M11-compile") {
        tell(bench.compile()?)?;
    }
    Ok(())
}

impl Bench {
    fn open(plan: &Plan) -> anyhow::Result<Self> {
        let artefacts = TempDir::new()?;
        let house = House::open(1, artefacts.path(), HOP_MAX)?;
        let solo = Solo::open(&house)?;
        // Compiles, so that the file is there. While a program lives, nobody looks on the disk.
        drop(house.program()?);
        let code = only_code_in(artefacts.path())?;
        let bare = Bare::new(Setup::Tuned)?;
        Ok(Self { plan: *plan, house, solo, bare, payload: echo::payload(), code, artefacts })
    }

    /// M11 with and without the check of the MAC.
    fn load(&self) -> anyhow::Result<[Metric; 2]> {
        let rounds = rounds(
            &self.plan,
            [&mut |size| timed(size, || self.ours()), &mut |size| timed(size, || self.reference()), &mut |size| {
                timed(size, || self.mac())
            }],
        )?;
        let micros = |arm: fn(&[f64; 3]) -> f64| 1e6 / typical(&rounds, arm);
        let (ours, reference, mac) =
            (micros(|[ours, ..]| *ours), micros(|[_, bare, _]| *bare), micros(|[.., mac]| *mac));
        let code_len = fs::metadata(&self.code)?.len() >> 10;
        let reference = format!("deserialize_file, instantiate_pre, instantiate, call: {reference:.0} µs");
        let apart = Question {
            name: "M11",
            floor: Some(1.5),
            better: Better::Lower,
            ours: format!("as M11-mac, less reading and MAC-ing the file, {mac:.0} µs: {:.0} µs", ours - mac),
            reference: reference.clone(),
        };
        let whole = Question {
            name: "M11-mac",
            floor: None,
            better: Better::Lower,
            ours: format!("Engine::program with {code_len} KiB of code on disk, first message handled: {ours:.0} µs"),
            reference,
        };
        Ok([
            apart.answer(rounds.iter().map(|[ours, bare, mac]| (1.0 / ours - 1.0 / mac) * bare).collect()),
            whole.answer(rounds.iter().map(|[ours, bare, _]| bare / ours).collect()),
        ])
    }

    fn compile(&self) -> anyhow::Result<Metric> {
        let rounds = rounds(
            &self.plan.with_rounds(COMPILE_ROUNDS),
            [&mut |size| timed(size, || self.ours()), &mut |size| timed(size, || self.compiled())],
        )?;
        let question = Question {
            name: "M11-compile",
            floor: Some(100.0),
            better: Better::Higher,
            ours: format!("as M11-mac: {:.0} µs", 1e6 / typical(&rounds, |[load, _]| *load)),
            reference: format!("the same compiled first, in a child: {:.0} ms", 1e3 / typical(&rounds, |[_, c]| *c)),
        };
        Ok(question.answer(rounds.iter().map(|[load, compile]| load / compile).collect()))
    }

    fn ours(&self) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let program = self.house.program()?;
        self.solo.handle_fresh(&program)?;
        Ok(began.elapsed())
    }

    fn reference(&self) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let loaded = self.bare.load(&self.code)?;
        loaded.handle_fresh(&self.payload)?;
        Ok(began.elapsed())
    }

    /// What the host does to the file before it believes it.
    fn mac(&self) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let mut file = File::open(&self.code)?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&[7; 32])?;
        let mut chunk = vec![0; CHUNK_LEN];
        loop {
            match file.read(&mut chunk)? {
                0 => break,
                len => mac.update(chunk.get(..len).unwrap_or_default()),
            }
        }
        std::hint::black_box(mac.finalize());
        Ok(began.elapsed())
    }

    fn compiled(&self) -> anyhow::Result<Duration> {
        for entry in fs::read_dir(self.artefacts.path())? {
            fs::remove_file(entry?.path())?;
        }
        self.ours()
    }
}

/// Only what `one` timed itself: what it made is dropped outside.
fn timed(size: u64, one: impl Fn() -> anyhow::Result<Duration>) -> anyhow::Result<Batch> {
    let mut took = Duration::ZERO;
    for _ in 0..size {
        took += one()?;
    }
    Ok(Batch { done: size, took })
}

fn only_code_in(dir: &Path) -> anyhow::Result<PathBuf> {
    let paths = fs::read_dir(dir)?.map(|entry| anyhow::Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
    let code = paths.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "cwasm"));
    code.context("the host compiled nothing")
}
