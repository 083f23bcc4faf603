//! From the stream to the receivers of this host: as many as have room, each until it was handled.

mod state;

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::Consumer;
use async_nats::jetstream::consumer::pull::Config as PullConfig;
use async_nats::jetstream::message::Acker;
use async_nats::jetstream::{AckKind, Message};
use host_model::{DeathCause, MessageId, Queue, TenantId, Timestamp};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use self::state::{InFlight, Pulled, Receiver, State, remember};
use super::NatsError;
use super::batch::Batch;
use super::connection::Connection;
use super::done::{End, Ended, Memory};
use super::keys::KeyExchange;
use super::links::{Link, Links};
use super::peers::Peers;
use super::settle::{Settles, Settling, tell};
use super::streams::Streams;
use super::subjects::KeptSubject;
use crate::backoff::backoff;
use crate::{Handover, Inbound, Keeper, Kept, Member, Position, SubscriptionId, Verdict};

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
/// How often a message may be handed out for each attempt that its tenant allows: the server counts what was given back, and what a
/// host did not end that went, and nobody else counts the latter.
const HANDED_OUT_MAX: u32 = 4;

/// What every queue's intake works with.
pub(super) struct Shared {
    pub(super) connection: Connection,
    pub(super) streams: Streams,
    pub(super) links: Links,
    pub(super) memory: Arc<Memory>,
    pub(super) settles: Settles,
    pub(super) exchange: Arc<KeyExchange>,
    pub(super) keeper: Keeper,
    pub(super) peers: Arc<Peers>,
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
    /// The queue is no more.
    over: CancellationToken,
}

impl Intake {
    pub(super) fn new(shared: Arc<Shared>, tenant: TenantId, queue: Queue) -> Arc<Self> {
        let state = Mutex::default();
        let (room, deserted, over) = (Notify::new(), Notify::new(), CancellationToken::new());
        Arc::new(Self { shared, tenant, queue, state, room, deserted, over })
    }

    pub(super) fn add(
        &self,
        id: SubscriptionId,
        inbound: Arc<dyn Inbound>,
        in_flight_max: u32,
        member: Option<Member>,
    ) {
        let in_flight_max = in_flight_max as usize;
        let receiver = Receiver { id, inbound, member, in_flight_max, in_flight: 0, full: false };
        let mut state = self.state.lock();
        state.receivers.push(receiver);
        self.offer_waiting(&mut state);
        self.room.notify_one();
    }

    /// Ends a receiver. What it holds is still its own to end.
    pub(super) fn remove(&self, id: SubscriptionId) {
        let mut state = self.state.lock();
        state.receivers.retain(|receiver| receiver.id != id);
        if state.is_deserted() {
            self.deserted.notify_one();
        }
        self.offer_waiting(&mut state);
        self.room.notify_one();
    }

    /// The queue is no more, or its tenant: nothing more is taken from it.
    pub(super) fn close(&self) {
        self.over.cancel();
    }

    /// Pulls for as long as the queue is there, whenever there are receivers.
    pub(super) async fn run(self: Arc<Self>) {
        self.over.run_until_cancelled(Box::pin(self.pull())).await;
    }

    async fn pull(&self) {
        let link = self.shared.links.of(&self.tenant).await;
        let mut lines = link.connection.changes();
        let mut consumer = None;
        loop {
            let room = self.wait_for_room(&link, &mut lines).await;
            link.connection.up().await;
            self.shared.exchange.known().await;
            self.shared.settles.room().await;
            if let Err(error) = self.pull_some(&link, &mut consumer, room.min(BATCH_MAX), &mut lines).await {
                tracing::debug!(tenant = %self.tenant, queue = %self.queue, error = error.source.to_string(), "a queue cannot be read");
                consumer = None;
                tokio::time::sleep(ASK_WAIT).await;
            }
        }
    }

    /// One request, for as long as it is right that it stands.
    async fn pull_some(
        &self,
        link: &Link,
        consumer: &mut Option<Consumer<PullConfig>>,
        len_max: usize,
        lines: &mut watch::Receiver<bool>,
    ) -> Result<(), NatsError> {
        let mut hosts = self.shared.peers.changes();
        let mut pulling = std::pin::pin!(self.pull_once(link, consumer, len_max));
        loop {
            let full = self.state.lock().is_any_full();
            tokio::select! {
                pulled = &mut pulling => return pulled,
                // The request is forgotten with the connection.
                () = link.connection.up_again(lines) => {
                    self.state.lock().waiting.clear();
                    return Ok(());
                }
                () = self.deserted.notified() => return Ok(()),
                Ok(()) = hosts.changed() => if !self.reads(&self.state.lock()) {
                    return Ok(());
                },
                () = self.room.notified() => self.offer_waiting(&mut self.state.lock()),
                () = tokio::time::sleep(FULL_WAIT), if full => self.ask_again(),
            }
        }
    }

    /// Whether this host is to take from the queue: where it is shared by key, one host does.
    fn reads(&self, state: &State) -> bool {
        state.members().is_none() || self.shared.peers.reads(&self.tenant, &self.queue)
    }

    async fn pull_once(
        &self,
        link: &Link,
        consumer: &mut Option<Consumer<PullConfig>>,
        len_max: usize,
    ) -> Result<(), NatsError> {
        let consumer = match consumer {
            Some(consumer) => consumer,
            None => consumer.insert(link.streams.consumer(&self.tenant, &self.queue).await?),
        };
        let mut batch = Batch::ask(&link.connection, consumer, len_max).await?;
        while let Some(message) = batch.next().await? {
            self.take_in(message);
        }
        Ok(())
    }

    /// How many messages this host has room for, once that is one, and it is this host that reads.
    async fn wait_for_room(&self, link: &Link, lines: &mut watch::Receiver<bool>) -> usize {
        let mut hosts = self.shared.peers.changes();
        loop {
            let (room, full, left) = {
                let mut state = self.state.lock();
                self.offer_waiting(&mut state);
                let room = if self.reads(&state) { state.room() } else { 0 };
                (room, state.is_any_full(), state.is_deserted() && !state.waiting.is_empty())
            };
            if room > 0 {
                return room;
            }
            tokio::select! {
                biased;
                // What nobody took in time is handed out elsewhere by now.
                () = link.connection.up_again(lines) => self.state.lock().waiting.clear(),
                () = self.room.notified() => {}
                Ok(()) = hosts.changed() => {}
                () = tokio::time::sleep(REPLACED_WAIT), if left => self.give_back_if_deserted(),
                () = tokio::time::sleep(FULL_WAIT), if full => self.ask_again(),
            }
        }
    }

    /// Nobody came for what waits here.
    fn give_back_if_deserted(&self) {
        let mut state = self.state.lock();
        if state.is_deserted() {
            self.give_back(&mut state);
        }
    }

    /// The server has what waits here handed out elsewhere, in the same order.
    fn give_back(&self, state: &mut State) {
        for pulled in state.waiting.drain(..) {
            self.shared.settles.push(Settling::Later { tenant: self.tenant.clone(), acker: pulled.acker, after: None });
        }
    }

    fn ask_again(&self) {
        let mut state = self.state.lock();
        state.ask_again();
        self.offer_waiting(&mut state);
    }

    /// What came from the stream: read, known, or to be handed to somebody.
    fn take_in(&self, message: Message) {
        let Some(read) = self.read(&message) else {
            tracing::error!(tenant = %self.tenant, queue = %self.queue, "a message in the stream has a subject that no host writes");
            let (_, acker) = message.split();
            return self.shared.settles.push(Settling::Forget { tenant: self.tenant.clone(), acker: Arc::new(acker) });
        };
        let (subject, position, delivered, published) = read;
        let (body, acker) = message.split();
        let mut state = self.state.lock();
        if state.has(subject.message) {
            return;
        }
        let attempt = state.tries.get(&subject.message).map_or(delivered, |tries| tries.saturating_add(1));
        let frame = Arc::from(&body.payload[..]);
        let (key, acker) = (OnceCell::new(), Arc::new(acker));
        let pulled = Pulled { subject, position, attempt, delivered, published, frame, key, acker };
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

    /// None if it has ended meanwhile. That is written down once more: who sent it again may not have heard of it.
    fn still_waits(&self, pulled: Pulled) -> Option<Pulled> {
        if let Some(end) = self.shared.memory.end_of(&self.tenant, &self.queue, pulled.subject.message) {
            self.end(pulled.subject.message, end, pulled.acker);
            return None;
        }
        if self.is_over(pulled.published) {
            self.expire(pulled);
            return None;
        }
        Some(pulled)
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
            self.shared.settles.push(Settling::Later { tenant: self.tenant.clone(), acker: pulled.acker, after: None });
        }
        self.deserted.notify_one();
    }

    fn offer_waiting(&self, state: &mut State) {
        if !self.shared.links.are_up(&self.tenant) {
            // By now another host may have it.
            return state.waiting.clear();
        }
        if !self.reads(state) {
            return self.give_back(state);
        }
        while let Some((at, index)) = state.next_offer()
            && let Some(pulled) = state.waiting.remove(at)
        {
            let Some(pulled) = self.still_waits(pulled) else { continue };
            if let Some(pulled) = self.offer(state, index, pulled) {
                state.waiting.insert(at, pulled);
            }
        }
    }

    /// Offers a message to a receiver; gives it back if that has no room.
    fn offer(&self, state: &mut State, index: usize, pulled: Pulled) -> Option<Pulled> {
        let Some(receiver) = state.receivers.get_mut(index) else { return Some(pulled) };
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
                self.shared.settles.push(Settling::Later { tenant: self.tenant.clone(), acker: pulled.acker, after });
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
        let (delivered, acker) = (taken.pulled.delivered, taken.pulled.acker.clone());
        let failures = tries.get(&message).map_or(1, |tries| tries.saturating_add(1));
        let attempts_left = failures < attempts_max && delivered < attempts_max.saturating_mul(HANDED_OUT_MAX);
        match verdict {
            Verdict::Retry { after, .. } if attempts_left => {
                in_flight.remove(&message);
                remember(tries, message, failures);
                self.shared.settles.push(Settling::Later {
                    tenant: self.tenant.clone(),
                    acker,
                    after: Some(backoff(failures, after)),
                });
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
                self.end(message, End::Dead { cause, detail, attempts: failures }, acker);
            }
        }
        self.offer_waiting(&mut state);
    }

    fn end(&self, message: MessageId, end: End, acker: Arc<Acker>) {
        let ended = Ended { queue: self.queue.clone(), message, end };
        self.shared.settles.push(Settling::Ended { tenant: self.tenant.clone(), ended, acker: Some(acker) });
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

/// Tells the server now and then what this host is still at.
pub(super) async fn progress(shared: Arc<Shared>, intakes: impl Fn() -> Vec<Arc<Intake>>) {
    let mut ticks = tokio::time::interval(super::streams::ACK_WAIT / 3);
    loop {
        ticks.tick().await;
        for intake in intakes() {
            for acker in intake.held() {
                tell(&shared, &intake.tenant, &acker, AckKind::Progress).await;
            }
        }
    }
}
