//! `cargo xtask deep`: what takes long or needs installing, and so does not run on every change.

use anyhow::{Context, Result};

use crate::repo::Repo;
use crate::steps::Steps;
use crate::{command, guests, nats, suites};

/// The line that `deny.toml` is written for.
const CARGO_DENY: &str = "cargo-deny@0.20.2";
const PROPERTY_CASES: &str = "20000";

/// Runs each deep check in turn; last the one that needs more of the network than the package registry.
pub(crate) fn run(repo: &Repo) -> Result<()> {
    let mut steps = Steps::new(7);
    steps.step("have cargo-deny", || have_cargo_deny(repo))?;
    steps.step("cargo deny: licences, bans and sources", || deny(repo, &["licenses", "bans", "sources"]))?;
    steps.step("build the examples", || guests::build(repo, guests::EXAMPLES))?;
    steps.step("build the tests' guests", || guests::build(repo, guests::TEST_GUESTS))?;
    steps.step("have the NATS server", || nats::ensure(repo))?;
    steps.step("unit tests in release, 20,000 cases per property", || properties(repo))?;
    steps.step("cargo deny: advisories", || {
        deny(repo, &["advisories"])
            .context("if github.com cannot be reached, run `cargo deny check advisories` where it can")
    })
}

fn have_cargo_deny(repo: &Repo) -> Result<()> {
    if command::works(&mut repo.cargo(["deny", "--version"])) {
        return Ok(());
    }
    command::run(&mut repo.cargo(["install", "--locked", CARGO_DENY])).with_context(|| {
        format!("cannot install cargo-deny: check the network and run `cargo install --locked {CARGO_DENY}`")
    })
}

fn deny(repo: &Repo, checks: &[&str]) -> Result<()> {
    command::run(repo.cargo(["deny", "--workspace", "check"]).args(checks))
}

fn properties(repo: &Repo) -> Result<()> {
    let mut tests = suites::test_command(repo);
    tests.args(["--release", "--exclude", "tests-it"]).env("PROPTEST_CASES", PROPERTY_CASES);
    command::run(&mut tests)
}
