//! From the journal into the stream: what this host has taken goes there in order, and stays here until somebody has handled it.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_nats::jetstream::context::{PublishAckFuture, PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::Stream;
use bytes::Bytes;
use foldhash::fast::RandomState;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;
use host_gate::Delivery;
use host_model::{MessageId, Queue, TenantId, Timestamp};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

use super::connection::Connection;
use super::done::{End, Ended, Memory};
use super::streams::Streams;
use super::subjects::{kept, kept_of};
use super::{NatsError, failed};
use crate::{Handover, Inbound, Kept, NotTaken, Position};

/// Messages of one queue that are in the stream, or on their way there, from this host; the others wait in its journal.
pub(super) const IN_STREAM_MAX: u32 = 4_096;
/// Bytes of one tenant's frames that are held for it.
const BYTES_MAX: usize = 16 << 20;
/// Messages that are sent before the first of them is acknowledged.
const WINDOW: usize = 512;
/// The waits between two tries.
const WAIT_MIN: Duration = Duration::from_millis(50);
const WAIT_MAX: Duration = Duration::from_secs(2);
/// A message that is in the stream for less long may not be seen in a list of it yet.
const SETTLED: Duration = Duration::from_secs(5);

/// One tenant's messages on their way into its stream.
pub(super) struct Outbox {
    tenant: TenantId,
    bytes: AtomicUsize,
    state: Mutex<State>,
    more: Notify,
    /// The tenant is no more.
    over: CancellationToken,
}

#[derive(Default)]
struct State {
    to_send: VecDeque<Key>,
    held: HashMap<Key, Held, RandomState>,
    waiting: HashMap<MessageId, Vec<Waiting>, RandomState>,
}

type Key = (Queue, MessageId);

/// A message that is not handled yet.
struct Held {
    position: Position,
    kept: Timestamp,
    address: String,
    frame: Arc<[u8]>,
    /// When the server acknowledged it.
    stored: Option<Instant>,
    /// It was not among what the stream holds when that was last looked at.
    missed: bool,
}

/// A message that was taken long ago.
pub(super) struct Old {
    pub(super) queue: Queue,
    pub(super) message: MessageId,
    /// Where it lies in the stream, if it does.
    pub(super) subject: String,
    pub(super) long_ago: bool,
}

/// What one run of sending could not send, and why the first of it was not.
#[derive(Default)]
struct Run {
    failure: Option<NatsError>,
    again: Vec<Key>,
}

impl Run {
    fn failed(&mut self, key: Key, error: NatsError) {
        self.again.push(key);
        self.failure.get_or_insert(error);
    }
}

/// Who waits until a message is in the stream for these queues too.
struct Waiting {
    missing: Vec<Queue>,
    reply: oneshot::Sender<()>,
}

/// The way of one queue's messages from the journal into the outbox.
pub(super) struct Gateway {
    pub(super) outbox: Arc<Outbox>,
    pub(super) memory: Arc<Memory>,
}

impl Inbound for Gateway {
    fn deliver(&self, _: Delivery) -> Result<(), NotTaken> {
        Err(NotTaken::Refused)
    }

    /// What ended while this host was down is not sent again.
    fn take(&self, kept: &Kept<'_>) -> Handover {
        match self.memory.end_of(kept.tenant(), kept.queue(), kept.message()) {
            None => self.outbox.take(kept),
            Some(end) => ended(end),
        }
    }
}

/// How the journal is told of an ending elsewhere.
pub(super) fn ended(end: End) -> Handover {
    use crate::Verdict::{Dead, Done};
    match end {
        End::Done => Handover::Ended(Done),
        End::Dead { cause, detail, .. } => Handover::Ended(Dead { cause, detail }),
        End::Quarantined => Handover::Quarantined("refused-by-its-receiver"),
    }
}

impl Outbox {
    pub(super) fn new(tenant: TenantId) -> Self {
        let (bytes, over) = (AtomicUsize::new(0), CancellationToken::new());
        Self { tenant, bytes, state: Mutex::default(), more: Notify::new(), over }
    }

    /// Sends nothing more.
    pub(super) fn close(&self) {
        self.over.cancel();
    }

    pub(super) fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    fn take(&self, kept: &Kept<'_>) -> Handover {
        let len = kept.frame().len();
        let mut state = self.state.lock();
        let held = self.bytes.load(Ordering::Relaxed);
        if held > 0 && held.saturating_add(len) > BYTES_MAX {
            return Handover::Full;
        }
        self.bytes.fetch_add(len, Ordering::Relaxed);
        let key = (kept.queue().clone(), kept.message());
        let (address, frame) = (kept.address().to_owned(), kept.frame().clone());
        state.held.insert(
            key.clone(),
            Held { position: kept.position(), kept: kept.since(), address, frame, stored: None, missed: false },
        );
        state.to_send.push_back(key);
        self.more.notify_one();
        Handover::Taken
    }

    /// A message was handled in one queue. False if it is none of this host's.
    pub(super) fn end(&self, queue: &Queue, message: MessageId) -> bool {
        let mut state = self.state.lock();
        let Some(held) = state.held.remove(&(queue.clone(), message)) else { return false };
        self.bytes.fetch_sub(held.frame.len(), Ordering::Relaxed);
        state.arrived(queue, message);
        true
    }

    /// What was taken longer ago than `age`, and whether it was `more` before that.
    pub(super) fn older_than(&self, now: Timestamp, age: Duration, more: Duration) -> Vec<Old> {
        let is_over = |held: &Held, age: Duration| {
            let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
            held.kept.as_millis().saturating_add(age_ms) < now.as_millis()
        };
        let state = self.state.lock();
        let old = state.held.iter().filter(|(_, held)| is_over(held, age));
        let named = old.map(|((queue, message), held)| Old {
            queue: queue.clone(),
            message: *message,
            subject: kept(&self.tenant, queue, *message, &held.address),
            long_ago: is_over(held, age.saturating_add(more)),
        });
        named.collect()
    }

    /// A queue is no more: what waited in it was given up.
    pub(super) fn forget(&self, queue: &Queue) {
        let mut state = self.state.lock();
        let mut gone = 0;
        state.held.retain(|key, held| {
            let stays = key.0 != *queue;
            gone += if stays { 0 } else { held.frame.len() };
            stays
        });
        state.to_send.retain(|key| key.0 != *queue);
        self.bytes.fetch_sub(gone, Ordering::Relaxed);
    }

    /// Waits until a message that is on its way into the journal is in the stream for each of these queues, or was handled there.
    pub(super) fn expect(self: &Arc<Self>, message: MessageId, queues: Vec<Queue>, memory: &Memory) -> Expected {
        let (reply, stored) = oneshot::channel();
        let mut state = self.state.lock();
        let is_missing = |queue: &Queue| {
            let held = state.held.get(&(queue.clone(), message));
            held.is_none_or(|held| held.stored.is_none()) && memory.end_of(&self.tenant, queue, message).is_none()
        };
        let missing: Vec<Queue> = queues.into_iter().filter(is_missing).collect();
        state.waiting.entry(message).or_default().push(Waiting { missing, reply });
        state.tell(message);
        Expected { outbox: self.clone(), message, stored }
    }

    /// Forgets who does not wait any more.
    fn give_up(&self, message: MessageId) {
        let mut state = self.state.lock();
        if let Some(waiting) = state.waiting.get_mut(&message) {
            waiting.retain(|waiting| !waiting.reply.is_closed());
        }
        state.tell(message);
    }

    /// Sends for as long as the tenant is there.
    pub(super) async fn run(self: Arc<Self>, connection: Connection, streams: Streams) {
        self.over.run_until_cancelled(Box::pin(self.send_on(connection, streams))).await;
    }

    async fn send_on(&self, connection: Connection, streams: Streams) {
        let mut wait = WAIT_MIN;
        loop {
            if self.state.lock().to_send.is_empty() {
                self.more.notified().await;
                continue;
            }
            connection.up().await;
            match self.send_all(&streams).await {
                Ok(()) => wait = WAIT_MIN,
                Err(error) => {
                    tracing::warn!(
                        tenant = %self.tenant, error = error.source.to_string(),
                        "messages wait on this host: they could not be put into the stream"
                    );
                    tokio::time::sleep(wait).await;
                    wait = wait.saturating_mul(2).min(WAIT_MAX);
                }
            }
        }
    }

    /// Sends what waits, in order. What was not acknowledged stays in front.
    async fn send_all(&self, streams: &Streams) -> Result<(), NatsError> {
        streams.of(&self.tenant).await?;
        let mut acks = FuturesOrdered::new();
        let mut run = Run::default();
        loop {
            while run.failure.is_none()
                && acks.len() < WINDOW
                && let Some((key, publish)) = self.next()
            {
                let sent = {
                    let mut sending = std::pin::pin!(self.send(streams, &key, publish));
                    // All tenants share the connection's permits, and one comes back only with an acknowledgement that is taken here.
                    loop {
                        tokio::select! {
                            sent = &mut sending => break sent,
                            Some(acked) = acks.next() => self.acked(acked, &mut run),
                        }
                    }
                };
                match sent {
                    Ok(ack) => acks.push_back(acknowledged(key, ack)),
                    Err(error) if error.kind() == PublishErrorKind::MaxPayloadExceeded => {
                        tracing::error!(
                            tenant = %self.tenant, queue = %key.0, message = %key.1,
                            "a message is larger than the NATS server takes (max_payload): it waits on this host"
                        );
                    }
                    Err(error) => run.failed(key, failed("put a message into the stream")(error)),
                }
            }
            let Some(acked) = acks.next().await else {
                self.send_again(run.again);
                return run.failure.map_or(Ok(()), Err);
            };
            self.acked(acked, &mut run);
        }
    }

    async fn send(
        &self,
        streams: &Streams,
        key: &Key,
        (address, frame): (String, Bytes),
    ) -> Result<PublishAckFuture, PublishError> {
        let subject = kept(&self.tenant, &key.0, key.1, &address);
        // The queue is part of it: a message in two queues is two to the server.
        let id = format!("{}.{}", key.0, key.1);
        let message = PublishMessage::build().payload(frame).message_id(id);
        streams.jetstream().send_publish(subject, message).await
    }

    fn acked(&self, (key, stored): (Key, Result<(), NatsError>), run: &mut Run) {
        match stored {
            Ok(()) => self.stored(&key),
            Err(error) => run.failed(key, error),
        }
    }

    /// The next message to be sent. It stays held.
    fn next(&self) -> Option<(Key, (String, Bytes))> {
        let mut state = self.state.lock();
        while let Some(key) = state.to_send.pop_front() {
            if let Some(held) = state.held.get(&key) {
                let publish = (held.address.clone(), Bytes::from_owner(held.frame.clone()));
                return Some((key, publish));
            }
        }
        None
    }

    /// Before everything that was not tried yet, in the order of the journal.
    fn send_again(&self, keys: Vec<Key>) {
        self.state.lock().send_again(keys);
        self.more.notify_one();
    }

    fn stored(&self, key: &Key) {
        let mut state = self.state.lock();
        if let Some(held) = state.held.get_mut(key) {
            held.stored = Some(Instant::now());
            held.missed = false;
            state.arrived(&key.0, key.1);
        }
    }

    /// What it holds although that has ended: the word of it came before the message was here.
    pub(super) fn known_ends(&self, memory: &Memory) -> Vec<Ended> {
        let keys: Vec<Key> = self.state.lock().held.keys().cloned().collect();
        let end_of = |(queue, message): Key| {
            let end = memory.end_of(&self.tenant, &queue, message)?;
            Some(Ended { queue, message, end })
        };
        keys.into_iter().filter_map(end_of).collect()
    }

    /// Compares what this host has put into the stream with what is there, and sends again what is missing and was not handled.
    /// Returns how many that is. What is missed for the first time may be on its way through another host.
    pub(super) async fn look(&self, streams: &Streams, memory: &Memory) -> Result<usize, NatsError> {
        if !self.state.lock().held.values().any(Held::is_settled) {
            return Ok(0);
        }
        let there = if streams.has(&self.tenant).await? {
            Some(self.there(&streams.of(&self.tenant).await?).await?)
        } else {
            None
        };
        let mut state = self.state.lock();
        let mut lost: Vec<Key> = Vec::new();
        // Of a stream that is gone everything is lost that was in it.
        let is_due = |held: &Held| held.is_settled() || (there.is_none() && held.stored.is_some());
        for (key, held) in state.held.iter_mut().filter(|(_, held)| is_due(held)) {
            let subject = kept(&self.tenant, &key.0, key.1, &held.address);
            if there.as_ref().is_some_and(|there| there.contains_key(&subject))
                || memory.end_of(&self.tenant, &key.0, key.1).is_some()
            {
                held.missed = false;
            } else if held.missed || there.is_none() {
                (held.stored, held.missed) = (None, false);
                lost.push(key.clone());
            } else {
                held.missed = true;
            }
        }
        let count = lost.len();
        state.send_again(lost);
        drop(state);
        self.more.notify_one();
        Ok(count)
    }

    async fn there(&self, stream: &Stream) -> Result<HashMap<String, usize>, NatsError> {
        let mut subjects = stream.info_with_subjects(kept_of(&self.tenant)).await.map_err(failed("list the stream"))?;
        let mut there = HashMap::new();
        while let Some(subject) = subjects.next().await {
            let (subject, count) = subject.map_err(failed("list the stream"))?;
            there.insert(subject, count);
        }
        Ok(there)
    }
}

impl Held {
    fn is_settled(&self) -> bool {
        self.stored.is_some_and(|at| at.elapsed() >= SETTLED)
    }
}

impl State {
    fn send_again(&mut self, mut keys: Vec<Key>) {
        let Self { held, to_send, .. } = self;
        keys.retain(|key| held.contains_key(key));
        keys.sort_by_key(|key| held.get(key).map(|held| held.position));
        for key in keys.into_iter().rev() {
            to_send.push_front(key);
        }
    }

    fn arrived(&mut self, queue: &Queue, message: MessageId) {
        for waiting in self.waiting.get_mut(&message).into_iter().flatten() {
            waiting.missing.retain(|missing| missing != queue);
        }
        self.tell(message);
    }

    /// Tells those who wait for nothing more.
    fn tell(&mut self, message: MessageId) {
        let Some(waiting) = self.waiting.get_mut(&message) else { return };
        for Waiting { reply, .. } in waiting.extract_if(.., |waiting| waiting.missing.is_empty()) {
            // Whoever asked may have stopped waiting.
            let _ = reply.send(());
        }
        if waiting.is_empty() {
            self.waiting.remove(&message);
        }
    }
}

/// A wait for a message to be in the stream. Who drops it waits no more.
pub(super) struct Expected {
    outbox: Arc<Outbox>,
    message: MessageId,
    stored: oneshot::Receiver<()>,
}

impl Expected {
    /// Returns once it is there; false if nobody will ever say so.
    pub(super) async fn stored(&mut self) -> bool {
        (&mut self.stored).await.is_ok()
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        self.stored.close();
        self.outbox.give_up(self.message);
    }
}

type Acknowledged = Pin<Box<dyn Future<Output = (Key, Result<(), NatsError>)> + Send>>;

/// Whether a message is in the stream. One that lies there already was acknowledged before, and that was lost on the way.
fn acknowledged(key: Key, ack: PublishAckFuture) -> Acknowledged {
    Box::pin(async move {
        match ack.await {
            Ok(_) => (key, Ok(())),
            Err(error) if is_there_already(&error) => (key, Ok(())),
            Err(error) => (key, Err(failed("put a message into the stream")(error))),
        }
    })
}

/// `JSStreamStoreFailedF` with "maximum messages per subject exceeded": the subject names this message alone.
fn is_there_already(error: &PublishError) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.to_string().contains("maximum messages per subject exceeded") {
            return true;
        }
        cause = error.source();
    }
    false
}
