//! What people see: a table while it is made, and one JSON line per metric for machines.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use anyhow::Context as _;

use crate::harness::Plan;
use crate::machine;
use crate::metric::{Better, Metric};

/// Says what is measured on what.
pub(crate) fn opening(plan: &Plan) -> anyhow::Result<()> {
    let Plan { rounds, batch_min, .. } = plan;
    say(&format!("{}\nload before: {}\n", machine::describe(), machine::load()))?;
    say(&format!(
        "{rounds} rounds, batches of at least {batch_min:?}, ratio per round: median [95 % interval], min\n\n"
    ))
}

/// One metric, as soon as it is measured.
pub(crate) fn row(metric: &Metric, plan: &Plan) -> anyhow::Result<()> {
    let Metric { name, ratio, interval: (low, high), min, ours, reference, .. } = metric;
    let verdict = if plan.judged { verdict(metric) } else { "it ran".to_owned() };
    say(&format!("{name:<12} {ratio:>9.3} [{low:.3}, {high:.3}], min {min:.3}; {verdict}\n"))?;
    say(&format!("{:>12} ours: {ours}\n{:>12} reference: {reference}\n", "", ""))
}

/// The load after it all: a number that was made beside a build says so.
pub(crate) fn closing() -> anyhow::Result<()> {
    say(&format!("\nload after: {}\n", machine::load()))
}

/// One line per metric.
pub(crate) fn write_json(file: &Path, metrics: &[Metric]) -> anyhow::Result<()> {
    let mut lines = BufWriter::new(File::create(file).with_context(|| format!("cannot write {}", file.display()))?);
    for metric in metrics {
        serde_json::to_writer(&mut lines, metric)?;
        lines.write_all(b"\n")?;
    }
    Ok(lines.flush()?)
}

/// Why it ended early.
#[expect(clippy::print_stderr, reason = "a program says on stderr why it failed")]
pub(crate) fn complain(error: &anyhow::Error) {
    eprintln!("tests-bench: {error:#}");
}

/// All that goes to standard output.
pub(crate) fn say(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

fn verdict(metric: &Metric) -> String {
    let (Some(floor), Some(met)) = (metric.floor, metric.is_met()) else { return "explains".to_owned() };
    let word = match metric.better {
        Better::Higher => "at least",
        Better::Lower => "at most",
    };
    format!("{word} {floor}: {}", if met { "met" } else { "NOT MET" })
}
