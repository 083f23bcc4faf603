//! `cargo xtask test`: every check that a change must pass, each timed against its budget.

mod budget;
mod plan;
mod tally;

use std::collections::BTreeMap;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use self::budget::Budget;
pub(crate) use self::plan::test_command;
use self::plan::{SUITES, Suite, Work};
use self::tally::Tally;
use crate::command;
use crate::repo::Repo;
use crate::table::Table;

/// What to run, and how far.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Go on after a failed suite and report all of them at the end
    #[arg(long)]
    keep_going: bool,
    /// Run only this suite; may be given more than once
    #[arg(long, value_name = "SUITE", value_parser = plan::names())]
    only: Vec<String>,
}

/// Runs the suites in order. The last line on stdout is the count of tests.
pub(crate) fn run(repo: &Repo, args: &Args) -> Result<ExitCode> {
    let budget = Budget::load(&repo.path("tests/budget.toml"))?;
    let wanted = |suite: &&Suite| args.only.is_empty() || args.only.iter().any(|name| name == suite.name);
    let mut session = Session::default();
    for suite in SUITES.iter().filter(wanted) {
        session.run(repo, suite);
        if !session.failures.is_empty() && !args.keep_going {
            break;
        }
    }
    session.warn_past(&budget);
    println!("\n{}", session.table(&budget));
    let exit = match session.verdict() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    };
    session.tally.warnings().for_each(|warning| println!("{warning}"));
    println!("{}", session.tally);
    Ok(exit)
}

/// What one run of suites has found so far.
#[derive(Default)]
struct Session {
    spent: BTreeMap<&'static str, Duration>,
    tally: Tally,
    failures: Vec<&'static str>,
}

impl Session {
    fn run(&mut self, repo: &Repo, suite: &Suite) {
        println!("\n── {}: {} ──", suite.name, suite.what);
        let start = Instant::now();
        let outcome = self.work(repo, suite);
        let spent = start.elapsed();
        self.spent.insert(suite.name, spent);
        match outcome {
            Ok(()) => println!("── {}: ok in {:.1} s ──", suite.name, spent.as_secs_f64()),
            Err(error) => {
                self.failures.push(suite.name);
                println!("── {}: FAILED after {:.1} s: {error:#} ──", suite.name, spent.as_secs_f64());
            }
        }
    }

    fn work(&mut self, repo: &Repo, suite: &Suite) -> Result<()> {
        match suite.work {
            Work::Checks(commands) => check(&mut commands(repo)),
            Work::Tests(commands) => self.count(&mut commands(repo)),
            Work::Action(action) => action(repo),
        }
    }

    /// Runs each command to its end, so that the count is whole, and fails if one did.
    fn count(&mut self, commands: &mut [Command]) -> Result<()> {
        let mut verdict = Ok(());
        for command in commands {
            println!("$ {}", command::shown(command));
            let (outcome, tallies) = command::run_reading(command, Tally::read)?;
            let tally: Tally = tallies.into_iter().sum();
            self.tally = [std::mem::take(&mut self.tally), tally].into_iter().sum();
            verdict = verdict.and(outcome);
        }
        verdict
    }

    fn warn_past(&self, budget: &Budget) {
        for (name, spent) in &self.spent {
            if spent > &budget.of(name) {
                println!(
                    "warning: {name} took {} s of the {} s in tests/budget.toml",
                    spent.as_secs(),
                    budget.of(name).as_secs()
                );
            }
        }
        if self.total() > budget.total() {
            println!(
                "warning: all suites took {} min; CI gives us {} min",
                self.total().as_secs() / 60,
                budget.total().as_secs() / 60
            );
        }
    }

    fn table(&self, budget: &Budget) -> Table {
        let mut table = Table::new(["suite", "seconds", "budget", "outcome"]);
        for suite in SUITES {
            let Some(spent) = self.spent.get(suite.name) else { continue };
            let outcome = if self.failures.contains(&suite.name) { "FAILED" } else { "ok" };
            let budget = budget.of(suite.name).as_secs();
            table.row([suite.name.into(), format!("{:.1}", spent.as_secs_f64()), budget.to_string(), outcome.into()]);
        }
        table.row([
            "all".into(),
            format!("{:.1}", self.total().as_secs_f64()),
            budget.total().as_secs().to_string(),
            String::new(),
        ]);
        table
    }

    fn total(&self) -> Duration {
        self.spent.values().sum()
    }

    fn verdict(&self) -> Result<()> {
        if self.failures.is_empty() {
            return Ok(());
        }
        let rerun: Vec<_> = self.failures.iter().map(|name| format!("--only {name}")).collect();
        bail!("failed: {}; to run again: cargo xtask test {}", self.failures.join(", "), rerun.join(" "))
    }
}

fn check(commands: &mut [Command]) -> Result<()> {
    for command in commands {
        println!("$ {}", command::shown(command));
        command::run(command)?;
    }
    Ok(())
}
