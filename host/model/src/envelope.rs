//! A message as the host knows it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{AgentId, Extension, Extras, Header, Incarnation, Queue, TenantId, Timestamp, Topic};

/// A message's id: a UUID (RFC 9562), made by the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageId(Uuid);

impl MessageId {
    /// From a UUID the host made.
    pub const fn new(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The 16 bytes, in the order of the text.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl FromStr for MessageId {
    type Err = uuid::Error;

    fn from_str(raw: &str) -> Result<Self, uuid::Error> {
        Uuid::try_parse(raw).map(Self)
    }
}

/// An opaque, unguessable address for one answer; made by the host, never guest text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReplyToken(u128);

impl ReplyToken {
    /// From 128 bits nobody can guess.
    pub const fn new(secret: u128) -> Self {
        Self(secret)
    }

    /// The 16 bytes, in the order of the text.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

impl fmt::Display for ReplyToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for ReplyToken {
    type Err = BadReplyToken;

    fn from_str(raw: &str) -> Result<Self, BadReplyToken> {
        let token = u128::from_str_radix(raw, 16).map(Self).map_err(|_| BadReplyToken)?;
        // One spelling only: another would be another address.
        if token.to_string() == raw { Ok(token) } else { Err(BadReplyToken) }
    }
}

/// A text that is no [`ReplyToken`]: not 32 digits of lower-case hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a reply token")]
pub struct BadReplyToken;

/// Where a stamped message goes, within its tenant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Destination {
    /// All who subscribe to the topic.
    Topic(Topic),
    /// One queue: an agent's own, or a shared one.
    Queue(Queue),
    /// The one who asked.
    Reply {
        /// Who asked.
        agent: AgentId,
        /// Under which token the answer is awaited.
        token: ReplyToken,
    },
}

/// The address within the tenant: the subject without its `tenants.{tenant}.` prefix.
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(topic) => topic.fmt(f),
            Self::Queue(queue) => write!(f, "queues.{queue}"),
            Self::Reply { token, .. } => write!(f, "replies.{token}"),
        }
    }
}

/// The source of a run of sequence numbers: they count within it, so that replicas and restores reuse none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Producer {
    /// Which start of the host, in milliseconds since the Unix epoch.
    pub host: u64,
    /// Which start of the agent on it.
    pub instance: u64,
}

impl Producer {
    /// The producer that a start of an agent is.
    pub const fn new(host: Timestamp, instance: Incarnation) -> Self {
        Self { host: host.as_millis(), instance: instance.0 }
    }
}

/// A message with everything the host stamps on it. Plain data: proof that a gate was passed lies in the type around it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// The message's own id.
    pub id: MessageId,
    /// Whose it is.
    #[serde(rename = "tenantId")]
    pub tenant: TenantId,
    /// Who sent it.
    #[serde(rename = "agentId")]
    pub sender: AgentId,
    /// Which run of numbers `seq` counts in.
    pub producer: Producer,
    /// Counts from 1 within `producer`.
    pub seq: u64,
    /// Where it goes.
    pub to: Destination,
    /// Where an answer is awaited.
    pub reply_to: Option<ReplyToken>,
    /// What it is.
    pub message_type: String,
    /// The media type of the payload.
    pub content_type: String,
    /// The body.
    pub payload: Vec<u8>,
    /// When it was stamped.
    pub timestamp: Timestamp,
    /// After this moment it is dropped.
    pub expires: Option<Timestamp>,
    /// Ties an answer to its question.
    pub correlation_id: Option<String>,
    /// The message that was being handled when this one was sent.
    pub causation_id: Option<MessageId>,
    /// 0 for a message from outside, one more for each handler it came through.
    pub hop: u16,
    /// The message at the root of the chain of causes.
    pub root_id: MessageId,
    /// Inert data for the receiver.
    pub headers: Vec<Header>,
    /// What few messages carry.
    pub extras: Option<Box<Extras>>,
}

/// The message being handled when another one is sent: the link in the chain of causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// The message being handled.
    pub id: MessageId,
    /// The message at the root of its chain.
    pub root_id: MessageId,
    /// How many handlers the chain came through.
    pub hop: u16,
}

impl Envelope {
    /// The key it belongs to: its sender's option `key`; without one, its correlation id; without that, its sender.
    pub fn shard_key(&self) -> &str {
        self.key().or(self.correlation_id.as_deref()).unwrap_or(self.sender.as_str())
    }

    /// The option that its sender gave it its key by.
    pub fn key_option(&self) -> Option<Header> {
        self.key().map(|key| Header { name: Extension::KEY.to_owned(), value: key.to_owned() })
    }

    fn key(&self) -> Option<&str> {
        let mut ext = self.extras.iter().flat_map(|extras| &extras.ext);
        ext.find(|ext| ext.name == Extension::KEY).map(|ext| ext.value.as_str())
    }

    /// This message as the cause of the next one.
    pub fn as_cause(&self) -> Cause {
        Cause { id: self.id, root_id: self.root_id, hop: self.hop }
    }
}

/// What an acknowledgement promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// Held in memory; survives nothing.
    Volatile,
    /// Synced to this host's disk; survives the host and a power cut.
    Durable,
    /// Synced to this host's disk and by a quorum of three NATS servers; survives the loss of a host or a server.
    Replicated,
}

impl Durability {
    /// The class as WIT, API and CLI name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Volatile => "volatile",
            Self::Durable => "durable",
            Self::Replicated => "replicated",
        }
    }
}

/// The host took the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The id the receiver will see.
    pub id: MessageId,
    /// What this acknowledgement promises.
    pub durability: Durability,
}
