//! What a bus knows of the queues of a tenant.

use std::time::Duration;

use host_model::{AgentId, Destination, MessageId, Queue, TenantId, Timestamp, TopicPattern};

use crate::Death;

/// For which messages an agent's queue keeps a place, whether the agent runs or not.
#[derive(Debug, Clone)]
pub struct Binding {
    /// Whose.
    pub tenant: TenantId,
    /// Which agent: what is bound waits in its own queue.
    pub agent: AgentId,
    /// Topics it is subscribed to.
    pub topics: Vec<TopicPattern>,
    /// Queues it receives from beside its own.
    pub shared: Vec<Queue>,
}

impl Binding {
    /// Whether a message on its way to `to` waits in this agent's own queue.
    pub(crate) fn wants(&self, to: &Destination) -> bool {
        match to {
            Destination::Topic(topic) => self.topics.iter().any(|pattern| pattern.matches(topic)),
            _ => false,
        }
    }
}

/// What may wait of a tenant, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimits {
    /// Messages in all its queues; one in two queues counts twice.
    pub messages_max: u64,
    /// Bytes of their frames, counted so too.
    pub bytes_max: u64,
    /// Dead letters.
    pub letters_max: u64,
    /// How long a message may wait.
    pub retention: Duration,
    /// How often a message is tried.
    pub attempts_max: u32,
}

/// One queue at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueView {
    /// Which.
    pub queue: Queue,
    /// Messages that wait or are being handled.
    pub messages: u64,
    /// Bytes of their frames.
    pub bytes: u64,
    /// Messages that are being handled.
    pub in_flight: u64,
    /// Messages that were not what was kept.
    pub quarantined: u64,
    /// When the first of those in memory was taken; a queue that nobody receives from has none there after a start.
    pub oldest: Option<Timestamp>,
    /// Receivers.
    pub consumers: u64,
}

impl QueueView {
    /// A queue that nothing is in and nobody takes from.
    pub fn empty(queue: Queue) -> Self {
        Self { queue, messages: 0, bytes: 0, in_flight: 0, quarantined: 0, oldest: None, consumers: 0 }
    }
}

/// Whether messages can be kept now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepHealth {
    /// They can.
    Good,
    /// The disk is full. It heals by itself once there is room.
    Full,
    /// The journal failed, and what it holds is not known before the host is started again.
    Broken,
    /// This bus keeps nothing.
    Absent,
    /// No NATS server has been reached yet: messages wait on this host.
    Unknown,
    /// No NATS server is reached: messages wait on this host.
    Disconnected,
    /// A NATS server lost messages that were not handled: they were sent to it again.
    Rebuilt,
    /// A NATS server is older than 2.12.15 or 2.14.5.
    OldServer,
    /// The NATS servers have no `JetStream`.
    NoJetStream,
    /// A NATS server does not sync each write.
    Unsynced,
    /// Whether the NATS servers sync cannot be seen.
    NotSeen,
    /// Three replicas were asked for, and there are not enough servers.
    NotReplicated,
}

impl KeepHealth {
    /// A stable word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Full => "storage-full",
            Self::Broken => "journal-broken",
            Self::Absent => "no-journal",
            Self::Unknown => "nats-unknown",
            Self::Disconnected => "nats-disconnected",
            Self::Rebuilt => "nats-stream-rebuilt",
            Self::OldServer => "nats-too-old",
            Self::NoJetStream => "nats-without-jetstream",
            Self::Unsynced => "nats-unsynced",
            Self::NotSeen => "nats-sync-not-seen",
            Self::NotReplicated => "nats-not-replicated",
        }
    }

    /// Whether nothing is kept while it lasts.
    pub const fn refuses(self) -> bool {
        !matches!(self, Self::Good | Self::Unknown | Self::Disconnected | Self::Rebuilt)
    }
}

/// Who is told of what happens to messages while nobody asks.
pub trait Notices: Send + Sync {
    /// A message was given up and is a dead letter now.
    fn died(&self, tenant: &TenantId, queue: &Queue, message: MessageId, death: &Death);
}
