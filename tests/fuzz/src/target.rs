//! What is fuzzed: each target with its promise, one case from one number, and runs of many.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tests_kit::chance::Chance;

use crate::{codec, documents, envelope, guest, words};

/// One thing that is fuzzed.
pub struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// What must hold whatever comes in.
    pub promise: &'static str,
    /// How many cases the short form runs.
    pub short: u64,
    case: fn(&mut Chance) -> Result<Verdict, Fault>,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target {
        name: "forgery",
        promise: "nothing is verified but what the gate sealed, where it was sent",
        short: 30_000,
        case: envelope::nothing_forged_is_verified,
    },
    Target {
        name: "decoders",
        promise: "the gate and a second implementation agree on every frame",
        short: 40_000,
        case: envelope::decoders_agree,
    },
    Target {
        name: "words",
        promise: "names, topics, paths and keys are their grammar's, and never leave their tenant or their directory",
        short: 100_000,
        case: words::names_stay_where_they_belong,
    },
    Target {
        name: "documents",
        promise: "a manifest or a policy is read whole or refused in one line",
        short: 20_000,
        case: documents::read_whole_or_refused,
    },
    Target {
        name: "codec",
        promise: "calls and replies come out of the codec as they went in, and garbage is refused",
        short: 50_000,
        case: codec::comes_out_as_it_went_in,
    },
    Target {
        name: "guest",
        promise: "garbage at the border of a component ends that one message, and a good guest is served afterwards",
        short: 12_000,
        case: guest::ends_one_message_and_no_more,
    },
];

/// Whether the host took what a case made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was good.
    Took,
    /// It was refused.
    Refused,
}

/// What must never be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The host panicked.
    Crash(String),
    /// Something forged was accepted, or two decoders disagree.
    Forgery(String),
    /// Another promise was broken.
    Broken(String),
}

/// What many cases came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Cases.
    pub executions: u64,
    /// Those whose input was good.
    pub took: u64,
    /// Faults, with the numbers of their cases.
    pub faults: Vec<(u64, Fault)>,
}

/// Faults after which a run is over.
const FAULTS_MAX: usize = 5;

impl Target {
    /// The target of a name.
    pub fn named(name: &str) -> Option<&'static Self> {
        TARGETS.iter().find(|target| target.name == name)
    }

    /// One case.
    pub fn case(&self, number: u64) -> Result<Verdict, Fault> {
        let case = catch_unwind(AssertUnwindSafe(|| (self.case)(&mut Chance::new(number))));
        case.unwrap_or_else(|panic| Err(Fault::Crash(words_of(panic.as_ref()))))
    }

    /// Cases from a number on, until there were so many, somebody says so, or too many faults.
    pub fn run(&self, from: u64, count: u64, mut go_on: impl FnMut() -> bool) -> Tally {
        let mut tally = Tally::default();
        for number in (from..).take(usize::try_from(count).unwrap_or(usize::MAX)) {
            if tally.faults.len() == FAULTS_MAX || !go_on() {
                break;
            }
            tally.executions += 1;
            match self.case(number) {
                Ok(verdict) => tally.took += u64::from(verdict == Verdict::Took),
                Err(fault) => tally.faults.push((number, fault)),
            }
        }
        tally
    }
}

impl Tally {
    /// Both together.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.executions += other.executions;
        self.took += other.took;
        self.faults.extend(other.faults);
        self
    }

    /// The closing line.
    pub fn line(&self) -> String {
        let count = |of: fn(&Fault) -> bool| self.faults.iter().filter(|(_, fault)| of(fault)).count();
        let crashes = count(|fault| matches!(fault, Fault::Crash(_)));
        let forgeries = count(|fault| matches!(fault, Fault::Forgery(_)));
        let broken = count(|fault| matches!(fault, Fault::Broken(_)));
        let executions = self.executions;
        format!(
            "{executions} executions, {crashes} crashes, {forgeries} accepted forgeries, {broken} other broken promises"
        )
    }
}

fn words_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without words").to_owned()
}
