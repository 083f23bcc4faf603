//! What is kept of external agents and their tokens. `store` implements the trait.

use async_trait::async_trait;
use host_component::Digest;
use host_model::{AgentId, TenantId, Timestamp};

use crate::RepositoryError;

/// An agent without a component, as kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalRecord {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its id, from the manifest.
    pub agent: AgentId,
    /// Counts the registrations under this id, from 1.
    pub revision: u32,
    /// The manifest, word for word.
    pub manifest: String,
    /// When this revision was registered.
    pub registered: Timestamp,
}

/// A token, as kept: what it proves and until when, and never the token itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// The SHA-256 of the token.
    pub digest: Digest,
    /// Whose agent it is for.
    pub tenant: TenantId,
    /// The one agent it is for.
    pub agent: AgentId,
    /// When it was minted.
    pub created: Timestamp,
    /// From when on it proves nothing.
    pub expires: Timestamp,
}

/// Keeps external agents and the digests of their tokens. Each change is one transaction.
#[async_trait]
pub trait ExternalRepository: Send + Sync {
    /// All external agents, by tenant and agent.
    async fn external_agents(&self) -> Result<Vec<ExternalRecord>, RepositoryError>;

    /// Keeps an external agent, in place of an earlier revision of it. [`RepositoryError::Taken`] if the id is or was another's.
    async fn save_external(&self, agent: &ExternalRecord) -> Result<(), RepositoryError>;

    /// Deletes an external agent and its tokens, and leaves a tombstone, so that the id is never given again.
    async fn delete_external(&self, tenant: &TenantId, agent: &AgentId) -> Result<(), RepositoryError>;

    /// All tokens, by tenant, agent and age.
    async fn tokens(&self) -> Result<Vec<TokenRecord>, RepositoryError>;

    /// Keeps a token of an external agent.
    async fn save_token(&self, token: &TokenRecord) -> Result<(), RepositoryError>;

    /// Deletes a token; deleting none is no error.
    async fn delete_token(&self, digest: &Digest) -> Result<(), RepositoryError>;
}
