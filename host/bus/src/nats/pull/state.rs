//! What this host holds of one queue, and who receives from it.

use std::cell::OnceCell;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use async_nats::jetstream::message::Acker;
use foldhash::fast::RandomState;
use host_gate::shard_key_of;
use host_model::{MessageId, Timestamp};

use crate::nats::subjects::KeptSubject;
use crate::{Inbound, Member, Position, SubscriptionId, shard_of};

/// Messages that wait here for the receivers that their keys belong to, while others have room.
const KEYED_MAX: usize = 256;
/// Messages whose failures are remembered.
const TRIES_MAX: usize = 4_096;

#[derive(Default)]
pub(super) struct State {
    pub(super) receivers: Vec<Receiver>,
    pub(super) turn: usize,
    /// Pulled, and taken by nobody yet.
    pub(super) waiting: VecDeque<Pulled>,
    pub(super) in_flight: HashMap<MessageId, InFlight, RandomState>,
    /// How often handling a message failed here.
    pub(super) tries: HashMap<MessageId, u32, RandomState>,
}

pub(super) struct Receiver {
    pub(super) id: SubscriptionId,
    pub(super) inbound: Arc<dyn Inbound>,
    /// It takes the messages of its keys alone, as long as all receivers have a name.
    pub(super) member: Option<Member>,
    pub(super) in_flight_max: usize,
    pub(super) in_flight: usize,
    pub(super) full: bool,
}

impl Receiver {
    pub(super) fn room(&self) -> usize {
        if self.full { 0 } else { self.in_flight_max.saturating_sub(self.in_flight) }
    }
}

/// A message as it was pulled.
pub(super) struct Pulled {
    pub(super) subject: KeptSubject,
    pub(super) position: Position,
    pub(super) attempt: u32,
    /// How often the server handed it out, to whomever.
    pub(super) delivered: u32,
    /// When the server took it.
    pub(super) published: Timestamp,
    pub(super) frame: Arc<[u8]>,
    /// By what receivers that share by key share it; read when it is asked for.
    pub(super) key: OnceCell<String>,
    pub(super) acker: Arc<Acker>,
}

impl Pulled {
    fn key(&self) -> &str {
        self.key.get_or_init(|| shard_key_of(&self.frame))
    }
}

pub(super) struct InFlight {
    pub(super) pulled: Pulled,
    pub(super) receiver: SubscriptionId,
    /// It has ended, and the server does not know it yet.
    pub(super) ended: bool,
}

impl State {
    /// How many more messages may be taken from the stream now.
    pub(super) fn room(&self) -> usize {
        let room: usize = self.receivers.iter().map(Receiver::room).sum();
        // In turn, whoever has room takes what waits. By key, what waits may be for somebody else.
        let waiting_max = if self.members().is_some() { KEYED_MAX } else { 0 };
        if self.waiting.len() > waiting_max { 0 } else { room }
    }

    /// Whether it is here already: with a receiver, or waiting for one.
    pub(super) fn has(&self, message: MessageId) -> bool {
        let waits = |pulled: &Pulled| pulled.subject.message == message;
        self.in_flight.contains_key(&message) || self.waiting.iter().any(waits)
    }

    /// Whether nobody takes what was kept: who receives may take volatile messages alone.
    pub(super) fn is_deserted(&self) -> bool {
        self.receivers.iter().all(|receiver| receiver.in_flight_max == 0)
    }

    pub(super) fn is_any_full(&self) -> bool {
        self.receivers.iter().any(|receiver| receiver.full)
    }

    /// Whoever had no room is asked again.
    pub(super) fn ask_again(&mut self) {
        for receiver in &mut self.receivers {
            receiver.full = false;
        }
    }

    /// The receivers, if all of them share by key.
    pub(super) fn members(&self) -> Option<Vec<&Member>> {
        let named: Option<Vec<_>> = self.receivers.iter().map(|receiver| receiver.member.as_ref()).collect();
        named.filter(|named| !named.is_empty())
    }

    /// The next message that can be handed out, by its place, and to whom.
    pub(super) fn next_offer(&mut self) -> Option<(usize, usize)> {
        if self.waiting.is_empty() {
            return None;
        }
        match self.members() {
            Some(members) => self.next_by_key(&members),
            None => self.next_in_turn().map(|index| (0, index)),
        }
    }

    /// The first message whose receiver has room: one that is busy holds up its own keys and no others.
    fn next_by_key(&self, members: &[&Member]) -> Option<(usize, usize)> {
        if self.receivers.iter().all(|receiver| receiver.room() == 0) {
            return None;
        }
        self.waiting.iter().enumerate().find_map(|(at, pulled)| {
            let owner = shard_of(pulled.key(), members.iter().copied())?;
            let is_free = |receiver: &Receiver| receiver.member.as_ref() == Some(owner) && receiver.room() > 0;
            self.receivers.iter().position(is_free).map(|index| (at, index))
        })
    }

    fn next_in_turn(&mut self) -> Option<usize> {
        let len = self.receivers.len();
        let index = (0..len)
            .map(|step| (self.turn + step) % len)
            .find(|index| self.receivers.get(*index).is_some_and(|receiver| receiver.room() > 0))?;
        self.turn = index + 1;
        Some(index)
    }
}

/// Bounded: of what is forgotten the server's count is left.
pub(super) fn remember(tries: &mut HashMap<MessageId, u32, RandomState>, message: MessageId, failures: u32) {
    if tries.len() >= TRIES_MAX {
        tries.clear();
    }
    tries.insert(message, failures);
}
