//! Tenants and what they have deployed.

use async_trait::async_trait;
use host_fleet::{
    Deployment, Desired, GroupRecord, PendingRecord, PolicyRecord, Repository, RepositoryError, TenantRecord,
};
use host_model::{AgentId, TenantId};
use sqlx::sqlite::{SqliteQueryResult, SqliteRow};

use crate::error::{Cause, StoreError};
use crate::groups;
use crate::policies;
use crate::rows::{Fields, Table, millis};
use crate::sqlite::Sqlite;

const TENANTS: Table = Table { name: "tenants", key: &["tenant"] };
const DEPLOYMENTS: Table = Table { name: "deployments", key: &["tenant", "agent"] };
/// `SQLITE_CONSTRAINT_TRIGGER`: only the triggers that guard the tombstones refuse so.
const REFUSED_BY_TRIGGER: &str = "1811";

#[async_trait]
impl Repository for Sqlite {
    async fn create_tenant(&self, tenant: &TenantRecord) -> Result<(), RepositoryError> {
        insert_tenant(self, tenant).await.map_err(refused("save the tenant"))
    }

    async fn tenants(&self) -> Result<Vec<TenantRecord>, RepositoryError> {
        select_tenants(self).await.map_err(refused("read the tenants"))
    }

    /// One statement, so one transaction: a crash leaves the old revision or the new one. The card stays.
    async fn save_deployment(&self, deployment: &Deployment) -> Result<(), RepositoryError> {
        upsert_deployment(self, deployment).await.map_err(refused("save the deployment"))
    }

    /// An agent that is not deployed is an error.
    async fn set_desired(&self, tenant: &TenantId, agent: &AgentId, desired: Desired) -> Result<(), RepositoryError> {
        update_desired(self, tenant, agent, desired).await.map_err(refused("save whether the agent should run"))
    }

    /// All or none: one row that cannot be read fails the whole, for a host that came up without one of its agents would
    /// look healthy.
    async fn deployments(&self) -> Result<Vec<Deployment>, RepositoryError> {
        select_deployments(self).await.map_err(refused("read the deployments"))
    }

    /// Deleting what is not there is no error, and leaves no tombstone.
    async fn delete_deployment(&self, tenant: &TenantId, agent: &AgentId) -> Result<(), RepositoryError> {
        delete_deployment(self, tenant, agent).await.map_err(refused("delete the deployment"))
    }

    async fn save_policy(&self, policy: &PolicyRecord) -> Result<(), RepositoryError> {
        policies::upsert_policy(self, policy).await.map_err(refused("save the policy"))
    }

    async fn delete_shadow_policy(&self, tenant: &TenantId) -> Result<(), RepositoryError> {
        policies::delete_shadow_policy(self, tenant).await.map_err(refused("delete the tried policy"))
    }

    async fn policies(&self) -> Result<Vec<PolicyRecord>, RepositoryError> {
        policies::select_policies(self).await.map_err(refused("read the policies"))
    }

    async fn save_pending(&self, pending: &PendingRecord) -> Result<(), RepositoryError> {
        policies::upsert_pending(self, pending).await.map_err(refused("save the version that waits"))
    }

    async fn delete_pending(&self, tenant: &TenantId, agent: &AgentId) -> Result<(), RepositoryError> {
        policies::delete_pending(self, tenant, agent).await.map_err(refused("delete the version that waited"))
    }

    async fn pending(&self) -> Result<Vec<PendingRecord>, RepositoryError> {
        policies::select_pending(self).await.map_err(refused("read the versions that wait"))
    }

    async fn save_group(&self, group: &GroupRecord) -> Result<(), RepositoryError> {
        groups::replace_group(self, group).await.map_err(refused("save the settings of the group"))
    }

    async fn groups(&self) -> Result<Vec<GroupRecord>, RepositoryError> {
        groups::select_groups(self).await.map_err(refused("read the settings of groups"))
    }
}

async fn insert_tenant(store: &Sqlite, tenant: &TenantRecord) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO tenants (tenant, name, created_ms) VALUES (?1, ?2, ?3)")
        .bind(tenant.id.as_str())
        .bind(&tenant.name)
        .bind(millis("created_ms", tenant.created)?)
        .execute(&store.writer)
        .await?;
    Ok(())
}

async fn select_tenants(store: &Sqlite) -> Result<Vec<TenantRecord>, StoreError> {
    let sql = "SELECT tenant, name, created_ms FROM tenants ORDER BY tenant";
    sqlx::query(sql).fetch_all(&store.readers).await?.iter().map(tenant_in).collect()
}

async fn upsert_deployment(store: &Sqlite, deployment: &Deployment) -> Result<(), StoreError> {
    let sql = "INSERT INTO deployments (tenant, agent, revision, digest, manifest, desired, deployed_ms)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
               ON CONFLICT (tenant, agent) DO UPDATE SET
                   revision = excluded.revision, digest = excluded.digest, manifest = excluded.manifest,
                   desired = excluded.desired, deployed_ms = excluded.deployed_ms";
    let saved = sqlx::query(sql)
        .bind(deployment.tenant.as_str())
        .bind(deployment.agent.as_str())
        .bind(deployment.revision)
        .bind(deployment.digest.to_string())
        .bind(&deployment.manifest)
        .bind(desired_text(deployment.desired))
        .bind(millis("deployed_ms", deployment.deployed)?)
        .execute(&store.writer)
        .await;
    known_tenant(saved, &deployment.tenant)
}

async fn update_desired(
    store: &Sqlite,
    tenant: &TenantId,
    agent: &AgentId,
    desired: Desired,
) -> Result<(), StoreError> {
    let updated = sqlx::query("UPDATE deployments SET desired = ?3 WHERE tenant = ?1 AND agent = ?2")
        .bind(tenant.as_str())
        .bind(agent.as_str())
        .bind(desired_text(desired))
        .execute(&store.writer)
        .await?;
    if updated.rows_affected() == 0 {
        return Err(StoreError::NotDeployed { tenant: tenant.clone(), agent: agent.clone() });
    }
    Ok(())
}

async fn select_deployments(store: &Sqlite) -> Result<Vec<Deployment>, StoreError> {
    let sql = "SELECT tenant, agent, revision, digest, manifest, desired, deployed_ms
               FROM deployments ORDER BY tenant, agent";
    sqlx::query(sql).fetch_all(&store.readers).await?.iter().map(deployment_in).collect()
}

/// The schema does the rest in the same transaction: the card goes, the tombstone comes.
async fn delete_deployment(store: &Sqlite, tenant: &TenantId, agent: &AgentId) -> Result<(), StoreError> {
    let sql = "DELETE FROM deployments WHERE tenant = ?1 AND agent = ?2";
    sqlx::query(sql).bind(tenant.as_str()).bind(agent.as_str()).execute(&store.writer).await?;
    Ok(())
}

fn tenant_in(row: &SqliteRow) -> Result<TenantRecord, StoreError> {
    let fields = Fields::of(TENANTS, row);
    Ok(TenantRecord { id: fields.parsed("tenant")?, name: fields.text("name")?, created: fields.moment("created_ms")? })
}

fn deployment_in(row: &SqliteRow) -> Result<Deployment, StoreError> {
    let fields = Fields::of(DEPLOYMENTS, row);
    Ok(Deployment {
        tenant: fields.parsed("tenant")?,
        agent: fields.parsed("agent")?,
        revision: fields.number("revision")?,
        digest: fields.parsed("digest")?,
        manifest: fields.text("manifest")?,
        desired: desired_in(&fields)?,
        deployed: fields.moment("deployed_ms")?,
    })
}

const fn desired_text(desired: Desired) -> &'static str {
    match desired {
        Desired::Running => "running",
        Desired::Stopped => "stopped",
    }
}

fn desired_in(fields: &Fields<'_>) -> Result<Desired, StoreError> {
    match fields.text("desired")?.as_str() {
        "running" => Ok(Desired::Running),
        "stopped" => Ok(Desired::Stopped),
        _ => Err(fields.corrupt("desired", "neither 'running' nor 'stopped'")),
    }
}

pub(crate) fn known_tenant(saved: Result<SqliteQueryResult, sqlx::Error>, tenant: &TenantId) -> Result<(), StoreError> {
    match saved {
        Err(sqlx::Error::Database(cause)) if cause.is_foreign_key_violation() => {
            Err(StoreError::NoTenant { tenant: tenant.clone() })
        }
        saved => Ok(saved.map(drop)?),
    }
}

pub(crate) fn refused(act: &'static str) -> impl Fn(StoreError) -> RepositoryError {
    move |cause| match &cause {
        StoreError::Database(sqlx::Error::Database(database)) if is_taken(database.as_ref()) => RepositoryError::Taken,
        _ => RepositoryError::Store { act, source: Cause::from(cause) },
    }
}

fn is_taken(cause: &dyn sqlx::error::DatabaseError) -> bool {
    cause.is_unique_violation() || cause.code().is_some_and(|code| code == REFUSED_BY_TRIGGER)
}

#[cfg(test)]
pub(crate) mod tests;
