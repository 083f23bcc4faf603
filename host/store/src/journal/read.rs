//! Reading queues back. Nothing that is read is believed: a row that makes no sense is handed on with an empty frame, which no gate
//! takes for one, so that whoever reads reports and quarantines it as any other that does not verify.

use std::str::FromStr;
use std::sync::Arc;

use host_bus::{Depth, Position, Waiting};
use host_model::{AgentId, MessageId, Queue, TenantId, Timestamp};
use sqlx::sqlite::SqliteRow;
use sqlx::{Executor, Row as _, Sqlite, SqlitePool};

use crate::StoreError;
use crate::journal::bytes::{len, message, place};
use crate::journal::fault::Fault;

/// Which messages of which queue.
pub(super) struct Page<'a> {
    pub(super) tenant: &'a TenantId,
    pub(super) queue: &'a Queue,
    pub(super) after: Position,
    pub(super) len_max: usize,
    pub(super) bytes_max: usize,
}

/// A message and its id's memory, in a row of `d` for a place in a queue.
const COLUMNS: &str =
    "d.position, d.failures, d.due_ms, m.message, m.sender, m.address, m.frame, m.kept_ms, r.position AS known_at";

impl Page<'_> {
    pub(super) async fn read(&self, readers: &SqlitePool) -> Result<Vec<Waiting>, StoreError> {
        match self.at_once(readers).await {
            // One bad page of the file must not hold back what lies on the others.
            Err(error) if Fault::of(&error) == Fault::Damage => self.one_by_one(readers).await,
            read => read,
        }
    }

    async fn at_once(&self, readers: &SqlitePool) -> Result<Vec<Waiting>, StoreError> {
        // In floating point, which does not overflow whatever a damaged column says.
        let sql = format!(
            "SELECT {COLUMNS}
             FROM (SELECT position, failures, due_ms,
                          total(len) OVER (ORDER BY position ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
                   FROM (SELECT position, failures, due_ms, len FROM deliveries
                         WHERE tenant = ?1 AND queue = ?2 AND position > ?3 AND quarantined IS NULL
                         ORDER BY position LIMIT ?4)) AS d
             LEFT JOIN messages AS m ON m.position = d.position AND m.tenant = ?1
             LEFT JOIN remembered AS r ON r.tenant = ?1 AND r.message = m.message
             WHERE d.before < ?5 ORDER BY d.position"
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(self.tenant.as_str()).bind(self.queue.as_str());
        let query = query.bind(place(self.after)).bind(len(self.len_max)).bind(len(self.bytes_max).max(1));
        let rows = query.fetch_all(readers).await?;
        rows.iter().map(waiting).collect()
    }

    async fn one_by_one(&self, readers: &SqlitePool) -> Result<Vec<Waiting>, StoreError> {
        let (mut read, mut bytes) = (Vec::new(), 0);
        for position in self.positions(readers).await? {
            let one = match self.one(readers, position).await {
                Err(error) if Fault::of(&error) == Fault::Damage => {
                    Some(unreadable(Position(position.cast_unsigned())))
                }
                one => one?,
            };
            bytes += one.as_ref().map_or(0, |one| one.frame.len());
            read.extend(one);
            if bytes >= self.bytes_max {
                break;
            }
        }
        Ok(read)
    }

    async fn positions(&self, readers: &SqlitePool) -> Result<Vec<i64>, StoreError> {
        let sql = "SELECT position FROM deliveries
                   WHERE tenant = ? AND queue = ? AND position > ? AND quarantined IS NULL ORDER BY position LIMIT ?";
        let query = sqlx::query_scalar(sql).bind(self.tenant.as_str()).bind(self.queue.as_str());
        Ok(query.bind(place(self.after)).bind(len(self.len_max)).fetch_all(readers).await?)
    }

    /// `None` if it was settled in the meantime.
    async fn one(&self, readers: &SqlitePool, position: i64) -> Result<Option<Waiting>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM deliveries AS d
             LEFT JOIN messages AS m ON m.position = d.position AND m.tenant = ?1
             LEFT JOIN remembered AS r ON r.tenant = ?1 AND r.message = m.message
             WHERE d.tenant = ?1 AND d.queue = ?2 AND d.position = ?3"
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(self.tenant.as_str()).bind(self.queue.as_str());
        query.bind(position).fetch_optional(readers).await?.as_ref().map(waiting).transpose()
    }
}

fn waiting(row: &SqliteRow) -> Result<Waiting, StoreError> {
    let position: i64 = row.try_get("position")?;
    let position = Position(position.cast_unsigned());
    Ok(readable(row, position).unwrap_or_else(|| {
        tracing::error!(position = position.0, "a row of the journal is damaged: its message cannot be read");
        unreadable(position)
    }))
}

/// `None` if a column does not hold what was ever written.
fn readable(row: &SqliteRow, position: Position) -> Option<Waiting> {
    Some(Waiting {
        position,
        message: message(bytes(row, "message")?)?,
        remembered: row.try_get::<Option<i64>, _>("known_at").ok()?.map(|at| Position(at.cast_unsigned())),
        sender: sender(row)?,
        address: text(row, "address")?.to_owned(),
        frame: bytes(row, "frame")?.into(),
        failures: number(row, "failures")?.try_into().ok()?,
        due: moment(row, "due_ms")?,
        kept: moment(row, "kept_ms")?,
    })
}

/// What stands for a message whose row cannot be read. Its frame is empty, and nothing else of it is to be believed either.
fn unreadable(position: Position) -> Waiting {
    let never = Timestamp::from_millis(0);
    Waiting {
        position,
        message: MessageId::new(uuid::Uuid::nil()),
        remembered: None,
        sender: "unreadable".parse().expect("the form of an id"),
        address: String::new(),
        frame: Arc::from([]),
        failures: 0,
        due: never,
        kept: never,
    }
}

/// A text. NULL is none: asked for what cannot be NULL, sqlx makes it empty, and zero of a number.
pub(super) fn text<'r>(row: &'r SqliteRow, column: &str) -> Option<&'r str> {
    row.try_get::<Option<&str>, _>(column).ok()?
}

/// Bytes.
pub(super) fn bytes<'r>(row: &'r SqliteRow, column: &str) -> Option<&'r [u8]> {
    row.try_get::<Option<&[u8]>, _>(column).ok()?
}

/// A text that must parse.
pub(super) fn parsed<T: FromStr>(row: &SqliteRow, column: &str) -> Option<T> {
    text(row, column)?.parse().ok()
}

/// Who sent it: an agent, or the operator.
pub(super) fn sender(row: &SqliteRow) -> Option<AgentId> {
    AgentId::principal(text(row, "sender")?).ok()
}

/// A number that is not negative.
pub(super) fn number(row: &SqliteRow, column: &str) -> Option<u64> {
    row.try_get::<Option<i64>, _>(column).ok()??.try_into().ok()
}

/// A moment.
pub(super) fn moment(row: &SqliteRow, column: &str) -> Option<Timestamp> {
    number(row, column).map(Timestamp::from_millis)
}

pub(super) async fn depths(readers: &SqlitePool) -> Result<Vec<Depth>, StoreError> {
    // No frame is as long as 64 MiB: a length that was damaged fills no tenant's quota.
    let sql = "SELECT tenant, queue, count(*) - count(quarantined) AS messages, count(quarantined) AS quarantined,
                      CAST(total(CASE WHEN quarantined IS NULL THEN min(len, 67108864) END) AS INTEGER) AS bytes
               FROM deliveries GROUP BY tenant, queue";
    let rows = sqlx::query(sql).fetch_all(readers).await?;
    Ok(rows.iter().filter_map(or_logged(depth)).collect())
}

fn depth(row: &SqliteRow) -> Option<Depth> {
    let (tenant, queue) = (parsed(row, "tenant")?, parsed(row, "queue")?);
    let (messages, bytes) = (number(row, "messages")?, number(row, "bytes")?);
    Some(Depth { tenant, queue, messages, bytes, quarantined: number(row, "quarantined")? })
}

/// Says that a row was passed over. It stays where it is, for people to look at.
pub(super) fn or_logged<T>(read: impl Fn(&SqliteRow) -> Option<T>) -> impl Fn(&SqliteRow) -> Option<T> {
    move |row| {
        let found = read(row);
        if found.is_none() {
            tracing::error!("a row of the journal is damaged and was passed over");
        }
        found
    }
}

pub(super) async fn last<'c>(reader: impl Executor<'c, Database = Sqlite>) -> Result<Position, StoreError> {
    let sql = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'messages'), 0)";
    let last: i64 = sqlx::query_scalar(sql).fetch_one(reader).await?;
    Ok(Position(last.cast_unsigned()))
}
