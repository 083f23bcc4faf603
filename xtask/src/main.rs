//! All automation of this repository: `cargo xtask COMMAND`.
//!
//! It is compiled first on a fresh clone, so it depends on nothing heavy and on none of our own crates: what it checks,
//! it checks from outside, by the commands that a user has.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool speaks on stdout and stderr")]

mod bench;
mod command;
mod deep;
mod demo;
mod env;
mod guests;
mod load;
mod long;
mod nats;
mod repo;
mod steps;
mod suites;
mod table;
mod torture;
mod valgrind;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::repo::Repo;

fn main() -> ExitCode {
    run(Xtask::parse().command).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(verb: Verb) -> Result<ExitCode> {
    let repo = Repo::find()?;
    match verb {
        Verb::Demo(args) => demo::run(&repo, &args)?,
        Verb::Test(args) => return suites::run(&repo, &args),
        Verb::Bench(args) => bench::run(&repo, &args)?,
        Verb::Guests => guests::run(&repo)?,
        Verb::Load(args) => load::run(&repo, &args)?,
        Verb::Torture(args) => torture::run(&repo, &args)?,
        Verb::Deep => deep::run(&repo)?,
        Verb::Fuzz(args) => long::run(&repo, "tests-fuzz", &args)?,
        Verb::Sim(args) => long::run(&repo, "tests-sim", &args)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds, shows, tests and measures Bailiwick.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Xtask {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run the main job on real components: two tenants, the same agents, nothing crosses
    Demo(demo::Args),
    /// Run every check that a change must pass
    Test(suites::Args),
    /// Build in release and measure against bare wasmtime
    Bench(bench::Args),
    /// Build the components of `examples` and `tests/guests`
    Guests,
    /// Load a host with a hundred agents of ten tenants, attack it, and say what nine of them noticed
    Load(load::Args),
    /// Kill, starve and corrupt a host under load, and look for every message that it acknowledged
    Torture(torture::Args),
    /// Run what takes long or needs installing: cargo-deny, and property tests with many cases
    Deep,
    /// Fuzz every border for some time, or repeat one case
    Fuzz(long::Args),
    /// Run the simulation from many seeds, or one seed step by step
    Sim(long::Args),
}
