//! What the oracle saw: how much it looked at, where each tenant's canary stood, and what crossed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// How many leaks are kept word by word; all are counted.
const LEAKS_KEPT_MAX: usize = 100;

/// The result of a run.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// What was looked at, by kind of sink.
    pub sinks: BTreeMap<&'static str, Seen>,
    /// Words that stood where they must not: the first hundred.
    pub leaks: Vec<Leak>,
    /// How many there were.
    pub leaks_len: u64,
    tenants: BTreeSet<String>,
}

/// How much of one kind of sink was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Records, answers or files.
    pub records: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// How often a word stood in them, rightly or wrongly.
    pub words: u64,
}

/// A word where it must not stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leak {
    /// The kind of sink.
    pub sink: &'static str,
    /// Which one of them.
    pub at: String,
    /// The tenant whose word it is.
    pub whose: String,
    /// Why it must not stand there.
    pub why: String,
    /// What stands around it.
    pub near: String,
}

impl Report {
    /// Whether a tenant's word was seen anywhere.
    pub fn saw(&self, tenant: &str) -> bool {
        self.tenants.contains(tenant)
    }

    /// How often a word was seen in this kind of sink.
    pub fn words_in(&self, sink: &str) -> u64 {
        self.sinks.get(sink).map_or(0, |seen| seen.words)
    }

    pub(crate) fn add<'a>(
        &mut self,
        sink: &'static str,
        len: usize,
        owners: impl Iterator<Item = &'a str>,
        leaks: Vec<Leak>,
    ) {
        let seen = self.sinks.entry(sink).or_default();
        seen.records += 1;
        seen.bytes += len as u64;
        for owner in owners {
            seen.words += 1;
            if !self.tenants.contains(owner) {
                self.tenants.insert(owner.to_owned());
            }
        }
        self.leaks_len += leaks.len() as u64;
        let room = LEAKS_KEPT_MAX.saturating_sub(self.leaks.len());
        self.leaks.extend(leaks.into_iter().take(room));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (sink, Seen { records, bytes, words }) in &self.sinks {
            writeln!(f, "{sink}: {words} words in {records} records, {bytes} bytes")?;
        }
        writeln!(f, "{} where they must not stand", self.leaks_len)?;
        for Leak { sink, at, whose, why, near } in &self.leaks {
            writeln!(f, "  {sink} {at}: {whose}'s, {why}: {near:?}")?;
        }
        Ok(())
    }
}
