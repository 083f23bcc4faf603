//! What the host costs, each figure beside a bare wasmtime loop in the same run.
//!
//! `docs/benchmarks.md` says how each figure is made and what it was. Judges no time: it prints the figures and their
//! floors, and people decide. Counts of instructions it does judge.

mod artefact;
mod bare;
mod carried;
mod crowd;
mod durable;
mod echo;
mod envelope;
mod harness;
mod house;
mod instructions;
mod laps;
mod machine;
mod memory;
mod metric;
mod nats;
mod quotas;
mod reply;
mod report;
mod restart;
mod solo;
mod throughput;
mod worker;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser as _;

use crate::harness::Plan;
use crate::metric::Metric;

/// Measures the host beside bare wasmtime.
#[derive(clap::Parser)]
struct Args {
    /// Write one JSON line per metric to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Run each metric once, in tiny batches: shows that it runs, gives no figure to rely on
    #[arg(long)]
    smoke: bool,
    /// Measure only these, such as `M1,M2`
    #[arg(long, value_name = "METRICS", value_delimiter = ',')]
    only: Vec<String>,
    /// Count the instructions of a message under callgrind instead, and compare them with those recorded
    #[arg(long, conflicts_with_all = ["json", "smoke", "only"])]
    instructions: bool,
    /// Record what is counted
    #[arg(long, requires = "instructions")]
    update: bool,
}

/// The children of this program say on their first argument what they are for.
fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let done = match words.next().as_deref() {
        Some(house::COMPILE_VERB) => host_engine::compile_stdin().map_err(anyhow::Error::msg),
        Some(memory::CHILD_VERB) => memory::run_child(words),
        Some(restart::CHILD_VERB) => restart::run_child(words),
        Some(instructions::CHILD_VERB) => instructions::run_child(words),
        _ => measure(&Args::parse()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn measure(args: &Args) -> anyhow::Result<()> {
    if args.instructions {
        return instructions::measure(args.update);
    }
    let plan = if args.smoke { Plan::smoke() } else { Plan::full() };
    let wanted = |name: &str| args.only.is_empty() || args.only.iter().any(|only| only == name);
    report::opening(&plan)?;
    let mut metrics: Vec<Metric> = Vec::new();
    let mut tell = |metric: Metric| {
        report::row(&metric, &plan)?;
        metrics.push(metric);
        Ok(())
    };
    throughput::measure(&plan, &wanted, &mut tell)?;
    envelope::measure(&plan, &wanted, &mut tell)?;
    artefact::measure(&plan, &wanted, &mut tell)?;
    memory::measure(&plan, &wanted, &mut tell)?;
    reply::measure(&plan, &wanted, &mut tell)?;
    durable::measure(&plan, &wanted, &mut tell)?;
    carried::measure(&plan, &wanted, &mut tell)?;
    restart::measure(&plan, &wanted, &mut tell)?;
    report::closing()?;
    args.json.as_deref().map_or(Ok(()), |file| report::write_json(file, &metrics))
}
