//! The load test of the seeds: ten tenants of ten agents each, one tenant hostile, and what the other nine notice of it.
//!
//! The host is the real binary in a process of its own, spoken to over its API alone. `docs/assurance.md` says what each figure is.
#![expect(clippy::indexing_slicing, reason = "of JSON, where what is not there is null")]

mod attack;
mod bomb;
mod calm;
mod fairness;
mod machine;
mod overrun;
mod plan;
mod report;
mod run;
mod town;
mod verdict;

use std::process::ExitCode;

use clap::Parser as _;

use crate::plan::Plan;
use crate::report::Told;

/// Loads a host with a hundred agents, attacks it, and says what nine good tenants noticed.
#[derive(clap::Parser)]
struct Args {
    /// Briefly, and judged by wide margins
    #[arg(long)]
    short: bool,
    /// Agents in all, a tenth of them in each of ten tenants
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(20..=1000))]
    agents: u32,
    /// How to print the result
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// What people read, or what programs do.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Output {
    Table,
    Json,
}

/// One thread: what loads the host must not take its processors.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    let plan = if args.short { Plan::short(args.agents) } else { Plan::full(args.agents) };
    let load_before = machine::load_average();
    let found = run::run(&plan).await;
    let verdicts = verdict::all(&plan, &found);
    let told = Told { plan: &plan, found: &found, verdicts: &verdicts, load_before: &load_before };
    let shown = match args.output {
        Output::Table => report::table(&told),
        Output::Json => report::json(&told),
    };
    report::say(&shown);
    if verdicts.iter().all(|verdict| verdict.met) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
