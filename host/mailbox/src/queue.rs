//! One receiver's queue.

use std::collections::VecDeque;
use std::sync::Arc;

use host_gate::Accepted;
use host_model::Caller;

/// A receiver's place in a mailbox. Stale once the receiver was closed, and then refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Address {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

/// What a receiver wants of its queue.
#[derive(Debug, Clone)]
pub struct Open {
    /// Who may be pushed to it.
    pub receiver: Arc<Caller>,
    /// The most messages that wait.
    pub len_max: u32,
    /// The most messages handled at once.
    pub in_flight_max: u32,
}

/// The queue is at its bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("mailbox holds {len_max} messages already")]
pub struct Full {
    /// The most messages that wait.
    pub len_max: u32,
}

/// Why a message was not taken. It is handed back.
#[derive(Debug, thiserror::Error)]
pub enum Push {
    /// The queue is at its bound.
    #[error(transparent)]
    Full(#[from] Full),
    /// The queue was closed.
    #[error("mailbox is closed")]
    Closed,
    /// The message was accepted for somebody else.
    #[error("message was accepted for another receiver")]
    WrongReceiver,
}

/// One receiver's queue: its messages with their time of arrival, and what it may do now.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) open: Open,
    pub(crate) tenant: u32,
    pub(crate) held: bool,
    pub(crate) in_flight: u32,
    /// Whether it stands in its tenant's line.
    pub(crate) lined_up: bool,
    messages: VecDeque<(u64, Accepted)>,
}

impl Queue {
    pub(crate) fn new(open: Open, tenant: u32) -> Self {
        // Held until its owner is ready: nothing is delivered before.
        Self { open, tenant, held: true, in_flight: 0, lined_up: false, messages: VecDeque::new() }
    }

    pub(crate) fn push(&mut self, arrival: u64, accepted: Accepted) -> Result<(), Push> {
        if **accepted.receiver() != *self.open.receiver {
            return Err(Push::WrongReceiver);
        }
        let len_max = self.open.len_max;
        if self.messages.len() >= len_max as usize {
            return Err(Full { len_max }.into());
        }
        self.messages.push_back((arrival, accepted));
        Ok(())
    }

    /// When its next message arrived, if it may be handled now and no turn is waiting for it already.
    pub(crate) fn wants_turn(&self) -> Option<u64> {
        if self.held || self.lined_up || self.in_flight >= self.open.in_flight_max {
            return None;
        }
        self.messages.front().map(|(arrival, _)| *arrival)
    }

    pub(crate) fn take(&mut self) -> Option<Accepted> {
        self.messages.pop_front().map(|(_, accepted)| accepted)
    }

    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(crate) fn drain(&mut self) -> Vec<Accepted> {
        self.messages.drain(..).map(|(_, accepted)| accepted).collect()
    }
}
