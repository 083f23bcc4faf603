//! How an agent is.

use std::fmt;
use std::sync::Arc;

use host_courier::CountersView;
use host_model::{AgentId, Grants, Limits, MessageId, RunMode, TenantId, Timestamp, TopicPattern, TrapCause};

use crate::{Desired, Pending, Standing};

/// The steps of a start, in the seeds' order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// It was not started yet.
    #[default]
    None,
    /// Manifest and component are read; the component is compiled, or its compiled code loaded.
    Load,
    /// Imports, exports and grants fit.
    Validate,
    /// Its queue and topics are subscribed. Messages wait.
    Subscribe,
    /// Its card is in the registry.
    Register,
    /// It knows its peers.
    Discover,
    /// It handles messages.
    Ready,
}

/// What an agent is doing as a whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Phase {
    /// Nothing.
    #[default]
    Stopped,
    /// Going through the steps.
    Starting,
    /// Handling messages.
    Ready,
    /// Draining.
    Stopping,
    /// It did not start, and says why.
    Failed,
}

macro_rules! words {
    ($name:ident { $($case:ident => $word:literal,)* }) => {
        impl $name {
            /// The word for it in API and CLI.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$case => $word,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words!(Step {
    None => "none",
    Load => "load",
    Validate => "validate",
    Subscribe => "subscribe",
    Register => "register",
    Discover => "discover",
    Ready => "ready",
});
words!(Phase {
    Stopped => "stopped",
    Starting => "starting",
    Ready => "ready",
    Stopping => "stopping",
    Failed => "failed",
});

/// The last time that handling a message failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastFailure {
    /// Why it was cut off; `None` if the agent itself said no.
    pub cause: Option<TrapCause>,
    /// More words, bounded and inert.
    pub detail: String,
    /// When.
    pub at: Timestamp,
    /// Which message.
    pub message: MessageId,
}

/// How an agent is.
#[derive(Debug, Clone)]
pub struct AgentStatus {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its id.
    pub agent: AgentId,
    /// For people.
    pub name: String,
    /// For people.
    pub description: String,
    /// The author's version.
    pub version: String,
    /// Counts its deployments.
    pub revision: u32,
    /// The component it runs; an external agent has none.
    pub digest: Option<host_component::Digest>,
    /// How its instances live; an external agent has none.
    pub run: Option<RunMode>,
    /// How many resident instances it has.
    pub replicas: u32,
    /// Whether it should be up.
    pub desired: Desired,
    /// Whether it, or its tenant, is held back.
    pub standing: Standing,
    /// What it is doing.
    pub phase: Phase,
    /// The step its last start reached.
    pub step: Step,
    /// Resident instances that wait to be started again after they were cut off.
    pub backing_off: u32,
    /// Why it failed.
    pub reason: Option<String>,
    /// The version that waits for approval.
    pub pending: Option<Arc<Pending>>,
    /// Peers it found when it started.
    pub peers: usize,
    /// What its manifest asks for.
    pub grants: Grants,
    /// What it is subscribed to.
    pub subscriptions: Vec<TopicPattern>,
    /// When this revision was deployed.
    pub deployed: Timestamp,
    /// What it may use; an external agent runs elsewhere.
    pub limits: Option<Limits>,
    /// What it did.
    pub counters: CountersView,
    /// Messages that wait for it.
    pub waiting: usize,
    /// Messages it is handling.
    pub in_flight: u32,
    /// The last failure.
    pub last_failure: Option<LastFailure>,
}
