//! Dead letters.

use host_bus::{Death, JournalError, Letter, LetterId, Letters, Place, Position};
use host_model::{MessageId, TenantId, Timestamp};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection, SqlitePool};

use crate::StoreError;
use crate::journal::bytes::{len, message, millis, place};
use crate::journal::read::{bytes, moment, number, or_logged, parsed, sender, text};
use crate::journal::writer::Writer;

/// Letters deleted in one transaction: between two of them others have their turn.
const PURGED_AT_ONCE: i64 = 256;

/// Makes a message in a queue a letter; it still is in the queue. Nothing if it is not.
pub(super) async fn bury(connection: &mut SqliteConnection, of: &Place, death: &Death) -> Result<(), StoreError> {
    let sql = "INSERT INTO letters (tenant, queue, message, sender, address, frame, kept_ms, cause, detail, attempts, died_ms)
               SELECT d.tenant, d.queue, m.message, m.sender, m.address, m.frame, m.kept_ms, ?4, ?5, ?6, ?7
               FROM deliveries AS d JOIN messages AS m ON m.position = d.position AND m.tenant = d.tenant
               WHERE d.tenant = ?1 AND d.queue = ?2 AND d.position = ?3";
    let query = sqlx::query(sql).bind(of.tenant.as_str()).bind(of.queue.as_str()).bind(place(of.position));
    let query = query.bind(death.cause.as_str()).bind(death.detail.as_str()).bind(i64::from(death.attempts));
    query.bind(millis(death.at)).execute(connection).await?;
    Ok(())
}

/// Where a letter of a tenant was sent again, if it was; `None` if there is no such letter.
pub(super) async fn replayed(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    id: LetterId,
) -> Result<Option<Option<Position>>, StoreError> {
    let sql = "SELECT replayed_position FROM letters WHERE id = ? AND tenant = ?";
    let query = sqlx::query(sql).bind(place(Position(id.0))).bind(tenant.as_str());
    let Some(row) = query.fetch_optional(connection).await? else { return Ok(None) };
    let position: Option<i64> = row.try_get(0)?;
    Ok(Some(position.map(|position| Position(position.cast_unsigned()))))
}

/// Says of a letter that it was sent again.
pub(super) async fn mark(
    connection: &mut SqliteConnection,
    id: LetterId,
    at: Timestamp,
    message: MessageId,
    position: Position,
) -> Result<(), StoreError> {
    let sql = "UPDATE letters SET replayed_ms = ?, replayed_as = ?, replayed_position = ? WHERE id = ?";
    let query = sqlx::query(sql).bind(millis(at)).bind(&message.as_bytes()[..]).bind(place(position));
    query.bind(place(Position(id.0))).execute(connection).await?;
    Ok(())
}

/// Without their frames, which may be many megabytes.
pub(super) async fn page(
    readers: &SqlitePool,
    tenant: &TenantId,
    after: LetterId,
    len_max: usize,
) -> Result<Vec<Letter>, StoreError> {
    let sql =
        "SELECT id, tenant, queue, message, sender, address, x'' AS frame, kept_ms, cause, detail, attempts, died_ms,
                      replayed_ms, replayed_as
               FROM letters WHERE tenant = ? AND id > ? ORDER BY id LIMIT ?";
    let (mut letters, mut from) = (Vec::new(), place(Position(after.0)));
    // A page that is short is the last one, so that those that cannot be read are made up for.
    while letters.len() < len_max {
        let query = sqlx::query(sql).bind(tenant.as_str()).bind(from).bind(len(len_max - letters.len()));
        let rows = query.fetch_all(readers).await?;
        let Some(last) = rows.last() else { break };
        from = last.try_get("id")?;
        letters.extend(rows.iter().filter_map(or_logged(letter)));
    }
    Ok(letters)
}

pub(super) async fn one(readers: &SqlitePool, tenant: &TenantId, id: LetterId) -> Result<Option<Letter>, StoreError> {
    let query = sqlx::query("SELECT * FROM letters WHERE tenant = ? AND id = ?");
    let row = query.bind(tenant.as_str()).bind(place(Position(id.0))).fetch_optional(readers).await?;
    Ok(row.as_ref().and_then(or_logged(letter)))
}

pub(super) async fn counts(readers: &SqlitePool) -> Result<Vec<(TenantId, u64)>, StoreError> {
    let rows = sqlx::query("SELECT tenant, count(*) AS len FROM letters GROUP BY tenant").fetch_all(readers).await?;
    let count = |row: &SqliteRow| Some((parsed(row, "tenant")?, number(row, "len")?));
    Ok(rows.iter().filter_map(or_logged(count)).collect())
}

pub(super) async fn purge(writer: &Writer, tenant: &TenantId, which: Letters) -> Result<u64, JournalError> {
    let (id, until) = match which {
        Letters::One(id) => (Some(place(Position(id.0))), i64::MAX),
        Letters::Until(moment) => (None, millis(moment)),
    };
    let mut purged = 0;
    loop {
        let mut turn = writer.begin().await?;
        let sql = "DELETE FROM letters WHERE id IN (
                       SELECT id FROM letters
                       WHERE tenant = ? AND id = coalesce(?, id) AND died_ms <= ? ORDER BY id LIMIT ?)";
        let query = sqlx::query(sql).bind(tenant.as_str()).bind(id).bind(until).bind(PURGED_AT_ONCE);
        let done = query.execute(turn.connection()).await.map_err(StoreError::from);
        let deleted = turn.end("purge dead letters", done).await?.rows_affected();
        purged += deleted;
        if deleted < PURGED_AT_ONCE.cast_unsigned() {
            return Ok(purged);
        }
    }
}

/// `None` if a column does not hold what was ever written.
fn letter(row: &SqliteRow) -> Option<Letter> {
    let replayed = match moment(row, "replayed_ms") {
        Some(at) => Some((at, message(bytes(row, "replayed_as")?)?)),
        None => None,
    };
    Some(Letter {
        id: LetterId(number(row, "id")?),
        tenant: parsed(row, "tenant")?,
        queue: parsed(row, "queue")?,
        message: message(bytes(row, "message")?)?,
        sender: sender(row)?,
        address: text(row, "address")?.to_owned(),
        frame: bytes(row, "frame")?.into(),
        death: Death {
            cause: parsed(row, "cause")?,
            detail: text(row, "detail")?.to_owned(),
            attempts: number(row, "attempts")?.try_into().ok()?,
            at: moment(row, "died_ms")?,
        },
        kept: moment(row, "kept_ms")?,
        replayed,
    })
}
