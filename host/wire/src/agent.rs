//! Agents, as operators see them.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An agent to deploy, or a new revision of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeployAgent {
    /// The agent manifest, as TOML.
    pub manifest: String,
    /// The component to run, sent before by `PUT /api/components/{digest}`.
    pub digest: String,
    /// Whether to start it at once.
    #[serde(default = "yes")]
    pub start: bool,
}

/// A deployed agent and how it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Agent {
    /// Whose it is.
    pub tenant_id: String,
    /// Its id within the tenant.
    pub agent_id: String,
    /// Whether this host runs it.
    #[serde(default)]
    pub kind: AgentKind,
    /// For people.
    pub name: String,
    /// For people.
    pub description: String,
    /// The version its manifest names.
    pub version: String,
    /// Counts the deployments under this id, from 1.
    pub revision: u32,
    /// The component it runs; an external agent has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// How its instances live; an external agent has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunMode>,
    /// How many resident instances share its queue.
    pub replicas: u32,
    /// Whether it should be up.
    pub desired: Desired,
    /// Whether it is.
    pub state: AgentState,
    /// The step its last start reached.
    pub step: StartStep,
    /// Why it is not up, when it should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The version that waits for approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<crate::PendingVersion>,
    /// How many peers it saw when it started.
    pub peers: u64,
    /// Topics it receives from.
    pub subscriptions: Vec<String>,
    /// When this revision was deployed (RFC 3339).
    pub deployed_at: String,
    /// What it may use; an external agent runs elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<AgentLimits>,
    /// What it did since the host started.
    pub counters: AgentCounters,
    /// The last message that failed, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<LastFailure>,
}

/// What one agent may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentLimits {
    /// Linear memory of one instance.
    pub memory_bytes: u64,
    /// Guest instructions and priced host calls for one message.
    pub fuel_per_message: u64,
    /// Wall time for one message.
    pub deadline_millis: u64,
    /// Calls at once.
    pub concurrency: u32,
    /// Messages that wait.
    pub mailbox: u32,
}

/// What an agent did since the host started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentCounters {
    /// Messages that reached its mailbox.
    pub received: u64,
    /// Messages it handled to the end.
    pub handled: u64,
    /// Messages whose handling failed.
    pub failed: u64,
    /// Messages it published or sent.
    pub published: u64,
    /// Questions it asked.
    pub requested: u64,
    /// Answers it gave.
    pub replied: u64,
    /// What it asked of the host and was refused.
    pub refused: u64,
    /// Messages for it that were dropped.
    pub dropped: u64,
    /// Fuel it used.
    pub fuel_total: u64,
    /// Wall time it spent handling, in microseconds.
    pub handle_micros_total: u64,
    /// How often an instance was started again after a failure.
    pub restarts: u64,
    /// Messages that wait now.
    pub waiting: u64,
    /// Messages being handled now.
    pub in_flight: u64,
}

/// The last message that failed, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastFailure {
    /// `trap`, `fuel`, `memory`, `timeout`, `host`; or `refused`, when the agent itself said no.
    pub cause: String,
    /// More words, bounded and without control characters.
    pub detail: String,
    /// When (RFC 3339).
    pub at: String,
    /// Which message, when there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$case_doc:meta])* $case:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        pub enum $name {
            $($(#[$case_doc])* #[serde(rename = $word)] $case,)*
        }

        /// The word in JSON.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self {
                    $(Self::$case => $word,)*
                })
            }
        }
    };
}

words! {
    /// Whether the host runs an agent.
    #[derive(Default)]
    AgentKind {
        /// It has a component, and the host runs it.
        #[default]
        Component = "component",
        /// It runs elsewhere, and comes with a token.
        External = "external",
    }
}

words! {
    /// How an agent's instances live.
    RunMode {
        /// A fresh instance for each message.
        PerMessage = "per-message",
        /// One instance that stays, with its memory.
        Resident = "resident",
    }
}

words! {
    /// Whether an agent should be up.
    Desired {
        /// Brought up whenever the host is up.
        Running = "running",
        /// Left alone until somebody starts it.
        Stopped = "stopped",
    }
}

words! {
    /// Whether an agent is up.
    AgentState {
        /// It is down.
        Stopped = "stopped",
        /// It is coming up.
        Starting = "starting",
        /// It takes messages.
        Ready = "ready",
        /// It finishes what it has begun.
        Stopping = "stopping",
        /// It failed and will be tried again.
        BackingOff = "backing-off",
        /// It could not be started.
        Failed = "failed",
        /// Its tenant is suspended.
        Suspended = "suspended",
        /// It, or its tenant, was cut off.
        Quarantined = "quarantined",
    }
}

words! {
    /// The steps of a start, in order.
    StartStep {
        /// Not begun.
        None = "none",
        /// The component is loaded.
        Load = "load",
        /// Imports, exports and limits are checked.
        Validate = "validate",
        /// Its topics are subscribed.
        Subscribe = "subscribe",
        /// Its card is in the registry.
        Register = "register",
        /// Its peers are known.
        Discover = "discover",
        /// Messages are delivered.
        Ready = "ready",
    }
}

impl StartStep {
    /// The steps of a start, in order.
    pub const ALL: [Self; 6] =
        [Self::Load, Self::Validate, Self::Subscribe, Self::Register, Self::Discover, Self::Ready];
}

fn yes() -> bool {
    true
}
