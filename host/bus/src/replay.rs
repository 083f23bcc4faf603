//! The memory of what was handed over before: it stops a message that was copied, and lets one through that was not finished.

use async_trait::async_trait;
use host_gate::Novelty;
use host_model::{MessageId, TenantId, Timestamp};

/// A place in a tenant's log. A message that comes back from the same place is the same delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Position(pub u64);

/// What the memory says of a verified message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recalled {
    /// To be handled.
    New(Novelty),
    /// Handled already, or a copy of what lies elsewhere: nothing is done with it.
    Duplicate,
}

/// Why the memory did not answer. Nothing may be handed over then.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It holds as much of this tenant as it may. To forget something early would let its copy through.
    #[error("the memory of replays holds {len_max} messages of this tenant")]
    Full {
        /// How many that is.
        len_max: u64,
    },
    /// The store failed.
    #[error("cannot {act} in the memory of replays")]
    Store {
        /// What was tried.
        act: &'static str,
        /// Why it failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Remembers, over restarts, which messages were handed over and which were finished.
///
/// Asked after a message was verified and before it is accepted: a forgery must not spend the id of a true one.
#[async_trait]
pub trait ReplayMemory: Send + Sync {
    /// Remembers a message at its place until a moment, and says whether it is new.
    async fn recall(
        &self,
        tenant: &TenantId,
        message: MessageId,
        position: Position,
        until: Timestamp,
    ) -> Result<Recalled, ReplayError>;

    /// Remembers that a message was finished. One that is not remembered is no error.
    async fn finish(&self, tenant: &TenantId, message: MessageId) -> Result<(), ReplayError>;

    /// Forgets what need not be remembered after this moment, and says how many that was.
    async fn forget_until(&self, now: Timestamp) -> Result<u64, ReplayError>;
}
