//! A message on its way out of the journal, and what becomes of it.

use std::time::Duration;

use host_gate::{Delivery, Novelty, Verified};
use host_model::{DeathCause, Queue, TenantId};

use crate::{Position, Recalled, Waiting};

/// A message that waited, handed to a receiver.
#[derive(Debug)]
pub struct Kept<'a> {
    pub(crate) tenant: &'a TenantId,
    pub(crate) queue: &'a Queue,
    pub(crate) waiting: &'a Waiting,
    /// Whether it lay there when the host started: it may have been handed over before.
    pub(crate) handed_before: bool,
}

impl Kept<'_> {
    /// Whose it is, as the journal says.
    pub fn tenant(&self) -> &TenantId {
        self.tenant
    }

    /// The queue it waited in.
    pub fn queue(&self) -> &Queue {
        self.queue
    }

    /// Where it lies.
    pub fn position(&self) -> Position {
        self.waiting.position
    }

    /// Its bytes, for the gate.
    pub fn delivery(&self) -> Delivery {
        Delivery::Sealed {
            tenant: self.tenant.clone(),
            address: self.waiting.address.clone(),
            bytes: self.waiting.frame.clone(),
        }
    }

    /// What the memory of replays says of it, once it was verified: it was read back together with the message.
    ///
    /// The same place is the same delivery. What lies elsewhere, or under another id, was copied there.
    pub fn recall(&self, verified: &Verified) -> Recalled {
        let Waiting { message, remembered, position, failures, .. } = self.waiting;
        if verified.envelope().id != *message || *remembered != Some(*position) {
            return Recalled::Duplicate;
        }
        match failures.saturating_add(1).saturating_add(self.handed_before.into()) {
            1 => Recalled::New(Novelty::First),
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
