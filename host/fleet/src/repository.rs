//! What survives a restart: tenants, deployments and components. `store` implements the traits.

use async_trait::async_trait;
use host_component::Digest;
use host_model::{AgentId, GroupId, TenantId, Timestamp};
use host_quota::TenantBudgets;

use crate::Settings;

/// A tenant as kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantRecord {
    /// Whose id is never given again.
    pub id: TenantId,
    /// For people.
    pub name: String,
    /// When it was created.
    pub created: Timestamp,
}

/// Whether an agent should be up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Desired {
    /// Brought up whenever the host is up.
    Running,
    /// Left alone until somebody starts it.
    Stopped,
}

/// One deployed agent as kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its id, from the manifest.
    pub agent: AgentId,
    /// Counts the deployments under this id, from 1.
    pub revision: u32,
    /// The component it runs.
    pub digest: Digest,
    /// The manifest, word for word.
    pub manifest: String,
    /// Whether it should be up.
    pub desired: Desired,
    /// When this revision was deployed.
    pub deployed: Timestamp,
}

/// A policy as kept, word for word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRecord {
    /// Whose.
    pub tenant: TenantId,
    /// Whether it is in force, or only tried.
    pub shadow: bool,
    /// Counts the policies that were in force; a tried one has none.
    pub version: u32,
    /// The document.
    pub text: String,
    /// When it was set.
    pub set: Timestamp,
}

/// A version that asks for more than the one before it, as kept until somebody decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingRecord {
    /// Whose.
    pub tenant: TenantId,
    /// Of which agent.
    pub agent: AgentId,
    /// The revision it will be.
    pub revision: u32,
    /// Its component: approval is pinned to it.
    pub digest: Digest,
    /// Its manifest, word for word: approval is pinned to it.
    pub manifest: String,
    /// Whether it is to be started.
    pub start: bool,
    /// When it was deployed.
    pub asked: Timestamp,
}

/// What the members of a group share, as kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRecord {
    /// Whose.
    pub tenant: TenantId,
    /// Which group.
    pub group: GroupId,
    /// Text by name.
    pub settings: Settings,
}

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// The id is in use, or was: ids are never given again.
    #[error("the id is taken")]
    Taken,
    /// The store failed.
    #[error("cannot {act}")]
    Store {
        /// What was tried.
        act: &'static str,
        /// Why it failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Keeps what is deployed.
#[async_trait]
pub trait Repository: Send + Sync {
    /// Keeps a new tenant. [`RepositoryError::Taken`] if the id was ever used.
    async fn create_tenant(&self, tenant: &TenantRecord) -> Result<(), RepositoryError>;

    /// All tenants, by id.
    async fn tenants(&self) -> Result<Vec<TenantRecord>, RepositoryError>;

    /// Keeps a deployment, in place of an earlier revision of the same agent, in one transaction.
    /// [`RepositoryError::Taken`] if the agent was deleted before.
    async fn save_deployment(&self, deployment: &Deployment) -> Result<(), RepositoryError>;

    /// Changes whether a deployed agent should be up.
    async fn set_desired(&self, tenant: &TenantId, agent: &AgentId, desired: Desired) -> Result<(), RepositoryError>;

    /// All deployments, by tenant and agent.
    async fn deployments(&self) -> Result<Vec<Deployment>, RepositoryError>;

    /// Deletes a deployment and its card, and leaves a tombstone, so that the id is never given again.
    async fn delete_deployment(&self, tenant: &TenantId, agent: &AgentId) -> Result<(), RepositoryError>;

    /// Keeps a policy, in place of the one of its kind before.
    async fn save_policy(&self, policy: &PolicyRecord) -> Result<(), RepositoryError>;

    /// Deletes the policy that is tried in a tenant, if one is.
    async fn delete_shadow_policy(&self, tenant: &TenantId) -> Result<(), RepositoryError>;

    /// All policies, by tenant.
    async fn policies(&self) -> Result<Vec<PolicyRecord>, RepositoryError>;

    /// Keeps a version that waits for approval, in place of one that waited before.
    async fn save_pending(&self, pending: &PendingRecord) -> Result<(), RepositoryError>;

    /// Deletes the version of an agent that waits, if one does.
    async fn delete_pending(&self, tenant: &TenantId, agent: &AgentId) -> Result<(), RepositoryError>;

    /// All versions that wait, by tenant and agent.
    async fn pending(&self) -> Result<Vec<PendingRecord>, RepositoryError>;

    /// Keeps what the members of a group share, in place of all that was; nothing is forgotten.
    async fn save_group(&self, group: &GroupRecord) -> Result<(), RepositoryError>;

    /// All groups that share something, by tenant and group.
    async fn groups(&self) -> Result<Vec<GroupRecord>, RepositoryError>;
}

/// Keeps components by their digest.
#[async_trait]
pub trait Components: Send + Sync {
    /// Keeps a component; keeping the same one twice is no error.
    async fn save(&self, digest: &Digest, bytes: &[u8]) -> Result<(), RepositoryError>;

    /// A component's bytes, checked against the digest: what was changed on disk is an error, not a component.
    async fn load(&self, digest: &Digest) -> Result<Option<Vec<u8>>, RepositoryError>;
}

/// What agents keep for themselves: their state and their files.
#[async_trait]
pub trait AgentData: Send + Sync {
    /// Counts what a tenant's agents keep against its budgets, even past them. Called before the first of them starts; until then
    /// their calls are refused.
    async fn open_tenant(&self, tenant: &TenantId, budgets: &TenantBudgets) -> Result<(), RepositoryError>;

    /// Deletes all that an agent keeps. Deleting it again is no error.
    async fn delete_agent(&self, tenant: &TenantId, agent: &AgentId) -> Result<(), RepositoryError>;

    /// Forgets a tenant whose agents were deleted, and removes the place where they kept what they had. Closing it again is no
    /// error.
    async fn close_tenant(&self, tenant: &TenantId) -> Result<(), RepositoryError>;
}
