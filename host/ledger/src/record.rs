//! One record: who did what to whom, and what came of it.

use std::borrow::Cow;
use std::fmt;

use host_model::{AgentId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Hash;

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Actor {
    /// The host by itself.
    Host,
    /// Whoever holds the operator's token.
    Operator,
    /// An agent, within its tenant.
    Agent(AgentId),
    /// Somebody at the edge who showed no valid token.
    Anonymous,
}

impl From<&AgentId> for Actor {
    /// The agent, or the operator, who speaks under an id of the host's own.
    fn from(agent: &AgentId) -> Self {
        if *agent == AgentId::operator() { Self::Operator } else { Self::Agent(agent.clone()) }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("host"),
            Self::Operator => f.write_str("operator"),
            Self::Agent(agent) => write!(f, "agent:{agent}"),
            Self::Anonymous => f.write_str("anonymous"),
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// It may be done, and is begun.
    Allowed,
    /// It may not be done.
    Denied,
    /// What was allowed is done.
    Done,
    /// What was allowed did not succeed.
    Failed,
}

impl Decision {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

/// What a record says, before it has its number and its place in the chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// When, in milliseconds since the Unix epoch.
    pub at: Timestamp,
    /// In which tenant; none for the host as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantId>,
    /// An [`Actor`] as text.
    pub actor: String,
    /// A stable word of the host, such as `agent.deploy`.
    pub action: Cow<'static, str>,
    /// On what: an id, a digest or a pattern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// What came of it.
    pub decision: Decision,
    /// Why not: a stable word of the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The limit that was hit, in the unit the code implies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// What was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actual: Option<u64>,
    /// How often it happened, if more than once; [`first`](Self::first) and `at` say from when to when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// When it happened first, of those that are counted here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Timestamp>,
    /// The number of the record whose outcome this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<u64>,
    /// What the action's own words cannot say, such as values before and after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Value>,
}

impl Entry {
    /// How often it happened.
    pub fn times(&self) -> u64 {
        self.count.unwrap_or(1)
    }
}

/// A record as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Counts all records from 1.
    pub seq: u64,
    /// What it says.
    #[serde(flatten)]
    pub entry: Entry,
    /// What ties it to the record before.
    pub hash: Hash,
}
