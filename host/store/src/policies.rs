//! Tenants' policies, and versions that wait for approval.

use host_fleet::{PendingRecord, PolicyRecord};
use host_model::{AgentId, TenantId};
use sqlx::sqlite::SqliteRow;

use crate::error::StoreError;
use crate::rows::{Fields, Table, millis};
use crate::sqlite::Sqlite;

const POLICIES: Table = Table { name: "policies", key: &["tenant", "shadow"] };
const PENDING: Table = Table { name: "pending_versions", key: &["tenant", "agent"] };

pub(crate) async fn upsert_policy(store: &Sqlite, policy: &PolicyRecord) -> Result<(), StoreError> {
    let sql = "INSERT INTO policies (tenant, shadow, version, text, set_ms) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (tenant, shadow) DO UPDATE SET
                   version = excluded.version, text = excluded.text, set_ms = excluded.set_ms";
    sqlx::query(sql)
        .bind(policy.tenant.as_str())
        .bind(policy.shadow)
        .bind(policy.version)
        .bind(&policy.text)
        .bind(millis("set_ms", policy.set)?)
        .execute(&store.writer)
        .await?;
    Ok(())
}

pub(crate) async fn delete_shadow_policy(store: &Sqlite, tenant: &TenantId) -> Result<(), StoreError> {
    let sql = "DELETE FROM policies WHERE tenant = ?1 AND shadow = 1";
    sqlx::query(sql).bind(tenant.as_str()).execute(&store.writer).await?;
    Ok(())
}

pub(crate) async fn select_policies(store: &Sqlite) -> Result<Vec<PolicyRecord>, StoreError> {
    let sql = "SELECT tenant, shadow, version, text, set_ms FROM policies ORDER BY tenant, shadow";
    sqlx::query(sql).fetch_all(&store.readers).await?.iter().map(policy_in).collect()
}

pub(crate) async fn upsert_pending(store: &Sqlite, pending: &PendingRecord) -> Result<(), StoreError> {
    let sql = "INSERT INTO pending_versions (tenant, agent, revision, digest, manifest, start, asked_ms)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
               ON CONFLICT (tenant, agent) DO UPDATE SET
                   revision = excluded.revision, digest = excluded.digest, manifest = excluded.manifest,
                   start = excluded.start, asked_ms = excluded.asked_ms";
    sqlx::query(sql)
        .bind(pending.tenant.as_str())
        .bind(pending.agent.as_str())
        .bind(pending.revision)
        .bind(pending.digest.to_string())
        .bind(&pending.manifest)
        .bind(pending.start)
        .bind(millis("asked_ms", pending.asked)?)
        .execute(&store.writer)
        .await?;
    Ok(())
}

pub(crate) async fn delete_pending(store: &Sqlite, tenant: &TenantId, agent: &AgentId) -> Result<(), StoreError> {
    let sql = "DELETE FROM pending_versions WHERE tenant = ?1 AND agent = ?2";
    sqlx::query(sql).bind(tenant.as_str()).bind(agent.as_str()).execute(&store.writer).await?;
    Ok(())
}

pub(crate) async fn select_pending(store: &Sqlite) -> Result<Vec<PendingRecord>, StoreError> {
    let sql = "SELECT tenant, agent, revision, digest, manifest, start, asked_ms
               FROM pending_versions ORDER BY tenant, agent";
    sqlx::query(sql).fetch_all(&store.readers).await?.iter().map(pending_in).collect()
}

fn policy_in(row: &SqliteRow) -> Result<PolicyRecord, StoreError> {
    let fields = Fields::of(POLICIES, row);
    Ok(PolicyRecord {
        tenant: fields.parsed("tenant")?,
        shadow: fields.number::<u8>("shadow")? == 1,
        version: fields.number("version")?,
        text: fields.text("text")?,
        set: fields.moment("set_ms")?,
    })
}

fn pending_in(row: &SqliteRow) -> Result<PendingRecord, StoreError> {
    let fields = Fields::of(PENDING, row);
    Ok(PendingRecord {
        tenant: fields.parsed("tenant")?,
        agent: fields.parsed("agent")?,
        revision: fields.number("revision")?,
        digest: fields.parsed("digest")?,
        manifest: fields.text("manifest")?,
        start: fields.number::<u8>("start")? == 1,
        asked: fields.moment("asked_ms")?,
    })
}

#[cfg(test)]
mod tests {
    use host_fleet::Repository as _;
    use host_model::Timestamp;

    use super::*;
    use crate::deployments::tests::{deployment, record};
    use crate::sqlite::tests::open;

    fn policy(shadow: bool, version: u32) -> PolicyRecord {
        let set = Timestamp::from_millis(7);
        PolicyRecord { tenant: "acme".parse().unwrap(), shadow, version, text: format!("# {version}\n"), set }
    }

    #[tokio::test]
    async fn a_policy_replaces_the_one_of_its_kind_and_survives_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&dir).await;
        store.create_tenant(&record("acme")).await.unwrap();
        for record in [policy(false, 1), policy(true, 0), policy(false, 2)] {
            store.save_policy(&record).await.unwrap();
        }
        drop(store);
        let store = open(&dir).await;
        assert_eq!(store.policies().await.unwrap(), [policy(false, 2), policy(true, 0)]);
        store.delete_shadow_policy(&"acme".parse().unwrap()).await.unwrap();
        assert_eq!(store.policies().await.unwrap(), [policy(false, 2)]);
    }

    #[tokio::test]
    async fn a_version_that_waits_goes_with_its_agent() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&dir).await;
        let deployed = deployment("acme", "echo", 1);
        store.create_tenant(&record("acme")).await.unwrap();
        store.save_deployment(&deployed).await.unwrap();
        let pending = PendingRecord {
            tenant: deployed.tenant.clone(),
            agent: deployed.agent.clone(),
            revision: 2,
            digest: deployed.digest,
            manifest: "more".into(),
            start: true,
            asked: Timestamp::from_millis(9),
        };
        store.save_pending(&pending).await.unwrap();
        store.save_pending(&PendingRecord { revision: 3, ..pending.clone() }).await.unwrap();
        assert_eq!(store.pending().await.unwrap(), [PendingRecord { revision: 3, ..pending.clone() }]);
        store.delete_deployment(&deployed.tenant, &deployed.agent).await.unwrap();
        assert_eq!(store.pending().await.unwrap(), []);
    }
}
