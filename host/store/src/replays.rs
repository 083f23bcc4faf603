//! The memory of replays.

use async_trait::async_trait;
use host_bus::{Position, Recalled, ReplayError, ReplayMemory};
use host_gate::Novelty;
use host_model::{MessageId, TenantId, Timestamp};
use sqlx::Row as _;

use crate::error::{Cause, StoreError};
use crate::rows::millis;
use crate::sqlite::Sqlite;

/// The most messages of one tenant that are remembered.
const REPLAYS_MAX: u64 = 1 << 20;

#[async_trait]
impl ReplayMemory for Sqlite {
    async fn recall(
        &self,
        tenant: &TenantId,
        message: MessageId,
        position: Position,
        until: Timestamp,
    ) -> Result<Recalled, ReplayError> {
        match recall(self, tenant, message, position, until, REPLAYS_MAX).await.map_err(failed("look"))? {
            Some(recalled) => Ok(recalled),
            None => Err(ReplayError::Full { len_max: REPLAYS_MAX }),
        }
    }

    async fn finish(&self, tenant: &TenantId, message: MessageId) -> Result<(), ReplayError> {
        finish(self, tenant, message).await.map_err(failed("finish a message"))
    }

    async fn forget_until(&self, now: Timestamp) -> Result<u64, ReplayError> {
        forget_until(self, now).await.map_err(failed("forget"))
    }
}

/// One transaction, and one writer: of two that come at once with the same id, one is first. `None` if there is no room.
async fn recall(
    store: &Sqlite,
    tenant: &TenantId,
    message: MessageId,
    position: Position,
    until: Timestamp,
    len_max: u64,
) -> Result<Option<Recalled>, StoreError> {
    let (message, position) = (message.to_string(), number("position", position.0)?);
    let mut work = store.writer.begin().await?;
    let known = sqlx::query("SELECT position, done FROM replays WHERE tenant = ?1 AND message = ?2")
        .bind(tenant.as_str())
        .bind(&message)
        .fetch_optional(&mut *work)
        .await?;
    if let Some(row) = known {
        let (same_place, done) = (row.try_get::<i64, _>(0)? == position, row.try_get::<bool, _>(1)?);
        let again = Recalled::New(Novelty::Redelivery { attempt: 2 });
        return Ok(Some(if same_place && !done { again } else { Recalled::Duplicate }));
    }
    let sql = "INSERT INTO replays (tenant, message, position, done, until_ms)
               SELECT ?1, ?2, ?3, 0, ?4
               WHERE ifnull((SELECT len FROM replay_counts WHERE tenant = ?1), 0) < ?5";
    let inserted = sqlx::query(sql)
        .bind(tenant.as_str())
        .bind(&message)
        .bind(position)
        .bind(millis("until_ms", until)?)
        .bind(number("replays", len_max)?)
        .execute(&mut *work)
        .await?;
    work.commit().await?;
    Ok((inserted.rows_affected() == 1).then_some(Recalled::New(Novelty::First)))
}

async fn finish(store: &Sqlite, tenant: &TenantId, message: MessageId) -> Result<(), StoreError> {
    let sql = "UPDATE replays SET done = 1 WHERE tenant = ?1 AND message = ?2";
    sqlx::query(sql).bind(tenant.as_str()).bind(message.to_string()).execute(&store.writer).await?;
    Ok(())
}

async fn forget_until(store: &Sqlite, now: Timestamp) -> Result<u64, StoreError> {
    let sql = "DELETE FROM replays WHERE until_ms < ?1";
    Ok(sqlx::query(sql).bind(millis("until_ms", now)?).execute(&store.writer).await?.rows_affected())
}

fn number(column: &'static str, value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::TooLarge { column, value })
}

fn failed(act: &'static str) -> impl Fn(StoreError) -> ReplayError {
    move |cause| ReplayError::Store { act, source: Cause::from(cause) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deployments::tests::with_tenants;
    use crate::sqlite::tests::open;

    const FIRST: Recalled = Recalled::New(Novelty::First);
    const AGAIN: Recalled = Recalled::New(Novelty::Redelivery { attempt: 2 });

    fn message(number: u64) -> MessageId {
        format!("00000000-0000-7000-8000-{number:012x}").parse().unwrap()
    }

    async fn check(store: &Sqlite, tenant: &str, number: u64, position: u64, expected: Recalled) {
        let (tenant, until) = (tenant.parse().unwrap(), Timestamp::from_millis(1_000));
        let recalled = store.recall(&tenant, message(number), Position(position), until).await.unwrap();
        assert_eq!(recalled, expected, "{tenant} {number} at {position}");
    }

    #[tokio::test]
    async fn the_same_place_is_a_redelivery_until_it_is_done_and_another_place_is_a_copy() {
        let dir = tempfile::tempdir().unwrap();
        let store = with_tenants(&dir, &["acme", "globex"]).await;
        check(&store, "acme", 1, 10, FIRST).await;
        check(&store, "acme", 1, 10, AGAIN).await;
        check(&store, "acme", 1, 11, Recalled::Duplicate).await;
        check(&store, "globex", 1, 11, FIRST).await;
        store.finish(&"acme".parse().unwrap(), message(1)).await.unwrap();
        check(&store, "acme", 1, 10, Recalled::Duplicate).await;
        check(&store, "globex", 1, 11, AGAIN).await;
    }

    #[tokio::test]
    async fn a_restart_forgets_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let store = with_tenants(&dir, &["acme"]).await;
        check(&store, "acme", 1, 10, FIRST).await;
        check(&store, "acme", 2, 20, FIRST).await;
        store.finish(&"acme".parse().unwrap(), message(2)).await.unwrap();
        drop(store);
        let store = open(&dir).await;
        check(&store, "acme", 1, 10, AGAIN).await;
        check(&store, "acme", 1, 99, Recalled::Duplicate).await;
        check(&store, "acme", 2, 20, Recalled::Duplicate).await;
    }

    #[tokio::test]
    async fn what_is_over_is_forgotten_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let store = with_tenants(&dir, &["acme"]).await;
        check(&store, "acme", 1, 10, FIRST).await;
        assert_eq!(store.forget_until(Timestamp::from_millis(1_000)).await.unwrap(), 0);
        check(&store, "acme", 1, 10, AGAIN).await;
        assert_eq!(store.forget_until(Timestamp::from_millis(1_001)).await.unwrap(), 1);
        check(&store, "acme", 1, 77, FIRST).await;
    }

    #[tokio::test]
    async fn a_tenant_fills_its_own_memory_and_what_is_known_stays_known() {
        let dir = tempfile::tempdir().unwrap();
        let store = with_tenants(&dir, &["acme", "globex"]).await;
        let ask = async |tenant: &str, number| {
            let (tenant, until) = (tenant.parse().unwrap(), Timestamp::from_millis(1_000));
            recall(&store, &tenant, message(number), Position(number), until, 2).await.unwrap()
        };
        assert_eq!(ask("acme", 1).await, Some(FIRST));
        assert_eq!(ask("acme", 2).await, Some(FIRST));
        assert_eq!(ask("acme", 3).await, None);
        assert_eq!(ask("acme", 1).await, Some(AGAIN));
        assert_eq!(ask("globex", 3).await, Some(FIRST));
        assert_eq!(store.forget_until(Timestamp::from_millis(1_001)).await.unwrap(), 3);
        assert_eq!(ask("acme", 3).await, Some(FIRST));
    }
}
