//! Leases by name, and the numbers that tell an old holder from a new one.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{AgentId, GroupId, LeaseId, TenantId};

/// Who may ask for a lease.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LeaseScope {
    /// The agents of one group.
    Group(GroupId),
    /// One agent that is in no group: its replicas.
    Agent(AgentId),
}

impl LeaseScope {
    /// The scope of an agent: its group, or itself where it is in none.
    pub fn of(agent: &AgentId, group: Option<&GroupId>) -> Self {
        group.map_or_else(|| Self::Agent(agent.clone()), |group| Self::Group(group.clone()))
    }
}

/// Two tokens without a wildcard, as NATS writes keys: `groups.{group}` or `agents.{agent}`.
impl fmt::Display for LeaseScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(group) => write!(f, "groups.{group}"),
            Self::Agent(agent) => write!(f, "agents.{agent}"),
        }
    }
}

/// One lease of one tenant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LeaseName {
    /// Whose.
    pub tenant: TenantId,
    /// Who in the tenant may ask for it.
    pub scope: LeaseScope,
    /// Which of theirs.
    pub id: LeaseId,
}

/// The name within its tenant: `groups.{group}.{id}` or `agents.{agent}.{id}`.
impl fmt::Display for LeaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.scope, self.id)
    }
}

/// Counts the times that a lease was granted. A later holder has a higher number, over restarts too, so that whoever keeps
/// something can refuse an earlier one (Kleppmann, *How to do distributed locking*, 2016).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FencingToken(pub u64);

impl fmt::Display for FencingToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Under which lease something is done. Stamped by the host, never written by a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// Which lease.
    pub name: LeaseName,
    /// Which grant of it.
    pub token: FencingToken,
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_whose_it_is_and_reads_as_plain_tokens() {
        let (agent, group): (AgentId, GroupId) = ("kb".parse().unwrap(), "search".parse().unwrap());
        let name = |scope| LeaseName { tenant: "acme".parse().unwrap(), scope, id: LeaseId::leader() };
        let fence = |scope| Fence { name: name(scope), token: FencingToken(7) }.to_string();
        assert_eq!(fence(LeaseScope::of(&agent, Some(&group))), "groups.search.leader:7");
        assert_eq!(fence(LeaseScope::of(&agent, None)), "agents.kb.leader:7");
    }
}
