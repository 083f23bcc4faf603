//! Reading: what has expired is not there.

use host_calls::{PAGE_LEN_MAX, StateReply};
use host_model::{Caller, StateKey, Timestamp};
use sqlx::SqlitePool;

use crate::StoreError;
use crate::rows::millis;

pub(super) async fn get(
    readers: &SqlitePool,
    caller: &Caller,
    now: Timestamp,
    key: &StateKey,
) -> Result<StateReply, StoreError> {
    let sql = "SELECT value FROM entries
               WHERE tenant = ?1 AND agent = ?2 AND key = ?3 AND (expires_ms IS NULL OR expires_ms > ?4)";
    let query = sqlx::query_scalar(sql).bind(caller.tenant().as_str()).bind(caller.agent().as_str());
    let value = query.bind(key.as_str().as_bytes()).bind(millis("now", now)?).fetch_optional(readers).await?;
    Ok(StateReply::Value(value))
}

pub(super) async fn keys(
    readers: &SqlitePool,
    caller: &Caller,
    now: Timestamp,
    prefix: &str,
    after: Option<&str>,
) -> Result<StateReply, StoreError> {
    // One more than a page tells whether there is another.
    let sql = "SELECT key FROM entries
               WHERE tenant = ?1 AND agent = ?2 AND key >= ?3 AND key < ?4 AND key > ?5
                 AND (expires_ms IS NULL OR expires_ms > ?6)
               ORDER BY key LIMIT ?7";
    let query = sqlx::query_scalar(sql).bind(caller.tenant().as_str()).bind(caller.agent().as_str());
    let query = query.bind(prefix.as_bytes()).bind(past(prefix)).bind(after.unwrap_or_default().as_bytes());
    let rows_max = i64::try_from(PAGE_LEN_MAX + 1).expect("some hundreds");
    let found: Vec<Vec<u8>> = query.bind(millis("now", now)?).bind(rows_max).fetch_all(readers).await?;
    let more = found.len() > PAGE_LEN_MAX;
    let keys: Vec<String> =
        found.into_iter().take(PAGE_LEN_MAX).map(|key| String::from_utf8_lossy(&key).into_owned()).collect();
    let next = keys.last().filter(|_| more).cloned();
    Ok(StateReply::Keys { keys, next })
}

/// The first bytes that come after everything with this prefix. No UTF-8 text holds the byte 255, so the last one has room.
fn past(prefix: &str) -> Vec<u8> {
    let mut past = prefix.as_bytes().to_vec();
    match past.last_mut() {
        Some(last) => *last += 1,
        None => past.push(u8::MAX),
    }
    past
}
