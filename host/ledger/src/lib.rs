//! What happened: an audit whose records are chained by hashes, and usage lines.
//!
//! [`Ledger`] is handed to whoever decides something. A control verb asks it for a [`Recorded`] before it acts, and gets none while
//! the audit cannot be written; denials are counted first and written soon, so that a flood of them neither waits nor fills a disk.
//! `docs/audit.md` specifies the files, so that an outsider can check them.

mod act;
mod chain;
mod denials;
mod error;
mod ledger;
mod log;
mod record;
mod seal;
mod state;
mod usage;
mod verify;
mod writer;

pub use act::{Act, Recorded};
pub use chain::{Hash, LINE_LEN_MAX, Link};
pub use denials::Denial;
pub use error::LedgerError;
pub use ledger::Ledger;
pub use log::{AuditLog, Found, Query};
pub use record::{Actor, Decision, Entry, Record};
pub use seal::{SealKey, Sealed};
pub use usage::{Usage, UsageBook, UsageLog, Used};
pub use verify::{Break, Reason, Summary, segment_name, segments_in, verify, verify_files};
