//! Writing: one transaction for each change, the quota in the middle of it.
//!
//! There is one writer, so what a transaction reads stays true until it commits. Room is reserved before anything is written and
//! counted after the commit; a failure in between gives it back.

use host_calls::{Refusal, RefusalNumbers, STATE_VALUE_LEN_MAX, StateReply};
use host_courier::{StateWrite, Value};
use host_model::{AgentId, Caller, Fence, StateKey, TenantId, Timestamp};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, SqliteConnection, SqlitePool, Transaction};

use super::usage::{Growth, Size};
use super::{Inner, Tenant, leases};
use crate::StoreError;
use crate::refusal::failed;
use crate::rows::millis;

/// Expired entries of the tenant that each write takes away, so that none needs a sweeper.
const SWEPT_BY_A_WRITE: i64 = 16;
/// How many more it takes away where the tenant's quota would not do otherwise.
const SWEPT_FOR_ROOM: i64 = 1_000;

/// What a write makes of a key.
pub(super) enum Change {
    Nothing(StateReply),
    Delete,
    Put(Value, StateReply),
}

/// A write that is done but for its commit.
struct Written {
    reply: StateReply,
    growth: Option<Growth>,
    went: Size,
    came: Size,
}

/// What is to be written, by whom, when, and under which leases.
pub(super) struct Write<'a> {
    pub(super) caller: &'a Caller,
    pub(super) now: Timestamp,
    pub(super) key: &'a StateKey,
    pub(super) what: StateWrite,
    pub(super) fences: Vec<Fence>,
}

/// For who has the tenant's turn.
pub(super) async fn apply(inner: &Inner, tenant: &Tenant, write: Write<'_>) -> Result<StateReply, Refusal> {
    let Write { caller, now, key, what, fences } = write;
    inner.reserve.check((key.as_str().len() + STATE_VALUE_LEN_MAX) as u64)?;
    let mut sweep = SWEPT_BY_A_WRITE;
    loop {
        let begun = inner.writer.begin_with("BEGIN IMMEDIATE").await;
        let mut transaction = begun.map_err(|error| failed("state", &error))?;
        leases::check(&mut transaction, &fences).await?;
        let step = Step { tenant, caller, now, key };
        let swept = step.sweep(&mut transaction, sweep).await.map_err(|error| failed("state", &error))?;
        match step.write(&mut transaction, &what, swept).await {
            Ok(written) => return commit(tenant, transaction, written).await,
            // What has expired makes room before anybody is told that there is none.
            Err(Refusal::OverQuota(_)) if swept.keys > 0 => {
                let written = Written { reply: StateReply::Set, growth: None, went: swept, came: Size::default() };
                commit(tenant, transaction, written).await?;
                sweep = SWEPT_FOR_ROOM;
            }
            Err(refusal) => return Err(refusal),
        }
    }
}

async fn commit(
    tenant: &Tenant,
    transaction: Transaction<'_, Sqlite>,
    written: Written,
) -> Result<StateReply, Refusal> {
    let Written { reply, growth, went, came } = written;
    transaction.commit().await.map_err(|error| failed("state", &error))?;
    tenant.held.lock().settle(growth, went, came);
    Ok(reply)
}

/// One change of one key.
struct Step<'a> {
    tenant: &'a Tenant,
    caller: &'a Caller,
    now: Timestamp,
    key: &'a StateKey,
}

impl Step<'_> {
    /// Takes expired entries of the tenant away.
    async fn sweep(&self, connection: &mut SqliteConnection, entries_max: i64) -> Result<Size, StoreError> {
        let sql = "DELETE FROM entries WHERE rowid IN (
                       SELECT rowid FROM entries WHERE tenant = ?1 AND expires_ms <= ?2 ORDER BY expires_ms LIMIT ?3
                   ) RETURNING length(key) + length(value)";
        let query = sqlx::query_scalar(sql).bind(self.caller.tenant().as_str());
        let swept: Vec<i64> = query.bind(millis("now", self.now)?).bind(entries_max).fetch_all(connection).await?;
        Ok(Size { keys: swept.len() as u64, bytes: swept.into_iter().map(i64::cast_unsigned).sum() })
    }

    async fn write(
        &self,
        connection: &mut SqliteConnection,
        write: &StateWrite,
        swept: Size,
    ) -> Result<Written, Refusal> {
        let error = |error: StoreError| failed("state", &error);
        let old = self.entry(connection).await.map_err(error)?;
        let before = old.as_ref().map_or(Size::default(), |old| Size::of(self.key.as_str(), &old.bytes));
        let live = old.filter(|old| old.expires.is_none_or(|expires| expires > self.now));
        match change(live.as_ref(), write)? {
            Change::Nothing(reply) => Ok(Written { reply, growth: None, went: swept, came: Size::default() }),
            Change::Delete => {
                self.delete(connection).await.map_err(error)?;
                let reply = StateReply::Done(live.is_some());
                Ok(Written { reply, growth: None, went: swept.plus(before), came: Size::default() })
            }
            Change::Put(value, reply) => {
                let (went, came) = (swept.plus(before), Size::of(self.key.as_str(), &value.bytes));
                let growth = Growth::reserve(&self.tenant.budgets, came.less(went))?;
                self.put(connection, &value).await.map_err(error)?;
                Ok(Written { reply, growth: Some(growth), went, came })
            }
        }
    }

    async fn entry(&self, connection: &mut SqliteConnection) -> Result<Option<Value>, StoreError> {
        let sql = "SELECT value, expires_ms FROM entries WHERE tenant = ?1 AND agent = ?2 AND key = ?3";
        let query = sqlx::query(sql).bind(self.caller.tenant().as_str()).bind(self.caller.agent().as_str());
        let row = query.bind(self.key.as_str().as_bytes()).fetch_optional(connection).await?;
        row.as_ref().map(value_in).transpose()
    }

    async fn delete(&self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        let sql = "DELETE FROM entries WHERE tenant = ?1 AND agent = ?2 AND key = ?3";
        let query = sqlx::query(sql).bind(self.caller.tenant().as_str()).bind(self.caller.agent().as_str());
        query.bind(self.key.as_str().as_bytes()).execute(connection).await?;
        Ok(())
    }

    async fn put(&self, connection: &mut SqliteConnection, value: &Value) -> Result<(), StoreError> {
        let expires = value.expires.map(|expires| millis("expires_ms", expires)).transpose()?;
        let sql = "INSERT INTO entries (tenant, agent, key, value, expires_ms) VALUES (?1, ?2, ?3, ?4, ?5)
                   ON CONFLICT (tenant, agent, key)
                   DO UPDATE SET value = excluded.value, expires_ms = excluded.expires_ms";
        let query = sqlx::query(sql).bind(self.caller.tenant().as_str()).bind(self.caller.agent().as_str());
        query.bind(self.key.as_str().as_bytes()).bind(&value.bytes[..]).bind(expires).execute(connection).await?;
        Ok(())
    }
}

fn value_in(row: &SqliteRow) -> Result<Value, StoreError> {
    let expires: Option<i64> = row.try_get("expires_ms")?;
    let expires = expires.map(|millis| Timestamp::from_millis(millis.cast_unsigned()));
    Ok(Value { bytes: row.try_get("value")?, expires })
}

/// What a write makes of a key that has this value.
pub(super) fn change(live: Option<&Value>, write: &StateWrite) -> Result<Change, Refusal> {
    Ok(match write {
        StateWrite::Set(value) => Change::Put(value.clone(), StateReply::Set),
        StateWrite::Delete => Change::Delete,
        StateWrite::Increment { delta, sum_min } => {
            let sum = sum(live, *delta, *sum_min)?;
            let value = Value { bytes: sum.to_string().into_bytes(), expires: live.and_then(|live| live.expires) };
            Change::Put(value, StateReply::Number(sum))
        }
        StateWrite::CompareAndSet(expected, value) => {
            let same = live.map(|live| &live.bytes) == expected.as_ref();
            if same {
                Change::Put(value.clone(), StateReply::Done(true))
            } else {
                Change::Nothing(StateReply::Done(false))
            }
        }
    })
}

fn sum(live: Option<&Value>, delta: i64, sum_min: i64) -> Result<i64, Refusal> {
    let invalid = |code| Refusal::Invalid(RefusalNumbers::of(code));
    let number = match live {
        None => 0,
        Some(value) => std::str::from_utf8(&value.bytes)
            .ok()
            .and_then(|text| text.parse::<i64>().ok())
            .ok_or_else(|| invalid("not-a-number"))?,
    };
    number.checked_add(delta).filter(|sum| *sum >= sum_min).ok_or_else(|| invalid("number-overflow"))
}

pub(super) async fn delete_agent(writer: &SqlitePool, tenant: &TenantId, agent: &AgentId) -> Result<Size, StoreError> {
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
    let sql = "SELECT count(*), coalesce(sum(length(key) + length(value)), 0) FROM entries
               WHERE tenant = ?1 AND agent = ?2";
    let row = sqlx::query(sql).bind(tenant.as_str()).bind(agent.as_str()).fetch_one(&mut *transaction).await?;
    let number = |index: usize| row.try_get::<i64, _>(index).map(i64::cast_unsigned);
    let size = Size { keys: number(0)?, bytes: number(1)? };
    let sql = "DELETE FROM entries WHERE tenant = ?1 AND agent = ?2";
    sqlx::query(sql).bind(tenant.as_str()).bind(agent.as_str()).execute(&mut *transaction).await?;
    leases::delete_agent(&mut transaction, tenant, agent).await?;
    transaction.commit().await?;
    Ok(size)
}
