//! `tests-sim [--seeds N] [--from S] [--seed S]`: the long form, and the repetition of one run.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool speaks on stdout and stderr")]

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Parser;
use parking_lot::Mutex;
use tests_sim::{Broken, run, traced};

/// Broken seeds that are shown.
const SHOWN_MAX: usize = 5;

/// Runs the simulation from many seeds
#[derive(Parser)]
struct Args {
    /// How many seeds
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Repeat one seed and show each step
    #[arg(long, conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let (seeds, steps, broken) = match args.seed {
        Some(seed) => one(seed),
        None => many(args.from, args.seeds),
    };
    broken.iter().take(SHOWN_MAX).for_each(|broken| eprintln!("{broken}"));
    println!("{seeds} seeds, {steps} steps, {} invariants broken", broken.len());
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn one(seed: u64) -> (u64, u64, Vec<Broken>) {
    match traced(seed) {
        Ok(trace) => (1, trace.steps as u64, Vec::new()),
        Err(broken) => (1, broken.step as u64, vec![broken]),
    }
}

/// On every core: runs share nothing.
fn many(from: u64, seeds: u64) -> (u64, u64, Vec<Broken>) {
    let (next, steps, broken) = (AtomicU64::new(0), AtomicU64::new(0), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= seeds {
                return;
            }
            match run(from.wrapping_add(number)) {
                Ok(trace) => drop(steps.fetch_add(trace.steps as u64, Ordering::Relaxed)),
                Err(one) => broken.lock().push(one),
            }
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work))));
    (seeds, steps.into_inner(), broken.into_inner())
}
