//! Usage lines: what each agent used since the line before, for totals that survive a restart and a replay.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use foldhash::fast::RandomState;
use host_model::{AgentId, TenantId, Timestamp};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::LedgerError;

macro_rules! used {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What was used.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        pub struct Used {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Used {
            fn minus(&self, before: &Self) -> Self {
                Self { $($name: self.$name.saturating_sub(before.$name),)* }
            }

            fn plus(&self, more: &Self) -> Self {
                Self { $($name: self.$name.saturating_add(more.$name),)* }
            }
        }
    };
}

used! {
    /// Messages that reached its mailbox.
    received,
    /// Messages it handled.
    handled,
    /// Messages whose handling failed.
    failed,
    /// Messages it published or sent.
    published,
    /// Requests it made.
    requested,
    /// Requests it answered.
    replied,
    /// Its calls that were refused.
    refused,
    /// Messages for it that were lost.
    dropped,
    /// Fuel.
    fuel,
    /// Wall time of its handling, in microseconds.
    handle_micros,
}

/// One line: what one agent used in one stretch of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// When the host started that counted it. With `number`, an id: the same line read twice is counted once.
    pub start: Timestamp,
    /// Counts the lines of that start from 1.
    pub number: u64,
    /// Until when it is counted.
    pub at: Timestamp,
    /// Whose agent.
    pub tenant: TenantId,
    /// Which agent.
    pub agent: AgentId,
    /// How much.
    pub used: Used,
}

/// Keeps usage lines. Every method blocks on the disk.
pub trait UsageLog: Send + Sync {
    /// Appends whole lines, durably, all or none.
    fn append(&self, lines: &[u8]) -> Result<(), LedgerError>;

    /// Hands every line that was kept to `each`, in order.
    fn each_line(&self, each: &mut dyn FnMut(&[u8])) -> Result<(), LedgerError>;
}

/// What was used, by tenant, and what of it is written.
pub struct UsageBook {
    log: Arc<dyn UsageLog>,
    start: Timestamp,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    number: u64,
    /// What this start had counted of each agent when it was last written.
    written: HashMap<(TenantId, AgentId), Used, RandomState>,
    totals: BTreeMap<TenantId, Used>,
    /// The last line of each start that is in the totals.
    seen: HashMap<Timestamp, u64, RandomState>,
}

impl UsageBook {
    /// A book with all that was written before. Blocks on the disk. `start` is this host's start.
    pub fn open(log: Arc<dyn UsageLog>, start: Timestamp) -> Result<Self, LedgerError> {
        let mut state = State::default();
        let mut unreadable = 0_u64;
        log.each_line(&mut |line| match serde_json::from_slice(line) {
            Ok(usage) => state.add(&usage),
            Err(_) => unreadable += 1,
        })?;
        if unreadable > 0 {
            tracing::error!(lines = unreadable, "usage lines cannot be read, and are missing in the totals");
        }
        // A clock that was set back must not give an id a second time.
        state.number = state.seen.get(&start).copied().unwrap_or_default();
        Ok(Self { log, start, state: Mutex::new(state) })
    }

    /// Writes what was used since the last time, given all that each agent has used since this start. Blocks on the disk.
    ///
    /// What cannot be written is written the next time.
    pub fn settle(
        &self,
        now: Timestamp,
        counted: impl IntoIterator<Item = (TenantId, AgentId, Used)>,
    ) -> Result<(), LedgerError> {
        // Held over the write on purpose: two that settle at once would count twice. Nothing else waits for it but a reader.
        let mut state = self.state.lock();
        let (mut lines, mut usages) = (Vec::new(), Vec::new());
        for (tenant, agent, total) in counted {
            let key = (tenant, agent);
            let used = total.minus(&state.written.get(&key).copied().unwrap_or_default());
            if used == Used::default() {
                continue;
            }
            let number = state.number + 1 + usages.len() as u64;
            let usage = Usage { start: self.start, number, at: now, tenant: key.0, agent: key.1, used };
            serde_json::to_writer(&mut lines, &usage)?;
            lines.push(b'\n');
            usages.push((usage, total));
        }
        if usages.is_empty() {
            return Ok(());
        }
        self.log.append(&lines)?;
        for (usage, total) in usages {
            state.number = usage.number;
            state.add(&usage);
            state.written.insert((usage.tenant, usage.agent), total);
        }
        Ok(())
    }

    /// What each tenant used, up to the last line.
    pub fn totals(&self) -> BTreeMap<TenantId, Used> {
        self.state.lock().totals.clone()
    }
}

impl State {
    fn add(&mut self, usage: &Usage) {
        let seen = self.seen.entry(usage.start).or_default();
        if usage.number <= *seen {
            return;
        }
        *seen = usage.number;
        let total = self.totals.entry(usage.tenant.clone()).or_default();
        *total = total.plus(&usage.used);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Lines(Mutex<(Vec<u8>, bool)>);

    impl UsageLog for Lines {
        fn append(&self, lines: &[u8]) -> Result<(), LedgerError> {
            let mut kept = self.0.lock();
            if kept.1 {
                return Err(LedgerError::Unwritable);
            }
            kept.0.extend_from_slice(lines);
            Ok(())
        }

        fn each_line(&self, each: &mut dyn FnMut(&[u8])) -> Result<(), LedgerError> {
            self.0.lock().0.split(|b| *b == b'\n').filter(|line| !line.is_empty()).for_each(each);
            Ok(())
        }
    }

    const START: Timestamp = Timestamp::from_millis(1_000);
    const NOW: Timestamp = Timestamp::from_millis(61_000);

    fn counted(tenant: &str, handled: u64) -> [(TenantId, AgentId, Used); 1] {
        [(tenant.parse().unwrap(), "echo".parse().unwrap(), Used { handled, ..Used::default() })]
    }

    fn handled(book: &UsageBook, tenant: &str) -> u64 {
        book.totals().get(&tenant.parse().unwrap()).map_or(0, |used| used.handled)
    }

    #[test]
    fn a_line_says_what_came_since_the_line_before_and_nothing_is_no_line() {
        let log = Arc::new(Lines::default());
        let book = UsageBook::open(log.clone(), START).unwrap();
        book.settle(NOW, counted("acme", 5)).unwrap();
        book.settle(NOW, counted("acme", 5)).unwrap();
        book.settle(NOW, counted("acme", 7)).unwrap();
        let text = String::from_utf8(log.0.lock().0.clone()).unwrap();
        let lines: Vec<Usage> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.iter().map(|line| (line.number, line.used.handled)).collect::<Vec<_>>(), [(1, 5), (2, 2)]);
        assert_eq!(handled(&book, "acme"), 7);
        assert_eq!(handled(&book, "globex"), 0);
    }

    #[test]
    fn totals_survive_a_restart_and_a_line_that_is_replayed() {
        let log = Arc::new(Lines::default());
        UsageBook::open(log.clone(), START).unwrap().settle(NOW, counted("acme", 5)).unwrap();
        let replayed = log.0.lock().0.clone();
        log.0.lock().0.extend_from_slice(&replayed);
        let again = UsageBook::open(log.clone(), Timestamp::from_millis(99_000)).unwrap();
        assert_eq!(handled(&again, "acme"), 5);
        again.settle(NOW, counted("acme", 3)).unwrap();
        assert_eq!(handled(&again, "acme"), 8);
        assert_eq!(handled(&UsageBook::open(log, START).unwrap(), "acme"), 8);
    }

    #[test]
    fn what_could_not_be_written_is_written_the_next_time() {
        let log = Arc::new(Lines::default());
        let book = UsageBook::open(log.clone(), START).unwrap();
        log.0.lock().1 = true;
        assert!(book.settle(NOW, counted("acme", 5)).is_err());
        assert_eq!(handled(&book, "acme"), 0);
        log.0.lock().1 = false;
        book.settle(NOW, counted("acme", 6)).unwrap();
        assert_eq!(handled(&UsageBook::open(log, START).unwrap(), "acme"), 6);
    }
}
