//! A message on its way out of the journal, and what becomes of it.

use std::sync::Arc;
use std::time::Duration;

use host_gate::{Delivery, Novelty, Verified};
use host_model::{DeathCause, MessageId, Queue, TenantId, Timestamp};

use crate::{Position, Recalled};

/// A message that waited, handed to a receiver.
#[derive(Debug)]
pub struct Kept<'a> {
    pub(crate) tenant: &'a TenantId,
    pub(crate) queue: &'a Queue,
    pub(crate) position: Position,
    pub(crate) message: MessageId,
    pub(crate) address: &'a str,
    pub(crate) frame: &'a Arc<[u8]>,
    /// Whether the memory of replays has this message at this place.
    pub(crate) remembered: bool,
    /// Which attempt this is, from 1, as far as that is known.
    pub(crate) attempt: u32,
    /// When it was taken.
    pub(crate) since: Timestamp,
}

impl Kept<'_> {
    /// Whose it is, as the place it was kept at says.
    pub fn tenant(&self) -> &TenantId {
        self.tenant
    }

    /// The queue it waited in.
    pub fn queue(&self) -> &Queue {
        self.queue
    }

    /// Where it lies.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The id it was kept under.
    pub(crate) fn message(&self) -> MessageId {
        self.message
    }

    /// The address it was kept with.
    pub(crate) fn address(&self) -> &str {
        self.address
    }

    /// When it was taken.
    pub(crate) fn since(&self) -> Timestamp {
        self.since
    }

    /// What is said to be its frame.
    pub(crate) fn frame(&self) -> &Arc<[u8]> {
        self.frame
    }

    /// Its bytes, for the gate.
    pub fn delivery(&self) -> Delivery {
        Delivery::Sealed { tenant: self.tenant.clone(), address: self.address.to_owned(), bytes: self.frame.clone() }
    }

    /// What the memory of replays says of it, once it was verified: it was read back together with the message.
    ///
    /// The same place is the same delivery. What lies elsewhere, or under another id, was copied there.
    pub fn recall(&self, verified: &Verified) -> Recalled {
        if verified.envelope().id != self.message || !self.remembered {
            return Recalled::Duplicate;
        }
        match self.attempt {
            0 | 1 => Recalled::New(Novelty::First),
            attempt => Recalled::New(Novelty::Redelivery { attempt }),
        }
    }
}

/// What a receiver says when it is handed a message that waited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handover {
    /// It has it, and will say how it ended.
    Taken,
    /// It has no room now.
    Full,
    /// It takes nothing any more.
    Gone,
    /// It is decided already.
    Ended(Verdict),
    /// It is not what was kept, by the refusal's code: to be looked at by people, and handed to nobody.
    Quarantined(&'static str),
}

/// How handling a message that waited ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is done.
    Done,
    /// It may work later.
    Retry {
        /// Not before so long, where the receiver has a wish.
        after: Option<Duration>,
        /// The kind of failure, should it be the last.
        cause: DeathCause,
        /// In more words, bounded.
        detail: String,
    },
    /// It never will.
    Dead {
        /// Why.
        cause: DeathCause,
        /// In more words, bounded.
        detail: String,
    },
    /// Nobody began to handle it: it goes back to its place, and this was no attempt.
    Back,
}
