//! Why a verb of the fleet was not done.

use host_component::{ComponentError, Digest, ManifestError, Objection, PolicyError};
use host_engine::{CutOff, EngineError};
use host_model::{AgentId, TenantId};
use host_quota::BadQuota;
use host_registry::CardStoreError;

use crate::RepositoryError;

/// Why the fleet did not do it.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// No such tenant here.
    #[error("no tenant '{0}'")]
    NoTenant(TenantId),
    /// No such agent in that tenant.
    #[error("no agent '{0}'")]
    NoAgent(AgentId),
    /// No component of that digest was uploaded.
    #[error("no component {0}: upload it first")]
    NoComponent(Digest),
    /// The id is in use, or was: ids are never given again.
    #[error("the id '{0}' is taken: ids are never given again, choose another")]
    Taken(String),
    /// The manifest is off.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The manifest of an agent deployed before is off: another version of the host took it.
    #[error("the kept manifest of agent '{agent}' of tenant '{tenant}' does not load")]
    Kept {
        /// Whose.
        tenant: TenantId,
        /// Which.
        agent: AgentId,
        /// Why.
        #[source]
        source: ManifestError,
    },
    /// The policy is off.
    #[error(transparent)]
    Policy(PolicyError),
    /// A policy that was set before is off: another version of the host took it.
    #[error("the kept policy of tenant '{tenant}' does not load")]
    KeptPolicy {
        /// Whose.
        tenant: TenantId,
        /// Why.
        #[source]
        source: PolicyError,
    },
    /// No version of that agent waits for approval.
    #[error("no version of agent '{0}' waits for approval")]
    NothingPending(AgentId),
    /// Another version waits than was named: look at it first.
    #[error(
        "revision {revision} ({version}) of agent '{agent}' waits, not the one you named: look at it with `agent show`"
    )]
    OtherPending {
        /// Which agent.
        agent: AgentId,
        /// The revision that waits.
        revision: u32,
        /// Its author's version.
        version: String,
    },
    /// The component cannot be read.
    #[error(transparent)]
    Component(#[from] ComponentError),
    /// The component needs what was not granted, or lacks what is needed.
    #[error("the component {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; it "))]
    Objections(Vec<Objection>),
    /// The component cannot be compiled or linked.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A resident instance did not start.
    #[error("the agent did not start: {0}")]
    DidNotStart(CutOff),
    /// The tenant takes no new work.
    #[error("tenant '{tenant}' is suspended ({reason}): resume it first")]
    Suspended {
        /// Which.
        tenant: TenantId,
        /// Why.
        reason: String,
    },
    /// Everything of the tenant is cut off.
    #[error("tenant '{tenant}' is quarantined ({reason}): resume it first")]
    TenantQuarantined {
        /// Which.
        tenant: TenantId,
        /// Why.
        reason: String,
    },
    /// The agent is cut off.
    #[error("agent '{agent}' is quarantined ({reason}): release it first")]
    Quarantined {
        /// Which.
        agent: AgentId,
        /// Why.
        reason: String,
    },
    /// A quota cannot be meant.
    #[error(transparent)]
    Quota(#[from] BadQuota),
    /// It runs no instance that could do it.
    #[error("agent '{0}' is not running: start it first")]
    NotRunning(AgentId),
    /// The agent takes no orders.
    #[error("agent '{0}' takes no commands: it is not resident, or its component exports no lifecycle")]
    NoCommands(AgentId),
    /// The agent refused an order, or was cut off over it.
    #[error("the agent refused the command: {0}")]
    CommandRefused(String),
    /// The host failed. Its log says more.
    #[error("the host panicked while it started the agent")]
    HostPanicked,
    /// The store failed.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The store failed over a card.
    #[error(transparent)]
    Cards(#[from] CardStoreError),
}
