//! Why a verb of the fleet was not done.

use std::time::Duration;

use host_bus::LeaseError;
use host_component::{BadSettings, ComponentError, Digest, ManifestError, Objection, PolicyError};
use host_engine::{CutOff, EngineError};
use host_model::{AgentId, GroupId, TenantId};
use host_quota::BadQuota;
use host_registry::CardStoreError;

use crate::{RepositoryError, TokenId};

/// Why the fleet did not do it.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// No such tenant here.
    #[error("no tenant '{0}'")]
    NoTenant(TenantId),
    /// No such agent in that tenant.
    #[error("no agent '{0}'")]
    NoAgent(AgentId),
    /// No such group in that tenant: no agent names it, and nothing is set for it.
    #[error("no group '{0}'")]
    NoGroup(GroupId),
    /// The settings of a group are more than an agent can have.
    #[error(transparent)]
    Settings(BadSettings),
    /// The tenant has settings for as many groups as it may have.
    #[error("the tenant has settings for {len_max} groups already: end those of one first")]
    TooManyGroups {
        /// How many there may be.
        len_max: usize,
    },
    /// What keeps leases does not say who has one.
    #[error(transparent)]
    Leases(#[from] LeaseError),
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
    /// It is external: nothing of it runs here.
    #[error(
        "agent '{0}' is external: there is nothing of it here to start, stop, command, approve or quarantine; its tokens can be \
             revoked"
    )]
    External(AgentId),
    /// It is deployed, and an external agent is asked for.
    #[error("agent '{0}' is deployed here, and needs no token: the host speaks for it")]
    NotExternal(AgentId),
    /// No such token of that agent.
    #[error("no token '{0}'")]
    NoToken(TokenId),
    /// A token would be valid for too short or too long a time.
    #[error("a token is valid for {} seconds to {} days: name a time in between", .min.as_secs(), .max.as_secs() / 86_400)]
    TokenLifetime {
        /// The shortest time.
        min: Duration,
        /// The longest time.
        max: Duration,
    },
    /// The agent has as many tokens as it may have.
    #[error("agent '{agent}' has {len_max} tokens already: revoke one first")]
    TooManyTokens {
        /// Which agent.
        agent: AgentId,
        /// How many there may be.
        len_max: usize,
    },
    /// The tenant has as many external agents as it may have.
    #[error("the tenant has {len_max} external agents already: delete one first")]
    TooManyExternal {
        /// How many there may be.
        len_max: usize,
    },
    /// The tenant's external agents have as many streams open as they may have.
    #[error("the tenant's agents have {len_max} streams open already: close one, or try again later")]
    TooManyStreams {
        /// How many there may be.
        len_max: usize,
    },
    /// An external agent asks for what its tenant's policy does not allow.
    #[error("the agent {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; it "))]
    BeyondPolicy(Vec<Objection>),
    /// The machine's random source failed.
    #[error("the machine gives no random bytes")]
    NoRandomness(#[source] getrandom::Error),
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
