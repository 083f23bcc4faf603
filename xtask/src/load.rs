//! `cargo xtask load`: builds the host and its hostile guests and hands over to `tests/load`.

use std::process::Command;

use anyhow::Result;

use crate::repo::{Profile, Repo};
use crate::steps::Steps;
use crate::{command, guests};

/// How much load.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Briefly, in the dev build, and judged by wide margins
    #[arg(long)]
    short: bool,
    /// Agents in all, a tenth of them in each of ten tenants
    #[arg(long, value_name = "COUNT")]
    agents: Option<u32>,
    /// How to print the result: table or json
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<String>,
}

/// Builds what is loaded, then loads it.
pub(crate) fn run(repo: &Repo, args: &Args) -> Result<()> {
    let profile = if args.short { Profile::Dev } else { Profile::Release };
    let mut steps = Steps::new(4);
    steps.step("have the wasm target", guests::ensure_target)?;
    steps.step("build the tests' guests", || guests::build(repo, guests::TEST_GUESTS))?;
    steps.step("build the host", || command::run(&mut repo.cargo(build_args(profile).iter().copied())))?;
    steps.step("load it", || load(repo, profile, args))
}

/// The short form, of what is already built.
pub(crate) fn short(repo: &Repo) -> Result<()> {
    load(repo, Profile::Dev, &Args { short: true, agents: None, output: None })
}

/// The whole workspace, so that wasmtime is compiled with the features it always has here.
fn build_args(profile: Profile) -> &'static [&'static str] {
    match profile {
        Profile::Dev => &["build", "--workspace"],
        Profile::Release => &["build", "--workspace", "--release"],
    }
}

fn load(repo: &Repo, profile: Profile, args: &Args) -> Result<()> {
    let mut load = Command::new(repo.binary(profile, "tests-load")?);
    load.current_dir(repo.path("."));
    if args.short {
        load.arg("--short");
    }
    load.args(args.agents.iter().flat_map(|agents| ["--agents".to_owned(), agents.to_string()]));
    load.args(args.output.iter().flat_map(|output| ["--output", output.as_str()]));
    command::run(&mut load)
}
