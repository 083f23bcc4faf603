//! `cargo xtask torture`: builds the host and its guests and hands over to `tests/torture`.

use std::process::Command;

use anyhow::Result;

use crate::repo::{Profile, Repo};
use crate::steps::Steps;
use crate::{command, guests};

/// The faults of the short form: a kill, a power cut, a flipped bit, a full disk.
const SHORT_CYCLES: u32 = 4;

/// How much, and which run.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many faults
    #[arg(long, value_name = "COUNT", default_value_t = 30)]
    cycles: u32,
    /// The run to repeat
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// What carries the messages: embedded
    #[arg(long, value_name = "BUS", default_value = "embedded")]
    bus: String,
}

/// Builds what is tortured, then tortures it. The last line on stdout is the torture's own.
pub(crate) fn run(repo: &Repo, args: &Args) -> Result<()> {
    let mut steps = Steps::new(3);
    steps.step("have the wasm target", guests::ensure_target)?;
    steps.step("build the tests' guests", || guests::build(repo, guests::TEST_GUESTS))?;
    // The whole workspace, so that wasmtime is compiled with the features it always has here, and the shim is built too.
    steps.step("build the host", || command::run(&mut repo.cargo(["build", "--workspace"])))?;
    torture(repo, args)
}

/// The short form, of what is already built.
pub(crate) fn short(repo: &Repo) -> Result<()> {
    torture(repo, &Args { cycles: SHORT_CYCLES, seed: None, bus: "embedded".to_owned() })
}

fn torture(repo: &Repo, args: &Args) -> Result<()> {
    let mut torture = Command::new(repo.binary(Profile::Dev, "tests-torture")?);
    torture.current_dir(repo.path(".")).args(["--cycles", &args.cycles.to_string(), "--bus", &args.bus]);
    torture.args(args.seed.iter().flat_map(|seed| ["--seed".to_owned(), seed.to_string()]));
    command::run(&mut torture)
}
