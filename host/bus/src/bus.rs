//! What a bus does, whichever carries.

use std::sync::Arc;

use host_gate::{Delivery, Stamped};
use host_model::{AgentId, Receipt, TenantId, TopicPattern};

/// What a subscriber wants to receive. All of it lies in one tenant.
#[derive(Debug, Clone)]
pub enum Interest {
    /// Messages on topics that match.
    Topics(TopicPattern),
    /// An agent's own queue.
    Queue(AgentId),
    /// Everything whose address matches, queues and replies included: for a person who watches.
    Everything(TopicPattern),
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
}

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
}

/// Carries stamped messages.
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
}
