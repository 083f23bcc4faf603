//! What a bus does, whichever carries.

use std::pin::Pin;
use std::sync::Arc;

use host_gate::{Accepted, Delivery, Stamped};
use host_model::{AgentId, Queue, Receipt, TenantId, TopicPattern};

use crate::{Binding, Handover, JournalError, KeepHealth, Kept, Letter, QueueLimits, QueueView, Verdict};

/// What a subscriber wants to receive. All of it lies in one tenant.
#[derive(Debug, Clone)]
pub enum Interest {
    /// Messages on topics that match.
    Topics(TopicPattern),
    /// A queue: what is sent to it, and what was kept for it.
    Queue {
        /// Which.
        queue: Queue,
        /// The most kept messages that it has taken and not ended; those that are not kept are bounded by its mailbox.
        in_flight_max: u32,
    },
    /// Everything whose address matches, queues and replies included: for a person who watches.
    Everything(TopicPattern),
}

impl Interest {
    /// An agent's own queue.
    pub fn own(agent: &AgentId, in_flight_max: u32) -> Self {
        Self::Queue { queue: Queue::Agent(agent.clone()), in_flight_max }
    }
}

/// A subscription to be made.
#[derive(Debug, Clone)]
pub struct Subscribe {
    /// In which tenant.
    pub tenant: TenantId,
    /// To what.
    pub interest: Interest,
    /// With a name, each message goes to one subscriber of that name; without, to this one too.
    pub queue: Option<AgentId>,
    /// With a name of its own within `queue`, it gets what belongs to its keys and nothing else, as long as all of that queue have
    /// one: see [`shard_of`](crate::shard_of).
    pub member: Option<Member>,
}

/// The name of one of several receivers that share by key: the same over restarts, `{agent}/{number}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member(Arc<str>);

impl Member {
    /// One of the replicas of an agent.
    pub fn replica(agent: &AgentId, number: u32) -> Self {
        Self(format!("{agent}/{number}").into())
    }
}

impl AsRef<str> for Member {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// A subscription that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SubscriptionId(pub(crate) u64);

/// Why a receiver did not take a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotTaken {
    /// It holds as many messages as it may.
    Full {
        /// How many that is.
        len_max: u32,
    },
    /// It is not the right one, or not here any more.
    Refused,
}

/// The receiving side. Called on the sender's thread: it must not block.
pub trait Inbound: Send + Sync {
    /// Takes a delivery or says why not.
    fn deliver(&self, delivery: Delivery) -> Result<(), NotTaken>;

    /// Takes a message that waited, or says what to do with it. Who takes it ends it with [`Bus::settle`].
    fn take(&self, _kept: &Kept<'_>) -> Handover {
        Handover::Gone
    }
}

/// A receipt on its way from the disk.
pub type Keeping = Pin<Box<dyn Future<Output = Result<Receipt, BusError>> + Send>>;

/// Why a message was not carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BusError {
    /// Nobody has that queue.
    #[error("nobody receives there")]
    NoReceiver,
    /// None of those who should receive it can take more.
    #[error("the receiver holds {len_max} messages already")]
    Full {
        /// How many messages that receiver may hold.
        len_max: u32,
    },
    /// The tenant keeps as much as it may.
    #[error("{limit} would be {used}, over {max}")]
    QueuesFull {
        /// Which limit.
        limit: &'static str,
        /// What it is.
        max: u64,
        /// What would be kept.
        used: u64,
    },
    /// More messages wait to be written than the disk takes.
    #[error("{len_max} messages wait to be written already")]
    KeepingFull {
        /// How many may.
        len_max: usize,
    },
    /// Its frame may be larger than the NATS server takes.
    #[error("a frame of {len} bytes is over the server's {len_max}")]
    TooLarge {
        /// Bytes it may have.
        len: usize,
        /// Bytes that the server takes: its `max_payload`.
        len_max: usize,
    },
    /// The connection takes no more now.
    #[error("no NATS server takes the message now")]
    Unreachable,
    /// The tenant has no key that signs, and nothing unsigned reaches a disk.
    #[error("the message cannot be signed")]
    NotSigned,
    /// It cannot be kept now. Nothing weaker is promised instead.
    #[error("messages cannot be kept: {}", .0.as_str())]
    Unkept(KeepHealth),
}

/// A tenant that is being forgotten.
pub type Forgetting<'a> = Pin<Box<dyn Future<Output = Result<(), JournalError>> + Send + 'a>>;

/// Carries stamped messages, and keeps those that must not be lost. What a bus that keeps nothing does about the latter stands here.
pub trait Bus: Send + Sync {
    /// Carries a message to all who want it.
    ///
    /// A topic nobody listens to takes it; a queue nobody has does not. On a topic with several subscribers the message reaches
    /// those that can take it; [`BusError::Full`] means that none could.
    fn publish(&self, stamped: Stamped) -> Result<Receipt, BusError>;

    /// Subscribes until [`unsubscribe`](Self::unsubscribe).
    fn subscribe(&self, subscribe: Subscribe, inbound: Arc<dyn Inbound>) -> SubscriptionId;

    /// Sets who takes answers: the one receiver of this host that knows who waits for which.
    fn receive_replies(&self, inbound: Arc<dyn Inbound>);

    /// Ends a subscription. When it returns, nothing more is delivered to it by later publishes.
    fn unsubscribe(&self, tenant: &TenantId, id: SubscriptionId);

    /// Keeps a message for all who want it, whether they run or not; its receipt comes once it is synced.
    ///
    /// A topic nobody is bound to takes it; a queue nobody has does not.
    fn keep(&self, _stamped: Stamped) -> Keeping {
        Box::pin(async { Err(BusError::Unkept(KeepHealth::Absent)) })
    }

    /// Keeps the message that a dead letter is sent again as, and marks the letter with it. The second time the receipt is the
    /// same, and nothing is sent.
    fn replay(&self, _stamped: Stamped, _letter: &Letter) -> Keeping {
        Box::pin(async { Err(BusError::Unkept(KeepHealth::Absent)) })
    }

    /// Ends a kept message that a receiver took. One that was not kept is none.
    fn settle(&self, _accepted: &Accepted, _verdict: Verdict) {}

    /// Keeps a place for the messages of an agent, in place of the one before.
    fn bind(&self, _binding: Binding) {}

    /// An agent is gone: what waits in its own queue becomes dead letters.
    fn unbind(&self, _tenant: &TenantId, _agent: &AgentId) {}

    /// Forgets a deleted tenant with all that was kept of it.
    fn forget<'a>(&'a self, _tenant: &'a TenantId) -> Forgetting<'a> {
        Box::pin(async { Ok(()) })
    }

    /// Dead letters of a tenant were deleted: there is room for others.
    fn letters_gone(&self, _tenant: &TenantId, _count: u64) {}

    /// Sets what a tenant may keep. What lies there beyond it stays.
    fn set_limits(&self, _tenant: &TenantId, _limits: QueueLimits) {}

    /// The tenant's queues, by name.
    fn queues(&self, _tenant: &TenantId) -> Vec<QueueView> {
        Vec::new()
    }

    /// Whether external agents can listen on the bus itself.
    fn reaches_outside(&self) -> bool {
        false
    }

    /// Tells an external agent of a message that was accepted for it: once at most, and it need not listen. Never waits.
    fn tell_outside(&self, _accepted: &Accepted) -> Result<(), BusError> {
        Err(BusError::NoReceiver)
    }

    /// Whether messages can be kept now.
    fn health(&self) -> KeepHealth {
        KeepHealth::Absent
    }
}
