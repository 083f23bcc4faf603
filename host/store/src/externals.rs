//! Agents without a component, and the digests of their tokens.

use async_trait::async_trait;
use host_component::Digest;
use host_fleet::{ExternalRecord, ExternalRepository, RepositoryError, TokenRecord};
use host_model::{AgentId, TenantId};
use sqlx::sqlite::SqliteRow;

use crate::deployments::{known_tenant, refused};
use crate::error::StoreError;
use crate::rows::{Fields, Table, millis};
use crate::sqlite::Sqlite;

const AGENTS: Table = Table { name: "external_agents", key: &["tenant", "agent"] };
const TOKENS: Table = Table { name: "agent_tokens", key: &["digest"] };

#[async_trait]
impl ExternalRepository for Sqlite {
    async fn external_agents(&self) -> Result<Vec<ExternalRecord>, RepositoryError> {
        select_agents(self).await.map_err(refused("read the external agents"))
    }

    async fn save_external(&self, agent: &ExternalRecord) -> Result<(), RepositoryError> {
        upsert_agent(self, agent).await.map_err(refused("save the external agent"))
    }

    async fn delete_external(&self, tenant: &TenantId, agent: &AgentId) -> Result<(), RepositoryError> {
        delete_agent(self, tenant, agent).await.map_err(refused("delete the external agent"))
    }

    async fn tokens(&self) -> Result<Vec<TokenRecord>, RepositoryError> {
        select_tokens(self).await.map_err(refused("read the agents' tokens"))
    }

    async fn save_token(&self, token: &TokenRecord) -> Result<(), RepositoryError> {
        insert_token(self, token).await.map_err(refused("save the agent's token"))
    }

    async fn delete_token(&self, digest: &Digest) -> Result<(), RepositoryError> {
        delete_token(self, digest).await.map_err(refused("delete the agent's token"))
    }
}

async fn select_agents(store: &Sqlite) -> Result<Vec<ExternalRecord>, StoreError> {
    let sql = "SELECT tenant, agent, revision, manifest, registered_ms FROM external_agents ORDER BY tenant, agent";
    sqlx::query(sql).fetch_all(&store.readers).await?.iter().map(agent_in).collect()
}

async fn upsert_agent(store: &Sqlite, agent: &ExternalRecord) -> Result<(), StoreError> {
    let sql =
        "INSERT INTO external_agents (tenant, agent, revision, manifest, registered_ms) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (tenant, agent) DO UPDATE SET
                   revision = excluded.revision, manifest = excluded.manifest, registered_ms = excluded.registered_ms";
    let saved = sqlx::query(sql)
        .bind(agent.tenant.as_str())
        .bind(agent.agent.as_str())
        .bind(agent.revision)
        .bind(&agent.manifest)
        .bind(millis("registered_ms", agent.registered)?)
        .execute(&store.writer)
        .await;
    known_tenant(saved, &agent.tenant)
}

/// The schema does the rest in the same transaction: its tokens go, the tombstone comes.
async fn delete_agent(store: &Sqlite, tenant: &TenantId, agent: &AgentId) -> Result<(), StoreError> {
    let sql = "DELETE FROM external_agents WHERE tenant = ?1 AND agent = ?2";
    sqlx::query(sql).bind(tenant.as_str()).bind(agent.as_str()).execute(&store.writer).await?;
    Ok(())
}

async fn select_tokens(store: &Sqlite) -> Result<Vec<TokenRecord>, StoreError> {
    let sql =
        "SELECT digest, tenant, agent, created_ms, expires_ms FROM agent_tokens ORDER BY tenant, agent, created_ms";
    sqlx::query(sql).fetch_all(&store.readers).await?.iter().map(token_in).collect()
}

async fn insert_token(store: &Sqlite, token: &TokenRecord) -> Result<(), StoreError> {
    let sql = "INSERT INTO agent_tokens (digest, tenant, agent, created_ms, expires_ms) VALUES (?1, ?2, ?3, ?4, ?5)";
    sqlx::query(sql)
        .bind(token.digest.to_string())
        .bind(token.tenant.as_str())
        .bind(token.agent.as_str())
        .bind(millis("created_ms", token.created)?)
        .bind(millis("expires_ms", token.expires)?)
        .execute(&store.writer)
        .await?;
    Ok(())
}

async fn delete_token(store: &Sqlite, digest: &Digest) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM agent_tokens WHERE digest = ?1").bind(digest.to_string()).execute(&store.writer).await?;
    Ok(())
}

fn agent_in(row: &SqliteRow) -> Result<ExternalRecord, StoreError> {
    let fields = Fields::of(AGENTS, row);
    Ok(ExternalRecord {
        tenant: fields.parsed("tenant")?,
        agent: fields.parsed("agent")?,
        revision: fields.number("revision")?,
        manifest: fields.text("manifest")?,
        registered: fields.moment("registered_ms")?,
    })
}

fn token_in(row: &SqliteRow) -> Result<TokenRecord, StoreError> {
    let fields = Fields::of(TOKENS, row);
    Ok(TokenRecord {
        digest: fields.parsed("digest")?,
        tenant: fields.parsed("tenant")?,
        agent: fields.parsed("agent")?,
        created: fields.moment("created_ms")?,
        expires: fields.moment("expires_ms")?,
    })
}

#[cfg(test)]
mod tests {
    use host_fleet::{ControlRepository as _, Repository as _};
    use host_model::Timestamp;

    use super::*;
    use crate::deployments::tests::{deployment, with_tenants};
    use crate::sqlite::tests::open;

    fn agent(tenant: &str, agent: &str, revision: u32) -> ExternalRecord {
        ExternalRecord {
            tenant: tenant.parse().unwrap(),
            agent: agent.parse().unwrap(),
            revision,
            manifest: format!("# {revision}\n"),
            registered: Timestamp::from_millis(7),
        }
    }

    fn token(tenant: &str, agent: &str, secret: &str) -> TokenRecord {
        TokenRecord {
            digest: Digest::of(secret.as_bytes()),
            tenant: tenant.parse().unwrap(),
            agent: agent.parse().unwrap(),
            created: Timestamp::from_millis(1),
            expires: Timestamp::from_millis(2),
        }
    }

    fn taken(saved: Result<(), RepositoryError>) -> bool {
        matches!(saved, Err(RepositoryError::Taken))
    }

    #[tokio::test]
    async fn an_external_agent_and_its_tokens_survive_reopening_and_go_together() {
        let dir = tempfile::tempdir().unwrap();
        let store = with_tenants(&dir, &["acme", "globex"]).await;
        for tenant in ["globex", "acme"] {
            store.save_external(&agent(tenant, "meter", 1)).await.unwrap();
            store.save_token(&token(tenant, "meter", tenant)).await.unwrap();
        }
        store.save_external(&agent("acme", "meter", 2)).await.unwrap();
        drop(store);
        let store = open(&dir).await;
        assert_eq!(store.external_agents().await.unwrap(), [agent("acme", "meter", 2), agent("globex", "meter", 1)]);
        assert_eq!(store.tokens().await.unwrap(), [token("acme", "meter", "acme"), token("globex", "meter", "globex")]);
        store.delete_external(&"acme".parse().unwrap(), &"meter".parse().unwrap()).await.unwrap();
        assert_eq!(store.tokens().await.unwrap(), [token("globex", "meter", "globex")]);
        store.delete_token(&Digest::of(b"globex")).await.unwrap();
        assert_eq!(store.tokens().await.unwrap(), []);
    }

    #[tokio::test]
    async fn an_id_is_of_one_agent_of_either_kind_and_never_given_again() {
        let dir = tempfile::tempdir().unwrap();
        let store = with_tenants(&dir, &["acme"]).await;
        let acme: TenantId = "acme".parse().unwrap();
        store.save_external(&agent("acme", "meter", 1)).await.unwrap();
        assert!(taken(store.save_deployment(&deployment("acme", "meter", 1)).await));
        store.save_deployment(&deployment("acme", "echo", 1)).await.unwrap();
        assert!(taken(store.save_external(&agent("acme", "echo", 1)).await));
        store.delete_external(&acme, &"meter".parse().unwrap()).await.unwrap();
        store.delete_deployment(&acme, &"echo".parse().unwrap()).await.unwrap();
        for id in ["meter", "echo"] {
            assert!(taken(store.save_external(&agent("acme", id, 1)).await), "{id}");
            assert!(taken(store.save_deployment(&deployment("acme", id, 1)).await), "{id}");
        }
    }

    #[tokio::test]
    async fn a_deleted_tenant_takes_its_external_agents_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = with_tenants(&dir, &["acme", "globex"]).await;
        for tenant in ["acme", "globex"] {
            store.save_external(&agent(tenant, "meter", 1)).await.unwrap();
            store.save_token(&token(tenant, "meter", tenant)).await.unwrap();
        }
        store.delete_tenant(&"acme".parse().unwrap()).await.unwrap();
        assert_eq!(store.external_agents().await.unwrap(), [agent("globex", "meter", 1)]);
        assert_eq!(store.tokens().await.unwrap(), [token("globex", "meter", "globex")]);
    }
}
