//! The log of messages that must not be lost: what the bus asks of whoever keeps it.

use std::sync::Arc;

use async_trait::async_trait;
use host_gate::Sealed;
use host_model::{AgentId, DeathCause, MessageId, Queue, TenantId, Timestamp};

use crate::Position;

/// A message to be kept.
#[derive(Debug)]
pub struct Keep {
    /// The frame, its tenant and its address.
    pub sealed: Sealed,
    /// Its id: a second message of this id in its tenant is not kept.
    pub message: MessageId,
    /// Who sent it.
    pub sender: AgentId,
    /// Where it waits: at least one queue.
    pub queues: Vec<Queue>,
    /// When it was taken.
    pub kept: Timestamp,
    /// Until when its id is remembered, at least.
    pub remember_until: Timestamp,
}

/// A message in one of its queues.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// Whose.
    pub tenant: TenantId,
    /// In which queue.
    pub queue: Queue,
    /// Where in the tenants' log.
    pub position: Position,
}

/// Why a message is not tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    /// The kind of reason.
    pub cause: DeathCause,
    /// In words of the host, or of the agent: bounded, without control characters.
    pub detail: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was given up.
    pub at: Timestamp,
}

/// One change to the log.
#[derive(Debug)]
pub enum Change {
    /// Keeps a message.
    Keep(Keep),
    /// A message is done in one queue. Its frame goes with the last of its queues; its id is remembered.
    Done(Place),
    /// Handling it failed: how often it did so far, and when it is due again.
    Failed {
        /// Which.
        place: Place,
        /// How often.
        failures: u32,
        /// Not before this moment.
        due: Timestamp,
    },
    /// It becomes a dead letter, with its frame as it was kept.
    Bury {
        /// Which.
        place: Place,
        /// Why.
        death: Death,
    },
    /// It is not what was kept: it stays where it is, for people to look at, and is never handed out again.
    Quarantine {
        /// Which.
        place: Place,
        /// The refusal's code.
        code: &'static str,
    },
    /// A dead letter is sent again: kept as a new message, with the letter marked in the same step.
    Replay {
        /// Which letter.
        letter: LetterId,
        /// When.
        at: Timestamp,
        /// As what.
        keep: Keep,
    },
}

/// What became of one change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// A message was kept, at this position.
    Kept(Position),
    /// A message of this id was kept before, and is remembered at this position. Nothing was changed.
    Known(Position),
    /// Any other change was made, or there was nothing left to change.
    Made,
}

/// A message that waits, as it was read back: nothing of it is to be believed before the gate has verified its frame.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Where it lies.
    pub position: Position,
    /// The id it was kept under.
    pub message: MessageId,
    /// Where the memory of replays has this id; `None` if it has not.
    pub remembered: Option<Position>,
    /// Who sent it, as it was kept.
    pub sender: AgentId,
    /// The address it was kept with.
    pub address: String,
    /// What is said to be its frame.
    pub frame: Arc<[u8]>,
    /// How often handling it failed.
    pub failures: u32,
    /// Not to be handed out before this moment.
    pub due: Timestamp,
    /// When it was taken.
    pub kept: Timestamp,
}

/// How much lies in one queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Depth {
    /// Whose.
    pub tenant: TenantId,
    /// Which queue.
    pub queue: Queue,
    /// Messages that wait or are being handled, without those in quarantine.
    pub messages: u64,
    /// Bytes of their frames.
    pub bytes: u64,
    /// Messages in quarantine.
    pub quarantined: u64,
}

/// A dead letter's number on this host. Never given again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LetterId(pub u64);

/// A message that was given up.
#[derive(Debug, Clone)]
pub struct Letter {
    /// Its number.
    pub id: LetterId,
    /// Whose.
    pub tenant: TenantId,
    /// In which queue it waited.
    pub queue: Queue,
    /// The message's own id.
    pub message: MessageId,
    /// Who sent it.
    pub sender: AgentId,
    /// The address it was kept with.
    pub address: String,
    /// What is said to be its frame.
    pub frame: Arc<[u8]>,
    /// Why it was given up.
    pub death: Death,
    /// When it was first taken.
    pub kept: Timestamp,
    /// When it was sent again, and as which message.
    pub replayed: Option<(Timestamp, MessageId)>,
}

/// Which dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Letters {
    /// This one.
    One(LetterId),
    /// All of the tenant that were given up until a moment.
    Until(Timestamp),
}

/// Why the log did not do it. After [`Full`](Self::Full) it may work later; after [`Broken`](Self::Broken) only once the host was
/// started again, because what the disk holds is not known.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The disk, or its quota, is full. Nothing was changed.
    #[error("the disk of the journal is full")]
    Full,
    /// It failed in a way that says nothing about what was written.
    #[error("the journal failed: {act}")]
    Broken {
        /// What was tried.
        act: &'static str,
        /// Why it failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Keeps messages over restarts and power cuts.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Makes all changes in their order, or none, and returns once they are synced. Positions grow with the order of keeping.
    async fn commit(&self, changes: &[Change]) -> Result<Vec<Changed>, JournalError>;

    /// The messages of a queue behind a position, in their order; at most so many, and no more than one over so many bytes.
    /// Without those in quarantine.
    async fn read(
        &self,
        tenant: &TenantId,
        queue: &Queue,
        after: Position,
        len_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Waiting>, JournalError>;

    /// How much lies in each queue that is not empty.
    async fn depths(&self) -> Result<Vec<Depth>, JournalError>;

    /// The last position that was given, or 0.
    async fn last(&self) -> Result<Position, JournalError>;

    /// A tenant's dead letters behind a number, in their order, and fewer than so many only at their end. Their frames are empty: one
    /// by itself has its own.
    async fn letters(&self, tenant: &TenantId, after: LetterId, len_max: usize) -> Result<Vec<Letter>, JournalError>;

    /// One dead letter of a tenant.
    async fn letter(&self, tenant: &TenantId, id: LetterId) -> Result<Option<Letter>, JournalError>;

    /// How many dead letters each tenant has.
    async fn letter_counts(&self) -> Result<Vec<(TenantId, u64)>, JournalError>;

    /// Deletes dead letters of a tenant, and says how many.
    async fn purge(&self, tenant: &TenantId, which: Letters) -> Result<u64, JournalError>;

    /// Deletes everything of a tenant that was deleted.
    async fn forget_tenant(&self, tenant: &TenantId) -> Result<(), JournalError>;

    /// Forgets ids that need not be remembered after this moment, and says how many. Those of messages that still wait stay.
    async fn forget_until(&self, now: Timestamp) -> Result<u64, JournalError>;

    /// Forgets the oldest ids of a tenant that has more than so many, and says how many. Those of messages that still wait stay.
    async fn forget_beyond(&self, tenant: &TenantId, ids_max: u64) -> Result<u64, JournalError>;
}
