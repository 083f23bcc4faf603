//! Sealed frames that wait in a log on their way to another host, and what may happen to them there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use host_bus::{Position, Recalled};
use host_gate::{Arrival, Delivery, Novelty, Receiver, Refused, Sealed};
use host_mailbox::Push;
use host_model::{AgentId, Clock as _, Destination, Envelope, KeyId, MessageId, Queue, TenantId};

use crate::book::{Check, ensure};
use crate::run::Sim;

/// How long after its retirement a key may still have signed, and how long it is kept, in milliseconds (docs/envelope.md).
const OVERLAP_MILLIS: u64 = 300_000;
const RETENTION_MILLIS: u64 = 30 * 24 * 3_600_000;

/// A frame in the log.
#[derive(Clone)]
struct Frame {
    position: u64,
    tenant: TenantId,
    to: AgentId,
    address: String,
    bytes: Arc<[u8]>,
    key: KeyId,
    /// What it was made of.
    envelope: Envelope,
}

/// The log, and the memory of replays beside it. The memory follows the contract of [`host_bus::ReplayMemory`]; that the real one
/// does too is tested where it is (`store::replays`).
#[derive(Default)]
pub(crate) struct Frames {
    waiting: Vec<Frame>,
    /// Frames that came through once: to be played again.
    spent: Vec<Frame>,
    next: u64,
    remembered: BTreeMap<(TenantId, MessageId), (Position, bool)>,
    /// Messages of which every frame has ended.
    sent: BTreeSet<MessageId>,
}

impl Frames {
    pub(crate) fn append(&mut self, sealed: &Sealed, envelope: &Envelope, key: KeyId) {
        let Destination::Queue(Queue::Agent(to)) = &envelope.to else { return };
        let (tenant, to, address) = (sealed.tenant().clone(), to.clone(), sealed.address().to_owned());
        let bytes = sealed.bytes().clone();
        self.sent.insert(envelope.id);
        self.push(Frame { position: 0, tenant, to, address, bytes, key, envelope: envelope.clone() });
    }

    fn push(&mut self, frame: Frame) {
        self.next += 1;
        self.waiting.push(Frame { position: self.next, ..frame });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// A message was handled, or given up: whatever comes of it later has no effect.
    pub(crate) fn finish(&mut self, envelope: &Envelope) {
        if let Some((_, done)) = self.remembered.get_mut(&(envelope.tenant.clone(), envelope.id)) {
            *done = true;
        }
    }

    fn recall(&mut self, tenant: &TenantId, message: MessageId, position: Position) -> Recalled {
        match self.remembered.entry((tenant.clone(), message)).or_insert((position, false)) {
            (at, _) if *at != position => Recalled::Duplicate,
            (_, true) => Recalled::Duplicate,
            (_, false) => Recalled::New(Novelty::Redelivery { attempt: 2 }),
        }
    }
}

impl Sim {
    /// Hands over the first frame of one queue; the network may lose it, and then it comes again.
    pub(crate) fn hand_over(&mut self) -> Check {
        if self.frames.waiting.is_empty() || self.chance.one_in(5) {
            return Ok(());
        }
        let any = self.chance.below(self.frames.waiting.len());
        let queue = (self.frames.waiting[any].tenant.clone(), self.frames.waiting[any].to.clone());
        let of_queue = |frame: &Frame| frame.tenant == queue.0 && frame.to == queue.1;
        let first = self.frames.waiting.iter().position(of_queue).unwrap_or(any);
        self.hand_over_at(first).map(drop)
    }

    /// Hands over all frames that there is room for, in order.
    pub(crate) fn hand_over_all(&mut self) -> Check {
        let (mut at, mut blocked) = (0, BTreeSet::new());
        while let Some(frame) = self.frames.waiting.get(at) {
            let queue = (frame.tenant.clone(), frame.to.clone());
            if blocked.contains(&queue) {
                at += 1;
            } else if !self.hand_over_at(at)? {
                blocked.insert(queue);
                at += 1;
            }
        }
        Ok(())
    }

    /// Whether the frame is gone from the log.
    fn hand_over_at(&mut self, at: usize) -> Check<bool> {
        let frame = self.frames.waiting[at].clone();
        let Frame { tenant, address, bytes, .. } = frame.clone();
        let delivery = Delivery::Sealed { tenant, address, bytes };
        let verified = match self.host.gate.verify(delivery, self.host.vault.keys().as_ref(), Arrival::Kept) {
            Err(refused) => {
                self.explained(&frame, &refused)?;
                return Ok(self.dead(at));
            }
            Ok(verified) => verified,
        };
        self.was_signed(&frame)?;
        ensure(*verified.envelope() == frame.envelope, || format!("{verified:?} is not {:?}", frame.envelope))?;
        let novelty = match self.frames.recall(&frame.tenant, frame.envelope.id, Position(frame.position)) {
            Recalled::Duplicate => return Ok(self.passed_over(at)),
            Recalled::New(novelty) => novelty,
        };
        let tenant = self.host.ids.iter().position(|id| *id == frame.tenant).unwrap_or_default();
        let of = &self.host.tenants[tenant];
        let started = |agent: &&crate::agent::Agent| agent.id == frame.to && !agent.is_off && !of.is_off;
        let Some((agent, address)) = of.agents.iter().find(started).and_then(|agent| Some((agent, agent.address?)))
        else {
            // Nobody is there: it waits, unless there is no such agent at all.
            let exists = of.agents.iter().any(|agent| agent.id == frame.to);
            return Ok(!exists && self.dead(at));
        };
        let grants = agent.party.grants();
        let receiver = Receiver::Agent { caller: &agent.party.caller, grants: &grants };
        let now = self.host.clock.now();
        let incarnation = agent.incarnation();
        let accepted = match self.host.gate.accept(verified, novelty, receiver, now) {
            Err(refused) => {
                let late = frame.envelope.expires.is_some_and(|expires| expires < now);
                ensure(refused == Refused::Expired && late, || format!("a good frame was refused: {refused}"))?;
                return Ok(self.dead(at));
            }
            Ok(accepted) => accepted,
        };
        drop(grants);
        let pushed = self.host.lane.push(address, accepted);
        self.host.lane.take_pushed();
        match pushed {
            Ok(()) => {
                self.book.take_in(incarnation, frame.envelope.id)?;
                let frame = self.frames.waiting.remove(at);
                self.frames.spent.push(frame);
                Ok(true)
            }
            Err(Push::Full(_)) => Ok(false),
            Err(other) => Err(format!("a mailbox refused what was accepted for it: {other}")),
        }
    }

    /// A dead letter: whoever asked is told by the end of the wait.
    fn dead(&mut self, at: usize) -> bool {
        let frame = self.frames.waiting.remove(at);
        self.book.died(frame.envelope.id);
        self.frames.finish(&frame.envelope);
        true
    }

    fn passed_over(&mut self, at: usize) -> bool {
        self.frames.waiting.remove(at);
        self.trace.attacks += 1;
        true
    }

    /// A true frame is refused only for its key's end.
    fn explained(&self, frame: &Frame, refused: &Refused) -> Check {
        let ended = self.book.ended_keys.get(&(frame.tenant.clone(), frame.key));
        let (now, signed) = (self.host.now(), frame.envelope.timestamp.as_millis());
        let holds = match (refused, ended) {
            (Refused::KeyRevoked { .. }, Some((_, revoked))) => *revoked,
            (Refused::KeyRetired { .. }, Some((at, _))) => signed > at + OVERLAP_MILLIS,
            (Refused::KeyUnknown { .. }, Some((at, _))) => now > at + RETENTION_MILLIS,
            _ => false,
        };
        ensure(holds, || format!("a true frame was refused: {refused}; its key ended {ended:?}, now is {now}"))
    }

    /// What was verified was signed by a key that may.
    fn was_signed(&self, frame: &Frame) -> Check {
        let ended = self.book.ended_keys.get(&(frame.tenant.clone(), frame.key));
        let signed = frame.envelope.timestamp.as_millis();
        let may = ended.is_none_or(|(at, revoked)| !revoked && signed <= at + OVERLAP_MILLIS);
        ensure(may, || format!("a frame of a key that ended {ended:?} was verified"))
    }

    /// A copy of a frame, spent or waiting, appears at another place of its log.
    pub(crate) fn copy(&mut self) {
        let all = [&self.frames.spent, &self.frames.waiting].map(Vec::as_slice).concat();
        if !all.is_empty() {
            let frame = self.chance.pick(&all).clone();
            self.frames.push(frame);
        }
    }

    /// A frame that came through once comes again from the same place: passed over, if it was handled.
    pub(crate) fn again(&mut self) -> Check {
        if self.frames.spent.is_empty() {
            return Ok(());
        }
        let frame = self.chance.pick(&self.frames.spent).clone();
        let id = (frame.tenant.clone(), frame.envelope.id);
        if self.frames.remembered.get(&id).is_some_and(|(_, done)| *done) {
            let recalled = self.frames.recall(&id.0, id.1, Position(frame.position));
            ensure(recalled == Recalled::Duplicate, || format!("{} was handled, and is {recalled:?}", id.1))?;
            self.trace.attacks += 1;
        }
        Ok(())
    }

    /// A frame is changed, cut, given another's signature, or put under another address: nothing of that is verified.
    pub(crate) fn forge(&mut self) -> Check {
        let all = [&self.frames.spent, &self.frames.waiting].map(Vec::as_slice).concat();
        if all.is_empty() {
            return Ok(());
        }
        let (frame, other) = (self.chance.pick(&all).clone(), self.chance.pick(&all).clone());
        let (mut tenant, mut address, mut bytes) = (frame.tenant, frame.address, frame.bytes.to_vec());
        match self.chance.below(5) {
            0 => bytes[self.chance.below(frame.bytes.len())] ^= 1 << self.chance.below(8),
            1 => bytes.truncate(self.chance.below(frame.bytes.len())),
            2 => bytes = with_signature_of(&frame.bytes, &other.bytes),
            3 => tenant = self.chance.pick(&self.host.ids).clone(),
            _ => address = other.address,
        }
        let is_original =
            all.iter().any(|frame| *frame.bytes == *bytes && frame.tenant == tenant && frame.address == address);
        let delivery = Delivery::Sealed { tenant, address, bytes: bytes.into() };
        let verified = self.host.gate.verify(delivery, self.host.vault.keys().as_ref(), Arrival::Kept);
        self.trace.attacks += 1;
        ensure(verified.is_err() || is_original, || format!("a forgery was accepted: {verified:?}"))
    }
}

/// One frame under the signature of another.
fn with_signature_of(frame: &[u8], other: &[u8]) -> Vec<u8> {
    let signature = |frame: &[u8]| frame.windows(11).rposition(|at| at == b"\"signature\"").unwrap_or_default();
    [&frame[..signature(frame)], &other[signature(other)..]].concat()
}
