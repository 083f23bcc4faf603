//! `cargo xtask bench`: builds what is measured and hands over to `tests/bench`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::repo::{Profile, Repo};
use crate::steps::Steps;
use crate::{command, guests, nats, valgrind};

/// What to measure, and where to write it.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Write one JSON line per metric to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Only show that the benches run: dev build, few iterations, no figure to rely on
    #[arg(long)]
    smoke: bool,
    /// Count the instructions of a message under callgrind in the dev build, and compare them with those recorded
    #[arg(long, conflicts_with_all = ["json", "smoke"])]
    instructions: bool,
    /// Record what is counted in tests/bench/instructions.toml
    #[arg(long, requires = "instructions")]
    update: bool,
    /// More arguments for the bench binary
    #[arg(last = true)]
    rest: Vec<String>,
}

/// Builds what is measured, then measures.
pub(crate) fn run(repo: &Repo, args: &Args) -> Result<()> {
    let profile = if args.smoke || args.instructions { Profile::Dev } else { Profile::Release };
    let mut steps = Steps::new(6);
    if args.instructions {
        steps.step("have valgrind", valgrind::ensure)?;
    }
    if !args.instructions {
        steps.step("have the NATS server", || nats::ensure(repo))?;
    }
    steps.step("have the wasm target", guests::ensure_target)?;
    steps.step("build the examples", || guests::build(repo, guests::EXAMPLES))?;
    steps.step("build the tests' guests", || guests::build(repo, guests::TEST_GUESTS))?;
    steps.step("build the host", || command::run(&mut repo.cargo(build_args(profile).iter().copied())))?;
    steps.step("measure", || command::run(&mut bench_command(repo, profile, args)?))
}

/// The whole workspace, so that wasmtime is compiled with the features it always has here.
fn build_args(profile: Profile) -> &'static [&'static str] {
    match profile {
        Profile::Dev => &["build", "--workspace"],
        Profile::Release => &["build", "--workspace", "--release"],
    }
}

fn bench_command(repo: &Repo, profile: Profile, args: &Args) -> Result<Command> {
    let mut bench = Command::new(repo.binary(profile, "tests-bench")?);
    bench.current_dir(repo.path("."));
    for (wanted, flag) in [(args.smoke, "--smoke"), (args.instructions, "--instructions"), (args.update, "--update")] {
        if wanted {
            bench.arg(flag);
        }
    }
    if let Some(file) = &args.json {
        // The bench runs in the root; the file is meant from where the user stands.
        bench.arg("--json").arg(std::path::absolute(file)?);
    }
    bench.args(&args.rest);
    Ok(bench)
}
