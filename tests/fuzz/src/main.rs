//! `tests-fuzz [--target T] [--seconds N] [--from S]` and `tests-fuzz --target T --seed S`: the long form, and one case again.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool speaks on stdout and stderr")]

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use parking_lot::Mutex;
use tests_fuzz::{TARGETS, Tally, Target, timing};

/// Cases that a core takes at a time.
const BATCH: u64 = 256;
/// Comparisons of signatures that are timed, and how often that is tried: another program may be in the way of one try.
const COMPARISONS: usize = 1_200_000;
const TRIES: usize = 3;

/// Fuzzes the host for some time
#[derive(Parser)]
struct Args {
    /// Only this target
    #[arg(long, value_parser = target)]
    target: Option<&'static Target>,
    /// How long in all, divided between the targets
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// The number of the first case; any unless given
    #[arg(long)]
    from: Option<u64>,
    /// Only this case of the target
    #[arg(long, requires = "target", conflicts_with_all = ["seconds", "from"])]
    seed: Option<u64>,
}

fn target(name: &str) -> Result<&'static Target, String> {
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    Target::named(name).ok_or_else(|| format!("choose one of {}", names.join(", ")))
}

fn main() -> ExitCode {
    let Args { target, seconds, from, seed } = Args::parse();
    if let (Some(target), Some(seed)) = (target, seed) {
        return ended(&shown(target, target.run(seed, 1, || true)), true);
    }
    let from = from.unwrap_or_else(any_number);
    let targets = target.map_or_else(|| TARGETS.iter().collect(), |target| vec![target]);
    let each = Duration::from_secs(seconds) / u32::try_from(targets.len()).unwrap_or(1);
    println!("from case {from}; the same again: --from {from}");
    let tallies = targets.into_iter().map(|target| shown(target, long(target, from, each)));
    let tally = tallies.fold(Tally::default(), Tally::and);
    let even = target.is_some() || takes_the_same_time(from);
    ended(&tally, even)
}

/// On every core until the time is over: cases share nothing.
fn long(target: &Target, from: u64, time: Duration) -> Tally {
    let (next, all, end) = (AtomicU64::new(0), Mutex::new(Tally::default()), Instant::now() + time);
    let work = || {
        while Instant::now() < end && all.lock().faults.is_empty() {
            let first = from.wrapping_add(next.fetch_add(BATCH, Ordering::Relaxed));
            let tally = target.run(first, BATCH, || Instant::now() < end);
            let mut all = all.lock();
            *all = std::mem::take(&mut *all).and(tally);
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work))));
    all.into_inner()
}

fn shown(target: &Target, tally: Tally) -> Tally {
    println!("{:10} {} ({} good): {}", target.name, tally.line(), tally.took, target.promise);
    for (number, fault) in &tally.faults {
        eprintln!("{fault:?}\n  again: cargo xtask fuzz --target {} --seed {number}", target.name);
    }
    tally
}

fn takes_the_same_time(seed: u64) -> bool {
    let mut least = f64::MAX;
    for attempt in 0..TRIES {
        let (t, count) = timing::of_signatures(seed.wrapping_add(attempt as u64), COMPARISONS);
        println!("{:10} {count} comparisons of wrong signatures, |t| = {:.2} of {}", "timing", t.abs(), timing::T_MAX);
        least = least.min(t.abs());
        if least < timing::T_MAX {
            return true;
        }
    }
    false
}

fn ended(tally: &Tally, even: bool) -> ExitCode {
    println!("{}", tally.line());
    if tally.faults.is_empty() && even { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn any_number() -> u64 {
    RandomState::new().build_hasher().finish()
}
