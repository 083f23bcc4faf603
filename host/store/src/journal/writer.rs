//! The one connection that writes: whose turn it is, and whether it may still be trusted.
//!
//! Its transactions are plain statements. sqlx's own count how deep they are nested, and count wrong from then on when SQLite rolls
//! back by itself, which it does on a full disk.

use std::fs;
use std::path::{Path, PathBuf};

use host_bus::JournalError;
use sqlx::{Connection as _, Row as _, SqliteConnection};
use tokio::sync::{Mutex, MutexGuard};

use crate::StoreError;
use crate::journal::fault::{Fault, told};

/// The length of the log from which on it is cut off, in bytes; and by how much it grows before that is tried again.
const LOG_LEN_STEP: u64 = 2 * super::LOG_LEN_KEPT;
/// The longest log, in bytes: past it nothing is written until whoever reads the old state outside has ended.
const LOG_LEN_MAX: u64 = 8 * LOG_LEN_STEP;

/// First come, first served.
pub(super) struct Writer(Mutex<Inner>);

struct Inner {
    /// `None` once it is closed.
    connection: Option<SqliteConnection>,
    log: Log,
    /// Whether somebody who had the turn may have left a transaction behind.
    unfinished: bool,
    /// What was tried when it failed.
    broken: Option<&'static str>,
}

/// The file that is written ahead.
struct Log {
    path: PathBuf,
    cut_at: u64,
    step: u64,
    len_max: u64,
}

/// One transaction. Dropped without [`end`](Self::end), nothing of it is done.
pub(super) struct Turn<'w> {
    inner: MutexGuard<'w, Inner>,
}

/// Why a connection that failed, or was closed, is not used.
#[derive(Debug, thiserror::Error)]
#[error("it takes no more since it failed to {0}")]
struct Stopped(&'static str);

impl Writer {
    pub(super) fn new(connection: SqliteConnection, database: &Path) -> Self {
        Self::with(connection, database, LOG_LEN_STEP, LOG_LEN_MAX)
    }

    pub(super) fn with(connection: SqliteConnection, database: &Path, step: u64, len_max: u64) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push("-wal");
        let log = Log { path: path.into(), cut_at: step, step, len_max };
        Self(Mutex::new(Inner { connection: Some(connection), log, unfinished: false, broken: None }))
    }

    /// Waits for its turn and begins a transaction.
    pub(super) async fn begin(&self) -> Result<Turn<'_>, JournalError> {
        let mut inner = self.0.lock().await;
        if let Some(act) = inner.broken {
            return Err(JournalError::Broken { act: "commit", source: Box::new(Stopped(act)) });
        }
        let begun = inner.begin().await;
        match begun {
            Ok(true) => Ok(Turn { inner }),
            Ok(false) => Err(JournalError::Full),
            Err(error) => Err(inner.failed("begin", error)),
        }
    }

    /// After what is under way.
    pub(super) async fn close(&self) {
        let mut inner = self.0.lock().await;
        inner.broken.get_or_insert("stay open");
        if let Some(connection) = inner.connection.take() {
            close(connection).await;
        }
    }
}

/// Folds the log in. Nothing is lost without it.
pub(super) async fn close(connection: SqliteConnection) {
    if let Err(error) = connection.close().await {
        tracing::warn!(%error, "the journal was not closed in order: the next start reads its log");
    }
}

impl Turn<'_> {
    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        self.inner.connection()
    }

    /// Commits what was done, and returns once it is synced; or rolls it back.
    pub(super) async fn end<T>(mut self, act: &'static str, done: Result<T, StoreError>) -> Result<T, JournalError> {
        let committed = match done {
            Ok(done) => self.inner.execute("COMMIT").await.map(|()| done),
            Err(error) => Err(error),
        };
        match committed {
            Ok(done) => {
                self.inner.unfinished = false;
                Ok(done)
            }
            Err(error) => {
                self.inner.roll_back().await;
                Err(self.inner.failed(act, error))
            }
        }
    }
}

impl Inner {
    fn connection(&mut self) -> &mut SqliteConnection {
        self.connection.as_mut().expect("a closed writer is a broken one")
    }

    /// `false` where the log may not grow.
    async fn begin(&mut self) -> Result<bool, StoreError> {
        if self.unfinished {
            self.roll_back().await;
        }
        if !self.cut_log().await? {
            return Ok(false);
        }
        self.unfinished = true;
        self.execute("BEGIN IMMEDIATE").await.map(|()| true)
    }

    /// SQLite may have done it by itself, and then refuses. If a transaction were left, the next `BEGIN` would be refused.
    async fn roll_back(&mut self) {
        if let Err(error) = self.execute("ROLLBACK").await {
            tracing::debug!(%error, "there was nothing to roll back");
        }
        self.unfinished = false;
    }

    fn failed(&mut self, act: &'static str, error: StoreError) -> JournalError {
        let fault = Fault::of(&error);
        tracing::error!(act, error = &error as &dyn std::error::Error, ?fault, "the journal did not do it");
        if fault != Fault::NoRoom {
            self.broken = Some(act);
        }
        told(act, error)
    }

    async fn execute(&mut self, sql: &'static str) -> Result<(), StoreError> {
        sqlx::query(sql).execute(self.connection()).await?;
        Ok(())
    }

    /// Folds a log that has become long into the database and cuts it off. Whoever reads an old state keeps it from that; then it
    /// may grow to its bound. `false` if it is past that.
    async fn cut_log(&mut self) -> Result<bool, StoreError> {
        let len = self.log.len()?;
        if len < self.log.cut_at {
            return Ok(true);
        }
        let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(self.connection()).await?;
        if row.try_get::<i64, _>(0)? == 0 {
            self.log.cut_at = self.log.step;
            return Ok(true);
        }
        tracing::error!(
            len,
            len_max = self.log.len_max,
            "another program reads the journal, and its log grows: end it"
        );
        self.log.cut_at = len.saturating_add(self.log.step).min(self.log.len_max);
        Ok(len < self.log.len_max)
    }
}

impl Log {
    fn len(&self) -> Result<u64, StoreError> {
        match fs::metadata(&self.path) {
            Ok(found) => Ok(found.len()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(crate::files::io_error("read", &self.path)(error)),
        }
    }
}
