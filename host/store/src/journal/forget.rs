//! Forgetting: ids that need not be remembered, tenants that were deleted, and pages that hold nothing any more.
//!
//! In small transactions, so that others have their turn in between.

use host_bus::JournalError;
use host_model::{TenantId, Timestamp};
use sqlx::{SqliteConnection, SqlitePool};

use crate::StoreError;
use crate::journal::bytes::millis;
use crate::journal::fault::told;
use crate::journal::writer::Writer;

/// Rows looked at in one transaction.
const ROWS_AT_ONCE: i64 = 1_024;
/// Pages given back in one transaction, 4 KiB each.
const PAGES_AT_ONCE: i64 = 1_024;
/// Empty pages that are kept for what comes next.
const EMPTY_PAGES_KEPT: i64 = 4_096;

/// What is deleted of a tenant, a little at a time. A message waits in one queue of its tenant at least, so that each is found by
/// its places; those go last.
const OF_TENANT: [&str; 4] = [
    "DELETE FROM messages WHERE position IN (
         SELECT position FROM deliveries WHERE tenant = ?1 ORDER BY queue, position LIMIT ?2)",
    "DELETE FROM deliveries WHERE tenant = ?1 AND (queue, position) IN (
         SELECT queue, position FROM deliveries WHERE tenant = ?1 ORDER BY queue, position LIMIT ?2)",
    "DELETE FROM remembered WHERE tenant = ?1 AND message IN (
         SELECT message FROM remembered WHERE tenant = ?1 LIMIT ?2)",
    "DELETE FROM letters WHERE id IN (SELECT id FROM letters WHERE tenant = ?1 LIMIT ?2)",
];

/// Deletes all of a tenant. Killed in between, it can be called again.
pub(super) async fn tenant(writer: &Writer, tenant: &TenantId) -> Result<(), JournalError> {
    loop {
        let mut turn = writer.begin().await?;
        let done = async {
            let mut deleted = 0;
            overwrite(turn.connection(), "ON").await?;
            for sql in OF_TENANT {
                let query = sqlx::query(sql).bind(tenant.as_str()).bind(ROWS_AT_ONCE);
                deleted += query.execute(turn.connection()).await?.rows_affected();
            }
            overwrite(turn.connection(), "FAST").await?;
            Ok::<_, StoreError>(deleted)
        };
        let done = done.await;
        if turn.end("forget a tenant", done).await? == 0 {
            return give_back(writer).await;
        }
    }
}

/// Whether pages that are freed are overwritten too. Left on by an error, it costs time and nothing else.
async fn overwrite(connection: &mut SqliteConnection, mode: &'static str) -> Result<(), StoreError> {
    // Not kept prepared: SQLite does it when it reads the statement, and not when it runs it.
    let sql = sqlx::AssertSqlSafe(format!("PRAGMA secure_delete = {mode}"));
    sqlx::query(sql).persistent(false).fetch_all(connection).await?;
    Ok(())
}

/// Forgets ids whose time was over before this moment, but for those of messages that wait.
pub(super) async fn until(writer: &Writer, readers: &SqlitePool, now: Timestamp) -> Result<u64, JournalError> {
    let forgotten = ended_before(writer, readers, None, millis(now)).await?;
    give_back(writer).await?;
    Ok(forgotten)
}

/// Forgets the oldest ids of a tenant beyond so many, but for those of messages that wait.
pub(super) async fn beyond(
    writer: &Writer,
    readers: &SqlitePool,
    tenant: &TenantId,
    ids_max: u64,
) -> Result<u64, JournalError> {
    let sql = "SELECT until_ms FROM remembered WHERE tenant = ? ORDER BY until_ms DESC LIMIT 1 OFFSET ?";
    let query = sqlx::query_scalar(sql).bind(tenant.as_str()).bind(i64::try_from(ids_max).unwrap_or(i64::MAX));
    let newest: Option<i64> =
        query.fetch_optional(readers).await.map_err(|error| told("count ids", StoreError::from(error)))?;
    match newest {
        Some(newest) => ended_before(writer, readers, Some(tenant), newest.saturating_add(1)).await,
        None => Ok(0),
    }
}

/// Forgets the ids, of one tenant or of all, that need not be remembered after `end`, but for those of messages that wait.
async fn ended_before(
    writer: &Writer,
    readers: &SqlitePool,
    tenant: Option<&TenantId>,
    end: i64,
) -> Result<u64, JournalError> {
    let (mut from, mut forgotten) = (0, 0);
    // Each id is looked at once, however many stay.
    while from < end {
        let to = step_end(readers, from, end).await.map_err(|error| told("look for old ids", error))?;
        let mut turn = writer.begin().await?;
        let sql = "DELETE FROM remembered WHERE until_ms >= ?1 AND until_ms < ?2 AND tenant = coalesce(?3, tenant)
                   AND NOT EXISTS (SELECT 1 FROM messages WHERE messages.position = remembered.position)";
        let query = sqlx::query(sql).bind(from).bind(to).bind(tenant.map(TenantId::as_str));
        let done = query.execute(turn.connection()).await.map_err(StoreError::from);
        forgotten += turn.end("forget old ids", done).await?.rows_affected();
        from = to;
    }
    Ok(forgotten)
}

/// The moment up to which about as many ids end as one transaction takes.
async fn step_end(readers: &SqlitePool, from: i64, end: i64) -> Result<i64, StoreError> {
    let sql = "SELECT until_ms FROM remembered WHERE until_ms >= ? AND until_ms < ? ORDER BY until_ms LIMIT 1 OFFSET ?";
    let found: Option<i64> =
        sqlx::query_scalar(sql).bind(from).bind(end).bind(ROWS_AT_ONCE).fetch_optional(readers).await?;
    Ok(found.map_or(end, |to| to.max(from + 1)))
}

/// Gives empty pages back to the file system, but for some.
async fn give_back(writer: &Writer) -> Result<(), JournalError> {
    loop {
        let mut turn = writer.begin().await?;
        let done = async {
            let empty: i64 = sqlx::query_scalar("PRAGMA freelist_count").fetch_one(turn.connection()).await?;
            let pages = (empty - EMPTY_PAGES_KEPT).min(PAGES_AT_ONCE);
            if pages > 0 {
                let sql = sqlx::AssertSqlSafe(format!("PRAGMA incremental_vacuum({pages})"));
                sqlx::query(sql).fetch_all(turn.connection()).await?;
            }
            Ok::<_, StoreError>(pages)
        };
        let done = done.await;
        if turn.end("give pages back", done).await? <= 0 {
            return Ok(());
        }
    }
}
