//! An audit in memory, for tests of the rooms that write to one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use host_ledger::{AuditLog, Break, Found, Ledger, LedgerError, Link, Query, Record, Sealed, Summary, verify};
use std::sync::{Mutex, PoisonError};

use crate::gate::FixedClock;

/// Lines in memory, that can be made to fail.
#[derive(Default)]
pub struct MemoryAudit {
    lines: Mutex<(Vec<u8>, Option<Link>)>,
    full: AtomicBool,
}

impl MemoryAudit {
    /// A ledger that writes here.
    pub fn ledger(self: &Arc<Self>) -> Ledger {
        Ledger::start(self.clone(), Arc::new(FixedClock::new()), Found::default()).expect("a thread can be had")
    }

    /// A ledger that nobody reads.
    pub fn nobodys() -> Ledger {
        Arc::new(Self::default()).ledger()
    }

    /// Whether it fails from now on.
    pub fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::Release);
    }

    /// All records so far.
    pub fn records(&self) -> Vec<Record> {
        let all = Query { tenant: None, since: None, action: None, decision: None, limit: usize::MAX };
        self.read(&all).expect("what it wrote is JSON")
    }

    fn lines(&self) -> std::sync::MutexGuard<'_, (Vec<u8>, Option<Link>)> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AuditLog for MemoryAudit {
    fn end(&self) -> Link {
        self.lines().1.unwrap_or(Link::GENESIS)
    }

    fn append(&self, lines: &[u8], end: &Link) -> Result<(), LedgerError> {
        if self.full.load(Ordering::Acquire) {
            let source = std::io::ErrorKind::StorageFull.into();
            return Err(LedgerError::File { act: "write", path: "memory".into(), source });
        }
        let mut kept = self.lines();
        kept.0.extend_from_slice(lines);
        kept.1 = Some(*end);
        Ok(())
    }

    fn read(&self, query: &Query) -> Result<Vec<Record>, LedgerError> {
        let kept = self.lines();
        let lines = kept.0.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let records = lines.map(serde_json::from_slice).collect::<Result<Vec<Record>, _>>()?;
        Ok(records.into_iter().filter(|record| query.wants(record)).collect())
    }

    fn verify(&self) -> Result<Result<Summary, Break>, LedgerError> {
        let kept = self.lines();
        verify([Ok(("memory".to_owned(), kept.0.as_slice()))], Sealed::At(kept.1.unwrap_or(Link::GENESIS)))
    }
}
