//! M16: the instructions that one message costs, counted by callgrind, beside those of a bare loop.
//!
//! A count does not depend on what else the machine does, as a time does. So this is judged: by what was counted before, and
//! with a margin. A child of this program handles `n` messages under callgrind, another one `2n`; half of the second's messages
//! cost the difference, and what was before the first message falls out of it.

mod callgrind;
mod child;
mod record;

use std::path::{Path, PathBuf};
use std::thread;

use anyhow::Context as _;
use tempfile::TempDir;

use self::record::{Counts, Record};
use crate::echo::Mode;
use crate::{machine, report};

pub(crate) use child::{CHILD_VERB, run_child};

/// Chains in the shorter run. The longer one has twice as many.
const SEEDS: u64 = 8;
/// What M16 wants: ours for each of bare's.
const RATIO_MAX: f64 = 1.4;

/// Which side a child is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arm {
    House,
    Bare,
}

/// Counts, says what was counted, and judges it by the record or makes it the record.
pub(crate) fn measure(update: bool) -> anyhow::Result<()> {
    let counted = count()?;
    report::say(&format!("{}\n", machine::describe()))?;
    report::say(&format!("slots: {}\ninstructions of a message:\n", counted.pool))?;
    for (shape, counts) in counted.shapes() {
        let Counts { house, bare } = counts;
        let ratio = counts.ratio();
        let word = if ratio <= RATIO_MAX { "met" } else { "NOT MET" };
        report::say(&format!(
            "{shape:<12} ours {house:>7}, bare {bare:>7}: {ratio:.3}; at most {RATIO_MAX}: {word}\n"
        ))?;
    }
    if update { counted.save() } else { Record::load()?.judge(&counted) }
}

fn count() -> anyhow::Result<Record> {
    let artefacts = TempDir::new()?;
    let profiles = profiles()?;
    let pool = callgrind::prepare(artefacts.path())?;
    let counts = |mode| {
        let of = |arm| per_message(arm, mode, artefacts.path(), &profiles);
        anyhow::Ok(Counts { house: of(Arm::House)?, bare: of(Arm::Bare)? })
    };
    let (per_message, resident) = (counts(Mode::PerMessage)?, counts(Mode::Resident)?);
    Ok(Record { profile: machine::profile().to_owned(), pool, per_message, resident })
}

/// Both runs at once: they do not disturb each other's count.
fn per_message(arm: Arm, mode: Mode, artefacts: &Path, profiles: &Path) -> anyhow::Result<u64> {
    let run = |seeds| {
        let out = profiles.join(format!("{}-{}-{seeds}.out", arm.name(), child::mode_name(mode)));
        callgrind::instructions(arm, mode, seeds, artefacts, &out)
    };
    let (short, long) = thread::scope(|scope| {
        let short = scope.spawn(|| run(SEEDS));
        let long = run(2 * SEEDS);
        (short.join(), long)
    });
    let short = short.ok().context("a thread that waits for callgrind has panicked")??;
    let rest = long?.checked_sub(short).context("twice the messages took fewer instructions")?;
    Ok(rest / (SEEDS * child::LINKS))
}

/// Beside this program, for `callgrind_annotate`.
fn profiles() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let folder = program.parent().context("this program is in no folder")?.join("instructions");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

impl Arm {
    fn name(self) -> &'static str {
        match self {
            Self::House => "house",
            Self::Bare => "bare",
        }
    }
}
