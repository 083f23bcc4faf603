//! Where cards are kept, so that a restarted host knows them before the first agent is up.

use async_trait::async_trait;
use host_model::{AgentId, Card, TenantId};

/// The store failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {act} the card of an agent")]
pub struct CardStoreError {
    /// What was tried: `save` or `delete`.
    pub act: &'static str,
    /// Why it failed.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Keeps cards. Implemented by `store`.
#[async_trait]
pub trait CardRepository: Send + Sync {
    /// Keeps the card of an agent, in place of an earlier one.
    async fn save(&self, tenant: &TenantId, card: &Card) -> Result<(), CardStoreError>;

    /// Forgets a card; forgetting none is no error.
    async fn delete(&self, tenant: &TenantId, agent: &AgentId) -> Result<(), CardStoreError>;
}
