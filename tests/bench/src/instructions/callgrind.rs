//! How valgrind is run on this program, and what is read of what it writes.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

use super::Arm;
use super::child::{CHILD_VERB, PREPARE, mode_name};
use crate::echo::Mode;

/// glibc sets and copies long ranges by one instruction that repeats itself where the processor is quick at that; callgrind
/// would count it once a byte. So the loops are used that all processors have.
const TUNABLES: &str = "glibc.cpu.x86_rep_stosb_threshold=1073741824:glibc.cpu.x86_rep_movsb_threshold=1073741824";

/// Compiles for the arms, and says how slots are reset.
///
/// Under valgrind too, the compiler's process as well: its processor has fewer features than the real one, and code that was
/// compiled for the real one would not load.
pub(super) fn prepare(artefacts: &Path) -> anyhow::Result<String> {
    let mut valgrind = valgrind(&["--tool=none", "--trace-children=yes"])?;
    valgrind.args([CHILD_VERB, PREPARE]).arg(artefacts);
    Ok(output(valgrind)?.trim().to_owned())
}

/// Instructions that a child takes from its start to its end, on all its threads.
pub(super) fn instructions(arm: Arm, mode: Mode, seeds: u64, artefacts: &Path, out: &Path) -> anyhow::Result<u64> {
    let mut valgrind = valgrind(&["--tool=callgrind", &format!("--callgrind-out-file={}", out.display())])?;
    valgrind.args([CHILD_VERB, arm.name(), mode_name(mode), &seeds.to_string()]).arg(artefacts);
    output(valgrind)?;
    let profile = fs::read_to_string(out).with_context(|| format!("cannot read {}", out.display()))?;
    total(&profile)
}

/// Valgrind on this program.
fn valgrind(options: &[&str]) -> anyhow::Result<Command> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--quiet"]).args(options).arg(std::env::current_exe()?).env("GLIBC_TUNABLES", TUNABLES);
    Ok(valgrind)
}

fn output(mut valgrind: Command) -> anyhow::Result<String> {
    let output = valgrind.stderr(Stdio::piped()).output().context("cannot run valgrind: is it installed?")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`{valgrind:?}` failed ({}): {}", output.status, said.trim());
    String::from_utf8(output.stdout).context("a child under valgrind printed no text")
}

/// The line that closes a profile; where there is only one event, its number is the instructions'.
fn total(profile: &str) -> anyhow::Result<u64> {
    let total = profile.lines().rev().find_map(|line| line.strip_prefix("totals: "));
    let total = total.context("callgrind wrote no totals")?;
    total.trim().parse().with_context(|| format!("callgrind counted '{total}', which is no number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_of_a_profile_is_read() {
        let check = |profile: &str, expected: Option<u64>| assert_eq!(total(profile).ok(), expected, "{profile}");
        check("events: Ir\nsummary: 12\n\nfn=(1) main\n3 12\n\ntotals: 12\n", Some(12));
        check("events: Ir\nfn=(1) main\n3 12\n", None);
        check("totals: 12 3\n", None);
    }
}
