//! `cargo xtask torture`: builds the host and its guests and hands over to `tests/torture`.

use std::process::Command;

use anyhow::Result;

use crate::repo::{Profile, Repo};
use crate::steps::Steps;
use crate::{command, guests, nats};

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
    /// What carries the messages: embedded, or nats for two hosts on one server
    #[arg(long, value_enum, default_value_t = Bus::Embedded)]
    bus: Bus,
}

/// What can carry a tortured host's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Bus {
    Embedded,
    Nats,
}

impl Bus {
    const fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Nats => "nats",
        }
    }
}

/// Builds what is tortured, then tortures it. The last line on stdout is the torture's own.
pub(crate) fn run(repo: &Repo, args: &Args) -> Result<()> {
    let mut steps = Steps::new(if args.bus == Bus::Nats { 4 } else { 3 });
    if args.bus == Bus::Nats {
        steps.step("have the NATS server", || nats::ensure(repo))?;
    }
    steps.step("have the wasm target", guests::ensure_target)?;
    steps.step("build the tests' guests", || guests::build(repo, guests::TEST_GUESTS))?;
    // The whole workspace, so that wasmtime is compiled with the features it always has here, and the shim is built too.
    steps.step("build the host", || command::run(&mut repo.cargo(["build", "--workspace"])))?;
    torture(repo, args)
}

/// The short form, of what is already built.
pub(crate) fn short(repo: &Repo) -> Result<()> {
    torture(repo, &Args { cycles: SHORT_CYCLES, seed: None, bus: Bus::Embedded })
}

/// The short form with two hosts on a NATS server that is already here.
pub(crate) fn short_on_nats(repo: &Repo) -> Result<()> {
    torture(repo, &Args { cycles: SHORT_CYCLES, seed: None, bus: Bus::Nats })
}

fn torture(repo: &Repo, args: &Args) -> Result<()> {
    let mut torture = Command::new(repo.binary(Profile::Dev, "tests-torture")?);
    torture.current_dir(repo.path(".")).args(["--cycles", &args.cycles.to_string(), "--bus", args.bus.name()]);
    torture.args(args.seed.iter().flat_map(|seed| ["--seed".to_owned(), seed.to_string()]));
    command::run(&mut torture)
}
