//! M-restart: how long a host takes to be ready when much waits in its queues. The queue is filled by one child of this program,
//! which ends without closing anything, and opened by others.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

use crate::durable::{Desk, SINK};
use crate::echo::{self, Mode};
use crate::harness::Plan;
use crate::house::House;
use crate::metric::{Better, Question, Tell, Wanted};

/// What a child of this program is called with, before what it does, how many messages there are, and two folders.
pub(crate) const CHILD_VERB: &str = "measure-restart";
const FILL: &str = "fill";
const OPEN: &str = "open";
/// Messages that wait.
const QUEUED: u64 = 1_000_000;
const QUEUED_SMOKE: u64 = 64;
/// Who fills the queue at once: many, so that each sync is shared by many.
const PRODUCERS: u64 = 512;
/// How often a host is started on it.
const ROUNDS: usize = 5;
/// What a start may take, in seconds.
const SECONDS_MAX: f64 = 5.0;
/// Nothing here causes another message.
const HOP_MAX: u16 = 32;

/// Measures what is wanted of this file.
pub(crate) fn measure(plan: &Plan, wanted: Wanted<'_>, tell: Tell<'_>) -> anyhow::Result<()> {
    if !wanted("M-restart") {
        return Ok(());
    }
    let (artefacts, data) = (TempDir::new()?, TempDir::new()?);
    let (producers, queued) = if plan.judged { (PRODUCERS, QUEUED) } else { (1, QUEUED_SMOKE) };
    let queued = queued.div_ceil(producers) * producers;
    let child = |what: &str| child(what, [producers, queued], artefacts.path(), data.path());
    child(FILL)?;
    let seconds = (0..plan.with_rounds(ROUNDS).rounds).map(|_| Ok(child(OPEN)?.trim().parse()?));
    let question = Question {
        name: "M-restart",
        floor: Some(SECONDS_MAX),
        better: Better::Lower,
        ours: format!("a host is opened on {queued} messages of 256 B that wait in one queue, and keeps another"),
        reference: "one second; the figure is seconds".to_owned(),
    };
    tell(question.answer(seconds.collect::<anyhow::Result<_>>()?))
}

/// A child's work: fills the queue, or prints the seconds until a host has it again.
pub(crate) fn run_child(mut words: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let mut word = || words.next().context("a word is missing");
    let (what, producers, queued) = (word()?, word()?.parse()?, word()?.parse::<u64>()?);
    let (artefacts, data) = (word()?, word()?);
    let began = Instant::now();
    let house = House::open_on(Path::new(&data), 1, Path::new(&artefacts), HOP_MAX)?;
    let desk = Desk::open(&house, Mode::PerMessage, 1)?;
    if what == FILL {
        desk.post(&house, producers, queued / u64::try_from(producers)?, &echo::payload())?;
        return Ok(());
    }
    ensure!(what == OPEN, "a child cannot '{what}'");
    let waiting = waiting(&house)?;
    desk.post(&house, 1, 1, &echo::payload())?;
    let took = began.elapsed();
    ensure!(waiting >= queued, "{waiting} of {queued} messages wait");
    crate::report::say(&format!("{}\n", took.as_secs_f64()))
}

fn waiting(house: &House) -> anyhow::Result<u64> {
    let tenant = house.tenant(0, Mode::PerMessage)?;
    let queues = house.fleet.parts().bus.queues(tenant);
    let sink = queues.iter().find(|view| view.queue.as_str() == SINK);
    Ok(sink.context("the queue is gone")?.messages)
}

fn child(what: &str, counts: [u64; 2], artefacts: &Path, data: &Path) -> anyhow::Result<String> {
    let mut child = Command::new(std::env::current_exe()?);
    child.args([CHILD_VERB, what]).args(counts.map(|count| count.to_string())).arg(artefacts).arg(data);
    let output = child.stderr(Stdio::inherit()).output().context("cannot run a child")?;
    ensure!(output.status.success(), "a child that measures restarts failed: {}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}
