//! What operators decided about tenants and agents.

use async_trait::async_trait;
use host_fleet::{AgentQuarantine, ControlRepository, Notice, RepositoryError, Standing, TenantControl};
use host_model::{AgentId, TenantId};
use host_quota::QuotaOverrides;
use sqlx::sqlite::SqliteRow;

use crate::deployments::{known_tenant, refused};
use crate::error::StoreError;
use crate::rows::{Fields, Table, millis};
use crate::sqlite::Sqlite;

const STOPS: Table = Table { name: "tenant_stops", key: &["tenant"] };
const QUOTAS: Table = Table { name: "tenant_quotas", key: &["tenant", "name"] };
const QUARANTINES: Table = Table { name: "agent_quarantines", key: &["tenant", "agent"] };

#[async_trait]
impl ControlRepository for Sqlite {
    async fn tenant_control(&self, tenant: &TenantId) -> Result<TenantControl, RepositoryError> {
        select_control(self, tenant).await.map_err(refused("read what was decided about the tenant"))
    }

    async fn set_standing(&self, tenant: &TenantId, standing: &Standing) -> Result<(), RepositoryError> {
        let saved = match standing {
            Standing::Active => delete_stop(self, tenant).await,
            Standing::Suspended(notice) => upsert_stop(self, tenant, "suspended", notice).await,
            Standing::Quarantined(notice) => upsert_stop(self, tenant, "quarantined", notice).await,
        };
        saved.map_err(refused("save how the tenant stands"))
    }

    async fn set_overrides(&self, tenant: &TenantId, overrides: &QuotaOverrides) -> Result<(), RepositoryError> {
        replace_quotas(self, tenant, overrides).await.map_err(refused("save the tenant's quotas"))
    }

    async fn quarantines(&self) -> Result<Vec<AgentQuarantine>, RepositoryError> {
        select_quarantines(self).await.map_err(refused("read the quarantines"))
    }

    async fn quarantine(&self, quarantine: &AgentQuarantine) -> Result<bool, RepositoryError> {
        insert_quarantine(self, quarantine).await.map_err(refused("save the quarantine"))
    }

    async fn release(&self, tenant: &TenantId, agent: &AgentId) -> Result<(), RepositoryError> {
        delete_quarantine(self, tenant, agent).await.map_err(refused("end the quarantine"))
    }

    async fn delete_tenant(&self, tenant: &TenantId) -> Result<(), RepositoryError> {
        delete_tenant(self, tenant).await.map_err(refused("delete the tenant"))
    }
}

async fn select_control(store: &Sqlite, tenant: &TenantId) -> Result<TenantControl, StoreError> {
    let stop = sqlx::query("SELECT tenant, state, reason, since_ms FROM tenant_stops WHERE tenant = ?1")
        .bind(tenant.as_str())
        .fetch_optional(&store.readers)
        .await?;
    let quotas = sqlx::query("SELECT tenant, name, value FROM tenant_quotas WHERE tenant = ?1")
        .bind(tenant.as_str())
        .fetch_all(&store.readers)
        .await?;
    let mut overrides = QuotaOverrides::default();
    for row in &quotas {
        let fields = Fields::of(QUOTAS, row);
        overrides.set(fields.parsed("name")?, fields.number("value")?);
    }
    Ok(TenantControl { standing: stop.as_ref().map(standing_in).transpose()?.unwrap_or_default(), overrides })
}

async fn delete_stop(store: &Sqlite, tenant: &TenantId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM tenant_stops WHERE tenant = ?1").bind(tenant.as_str()).execute(&store.writer).await?;
    Ok(())
}

async fn upsert_stop(store: &Sqlite, tenant: &TenantId, state: &str, notice: &Notice) -> Result<(), StoreError> {
    let sql = "INSERT INTO tenant_stops (tenant, state, reason, since_ms) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (tenant) DO UPDATE SET
                   state = excluded.state, reason = excluded.reason, since_ms = excluded.since_ms";
    let saved = sqlx::query(sql)
        .bind(tenant.as_str())
        .bind(state)
        .bind(&notice.reason)
        .bind(millis("since_ms", notice.since)?)
        .execute(&store.writer)
        .await;
    known_tenant(saved, tenant)
}

async fn replace_quotas(store: &Sqlite, tenant: &TenantId, overrides: &QuotaOverrides) -> Result<(), StoreError> {
    let mut transaction = store.writer.begin().await?;
    sqlx::query("DELETE FROM tenant_quotas WHERE tenant = ?1").bind(tenant.as_str()).execute(&mut *transaction).await?;
    for (name, value) in overrides.entries() {
        let column = i64::try_from(value).map_err(|_| StoreError::TooLarge { column: "value", value })?;
        let saved = sqlx::query("INSERT INTO tenant_quotas (tenant, name, value) VALUES (?1, ?2, ?3)")
            .bind(tenant.as_str())
            .bind(name.as_str())
            .bind(column)
            .execute(&mut *transaction)
            .await;
        known_tenant(saved, tenant)?;
    }
    Ok(transaction.commit().await?)
}

async fn select_quarantines(store: &Sqlite) -> Result<Vec<AgentQuarantine>, StoreError> {
    let sql = "SELECT tenant, agent, reason, since_ms FROM agent_quarantines ORDER BY tenant, agent";
    sqlx::query(sql).fetch_all(&store.readers).await?.iter().map(quarantine_in).collect()
}

/// Quarantining again keeps the first reason: what came first is what an operator looks for.
async fn insert_quarantine(store: &Sqlite, quarantine: &AgentQuarantine) -> Result<bool, StoreError> {
    let sql = "INSERT INTO agent_quarantines (tenant, agent, reason, since_ms) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (tenant, agent) DO NOTHING";
    let saved = sqlx::query(sql)
        .bind(quarantine.tenant.as_str())
        .bind(quarantine.agent.as_str())
        .bind(&quarantine.notice.reason)
        .bind(millis("since_ms", quarantine.notice.since)?)
        .execute(&store.writer)
        .await;
    match saved {
        Err(sqlx::Error::Database(cause)) if cause.is_foreign_key_violation() => Ok(false),
        saved => Ok(saved.map(|_| true)?),
    }
}

async fn delete_quarantine(store: &Sqlite, tenant: &TenantId, agent: &AgentId) -> Result<(), StoreError> {
    let sql = "DELETE FROM agent_quarantines WHERE tenant = ?1 AND agent = ?2";
    sqlx::query(sql).bind(tenant.as_str()).bind(agent.as_str()).execute(&store.writer).await?;
    Ok(())
}

/// The schema does the rest in the same transaction: tombstones come, and what belongs to the rows goes.
async fn delete_tenant(store: &Sqlite, tenant: &TenantId) -> Result<(), StoreError> {
    let mut transaction = store.writer.begin().await?;
    let tables = [
        "DELETE FROM deployments WHERE tenant = ?1",
        "DELETE FROM external_agents WHERE tenant = ?1",
        "DELETE FROM tenants WHERE tenant = ?1",
    ];
    for sql in tables {
        sqlx::query(sql).bind(tenant.as_str()).execute(&mut *transaction).await?;
    }
    Ok(transaction.commit().await?)
}

fn standing_in(row: &SqliteRow) -> Result<Standing, StoreError> {
    let fields = Fields::of(STOPS, row);
    let notice = notice_in(&fields)?;
    match fields.text("state")?.as_str() {
        "suspended" => Ok(Standing::Suspended(notice)),
        "quarantined" => Ok(Standing::Quarantined(notice)),
        _ => Err(fields.corrupt("state", "neither 'suspended' nor 'quarantined'")),
    }
}

fn quarantine_in(row: &SqliteRow) -> Result<AgentQuarantine, StoreError> {
    let fields = Fields::of(QUARANTINES, row);
    Ok(AgentQuarantine {
        tenant: fields.parsed("tenant")?,
        agent: fields.parsed("agent")?,
        notice: notice_in(&fields)?,
    })
}

fn notice_in(fields: &Fields<'_>) -> Result<Notice, StoreError> {
    Ok(Notice { reason: fields.text("reason")?, since: fields.moment("since_ms")? })
}

#[cfg(test)]
mod tests {
    use host_fleet::Repository as _;
    use host_model::Timestamp;
    use host_quota::QuotaName;

    use super::*;
    use crate::deployments::tests::{deployment, with_tenants};
    use crate::sqlite::tests::open;

    fn notice(reason: &str) -> Notice {
        Notice { reason: reason.to_owned(), since: Timestamp::from_millis(5) }
    }

    fn quarantine(tenant: &str, agent: &str, reason: &str) -> AgentQuarantine {
        AgentQuarantine { tenant: tenant.parse().unwrap(), agent: agent.parse().unwrap(), notice: notice(reason) }
    }

    #[tokio::test]
    async fn what_was_decided_survives_reopening_and_what_was_not_is_the_default() {
        let dir = tempfile::tempdir().unwrap();
        let store = with_tenants(&dir, &["acme", "globex"]).await;
        let [acme, globex]: [TenantId; 2] = ["acme", "globex"].map(|id| id.parse().unwrap());
        let overrides: QuotaOverrides = [(QuotaName::Memory, 1 << 40), (QuotaName::Weight, 3)].into_iter().collect();
        store.set_overrides(&acme, &QuotaOverrides::from_iter([(QuotaName::State, 9)])).await.unwrap();
        store.set_overrides(&acme, &overrides).await.unwrap();
        store.set_standing(&acme, &Standing::Quarantined(notice("first"))).await.unwrap();
        store.set_standing(&acme, &Standing::Suspended(notice("then"))).await.unwrap();
        drop(store);

        let store = open(&dir).await;
        let expected = TenantControl { standing: Standing::Suspended(notice("then")), overrides };
        assert_eq!(store.tenant_control(&acme).await.unwrap(), expected);
        assert_eq!(store.tenant_control(&globex).await.unwrap(), TenantControl::default());
        store.set_standing(&acme, &Standing::Active).await.unwrap();
        assert_eq!(store.tenant_control(&acme).await.unwrap().standing, Standing::Active);
    }

    #[tokio::test]
    async fn a_quarantine_is_of_a_deployed_agent_and_ends_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = with_tenants(&dir, &["acme"]).await;
        assert!(!store.quarantine(&quarantine("acme", "echo", "early")).await.unwrap());
        store.save_deployment(&deployment("acme", "echo", 1)).await.unwrap();
        assert!(store.quarantine(&quarantine("acme", "echo", "first")).await.unwrap());
        assert!(store.quarantine(&quarantine("acme", "echo", "again")).await.unwrap());
        store.save_deployment(&deployment("acme", "echo", 2)).await.unwrap();
        assert_eq!(store.quarantines().await.unwrap(), [quarantine("acme", "echo", "first")]);
        let acme = "acme".parse().unwrap();
        store.release(&acme, &"echo".parse().unwrap()).await.unwrap();
        assert_eq!(store.quarantines().await.unwrap(), []);
        store.quarantine(&quarantine("acme", "echo", "more")).await.unwrap();
        store.delete_deployment(&acme, &"echo".parse().unwrap()).await.unwrap();
        assert_eq!(store.quarantines().await.unwrap(), []);
    }

    #[tokio::test]
    async fn a_deleted_tenant_leaves_nothing_but_tombstones() {
        let dir = tempfile::tempdir().unwrap();
        let store = with_tenants(&dir, &["acme", "globex"]).await;
        let acme: TenantId = "acme".parse().unwrap();
        for tenant in ["acme", "globex"] {
            store.save_deployment(&deployment(tenant, "echo", 1)).await.unwrap();
            store.quarantine(&quarantine(tenant, "echo", "why")).await.unwrap();
        }
        let record = store.tenants().await.unwrap().remove(0);
        store.set_standing(&acme, &Standing::Suspended(notice("gone"))).await.unwrap();
        store.set_overrides(&acme, &QuotaOverrides::from_iter([(QuotaName::State, 9)])).await.unwrap();

        store.delete_tenant(&acme).await.unwrap();

        assert_eq!(store.tenants().await.unwrap().len(), 1);
        assert_eq!(store.deployments().await.unwrap(), [deployment("globex", "echo", 1)]);
        assert_eq!(store.quarantines().await.unwrap(), [quarantine("globex", "echo", "why")]);
        assert_eq!(store.tenant_control(&acme).await.unwrap(), TenantControl::default());
        assert!(matches!(store.create_tenant(&record).await, Err(RepositoryError::Taken)));
    }
}
