//! The log of messages that must not be lost, in a database of its own.
//!
//! Its syncs and those of control data do not wait for each other. Every commit is synced before it is answered
//! (`synchronous=FULL`). Once one has failed in a way that says nothing about what was written, the log takes no more
//! ([`JournalError::Broken`]): the next start reads what the disk really holds.

mod batch;
mod bytes;
mod fault;
mod forget;
mod keep;
mod letters;
mod read;
mod settle;
mod writer;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use host_bus::{Change, Changed, Depth, Journal, JournalError, Letter, LetterId, Letters, Position, Waiting};
use host_model::{Queue, TenantId, Timestamp};
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, SqliteConnection, SqlitePool};

use crate::files::io_error;
use crate::journal::fault::told;
use crate::journal::writer::Writer;
use crate::lock::Lock;
use crate::reserve::Reserve;
use crate::{DataDir, StoreError, schema, sqlite};

static MIGRATIONS: Migrator = sqlx::migrate!("./journal-migrations");

/// The most connections that read: a page of letters does not hold up the pump of a queue.
const READERS_MAX: u32 = 2;
/// Pages written ahead before they are folded into the database, 4 KiB each.
const CHECKPOINT_PAGES: u32 = 4_096;
/// What a log that was folded in may keep of its file, in bytes.
const LOG_LEN_KEPT: u64 = (CHECKPOINT_PAGES as u64) << 12;
/// What new messages leave free on the disk, in bytes: the log must be able to grow the database by all it holds, and to write
/// that a message is done, when nothing new is taken any more.
const RESERVED_BYTES: u64 = LOG_LEN_KEPT + (8 << 20);
/// Memory for the writer's pages, in KiB: the memory of ids is written all over.
const CACHE_KIB: i32 = 16 << 10;

/// The log of messages of all tenants.
pub struct SqliteJournal {
    writer: Writer,
    readers: SqlitePool,
    reserve: Reserve,
    _lock: Arc<Lock>,
}

impl SqliteJournal {
    /// Opens the log of a data directory, or creates it (mode 0600), and keeps the directory held. A host that was killed leaves
    /// nothing to repair.
    ///
    /// Refused with the file untouched: an SQLite with known faults ([`StoreError::EngineTooOld`]), a schema of a newer
    /// version ([`StoreError::NewerSchema`]), a file that is no journal.
    pub async fn open(data: &DataDir) -> Result<Self, StoreError> {
        schema::check_engine().await?;
        let path = data.journal();
        sqlite::create(&path)?;
        let mut connection = connect(&path).await?;
        if let Err(refused) = schema::migrate(&MIGRATIONS, &mut connection, &path).await {
            writer::close(connection).await;
            return Err(refused);
        }
        // Asked on the directory: whoever closes a file of a database gives up its locks (<https://sqlite.org/howtocorrupt.html>, 2.2).
        let reserve = Reserve::with(path.parent().unwrap_or(&path), RESERVED_BYTES)?;
        Ok(Self {
            writer: Writer::new(connection, &path),
            readers: sqlite::readers(&path, SqliteSynchronous::Full, READERS_MAX),
            reserve,
            _lock: data.share_lock(),
        })
    }

    /// Waits for what is under way, and folds the log into the database. Without it nothing is lost; the next start does it.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Refuses new messages while there is still room for those that are kept to be settled. A message is written to the log and,
    /// when the log is cut, to the database.
    fn check_room(&self, changes: &[Change]) -> Result<(), JournalError> {
        let asked: u64 = changes.iter().map(new_bytes).sum();
        let left = || {
            self.reserve.left().map_err(|error| JournalError::Broken { act: "look at the disk", source: error.into() })
        };
        if asked == 0 || asked.saturating_mul(2) <= left()? { Ok(()) } else { Err(JournalError::Full) }
    }
}

/// Bytes of what a change adds.
fn new_bytes(change: &Change) -> u64 {
    match change {
        Change::Keep(keep) | Change::Replay { keep, .. } => keep.sealed.bytes().len().max(1) as u64,
        Change::Done(_) | Change::Failed { .. } | Change::Bury { .. } | Change::Quarantine { .. } => 0,
    }
}

async fn connect(path: &Path) -> Result<SqliteConnection, StoreError> {
    let mut settings = settings(path);
    // Settled with the first page; asked for again, it would write to a file that may be refused.
    if fs::metadata(path).map_err(io_error("read", path))?.len() == 0 {
        settings = settings.auto_vacuum(SqliteAutoVacuum::Incremental);
    }
    settings.connect().await.map_err(|source| StoreError::Open { path: path.to_owned(), source })
}

fn settings(path: &Path) -> SqliteConnectOptions {
    sqlite::settings(path, SqliteSynchronous::Full)
        .journal_mode(SqliteJournalMode::Wal)
        // A message that is done frees pages; to overwrite them as well would write every message a third time. What is freed
        // inside a page that is written anyway is overwritten, and `forget_tenant` asks for all of it.
        .pragma("secure_delete", "FAST")
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES.to_string())
        .pragma("journal_size_limit", LOG_LEN_KEPT.to_string())
        .pragma("cache_size", (-CACHE_KIB).to_string())
        // On a full disk a statement must not fail for want of a file to take notes in.
        .pragma("temp_store", "MEMORY")
}

#[async_trait]
impl Journal for SqliteJournal {
    async fn commit(&self, changes: &[Change]) -> Result<Vec<Changed>, JournalError> {
        self.check_room(changes)?;
        let mut turn = self.writer.begin().await?;
        let mut made = vec![Changed::Made; changes.len()];
        // What keeps messages and what settles them do not see each other, so that each is done in long runs.
        let work = async {
            keep::make(turn.connection(), changes, &mut made).await?;
            settle::make(turn.connection(), changes).await
        };
        let done = work.await;
        turn.end("commit", done).await?;
        Ok(made)
    }

    async fn read(
        &self,
        tenant: &TenantId,
        queue: &Queue,
        after: Position,
        len_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Waiting>, JournalError> {
        let page = read::Page { tenant, queue, after, len_max, bytes_max };
        page.read(&self.readers).await.map_err(|error| told("read a queue", error))
    }

    async fn depths(&self) -> Result<Vec<Depth>, JournalError> {
        read::depths(&self.readers).await.map_err(|error| told("weigh the queues", error))
    }

    async fn last(&self) -> Result<Position, JournalError> {
        read::last(&self.readers).await.map_err(|error| told("look for its end", error))
    }

    async fn letters(&self, tenant: &TenantId, after: LetterId, len_max: usize) -> Result<Vec<Letter>, JournalError> {
        letters::page(&self.readers, tenant, after, len_max).await.map_err(|error| told("read dead letters", error))
    }

    async fn letter(&self, tenant: &TenantId, id: LetterId) -> Result<Option<Letter>, JournalError> {
        letters::one(&self.readers, tenant, id).await.map_err(|error| told("read a dead letter", error))
    }

    async fn letter_counts(&self) -> Result<Vec<(TenantId, u64)>, JournalError> {
        letters::counts(&self.readers).await.map_err(|error| told("count dead letters", error))
    }

    async fn purge(&self, tenant: &TenantId, which: Letters) -> Result<u64, JournalError> {
        letters::purge(&self.writer, tenant, which).await
    }

    async fn forget_tenant(&self, tenant: &TenantId) -> Result<(), JournalError> {
        forget::tenant(&self.writer, tenant).await
    }

    async fn forget_until(&self, now: Timestamp) -> Result<u64, JournalError> {
        forget::until(&self.writer, &self.readers, now).await
    }

    async fn forget_beyond(&self, tenant: &TenantId, ids_max: u64) -> Result<u64, JournalError> {
        forget::beyond(&self.writer, &self.readers, tenant, ids_max).await
    }
}

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
