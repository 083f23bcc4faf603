//! Queues: where messages wait that must not be lost.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{AgentId, BadId, TenantId};

/// A queue of a tenant: an agent's own, or one of those that its agents share. Its address is `queues.{queue}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Queue {
    /// Shared by the agents that were granted it: each message goes to one of them.
    Agents,
    /// For whoever coordinates the others.
    Orchestrator,
    /// One agent's own.
    Agent(AgentId),
}

impl Queue {
    /// The queue as one token of a subject. No agent may have the name of a shared queue, so it means one queue only.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Agents => "agents",
            Self::Orchestrator => "orchestrator",
            Self::Agent(agent) => agent.as_str(),
        }
    }

    /// Reads the name of a queue that agents share: the only ones that can be granted.
    pub fn shared(raw: &str) -> Result<Self, NotShared> {
        match raw.parse() {
            Ok(queue @ (Self::Agents | Self::Orchestrator)) => Ok(queue),
            _ => Err(NotShared),
        }
    }

    /// `{tenant}-{queue}`, for people: joined so, two different queues may read the same.
    pub fn display_name(&self, tenant: &TenantId) -> String {
        format!("{tenant}-{self}")
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<AgentId> for Queue {
    fn from(agent: AgentId) -> Self {
        Self::Agent(agent)
    }
}

impl FromStr for Queue {
    type Err = BadId;

    fn from_str(raw: &str) -> Result<Self, BadId> {
        match raw {
            "agents" => Ok(Self::Agents),
            "orchestrator" => Ok(Self::Orchestrator),
            _ => raw.parse().map(Self::Agent),
        }
    }
}

impl TryFrom<String> for Queue {
    type Error = BadId;

    fn try_from(raw: String) -> Result<Self, BadId> {
        raw.parse()
    }
}

impl From<Queue> for String {
    fn from(queue: Queue) -> Self {
        queue.as_str().to_owned()
    }
}

/// Why a text names no queue that can be granted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a queue that agents share: use 'agents' or 'orchestrator'")]
pub struct NotShared;

/// Why a message will not be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeathCause {
    /// The guest trapped by itself, each time.
    Trap,
    /// Its fuel was spent, each time.
    Fuel,
    /// Its memory was spent, each time.
    Memory,
    /// Its deadline passed, each time.
    Timeout,
    /// The host could not run it, or gave up, each time.
    Host,
    /// The agent asked to be given it later, more often than it is tried.
    Retried,
    /// The agent said that it never will.
    Rejected,
    /// Its receiver may not receive it any more.
    Denied,
    /// It waited past its expiry, or longer than its tenant keeps messages.
    Expired,
    /// The key it was signed with was revoked.
    KeyRevoked,
}

impl DeathCause {
    /// The cause as API, CLI and metrics name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trap => "trap",
            Self::Fuel => "fuel",
            Self::Memory => "memory",
            Self::Timeout => "timeout",
            Self::Host => "host",
            Self::Retried => "retried",
            Self::Rejected => "rejected",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::KeyRevoked => "key-revoked",
        }
    }
}

impl FromStr for DeathCause {
    type Err = BadDeathCause;

    fn from_str(raw: &str) -> Result<Self, BadDeathCause> {
        use DeathCause::{Denied, Expired, Fuel, Host, KeyRevoked, Memory, Rejected, Retried, Timeout, Trap};
        [Trap, Fuel, Memory, Timeout, Host, Retried, Rejected, Denied, Expired, KeyRevoked]
            .into_iter()
            .find(|cause| cause.as_str() == raw)
            .ok_or(BadDeathCause)
    }
}

/// Why a text names no cause.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a cause of a dead letter")]
pub struct BadDeathCause;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_an_agents_or_one_of_the_shared_ones() {
        for raw in ["agents", "orchestrator", "echo", "b-agents"] {
            assert_eq!(raw.parse::<Queue>().unwrap().to_string(), raw);
        }
        for raw in ["dlq", "operator", "", "A", "a.b"] {
            assert!(raw.parse::<Queue>().is_err(), "{raw}");
        }
    }

    #[test]
    fn only_a_shared_queue_can_be_granted() {
        assert_eq!(Queue::shared("agents"), Ok(Queue::Agents));
        assert_eq!(Queue::shared("orchestrator"), Ok(Queue::Orchestrator));
        for raw in ["echo", "dlq", "operator", "Agents", "*", ""] {
            assert_eq!(Queue::shared(raw), Err(NotShared), "{raw}");
        }
    }

    #[test]
    fn joined_with_a_dash_two_queues_may_read_the_same_and_their_subjects_do_not() {
        let (a, ab) = ("a".parse().unwrap(), "a-b".parse().unwrap());
        let (of_a, of_ab): (Queue, Queue) = ("b-agents".parse().unwrap(), "agents".parse().unwrap());
        assert_eq!(of_a.display_name(&a), of_ab.display_name(&ab));
        assert_ne!(of_a.as_str(), of_ab.as_str());
    }
}
