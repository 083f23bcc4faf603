//! The cards of deployed agents, as JSON.

use async_trait::async_trait;
use host_model::{AgentId, Card, TenantId};
use host_registry::{CardRepository, CardStoreError};
use sqlx::sqlite::SqliteRow;

use crate::error::{Cause, StoreError};
use crate::rows::{Fields, Table};
use crate::sqlite::Sqlite;

const CARDS: Table = Table { name: "cards", key: &["tenant", "agent"] };

#[async_trait]
impl CardRepository for Sqlite {
    /// The agent must be deployed: a save that comes after the deletion does not bring the agent back.
    async fn save(&self, tenant: &TenantId, card: &Card) -> Result<(), CardStoreError> {
        save(self, tenant, card).await.map_err(failed("save"))
    }

    async fn delete(&self, tenant: &TenantId, agent: &AgentId) -> Result<(), CardStoreError> {
        delete(self, tenant, agent).await.map_err(failed("delete"))
    }
}

impl Sqlite {
    /// All cards, by tenant and agent.
    pub async fn cards(&self) -> Result<Vec<(TenantId, Card)>, StoreError> {
        let sql = "SELECT tenant, agent, card FROM cards ORDER BY tenant, agent";
        sqlx::query(sql).fetch_all(&self.readers).await?.iter().map(card_in).collect()
    }
}

async fn save(store: &Sqlite, tenant: &TenantId, card: &Card) -> Result<(), StoreError> {
    let json = serde_json::to_string(card).map_err(StoreError::Card)?;
    let sql = "INSERT INTO cards (tenant, agent, card) VALUES (?1, ?2, ?3)
               ON CONFLICT (tenant, agent) DO UPDATE SET card = excluded.card";
    let saved = sqlx::query(sql).bind(tenant.as_str()).bind(card.id.as_str()).bind(json).execute(&store.writer).await;
    match saved {
        Err(sqlx::Error::Database(cause)) if cause.is_foreign_key_violation() => {
            Err(StoreError::NotDeployed { tenant: tenant.clone(), agent: card.id.clone() })
        }
        saved => Ok(saved.map(drop)?),
    }
}

async fn delete(store: &Sqlite, tenant: &TenantId, agent: &AgentId) -> Result<(), StoreError> {
    let sql = "DELETE FROM cards WHERE tenant = ?1 AND agent = ?2";
    sqlx::query(sql).bind(tenant.as_str()).bind(agent.as_str()).execute(&store.writer).await?;
    Ok(())
}

fn card_in(row: &SqliteRow) -> Result<(TenantId, Card), StoreError> {
    let fields = Fields::of(CARDS, row);
    let (tenant, agent): (TenantId, AgentId) = (fields.parsed("tenant")?, fields.parsed("agent")?);
    let card: Card = serde_json::from_str(&fields.text("card")?).map_err(|cause| fields.corrupt("card", cause))?;
    if card.id == agent { Ok((tenant, card)) } else { Err(fields.corrupt("card", "it is another agent's")) }
}

fn failed(act: &'static str) -> impl Fn(StoreError) -> CardStoreError {
    move |cause| CardStoreError { act, source: Cause::from(cause) }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use host_fleet::Repository;
    use host_model::Skill;

    use super::*;
    use crate::deployments::tests::{deployment, with_tenants};
    use crate::sqlite::tests::open;

    fn card(agent: &str) -> Card {
        let skill = Skill {
            id: "search_knowledge_base".into(),
            name: "Search".into(),
            description: "Finds a runbook".into(),
            tags: vec!["ops".into()],
            examples: Vec::new(),
        };
        Card {
            id: agent.parse().unwrap(),
            name: "An agent".into(),
            description: "'); DROP TABLE cards; -- \u{1f980}".into(),
            version: "1.0.0".into(),
            capabilities: vec!["search".into()],
            skills: vec![skill],
            card_json: "{\"name\":\"An agent\"}".into(),
        }
    }

    fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(raw: &str) -> T {
        raw.parse().unwrap()
    }

    #[tokio::test]
    async fn cards_survive_reopening_and_the_last_one_saved_counts() {
        let dir = tempfile::tempdir().unwrap();
        let store = with_tenants(&dir, &["acme", "globex"]).await;
        for tenant in ["globex", "acme"] {
            store.save_deployment(&deployment(tenant, "echo", 1)).await.unwrap();
            store.save(&id(tenant), &card("echo")).await.unwrap();
        }
        let second = Card { version: "2.0.0".into(), ..card("echo") };
        store.save(&id("acme"), &second).await.unwrap();
        drop(store);

        let cards = open(&dir).await.cards().await.unwrap();

        assert_eq!(cards, [(id("acme"), second), (id("globex"), card("echo"))]);
    }

    #[tokio::test]
    async fn a_card_is_deleted_alone_or_with_its_deployment_and_never_another_tenants() {
        let dir = tempfile::tempdir().unwrap();
        let store = with_tenants(&dir, &["acme", "globex"]).await;
        for (tenant, agent) in [("acme", "echo"), ("acme", "kb"), ("globex", "echo"), ("globex", "kb")] {
            store.save_deployment(&deployment(tenant, agent, 1)).await.unwrap();
            store.save(&id(tenant), &card(agent)).await.unwrap();
        }

        store.delete_deployment(&id("acme"), &id("echo")).await.unwrap();
        let theirs = [(id("globex"), card("echo")), (id("globex"), card("kb"))];
        assert_eq!(store.cards().await.unwrap(), [&[(id("acme"), card("kb"))], &theirs[..]].concat());

        store.delete(&id("acme"), &id("kb")).await.unwrap();
        store.delete(&id("acme"), &id("kb")).await.unwrap();
        assert_eq!(store.cards().await.unwrap(), theirs);
    }

    #[tokio::test]
    async fn a_late_save_does_not_bring_a_deleted_agent_back() {
        let dir = tempfile::tempdir().unwrap();
        let store = with_tenants(&dir, &["acme"]).await;
        store.save_deployment(&deployment("acme", "echo", 1)).await.unwrap();
        store.delete_deployment(&id("acme"), &id("echo")).await.unwrap();

        let refused = store.save(&id("acme"), &card("echo")).await.unwrap_err();

        assert_eq!(refused.to_string(), "cannot save the card of an agent");
        assert_eq!(refused.source().unwrap().to_string(), "agent 'echo' of tenant 'acme' is not deployed");
    }

    #[tokio::test]
    async fn a_corrupt_card_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let store = with_tenants(&dir, &["acme"]).await;
        store.save_deployment(&deployment("acme", "echo", 1)).await.unwrap();
        let other = serde_json::to_string(&card("kb")).unwrap();
        for damaged in ["{", &other] {
            store.save(&id("acme"), &card("echo")).await.unwrap();
            sqlx::query("UPDATE cards SET card = ?1").bind(damaged).execute(&store.writer).await.unwrap();

            let refused = store.cards().await.unwrap_err();

            let line =
                "the database is damaged: column 'card' of 'acme/echo' in table 'cards': restore it from a backup";
            assert_eq!(refused.to_string(), line);
        }
    }
}
