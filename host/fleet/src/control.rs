//! What operators decided about tenants and agents, as kept: who is stopped and why, and what a tenant may use.

use async_trait::async_trait;
use host_model::{AgentId, TenantId, Timestamp};
use host_quota::QuotaOverrides;

use crate::RepositoryError;

/// Why somebody was stopped, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// In words, bounded and inert.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
}

/// Whether a tenant, or one agent of it, works.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    #[default]
    Active,
    /// It was drained and stopped, and takes no new work.
    Suspended(Notice),
    /// Everything of it was cut off, and nothing passes.
    Quarantined(Notice),
}

impl Standing {
    /// The word for it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended(_) => "suspended",
            Self::Quarantined(_) => "quarantined",
        }
    }
}

/// What was decided about a tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TenantControl {
    /// Whether it works.
    pub standing: Standing,
    /// What was set for it.
    pub overrides: QuotaOverrides,
}

/// An agent that was quarantined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentQuarantine {
    /// Whose it is.
    pub tenant: TenantId,
    /// Which.
    pub agent: AgentId,
    /// Why.
    pub notice: Notice,
}

/// Keeps what was decided. Each change is one transaction.
#[async_trait]
pub trait ControlRepository: Send + Sync {
    /// What was decided about a tenant; what was never set is at its default.
    async fn tenant_control(&self, tenant: &TenantId) -> Result<TenantControl, RepositoryError>;

    /// Changes whether a tenant works.
    async fn set_standing(&self, tenant: &TenantId, standing: &Standing) -> Result<(), RepositoryError>;

    /// Replaces everything that was set for a tenant.
    async fn set_overrides(&self, tenant: &TenantId, overrides: &QuotaOverrides) -> Result<(), RepositoryError>;

    /// All agents in quarantine, by tenant and agent.
    async fn quarantines(&self) -> Result<Vec<AgentQuarantine>, RepositoryError>;

    /// Keeps that an agent is in quarantine. `false` if no such agent is deployed.
    async fn quarantine(&self, quarantine: &AgentQuarantine) -> Result<bool, RepositoryError>;

    /// Ends an agent's quarantine; ending none is no error.
    async fn release(&self, tenant: &TenantId, agent: &AgentId) -> Result<(), RepositoryError>;

    /// Deletes a tenant with its deployments, cards and everything that was decided about it. Leaves tombstones, so that
    /// neither its id nor those of its agents are given again.
    async fn delete_tenant(&self, tenant: &TenantId) -> Result<(), RepositoryError>;
}
