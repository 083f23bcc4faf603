//! Where the audit is kept. `store` implements it, on files.

use host_model::{TenantId, Timestamp};

use crate::{Break, Decision, LedgerError, Link, Record, Summary};

/// What was found wrong when the log was opened, and made right as far as it can be. The ledger writes a record about it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Found {
    /// Bytes of a last record that was not whole, cut off.
    pub torn_bytes: u64,
    /// The sealed head goes further than the log: records are gone. Their numbers are not used again, so that every later check
    /// finds the gap.
    pub cut_off_from: Option<u64>,
    /// There were records and no head, or one that was not sealed under this host's key, or for another record.
    pub head_lost: bool,
}

/// Which records are wanted. All given conditions must hold.
#[derive(Debug, Clone)]
pub struct Query {
    /// Of this tenant.
    pub tenant: Option<TenantId>,
    /// Not before this moment.
    pub since: Option<Timestamp>,
    /// With this action, or with one that begins with it and a dot.
    pub action: Option<String>,
    /// With this decision.
    pub decision: Option<Decision>,
    /// The last so many.
    pub limit: usize,
}

impl Query {
    /// Whether a record is wanted.
    pub fn wants(&self, record: &Record) -> bool {
        let entry = &record.entry;
        let in_action = |wanted: &String| {
            entry.action.strip_prefix(wanted.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.tenant.as_ref().is_none_or(|tenant| entry.tenant.as_ref() == Some(tenant))
            && self.since.is_none_or(|since| entry.at >= since)
            && self.action.as_ref().is_none_or(in_action)
            && self.decision.is_none_or(|decision| entry.decision == decision)
    }
}

/// Keeps the audit. Every method blocks on the disk.
pub trait AuditLog: Send + Sync {
    /// Where the chain stands.
    fn end(&self) -> Link;

    /// Appends whole lines and returns once they survive a power loss, all or none. `end` is where the chain stands after them; it
    /// becomes the sealed head.
    fn append(&self, lines: &[u8], end: &Link) -> Result<(), LedgerError>;

    /// The last records that match, oldest first.
    fn read(&self, query: &Query) -> Result<Vec<Record>, LedgerError>;

    /// Checks the whole chain as it stands now.
    fn verify(&self) -> Result<Result<Summary, Break>, LedgerError>;
}
