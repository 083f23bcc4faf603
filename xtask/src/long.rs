//! `cargo xtask sim` and `cargo xtask fuzz`: the long forms of what `cargo xtask test` runs for seconds.

use std::process::Command;

use anyhow::Result;

use crate::command;
use crate::repo::{Profile, Repo};

/// What the tool itself is told; `--help` shows what it takes.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// The tool's own arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

/// Builds a tool and hands over to it.
pub(crate) fn run(repo: &Repo, tool: &str, args: &Args) -> Result<()> {
    // The whole workspace, so that wasmtime is compiled with the features it always has here.
    command::run(&mut repo.cargo(["build", "--quiet", "--workspace"]))?;
    let mut long = Command::new(repo.binary(Profile::Dev, tool)?);
    command::run(long.current_dir(repo.path(".")).args(&args.rest))
}
