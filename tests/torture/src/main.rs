//! Kills, starves and corrupts a host under load, cycle after cycle, and proves that nothing acknowledged was lost or went astray.
//!
//! The host is the real binary in a process of its own, and what counts is what this process was told by it. `docs/assurance.md` says
//! what each fault is.
#![expect(
    clippy::indexing_slicing,
    reason = "of JSON, where what is not there is null, and of lanes and bytes that are counted here"
)]

mod book;
mod cut;
mod cycle;
mod door;
mod flip;
mod load;
mod nats;
mod plan;
mod report;
mod town;
mod volume;

use std::cell::RefCell;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser as _;
use tests_kit::chance::Chance;

use crate::book::Book;
use crate::cycle::Run;
use crate::report::Cycle;
use crate::town::Town;

/// Kills, starves and corrupts a host under load, and looks for every message that it acknowledged.
#[derive(clap::Parser)]
struct Args {
    /// How many faults
    #[arg(long, value_name = "COUNT", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    cycles: u32,
    /// The run to repeat: the same faults at the same moments
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// What carries the messages; nats has two hosts on one server
    #[arg(long, value_enum, default_value_t = Bus::Embedded)]
    bus: Bus,
}

/// Buses that can be tortured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Bus {
    Embedded,
    Nats,
}

/// One thread: who looks on must not take the host's processors.
#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<ExitCode> {
    let args = Args::parse();
    let seed = args.seed.unwrap_or_else(seed_of_now);
    report::progress(&format!("{:?} bus, seed {seed}", args.bus));
    let (mut chance, cycles) = (Chance::new(seed), usize::try_from(args.cycles).expect("at most 10,000"));
    if args.bus == Bus::Nats {
        return nats::run(seed, cycles, chance).await;
    }
    let faults = plan::faults(&plan::ROUND, cycles, &mut chance);
    let (town, host, lanes) = Town::open().await;
    let mut scene = Scene { seed, cycle: 0, home: town.home.clone() };
    let mut run = Run { town, book: RefCell::new(Book::new(lanes)), chance, host };
    let mut cycles = Vec::new();
    for fault in faults {
        scene.cycle += 1;
        let cycle = run.cycle(fault).await.expect("files of the torture's own");
        report::cycle(scene.cycle, &cycle);
        cycles.push(cycle);
    }
    finish(run, &cycles, seed).await
}

/// Where a run is. A host that does not start again ends the run where it is: then this is all that can be said.
struct Scene {
    seed: u64,
    cycle: usize,
    home: PathBuf,
}

impl Drop for Scene {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { seed, cycle, home } = self;
            report::progress(&format!("seed {seed} ended in cycle {cycle}; the data is kept in {}", home.display()));
        }
    }
}

async fn finish(run: Run, cycles: &[Cycle], seed: u64) -> io::Result<ExitCode> {
    let oracle = run.town.oracle.scan(&run.host).await;
    drop(run.host);
    report::end(&report::End { seed, cycles, book: &run.book.into_inner(), oracle: &oracle, homes: &[run.town.home] })
}

/// Another run each time: a number that is easily typed.
#[expect(clippy::disallowed_methods, reason = "not the host's time: any number will do")]
fn seed_of_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs() % 1_000_000)
}
