//! What an agent may reach.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{HostPattern, Queue, Scheme, Topic, TopicPattern};

/// Which queues of its tenant an agent may send to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SendGrant {
    /// Any agent's, and the shared ones (`"*"` in a manifest).
    Any,
    /// These.
    These(Vec<Queue>),
}

impl Default for SendGrant {
    fn default() -> Self {
        Self::These(Vec::new())
    }
}

/// What an agent may reach. Deny by default: empty grants allow nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each grant is there or not, by itself")]
pub struct Grants {
    /// Topics it may publish on.
    pub publish: Vec<TopicPattern>,
    /// Topics it is subscribed to.
    pub subscribe: Vec<TopicPattern>,
    /// Queues it may send to; an agent whose queue it may send to it may also ask.
    pub send: SendGrant,
    /// Shared queues it takes from.
    pub queues: Vec<Queue>,
    /// Whether it may find its peers.
    pub discover: bool,
    /// Whether it has keys and values of its own.
    pub state: bool,
    /// Whether it has files of its own.
    pub storage: bool,
    /// Whether it may take leases of its group.
    #[serde(default)]
    pub leases: bool,
    /// Hosts it may call.
    pub http: Vec<HostPattern>,
    /// Secrets the host may put into its calls for it.
    pub secrets: Vec<SecretName>,
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

    /// Whether it may send to a queue.
    pub fn may_send(&self, queue: &Queue) -> bool {
        match &self.send {
            SendGrant::Any => true,
            SendGrant::These(queues) => queues.contains(queue),
        }
    }

    /// Whether it may take from a shared queue. Its own is its own, and another agent's cannot be granted.
    pub fn may_take(&self, queue: &Queue) -> bool {
        self.queues.contains(queue)
    }

    /// Whether it may call a host: its name in lower case, without a last dot.
    pub fn may_call(&self, scheme: Scheme, name: &str, port: u16) -> bool {
        self.http.iter().any(|pattern| pattern.matches(scheme, name, port))
    }

    /// Whether a secret may be put into its calls.
    pub fn may_use(&self, secret: &SecretName) -> bool {
        self.secrets.contains(secret)
    }

    /// Whether it may send anything at all.
    pub fn sends(&self) -> bool {
        !self.publish.is_empty() || !matches!(&self.send, SendGrant::These(queues) if queues.is_empty())
    }
}

/// Why a text is no name of a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a secret's name: use 1 to 64 of a-z, 0-9, '_' and '-'")]
pub struct BadSecretName;

/// The name of a secret of a tenant: `[a-z0-9_-]{1,64}`. What it names never leaves the host but in a call to its own host.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretName(Arc<str>);

impl SecretName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for SecretName {
    type Err = BadSecretName;

    fn from_str(raw: &str) -> Result<Self, BadSecretName> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
        if (1..=64).contains(&raw.len()) && raw.bytes().all(plain) { Ok(Self(raw.into())) } else { Err(BadSecretName) }
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for SecretName {
    type Error = BadSecretName;

    fn try_from(raw: String) -> Result<Self, BadSecretName> {
        raw.parse()
    }
}

impl From<SecretName> for String {
    fn from(name: SecretName) -> Self {
        name.0.as_ref().to_owned()
    }
}
