//! M12: what an agent that does nothing holds of memory. Each figure is made in a child of its own, so that nothing that was
//! freed before can be used again unseen.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use host_model::AgentId;
use tempfile::TempDir;

use crate::bare::{Bare, Setup};
use crate::echo::{self, Mode};
use crate::harness::{Plan, median};
use crate::house::{House, draft, refused};
use crate::machine::pss_bytes;
use crate::metric::{Better, Metric, Question, Tell, Wanted};

/// What a child of this program is called with, before its kind, the number of agents and the folder of compiled code.
pub(crate) const CHILD_VERB: &str = "measure-memory";
/// Compiled code for the children that have no host.
const TUNED: &str = "tuned.cwasm";
/// Live agents to divide by.
const LIVE: u32 = 1_000;
/// Live agents before the first look: what is loaded once, and caches that fill up (the database's), are no agent's own.
const LIVE_BEFORE: u32 = 500;
/// Deployed agents that may cost [`DEPLOYED_MIB_MAX`] together.
const DEPLOYED: u32 = 1_000;
const DEPLOYED_MIB_MAX: f64 = 16.0;
/// Memory repeats itself: a few children of each kind show that.
const ROUNDS: usize = 5;
/// How long all agents may take to handle one message each.
const WARM_UP_MAX: Duration = Duration::from_mins(1);
/// What is measured after: threads that were busy have gone to sleep.
const SETTLE: Duration = Duration::from_millis(200);

/// What a child holds while it looks at itself.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Resident agents of the host, each after one message.
    Live,
    /// Stores with an instance, each after one message.
    Bare,
    /// Per-message agents of the host that never got a message.
    Deployed,
}

/// The one chain of causes there is here ends at the second message.
const HOP_MAX: u16 = 32;

/// Measures what is wanted of this file.
pub(crate) fn measure(plan: &Plan, wanted: Wanted<'_>, tell: Tell<'_>) -> anyhow::Result<()> {
    if !["M12", "M12-deployed"].into_iter().any(wanted) {
        return Ok(());
    }
    let artefacts = TempDir::new()?;
    // Compiles for all of them.
    drop(House::open(1, artefacts.path(), HOP_MAX)?.program()?);
    Bare::new(Setup::Tuned)?.compile(&echo::component()?, &artefacts.path().join(TUNED))?;
    let plan = plan.with_rounds(ROUNDS);
    if wanted("M12") {
        tell(live(&plan, artefacts.path())?)?;
    }
    if wanted("M12-deployed") {
        tell(deployed(&plan, artefacts.path())?)?;
    }
    Ok(())
}

/// A child's work: prints the bytes that its agents hold together.
pub(crate) fn run_child(mut words: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let mut word = || words.next().context("a word is missing");
    let (kind, count, artefacts) = (word()?, word()?.parse()?, word()?);
    let artefacts = Path::new(&artefacts);
    let bytes = match Kind::named(&kind)? {
        Kind::Live => hold_live(count, artefacts)?,
        Kind::Bare => hold_bare(count, artefacts)?,
        Kind::Deployed => hold_deployed(count, artefacts)?,
    };
    crate::report::say(&format!("{bytes}\n"))
}

fn live(plan: &Plan, artefacts: &Path) -> anyhow::Result<Metric> {
    let count = if plan.judged { LIVE } else { 2 };
    let pairs = pairs(plan, || Ok((child(Kind::Live, count, artefacts)?, child(Kind::Bare, count, artefacts)?)))?;
    let each = |side: fn(&(f64, f64)) -> f64| median(pairs.iter().map(side).collect()) / 1024.0 / f64::from(count);
    let question = Question {
        name: "M12",
        floor: Some(1.3),
        better: Better::Lower,
        ours: format!(
            "PSS of each of {count} resident agents, deployed, after one message: {:.1} KiB",
            each(|pair| pair.0)
        ),
        reference: format!(
            "PSS of each of {count} stores with an instance, after one message: {:.1} KiB",
            each(|pair| pair.1)
        ),
    };
    Ok(question.answer(pairs.iter().map(|(ours, bare)| ours / bare).collect()))
}

fn deployed(plan: &Plan, artefacts: &Path) -> anyhow::Result<Metric> {
    let count = if plan.judged { DEPLOYED } else { 2 };
    let pairs = pairs(plan, || Ok((child(Kind::Deployed, count, artefacts)?, 1_048_576.0)))?;
    let question = Question {
        name: "M12-deployed",
        floor: Some(DEPLOYED_MIB_MAX),
        better: Better::Lower,
        ours: format!("PSS of the host with {count} per-message agents, ready, idle"),
        reference: "PSS of the same host with none; the figure is the difference in MiB".to_owned(),
    };
    Ok(question.answer(pairs.iter().map(|(ours, mib)| ours / mib).collect()))
}

fn pairs(plan: &Plan, pair: impl Fn() -> anyhow::Result<(f64, f64)>) -> anyhow::Result<Vec<(f64, f64)>> {
    (0..plan.rounds).map(|_| pair()).collect()
}

#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 bytes")]
fn child(kind: Kind, count: u32, artefacts: &Path) -> anyhow::Result<f64> {
    let mut child = Command::new(std::env::current_exe()?);
    child.args([CHILD_VERB, kind.name(), &count.to_string()]).arg(artefacts);
    let output = child.stderr(Stdio::inherit()).output().context("cannot run a child")?;
    ensure!(output.status.success(), "a child that measures memory failed: {}", output.status);
    let bytes: u64 = String::from_utf8(output.stdout)?.trim().parse().context("a child said no number")?;
    Ok(bytes as f64)
}

fn hold_live(count: u32, artefacts: &Path) -> anyhow::Result<u64> {
    let house = House::open(1, artefacts, HOP_MAX)?;
    let before = count.min(LIVE_BEFORE);
    wake(&house, 0..before)?;
    grown(|| wake(&house, before..before + count))
}

fn hold_bare(count: u32, artefacts: &Path) -> anyhow::Result<u64> {
    let bare = Bare::new(Setup::Tuned)?;
    let (loaded, payload) = (bare.load(&artefacts.join(TUNED))?, echo::payload());
    let wake = || {
        let mut live = loaded.start()?;
        live.handle(&payload)?;
        anyhow::Ok(live)
    };
    let mut live = (0..count.min(LIVE_BEFORE)).map(|_| wake()).collect::<anyhow::Result<Vec<_>>>()?;
    grown(|| {
        for _ in 0..count {
            live.push(wake()?);
        }
        Ok(())
    })
}

fn hold_deployed(count: u32, artefacts: &Path) -> anyhow::Result<u64> {
    let house = House::open(1, artefacts, HOP_MAX)?;
    let tenant = house.tenant(0, Mode::PerMessage)?;
    grown(|| (0..count).try_for_each(|number| house.deploy(tenant, &format!("idle-{number}"), Mode::PerMessage, false)))
}

/// Deploys resident agents and lets each handle one message.
fn wake(house: &House, numbers: impl IntoIterator<Item = u32>) -> anyhow::Result<()> {
    let tenant = house.tenant(0, Mode::Resident)?;
    let operator = house.fleet.operator(tenant)?;
    for number in numbers {
        let id: AgentId = format!("live-{number}").parse()?;
        house.deploy(tenant, id.as_str(), Mode::Resident, false)?;
        let courier = &house.fleet.parts().courier;
        courier.send(&operator, id.as_str(), draft(), None).map_err(|refusal| refused(&refusal))?;
        let began = Instant::now();
        while house.ended(tenant, &id)? == 0 {
            ensure!(began.elapsed() < WARM_UP_MAX, "agent {id} does not handle its message");
            thread::sleep(Duration::from_micros(100));
        }
    }
    Ok(())
}

/// By how much this process grows while something is done.
fn grown(work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<u64> {
    thread::sleep(SETTLE);
    let before = pss_bytes()?;
    work()?;
    thread::sleep(SETTLE);
    Ok(pss_bytes()?.saturating_sub(before))
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Bare => "bare",
            Self::Deployed => "deployed",
        }
    }

    fn named(name: &str) -> anyhow::Result<Self> {
        let found = [Self::Live, Self::Bare, Self::Deployed].into_iter().find(|kind| kind.name() == name);
        let Some(kind) = found else { bail!("no kind of memory is called '{name}'") };
        Ok(kind)
    }
}
