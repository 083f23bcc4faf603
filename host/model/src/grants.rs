//! What an agent may reach.

use serde::{Deserialize, Serialize};

use crate::{AgentId, Topic, TopicPattern};

/// Whom an agent may send to directly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SendGrant {
    /// Any agent of its tenant (`"*"` in a manifest).
    Any,
    /// These agents of its tenant.
    These(Vec<AgentId>),
}

impl Default for SendGrant {
    fn default() -> Self {
        Self::These(Vec::new())
    }
}

/// What an agent may reach. Deny by default: empty grants allow nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grants {
    /// Topics it may publish on.
    pub publish: Vec<TopicPattern>,
    /// Topics it is subscribed to.
    pub subscribe: Vec<TopicPattern>,
    /// Agents it may send to and ask.
    pub send: SendGrant,
    /// Whether it may find its peers.
    pub discover: bool,
}

impl Grants {
    /// Whether it may publish on a topic.
    pub fn may_publish(&self, topic: &Topic) -> bool {
        self.publish.iter().any(|pattern| pattern.matches(topic))
    }

    /// Whether it may receive from a topic.
    pub fn may_receive(&self, topic: &Topic) -> bool {
        self.subscribe.iter().any(|pattern| pattern.matches(topic))
    }

    /// Whether it may send to an agent.
    pub fn may_send(&self, agent: &AgentId) -> bool {
        match &self.send {
            SendGrant::Any => true,
            SendGrant::These(agents) => agents.contains(agent),
        }
    }

    /// Whether it may send anything at all.
    pub fn sends(&self) -> bool {
        !self.publish.is_empty() || !matches!(&self.send, SendGrant::These(agents) if agents.is_empty())
    }
}
