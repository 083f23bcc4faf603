//! How often each lease was granted: beside the state that is written under them, so that both are compared in one transaction.

use async_trait::async_trait;
use host_bus::{Fenced, Fences, LEASE_NAMES_MAX, LeaseError, LeaseRepository};
use host_calls::{Refusal, RefusalNumbers};
use host_model::{AgentId, Fence, FencingToken, LeaseName, LeaseScope, TenantId};
use sqlx::{SqliteConnection, SqlitePool};

use super::AgentState;
use crate::StoreError;
use crate::refusal::failed;

#[async_trait]
impl LeaseRepository for AgentState {
    async fn grant(&self, name: &LeaseName) -> Result<FencingToken, LeaseError> {
        let granted = synced(&self.0.writer, async |connection| count(connection, name).await).await.map_err(broken)?;
        granted.ok_or(LeaseError::Names { len_max: LEASE_NAMES_MAX })
    }
}

#[async_trait]
impl Fences for AgentState {
    async fn latest(&self, name: &LeaseName) -> Result<Option<FencingToken>, LeaseError> {
        let mut reader = self.0.readers.acquire().await.map_err(StoreError::from).map_err(broken)?;
        latest(&mut reader, name).await.map_err(broken)
    }

    async fn raise(&self, name: &LeaseName, token: FencingToken) -> Result<(), LeaseError> {
        synced(&self.0.writer, async |connection| raise(connection, name, token).await).await.map_err(broken)
    }

    async fn heard(&self, name: &LeaseName, token: FencingToken) -> Result<(), LeaseError> {
        self.raise(name, token).await
    }
}

fn broken(error: StoreError) -> LeaseError {
    LeaseError::Store(Box::new(error))
}

/// Unlike a cache, a token must not be lost with the power: it would be given twice. The commit syncs the log, and with it all
/// that was written before.
async fn synced<T>(
    writer: &SqlitePool,
    work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let mut connection = writer.acquire().await?;
    sqlx::query("PRAGMA synchronous = FULL").execute(&mut *connection).await?;
    let done = work(&mut connection).await;
    sqlx::query("PRAGMA synchronous = NORMAL").execute(&mut *connection).await?;
    done
}

/// Whoever granted it counted the names: here all are known.
async fn raise(connection: &mut SqliteConnection, name: &LeaseName, token: FencingToken) -> Result<(), StoreError> {
    let sql = "INSERT INTO leases (tenant, scope, name, token) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (tenant, scope, name) DO UPDATE SET token = excluded.token WHERE excluded.token > token";
    let query = sqlx::query(sql).bind(name.tenant.as_str()).bind(name.scope.to_string()).bind(name.id.as_str());
    query.bind(token.0.cast_signed()).execute(connection).await?;
    Ok(())
}

/// One statement, and so one transaction: a name that is not there takes one of the scope's places.
async fn count(connection: &mut SqliteConnection, name: &LeaseName) -> Result<Option<FencingToken>, StoreError> {
    let sql = "INSERT INTO leases (tenant, scope, name, token)
               SELECT ?1, ?2, ?3, 1
               WHERE (SELECT count(*) FROM leases WHERE tenant = ?1 AND scope = ?2 AND name <> ?3) < ?4
               ON CONFLICT (tenant, scope, name) DO UPDATE SET token = token + 1
               RETURNING token";
    let query = sqlx::query_scalar(sql).bind(name.tenant.as_str()).bind(name.scope.to_string());
    let names_max = i64::try_from(LEASE_NAMES_MAX).expect("some dozens");
    let token: Option<i64> = query.bind(name.id.as_str()).bind(names_max).fetch_optional(connection).await?;
    Ok(token.map(|token| FencingToken(token.cast_unsigned())))
}

/// Refuses what is done under a lease that somebody else was granted since. Within the transaction of the write: a grant comes
/// before it or after it.
pub(super) async fn check(connection: &mut SqliteConnection, fences: &[Fence]) -> Result<(), Refusal> {
    for fence in fences {
        let latest = latest(connection, &fence.name).await.map_err(|error| failed("state", &error))?;
        if let Some(latest) = latest.filter(|latest| *latest > fence.token) {
            return Err(of_fenced(Fenced { token: fence.token, latest }));
        }
    }
    Ok(())
}

pub(super) fn of_fenced(fenced: Fenced) -> Refusal {
    Refusal::Other(RefusalNumbers::of("fenced").past(fenced.latest.0, fenced.token.0))
}

async fn latest(connection: &mut SqliteConnection, name: &LeaseName) -> Result<Option<FencingToken>, StoreError> {
    let sql = "SELECT token FROM leases WHERE tenant = ?1 AND scope = ?2 AND name = ?3";
    let query = sqlx::query_scalar(sql).bind(name.tenant.as_str()).bind(name.scope.to_string());
    let token: Option<i64> = query.bind(name.id.as_str()).fetch_optional(connection).await?;
    Ok(token.map(|token| FencingToken(token.cast_unsigned())))
}

/// An agent's id is never given again, and with it goes its scope.
pub(super) async fn delete_agent(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    agent: &AgentId,
) -> Result<(), StoreError> {
    let sql = "DELETE FROM leases WHERE tenant = ?1 AND scope = ?2";
    let query = sqlx::query(sql).bind(tenant.as_str()).bind(LeaseScope::Agent(agent.clone()).to_string());
    query.execute(connection).await?;
    Ok(())
}

pub(super) async fn delete_tenant(writer: &SqlitePool, tenant: &TenantId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM leases WHERE tenant = ?1").bind(tenant.as_str()).execute(writer).await?;
    Ok(())
}

#[cfg(test)]
mod tests;
