//! What runs under valgrind: one arm, so many messages, and nothing beside.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use host_engine::EngineSettings;

use super::Arm;
use crate::bare::{Bare, Setup};
use crate::echo::{self, Mode};
use crate::house::House;
use crate::report;

/// What a child of this program is called with, before its arm, the shape, the number of chains and the folder of compiled code.
pub(crate) const CHILD_VERB: &str = "count-instructions";
/// In the arm's place: only compile.
pub(super) const PREPARE: &str = "prepare";
/// Messages of one chain, as in M1 and M2.
pub(super) const LINKS: u64 = HOP_MAX as u64 + 1;
const HOP_MAX: u16 = 255;
/// Compiled code for the bare arm.
const TUNED: &str = "tuned.cwasm";
/// Slots in the pool of either arm. Valgrind has some tens of gigabytes of addresses to give away, and a slot takes four.
const INSTANCES: u32 = 6;
/// None in any run. Under valgrind a message takes some fifty times as long, so that a tick would find most calls over their time and
/// move them to bulk, and their tenant's next ones too: the count of M16-fresh would be up to a tenth higher, as the load has it.
const TICK: Duration = Duration::from_hours(1);
/// Chains before those that count, in every run: caches fill up, slots get their images.
const WARM_UP_SEEDS: u64 = 2;
/// How often the counters are looked at. To look costs instructions: these are some thousand in a run of hundreds of millions.
const LOOK: Duration = Duration::from_millis(100);

/// A child's work.
pub(crate) fn run_child(mut words: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let mut word = || words.next().context("a word is missing");
    let arm = word()?;
    if arm == PREPARE {
        return prepare(Path::new(&word()?));
    }
    let (mode, seeds, artefacts) = (mode_named(&word()?)?, word()?.parse()?, word()?);
    let artefacts = Path::new(&artefacts);
    match arm.as_str() {
        name if name == Arm::House.name() => in_the_house(mode, seeds, artefacts),
        name if name == Arm::Bare.name() => bare(mode, seeds, artefacts),
        other => bail!("no arm is called '{other}'"),
    }
}

/// Compiles for both arms, and prints how slots are reset.
fn prepare(artefacts: &Path) -> anyhow::Result<()> {
    let house = open(artefacts)?;
    drop(house.program()?);
    open_bare()?.compile(&house.component, &artefacts.join(TUNED))?;
    report::say(&format!("{}\n", house.fleet.parts().engine.describe_pool()))
}

fn in_the_house(mode: Mode, seeds: u64, artefacts: &Path) -> anyhow::Result<()> {
    let house = open(artefacts)?;
    let chain = house.chain(0, mode)?;
    for seeds in [WARM_UP_SEEDS, seeds] {
        chain.run(seeds, LOOK)?;
    }
    Ok(())
}

fn bare(mode: Mode, seeds: u64, artefacts: &Path) -> anyhow::Result<()> {
    let bare = open_bare()?;
    let (loaded, payload) = (bare.load(&artefacts.join(TUNED))?, echo::payload());
    let messages = (WARM_UP_SEEDS + seeds) * LINKS;
    match mode {
        Mode::PerMessage => (0..messages).try_for_each(|_| loaded.handle_fresh(&payload)),
        Mode::Resident => {
            let mut live = loaded.start()?;
            (0..messages).try_for_each(|_| live.handle(&payload))
        }
    }
}

fn open(artefacts: &Path) -> anyhow::Result<House> {
    let settings = EngineSettings { instances_max: INSTANCES, tick: TICK, ..EngineSettings::default() };
    House::open_with(settings, 1, artefacts, HOP_MAX)
}

fn open_bare() -> anyhow::Result<Bare> {
    Bare::with(Setup::Tuned, INSTANCES, TICK)
}

pub(super) fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::PerMessage => "per-message",
        Mode::Resident => "resident",
    }
}

fn mode_named(name: &str) -> anyhow::Result<Mode> {
    let found = [Mode::PerMessage, Mode::Resident].into_iter().find(|mode| mode_name(*mode) == name);
    found.with_context(|| format!("no mode is called '{name}'"))
}
