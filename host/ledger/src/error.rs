//! Why the ledger did not do it.

use std::io;
use std::path::PathBuf;

/// Why the ledger did not do it.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The audit cannot be written: what needs a record is refused until it can.
    #[error(
        "the audit cannot be written, and this is not done without a record: look at the host's log and at GET /readyz"
    )]
    Unwritable,
    /// A file could not be used.
    #[error("cannot {act} {}", path.display())]
    File {
        /// What was tried: `read`, `write`.
        act: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The end of the log is no record, so that nothing can be chained to it.
    #[error("the last record in {} cannot be read: move the directory away, keep it as evidence, and start again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The task that used the disk was cut off, which happens only when the host ends.
    #[error("the disk task was cut off")]
    CutOff,
    /// A record could not be written as JSON.
    #[error("cannot write a record as JSON")]
    Json(#[from] serde_json::Error),
    /// The machine gave no thread.
    #[error("cannot start the thread that writes the audit")]
    Thread(#[source] io::Error),
}

impl LedgerError {
    /// Says on what an I/O error came up.
    pub fn file<'p>(act: &'static str, path: &'p std::path::Path) -> impl Fn(io::Error) -> Self + 'p {
        move |source| Self::File { act, path: path.to_owned(), source }
    }

    /// Whether the disk is full.
    pub fn is_disk_full(&self) -> bool {
        let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
        matches!(self, Self::File { source, .. } if full.contains(&source.kind()))
    }
}
