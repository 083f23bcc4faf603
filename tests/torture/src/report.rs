//! What people see: a line a cycle while it goes on, one table at the end, and the line that says it all.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use tests_kit::Report;

use crate::book::{Book, Missing};
use crate::cut::Struck;

/// How many lost messages are shown word by word.
const SHOWN_MAX: usize = 20;

/// What one cycle was.
#[derive(Debug, Clone)]
pub(crate) struct Cycle {
    /// What was done, in a word or two.
    pub(crate) fault: &'static str,
    /// What was done exactly, for people.
    pub(crate) what: String,
    /// What was acknowledged in it.
    pub(crate) acked: u64,
    /// Until the host was ready again, if it was started again.
    pub(crate) ready: Option<Duration>,
    pub(crate) struck: Struck,
    pub(crate) lost: Vec<Missing>,
}

/// Says on standard error what goes on.
#[expect(clippy::print_stderr, reason = "a program that takes minutes says what it is at")]
pub(crate) fn progress(text: &str) {
    eprintln!("torture: {text}");
}

/// The result goes to standard output.
pub(crate) fn say(text: &str) {
    // Whoever closed it wants no result.
    let _ = writeln!(io::stdout().lock(), "{text}");
}

pub(crate) fn cycle(number: usize, cycle: &Cycle) {
    let ready = cycle.ready.map_or(String::new(), |ready| format!(", ready after {} ms", ready.as_millis()));
    progress(&format!(
        "cycle {number}: {}, {} acked, {} lost{ready}; {}",
        cycle.fault,
        cycle.acked,
        cycle.lost.len(),
        cycle.what
    ));
}

/// A run that is over.
pub(crate) struct End<'a> {
    pub(crate) seed: u64,
    pub(crate) cycles: &'a [Cycle],
    pub(crate) book: &'a Book,
    pub(crate) oracle: &'a Report,
    /// Where the hosts' data lies.
    pub(crate) homes: &'a [PathBuf],
}

/// Says what became of everything, and keeps the data of a run that found something.
pub(crate) fn end(run: &End<'_>) -> io::Result<ExitCode> {
    let End { seed, cycles, book, oracle, homes } = run;
    let lost: usize = cycles.iter().map(|cycle| cycle.lost.len()).sum();
    let foreign = book.foreign + oracle.leaks_len;
    say(&table(cycles, book, oracle));
    let failed = lost > 0 || foreign > 0 || book.complaints_len > 0 || book.acked == 0;
    for home in *homes {
        if failed {
            say(&format!("seed {seed}; the data is kept in {}", home.display()));
        } else {
            std::fs::remove_dir_all(home)?;
        }
    }
    say(&format!("{} cycles, {} acked, {lost} lost, {foreign} foreign", cycles.len(), book.acked));
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// One row a fault, and what else was seen.
fn table(cycles: &[Cycle], book: &Book, oracle: &Report) -> String {
    let mut faults: Vec<&str> = Vec::new();
    for cycle in cycles {
        if !faults.contains(&cycle.fault) {
            faults.push(cycle.fault);
        }
    }
    let mut text = format!(
        "{:<32} {:>6} {:>8} {:>6} {:>15} {:>16} {:>14} {:>11}\n",
        "fault", "cycles", "acked", "lost", "slowest ready", "unsynced writes", "files changed", "names gone"
    );
    for fault in faults {
        row(&mut text, fault, cycles);
    }
    let _ = writeln!(text, "\n{} deliveries, {} of them again", book.delivered, book.again);
    for (refusal, count) in &book.refused {
        let _ = writeln!(text, "refused {count} times: {refusal}");
    }
    let _ = writeln!(text, "\nthe oracle: {oracle}");
    complaints(&mut text, cycles, book);
    text
}

fn row(text: &mut String, fault: &str, cycles: &[Cycle]) {
    let of: Vec<_> = cycles.iter().filter(|cycle| cycle.fault == fault).collect();
    let sum = |count: fn(&Cycle) -> u64| of.iter().map(|cycle| count(cycle)).sum::<u64>();
    let ready = of.iter().filter_map(|cycle| cycle.ready).max();
    let _ = writeln!(
        text,
        "{:<32} {:>6} {:>8} {:>6} {:>15} {:>16} {:>14} {:>11}",
        fault,
        of.len(),
        sum(|cycle| cycle.acked),
        sum(|cycle| cycle.lost.len() as u64),
        ready.map_or("-".to_owned(), |ready| format!("{} ms", ready.as_millis())),
        sum(|cycle| cycle.struck.writes),
        sum(|cycle| cycle.struck.changed),
        sum(|cycle| cycle.struck.names),
    );
}

fn complaints(text: &mut String, cycles: &[Cycle], book: &Book) {
    let lost = cycles.iter().enumerate().flat_map(|(number, cycle)| cycle.lost.iter().map(move |lost| (number, lost)));
    for (number, Missing { tenant, lane, number: message, id }) in lost.take(SHOWN_MAX) {
        let _ = writeln!(text, "lost in cycle {}: {tenant} {lane} {message}, acknowledged as {id}", number + 1);
    }
    for complaint in &book.complaints {
        let _ = writeln!(text, "{complaint}");
    }
    let _ = writeln!(text, "{} other broken promises", book.complaints_len);
}
