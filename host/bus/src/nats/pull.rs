//! From the stream to the receivers of this host: as many as have room, each until it was handled.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::Consumer;
use async_nats::jetstream::consumer::pull::Config as PullConfig;
use async_nats::jetstream::message::Acker;
use async_nats::jetstream::{AckKind, Message};
use foldhash::fast::RandomState;
use host_model::{DeathCause, MessageId, Queue, TenantId, Timestamp};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::NatsError;
use super::batch::Batch;
use super::connection::Connection;
use super::done::{End, Ended, Memory};
use super::keys::KeyExchange;
use super::settle::{Settles, Settling};
use super::streams::Streams;
use super::subjects::KeptSubject;
use crate::backoff::backoff;
use crate::{Handover, Inbound, Keeper, Kept, Position, SubscriptionId, Verdict};

/// Messages that one request asks for.
const BATCH_MAX: usize = 256;
/// How long to wait before a server that could not be asked is asked again.
const ASK_WAIT: Duration = Duration::from_millis(200);
/// When a receiver without room is asked again.
const FULL_WAIT: Duration = Duration::from_millis(20);
/// For how long messages wait here for a receiver that is being replaced, before they go back to the server.
const REPLACED_WAIT: Duration = Duration::from_millis(500);
/// The code of a refusal of a key that this host does not know.
const KEY_UNKNOWN: &str = "key-unknown";
/// Messages whose number of tries is remembered beside what the server counts.
const TRIES_MAX: usize = 4_096;

/// What every queue's intake works with.
pub(super) struct Shared {
    pub(super) connection: Connection,
    pub(super) streams: Streams,
    pub(super) memory: Arc<Memory>,
    pub(super) settles: Settles,
    pub(super) exchange: Arc<KeyExchange>,
    pub(super) keeper: Keeper,
}

/// One queue of one tenant, as far as this host receives from it.
pub(super) struct Intake {
    shared: Arc<Shared>,
    tenant: TenantId,
    queue: Queue,
    state: Mutex<State>,
    room: Notify,
    /// There is no receiver any more.
    deserted: Notify,
}

#[derive(Default)]
struct State {
    receivers: Vec<Receiver>,
    turn: usize,
    /// Pulled, and taken by nobody yet.
    waiting: VecDeque<Pulled>,
    in_flight: HashMap<MessageId, InFlight, RandomState>,
    /// How often handling a message failed, where the server counts something else too.
    tries: HashMap<MessageId, u32, RandomState>,
}

struct Receiver {
    id: SubscriptionId,
    inbound: Arc<dyn Inbound>,
    in_flight_max: usize,
    in_flight: usize,
    full: bool,
}

impl Receiver {
    fn room(&self) -> usize {
        if self.full { 0 } else { self.in_flight_max.saturating_sub(self.in_flight) }
    }
}

/// A message as it was pulled.
struct Pulled {
    subject: KeptSubject,
    position: Position,
    attempt: u32,
    /// When the server took it.
    published: Timestamp,
    frame: Arc<[u8]>,
    acker: Arc<Acker>,
}

struct InFlight {
    pulled: Pulled,
    receiver: SubscriptionId,
    /// It has ended, and the server does not know it yet.
    ended: bool,
}

impl Intake {
    pub(super) fn new(shared: Arc<Shared>, tenant: TenantId, queue: Queue) -> Arc<Self> {
        let state = Mutex::default();
        Arc::new(Self { shared, tenant, queue, state, room: Notify::new(), deserted: Notify::new() })
    }

    pub(super) fn add(&self, id: SubscriptionId, inbound: Arc<dyn Inbound>, in_flight_max: u32) {
        let receiver = Receiver { id, inbound, in_flight_max: in_flight_max as usize, in_flight: 0, full: false };
        self.state.lock().receivers.push(receiver);
        self.room.notify_one();
    }

    /// Ends a receiver. What it holds is still its own to end.
    pub(super) fn remove(&self, id: SubscriptionId) {
        let mut state = self.state.lock();
        state.receivers.retain(|receiver| receiver.id != id);
        if state.receivers.is_empty() {
            self.deserted.notify_one();
        }
    }

    /// Pulls for as long as the host runs, whenever there are receivers.
    pub(super) async fn run(self: Arc<Self>) {
        let mut changes = self.shared.connection.changes();
        let mut consumer = None;
        loop {
            let room = self.wait_for_room().await;
            self.shared.connection.up().await;
            self.shared.exchange.known().await;
            let pulled = tokio::select! {
                pulled = self.pull_once(&mut consumer, room.min(BATCH_MAX)) => pulled,
                // The request that stood is forgotten with the connection.
                () = self.shared.connection.up_again(&mut changes) => Ok(()),
                () = self.deserted.notified() => Ok(()),
            };
            if let Err(error) = pulled {
                tracing::debug!(tenant = %self.tenant, queue = %self.queue, error = error.source.to_string(), "a queue cannot be read");
                consumer = None;
                tokio::time::sleep(ASK_WAIT).await;
            }
        }
    }

    async fn pull_once(
        self: &Arc<Self>,
        consumer: &mut Option<Consumer<PullConfig>>,
        len_max: usize,
    ) -> Result<(), NatsError> {
        let consumer = match consumer {
            Some(consumer) => consumer,
            None => consumer.insert(self.shared.streams.consumer(&self.tenant, &self.queue).await?),
        };
        let mut batch = Batch::ask(&self.shared.connection, consumer, len_max).await?;
        while let Some(message) = batch.next().await? {
            self.take_in(message);
        }
        Ok(())
    }

    /// How many messages this host has room for, once that is one.
    async fn wait_for_room(self: &Arc<Self>) -> usize {
        loop {
            let (room, waits) = {
                let mut state = self.state.lock();
                self.offer_waiting(&mut state);
                let room: usize = state.receivers.iter().map(Receiver::room).sum();
                (room.saturating_sub(state.waiting.len()), !state.waiting.is_empty())
            };
            if room > 0 && !waits {
                return room;
            }
            let (full, deserted) = {
                let state = self.state.lock();
                (state.receivers.iter().any(|receiver| receiver.full), state.receivers.is_empty())
            };
            tokio::select! {
                () = self.room.notified() => {}
                () = tokio::time::sleep(REPLACED_WAIT), if waits && deserted => self.give_back(),
                () = tokio::time::sleep(FULL_WAIT), if full => self.ask_again(),
            }
        }
    }

    /// Nobody came for what waits here: the server has it handed out elsewhere, in the same order.
    fn give_back(&self) {
        let mut state = self.state.lock();
        if state.receivers.is_empty() {
            for pulled in std::mem::take(&mut state.waiting) {
                self.shared.settles.push(Settling::Later { acker: pulled.acker, after: None });
            }
        }
    }

    fn ask_again(&self) {
        for receiver in &mut self.state.lock().receivers {
            receiver.full = false;
        }
    }

    /// What came from the stream: read, known, or to be handed to somebody.
    fn take_in(self: &Arc<Self>, message: Message) {
        let Some(read) = self.read(&message) else {
            tracing::error!(tenant = %self.tenant, queue = %self.queue, "a message in the stream has a subject that no host writes");
            let (_, acker) = message.split();
            return self.shared.settles.push(Settling::Forget { acker: Arc::new(acker) });
        };
        let (subject, position, delivered, published) = read;
        let (body, acker) = message.split();
        if self.shared.memory.end_of(&self.tenant, &self.queue, subject.message).is_some() {
            return self.shared.settles.push(Settling::Forget { acker: Arc::new(acker) });
        }
        let mut state = self.state.lock();
        let waits = |pulled: &Pulled| pulled.subject.message == subject.message;
        if state.in_flight.contains_key(&subject.message) || state.waiting.iter().any(waits) {
            return;
        }
        let attempt = state.tries.get(&subject.message).map_or(delivered, |tries| tries.saturating_add(1));
        let frame = Arc::from(&body.payload[..]);
        let pulled = Pulled { subject, position, attempt, published, frame, acker: Arc::new(acker) };
        if self.is_over(published) {
            return self.expire(pulled);
        }
        state.waiting.push_back(pulled);
        self.offer_waiting(&mut state);
    }

    fn read(&self, message: &Message) -> Option<(KeptSubject, Position, u32, Timestamp)> {
        let subject =
            KeptSubject::read(&self.tenant, &message.subject).filter(|subject| subject.queue == self.queue)?;
        let info = message.info().ok()?;
        let delivered = u32::try_from(info.delivered).unwrap_or(u32::MAX).max(1);
        let published = u64::try_from(info.published.unix_timestamp_nanos() / 1_000_000).unwrap_or(0);
        Some((subject, Position(info.stream_sequence), delivered, Timestamp::from_millis(published)))
    }

    fn is_over(&self, published: Timestamp) -> bool {
        let retention =
            u64::try_from(self.shared.keeper.limits_of(&self.tenant).retention.as_millis()).unwrap_or(u64::MAX);
        published.as_millis().saturating_add(retention) < self.shared.keeper.now().as_millis()
    }

    fn expire(&self, pulled: Pulled) {
        let detail = "it waited for longer than its tenant keeps messages".to_owned();
        let end = End::Dead { cause: DeathCause::Expired, detail, attempts: pulled.attempt.saturating_sub(1) };
        self.end(pulled.subject.message, end, pulled.acker);
    }

    /// The host goes: what it holds and has not ended is handed out elsewhere at once.
    pub(super) fn let_go(&self) {
        let mut state = self.state.lock();
        state.receivers.clear();
        let State { waiting, in_flight, .. } = &mut *state;
        let held = in_flight.extract_if(|_, taken| !taken.ended).map(|(_, taken)| taken.pulled);
        let mut all: Vec<Pulled> = held.chain(waiting.drain(..)).collect();
        all.sort_by_key(|pulled| pulled.position);
        for pulled in all {
            self.shared.settles.push(Settling::Later { acker: pulled.acker, after: None });
        }
        self.deserted.notify_one();
    }

    fn offer_waiting(self: &Arc<Self>, state: &mut State) {
        while let Some(pulled) = state.waiting.pop_front() {
            if let Some(pulled) = self.offer(state, pulled) {
                state.waiting.push_front(pulled);
                return;
            }
        }
    }

    /// Offers a message to the next receiver in turn; gives it back if nobody has room.
    fn offer(self: &Arc<Self>, state: &mut State, pulled: Pulled) -> Option<Pulled> {
        let len = state.receivers.len();
        let at = (0..len)
            .map(|step| (state.turn + step) % len)
            .find(|at| state.receivers.get(*at).is_some_and(|receiver| receiver.room() > 0));
        let Some((at, receiver)) = at.and_then(|at| Some((at, state.receivers.get_mut(at)?))) else {
            return Some(pulled);
        };
        state.turn = at + 1;
        let Pulled { subject, position, attempt, frame, published, .. } = &pulled;
        let kept = Kept {
            tenant: &self.tenant,
            queue: &self.queue,
            position: *position,
            message: subject.message,
            address: &subject.address,
            frame,
            remembered: true,
            attempt: *attempt,
            since: *published,
        };
        match receiver.inbound.take(&kept) {
            Handover::Taken => {
                receiver.in_flight += 1;
                let (message, receiver) = (subject.message, receiver.id);
                state.in_flight.insert(message, InFlight { pulled, receiver, ended: false });
                None
            }
            Handover::Full | Handover::Gone => {
                receiver.full = true;
                Some(pulled)
            }
            Handover::Ended(Verdict::Dead { cause, detail }) => {
                let end = End::Dead { cause, detail, attempts: attempt.saturating_sub(1) };
                self.end(pulled.subject.message, end, pulled.acker);
                None
            }
            Handover::Ended(_) => {
                self.end(pulled.subject.message, End::Done, pulled.acker);
                None
            }
            // What this host does not know another may: it waits for one that does, or until it is too old.
            Handover::Quarantined(KEY_UNKNOWN) => {
                let after = Some(backoff(*attempt, None));
                self.shared.settles.push(Settling::Later { acker: pulled.acker, after });
                None
            }
            Handover::Quarantined(code) => {
                let message = subject.message;
                tracing::error!(tenant = %self.tenant, queue = %self.queue, %message, position = position.0, code, "a message is not what was kept: it is set aside");
                self.end(message, End::Quarantined, pulled.acker);
                None
            }
        }
    }

    /// A message that a receiver took has ended. One that none took is none of this queue's.
    pub(super) fn settle(&self, message: MessageId, verdict: Verdict) {
        let attempts_max = self.shared.keeper.limits_of(&self.tenant).attempts_max;
        let mut state = self.state.lock();
        let State { in_flight, receivers, tries, waiting, .. } = &mut *state;
        let Some(taken) = in_flight.get_mut(&message).filter(|taken| !taken.ended) else { return };
        if let Some(receiver) = receivers.iter_mut().find(|receiver| receiver.id == taken.receiver) {
            receiver.in_flight = receiver.in_flight.saturating_sub(1);
            receiver.full = false;
        }
        self.room.notify_one();
        let (attempt, acker) = (taken.pulled.attempt, taken.pulled.acker.clone());
        match verdict {
            Verdict::Retry { after, .. } if attempt < attempts_max => {
                in_flight.remove(&message);
                remember(tries, message, attempt);
                self.shared.settles.push(Settling::Later { acker, after: Some(backoff(attempt, after)) });
            }
            Verdict::Back => {
                if let Some(InFlight { pulled, .. }) = in_flight.remove(&message) {
                    let at = waiting.iter().position(|other| other.position > pulled.position);
                    waiting.insert(at.unwrap_or(waiting.len()), pulled);
                }
            }
            Verdict::Done => {
                taken.ended = true;
                self.end(message, End::Done, acker);
            }
            Verdict::Retry { cause, detail, .. } | Verdict::Dead { cause, detail } => {
                taken.ended = true;
                self.end(message, End::Dead { cause, detail, attempts: attempt }, acker);
            }
        }
    }

    fn end(&self, message: MessageId, end: End, acker: Arc<Acker>) {
        let ended = Ended { queue: self.queue.clone(), message, end };
        self.shared.settles.push(Settling::Ended { tenant: self.tenant.clone(), ended, acker });
    }

    /// The server knows that a message has ended.
    pub(super) fn acknowledged(&self, message: MessageId) {
        let mut state = self.state.lock();
        state.in_flight.remove(&message);
        state.tries.remove(&message);
    }

    /// What is to be told the server of now and then, so that it gives none of it to another host.
    pub(super) fn held(&self) -> Vec<Arc<Acker>> {
        let state = self.state.lock();
        let taken = state.in_flight.values().map(|taken| &taken.pulled.acker);
        taken.chain(state.waiting.iter().map(|pulled| &pulled.acker)).cloned().collect()
    }
}

/// Bounded: what is forgotten is counted by the server.
fn remember(tries: &mut HashMap<MessageId, u32, RandomState>, message: MessageId, failures: u32) {
    if tries.len() >= TRIES_MAX {
        tries.clear();
    }
    tries.insert(message, failures);
}

/// Tells the server now and then what this host is still at.
pub(super) async fn progress(intakes: impl Fn() -> Vec<Arc<Intake>>) {
    let mut ticks = tokio::time::interval(super::streams::ACK_WAIT / 3);
    loop {
        ticks.tick().await;
        for intake in intakes() {
            for acker in intake.held() {
                if let Err(error) = acker.ack_with(AckKind::Progress).await {
                    tracing::debug!(%error, "the server was not told that a message is being handled");
                }
            }
        }
    }
}
