//! How often each lease was granted: beside the state that is written under them, so that both are compared in one transaction.

use async_trait::async_trait;
use host_bus::{Fenced, LEASE_NAMES_MAX, LeaseError, LeaseRepository};
use host_calls::{Refusal, RefusalNumbers};
use host_model::{AgentId, Fence, FencingToken, LeaseName, LeaseScope, TenantId};
use sqlx::{SqliteConnection, SqlitePool};

use super::AgentState;
use crate::StoreError;
use crate::refusal::failed;

#[async_trait]
impl LeaseRepository for AgentState {
    async fn grant(&self, name: &LeaseName) -> Result<FencingToken, LeaseError> {
        let store = |error: StoreError| LeaseError::Store(Box::new(error));
        let granted = synced(&self.0.writer, name).await.map_err(store)?;
        granted.ok_or(LeaseError::Names { len_max: LEASE_NAMES_MAX })
    }
}

/// Unlike a cache, a token must not be lost with the power: it would be given twice. The commit syncs the log, and with it all
/// that was written before.
async fn synced(writer: &SqlitePool, name: &LeaseName) -> Result<Option<FencingToken>, StoreError> {
    let mut connection = writer.acquire().await?;
    sqlx::query("PRAGMA synchronous = FULL").execute(&mut *connection).await?;
    let granted = count(&mut connection, name).await;
    sqlx::query("PRAGMA synchronous = NORMAL").execute(&mut *connection).await?;
    granted
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

fn of_fenced(fenced: Fenced) -> Refusal {
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
