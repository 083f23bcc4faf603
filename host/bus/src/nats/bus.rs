//! The bus itself: local receivers first, then the wire; the journal first, then the stream.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_nats::{Client, SubscribeError};
use bytes::Bytes;
use foldhash::fast::RandomState;
use futures_util::{FutureExt as _, StreamExt as _};
use host_gate::{Accepted, Gate, Keys, Stamped};
use host_model::{AgentId, DeathCause, Destination, Durability, MessageId, Queue, Receipt, TenantId};
use host_vault::Vault;
use parking_lot::{Mutex, RwLock};
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::bindings::{Bindings, OnBound};
use super::connection::Connection;
use super::done::{self, End, Ended, Memory, OnEnd};
use super::gossip::{self, Gossip};
use super::keys::KeyExchange;
use super::outbox::{self, Gateway, IN_STREAM_MAX, Outbox};
use super::peers::{Peers, Route};
use super::pull::{self, Intake, Shared};
use super::settle::{OnAcknowledged, Settles};
use super::streams::Streams;
use super::wire::{self, Listening};
use super::{Class, NatsError, NatsSettings, servers};
use crate::carried::{Carried, Place};
use crate::keeper::Synced;
use crate::{
    Binding, Bus, BusError, EmbeddedBus, Forgetting, Inbound, Interest, JournalError, KeepHealth, Keeper, Keeping,
    Letter, QueueLimits, QueueView, Subject, Subscribe, SubscriptionId, Verdict,
};

/// How long a message of class `replicated` may take into the stream before its sender is told that it is not there yet.
const REPLICATED_WAIT: Duration = Duration::from_secs(5);
/// How often the streams are compared with what this host has put into them: a loss is told of within a minute.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// For how long a loss is shown.
const LOSS_SHOWN: Duration = Duration::from_mins(10);
/// What a frame may have beside its payload, which may be in base64 (4 characters for 3 bytes).
const FRAME_AROUND: usize = 16 << 10;
/// How long the end of what was handled may take to be told when the host stops.
const DRAIN_MAX: Duration = Duration::from_secs(2);

/// What a NATS bus works with.
pub struct NatsParts {
    /// How to reach the servers.
    pub settings: NatsSettings,
    /// Where messages lie until they were handled.
    pub keeper: Keeper,
    /// What signs what leaves the process.
    pub gate: Gate,
    /// The tenants' keys.
    pub keys: Arc<dyn Keys>,
    /// Whose keys the hosts tell each other; without one they have the same by other means.
    pub vault: Option<Arc<Vault>>,
}

/// A bus over NATS, of one of several hosts.
#[derive(Clone)]
pub struct NatsBus(Arc<Inner>);

struct Inner {
    settings: NatsSettings,
    gate: Gate,
    keys: Arc<dyn Keys>,
    keeper: Keeper,
    local: Arc<EmbeddedBus>,
    peers: Arc<Peers>,
    changed: Arc<Notify>,
    shared: Arc<Shared>,
    bindings: Arc<Bindings>,
    listening: Arc<Listening>,
    outboxes: RwLock<HashMap<TenantId, Arc<Outbox>, RandomState>>,
    gateways: Mutex<HashMap<(TenantId, Queue), SubscriptionId, RandomState>>,
    intakes: RwLock<HashMap<(TenantId, Queue), Arc<Intake>, RandomState>>,
    /// Whether all that was handled before this start is known: before, nothing is put into a stream.
    log_read: AtomicBool,
    lost_at: Mutex<Option<Instant>>,
    runtime: Handle,
    tasks: TaskTracker,
    closing: CancellationToken,
}

impl NatsBus {
    /// Connects, now or whenever a server can be reached, on the tokio runtime it is opened on.
    pub async fn open(parts: NatsParts) -> Result<Self, NatsError> {
        let NatsParts { settings, keeper, gate, keys, vault } = parts;
        let connection = Connection::open(&settings).await?;
        let streams = Streams::new(connection.jetstream.clone(), settings.class);
        let (memory, settles) = (Arc::new(Memory::default()), Settles::default());
        let host = settings.host;
        let exchange = Arc::new(KeyExchange::new(host, vault));
        let shared = Arc::new(Shared { connection, streams, memory, settles, exchange, keeper: keeper.clone() });
        let bus = Self(Arc::new(Inner {
            settings,
            gate,
            keys,
            keeper,
            local: Arc::new(EmbeddedBus::new()),
            peers: Arc::new(Peers::new(host)),
            changed: Arc::default(),
            shared,
            bindings: Arc::new(Bindings::new(host)),
            listening: Arc::default(),
            outboxes: RwLock::default(),
            gateways: Mutex::default(),
            intakes: RwLock::default(),
            log_read: AtomicBool::new(false),
            lost_at: Mutex::default(),
            runtime: Handle::current(),
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
        }));
        bus.0.start();
        Ok(bus)
    }

    /// Returns once it is known what the agents of all hosts are bound to.
    pub async fn bindings_known(&self) {
        self.0.bindings.known().await;
    }

    /// Returns once another host is known that receives something in the tenant.
    pub async fn peer_in(&self, tenant: &TenantId) {
        while !self.0.peers.want_any_of(tenant) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Gives up what waited for too long, and compares the streams with what was put into them. It does so by itself too.
    pub async fn tend(&self) {
        self.0.look_once().await;
    }

    /// Tells the others that this host goes, and the server what was handled; then takes nothing more.
    pub async fn close(&self) {
        let Inner { shared, settings, closing, tasks, .. } = &*self.0;
        for intake in self.0.intakes.read().values() {
            intake.let_go();
        }
        let told = async {
            while !shared.settles.is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            gossip::leave(&shared.connection.client, settings.host).await?;
            shared.connection.client.flush().await.map_err(super::failed("leave"))
        };
        match tokio::time::timeout(DRAIN_MAX, told).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(error = error.source.to_string(), "other hosts were not told that this one goes")
            }
            Err(_) => tracing::warn!("the NATS server was not told of all that was handled: it hands that out again"),
        }
        closing.cancel();
        tasks.close();
        tasks.wait().await;
    }
}

impl Inner {
    fn start(self: &Arc<Self>) {
        let Shared { connection, streams, memory, settles, exchange, .. } = &*self.shared;
        self.spawn(exchange.clone().run(connection.clone(), streams.clone()));
        self.spawn(servers::watch(connection.clone(), self.settings.clone()));
        self.spawn(
            Gossip {
                own: self.settings.host,
                client: connection.client.clone(),
                peers: self.peers.clone(),
                local: self.local.clone(),
                listening: self.listening.clone(),
                changed: self.changed.clone(),
            }
            .run(),
        );
        self.spawn(self.bindings.clone().run(connection.clone(), streams.clone(), self.clone()));
        self.spawn(settles.clone().run(connection.clone(), streams.clone(), memory.clone(), self.clone()));
        let (read, log_read) = watch::channel(false);
        self.spawn(done::follow(connection.clone(), streams.clone(), memory.clone(), self.clone(), read));
        self.spawn(self.clone().forward_when(log_read));
        let inner = self.clone();
        self.spawn(pull::progress(move || inner.intakes.read().values().cloned().collect()));
        self.spawn(self.clone().look());
        self.spawn(self.clone().hear_answers());
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let closing = self.closing.clone();
        let task = async move {
            closing.run_until_cancelled(task).await;
        };
        self.tasks.spawn_on(task, &self.runtime);
    }

    /// Once the log of what was handled is read, what this host has kept goes into the streams.
    async fn forward_when(self: Arc<Self>, mut read: watch::Receiver<bool>) {
        if read.wait_for(|read| *read).await.is_ok() {
            self.log_read.store(true, Ordering::Release);
            for (tenant, queue) in self.keeper.places() {
                self.forward(&tenant, &queue);
            }
        }
    }

    /// Has the messages of a queue go from the journal into the tenant's stream.
    fn forward(&self, tenant: &TenantId, queue: &Queue) {
        let mut gateways = self.gateways.lock();
        let key = (tenant.clone(), queue.clone());
        if !self.log_read.load(Ordering::Acquire) || gateways.contains_key(&key) {
            return;
        }
        let id = self.local.new_id();
        gateways.insert(key, id);
        drop(gateways);
        let gateway = Gateway { outbox: self.outbox(tenant), memory: self.shared.memory.clone() };
        self.keeper.consume(tenant, queue, id, Arc::new(gateway), IN_STREAM_MAX);
    }

    fn outbox(&self, tenant: &TenantId) -> Arc<Outbox> {
        if let Some(outbox) = self.outboxes.read().get(tenant) {
            return outbox.clone();
        }
        let mut outboxes = self.outboxes.write();
        let new = || {
            let outbox = Arc::new(Outbox::new(tenant.clone()));
            let Shared { connection, streams, .. } = &*self.shared;
            self.spawn(outbox.clone().run(connection.clone(), streams.clone()));
            outbox
        };
        outboxes.entry(tenant.clone()).or_insert_with(new).clone()
    }

    /// Compares the streams with what was put into them, again and again.
    async fn look(self: Arc<Self>) {
        let mut times = tokio::time::interval(LOOK_EVERY);
        loop {
            times.tick().await;
            self.shared.connection.up().await;
            self.look_once().await;
        }
    }

    async fn look_once(&self) {
        let outboxes: Vec<_> = self.outboxes.read().iter().map(|(id, outbox)| (id.clone(), outbox.clone())).collect();
        for (tenant, outbox) in outboxes {
            self.expire(&tenant, &outbox).await;
            match outbox.look(&self.shared.streams, &self.shared.memory).await {
                Ok(0) => {}
                Ok(lost) => {
                    tracing::error!(%tenant, lost, "the tenant's stream has lost messages that were not handled: they are sent again");
                    *self.lost_at.lock() = Some(Instant::now());
                }
                Err(error) => {
                    tracing::warn!(%tenant, error = error.source.to_string(), "the tenant's stream cannot be looked at");
                }
            }
        }
    }

    /// Gives up what lies in the stream for longer than its tenant keeps messages.
    async fn expire(&self, tenant: &TenantId, outbox: &Outbox) {
        let retention = self.keeper.limits_of(tenant).retention;
        for (queue, message, sequence) in outbox.older_than(self.keeper.now(), retention) {
            let deleted = match sequence {
                Some(sequence) => self.shared.streams.delete(tenant, sequence).await,
                None => Ok(()),
            };
            if let Err(error) = deleted {
                tracing::warn!(%tenant, %queue, %message, error = error.source.to_string(), "a message that is too old is still in the stream");
                continue;
            }
            let detail = "it waited for longer than its tenant keeps messages".to_owned();
            let end = End::Dead { cause: DeathCause::Expired, detail, attempts: 0 };
            self.ended(tenant, &Ended { queue, message, end });
        }
    }

    /// Keeps by the journal, and for class `replicated` waits for the stream too.
    fn keep_by(self: &Arc<Self>, stamped: Stamped, replay: Option<&Letter>) -> Keeping {
        if let Err(error) = self.may_keep(&stamped) {
            return Box::pin(async move { Err(error) });
        }
        let envelope = stamped.envelope();
        let (tenant, id) = (envelope.tenant.clone(), envelope.id);
        let replicated = self.settings.class == Class::Replicated;
        let outbox = self.outbox(&tenant);
        let expected = replicated.then(|| outbox.expect(id));
        let begun = self.keeper.begin(&stamped, replay);
        let inner = self.clone();
        Box::pin(async move {
            let kept = async {
                let begun = begun?;
                let queues = begun.queues;
                let (receipt, synced) = begun.synced().await?;
                match synced {
                    Synced::New => outbox.expect_in(id, queues),
                    Synced::Known => outbox.expect_known(id),
                }
                Ok::<Receipt, BusError>(receipt)
            };
            let receipt = kept.await.inspect_err(|_| outbox.give_up(id))?;
            let receipt = match expected {
                None => receipt,
                Some(expected) => match tokio::time::timeout(REPLICATED_WAIT, expected.stored()).await {
                    Ok(true) => Receipt { durability: Durability::Replicated, ..receipt },
                    _ => {
                        outbox.give_up(id);
                        return Err(BusError::Unkept(KeepHealth::Disconnected));
                    }
                },
            };
            let stamped = Arc::new(stamped);
            inner.local.show(&tenant, &stamped);
            inner.show_elsewhere(&stamped);
            Ok(receipt)
        })
    }

    fn may_keep(&self, stamped: &Stamped) -> Result<(), BusError> {
        let health = self.shared.connection.health();
        if health.refuses() {
            return Err(BusError::Unkept(health));
        }
        self.fits(stamped)
    }

    fn fits(&self, stamped: &Stamped) -> Result<(), BusError> {
        let payload = stamped.envelope().payload.len();
        let len = payload.saturating_add(payload / 3).saturating_add(FRAME_AROUND);
        let len_max = self.shared.connection.client.max_payload();
        if len_max == 0 || len <= len_max { Ok(()) } else { Err(BusError::TooLarge { len, len_max }) }
    }

    /// Shows a kept message to those who watch on other hosts.
    fn show_elsewhere(&self, stamped: &Stamped) {
        let envelope = stamped.envelope();
        if self.peers.watch(&envelope.tenant)
            && let Err(error) =
                self.send_on(super::subjects::shown(&envelope.tenant, &envelope.to.to_string()), stamped)
        {
            // Who watches misses it; its receivers have it.
            tracing::debug!(%error, "a kept message is not shown on other hosts");
        }
    }

    /// Signs a volatile message and gives it to the connection. Never waits.
    fn send(&self, stamped: &Stamped) -> Result<(), BusError> {
        let envelope = stamped.envelope();
        self.send_on(Subject::of(&envelope.tenant, &envelope.to).to_string(), stamped)
    }

    fn send_on(&self, subject: String, stamped: &Stamped) -> Result<(), BusError> {
        self.fits(stamped)?;
        let Shared { connection, .. } = &*self.shared;
        if !connection.is_up() {
            return Err(BusError::Unreachable);
        }
        let sealed = self.gate.seal(stamped, &*self.keys).map_err(|_| BusError::NotSigned)?;
        let frame = Bytes::from_owner(sealed.bytes().clone());
        // Without a budget of its own, a task that sends much would be told that there is no room while there is.
        let sent = tokio::task::unconstrained(connection.client.publish(subject, frame)).now_or_never();
        sent.ok_or(BusError::Unreachable)?.map_err(|_| BusError::Unreachable)
    }

    fn publish(&self, stamped: &Arc<Stamped>) -> Result<(), BusError> {
        let envelope = stamped.envelope();
        let (tenant, id) = (&envelope.tenant, envelope.id);
        if !self.peers.any() {
            return self.publish_here(stamped);
        }
        match stamped.place() {
            Place::Reply => match self.local.answer(stamped) {
                Err(BusError::NoReceiver) if self.peers.any() => self.send(stamped),
                answered => answered,
            },
            place @ Place::Queue(queue) => {
                let here = self.local.has_queue(tenant, queue);
                match self.peers.route_to_queue(tenant, place, id, here) {
                    Route { here: false, elsewhere: false } => Err(BusError::NoReceiver),
                    Route { here: true, elsewhere } => {
                        self.local.hand_on(tenant, stamped, |_| true)?;
                        if elsewhere { self.send(stamped) } else { Ok(()) }
                    }
                    Route { here: false, .. } => self.send(stamped),
                }
            }
            Place::Topic(topic) => {
                let ours = |group: &AgentId| self.peers.is_ours(tenant, topic, group, id);
                let carried = self.local.hand_on(tenant, stamped, ours);
                if self.peers.want_topic(tenant, topic) { self.send(stamped) } else { carried }
            }
        }
    }

    fn publish_here(&self, stamped: &Arc<Stamped>) -> Result<(), BusError> {
        match stamped.place() {
            Place::Reply => self.local.answer(stamped),
            _ => self.local.hand_on(&stamped.envelope().tenant, stamped, |_| true),
        }
    }

    /// Listens to a tenant on the wire, from the first thing that this host receives of it to the last.
    fn listen(self: &Arc<Self>, tenant: &TenantId) {
        self.changed.notify_one();
        let inner = self.clone();
        self.listening.follow(tenant, self.local.receives_in(tenant), move |tenant, over| {
            let task = inner.clone().hear(tenant, over);
            inner.spawn(task);
        });
    }

    async fn hear(self: Arc<Self>, tenant: TenantId, over: CancellationToken) {
        let client = &self.shared.connection.client;
        let heard = async {
            loop {
                self.shared.exchange.known().await;
                if let Err(error) = self.hear_on(client, &tenant).await {
                    tracing::warn!(%tenant, %error, "the tenant's messages are not heard");
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        over.run_until_cancelled(heard).await;
    }

    /// Answers may be for anybody of this host, also in a tenant that it has no receivers of.
    async fn hear_answers(self: Arc<Self>) {
        let client = &self.shared.connection.client;
        loop {
            self.shared.exchange.known().await;
            match client.subscribe(super::subjects::ALL_ANSWERS).await {
                Ok(mut answers) => {
                    while let Some(message) = answers.next().await {
                        wire::answer(&message, &self.local);
                    }
                }
                Err(error) => tracing::warn!(%error, "answers from other hosts are not heard"),
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn hear_on(&self, client: &Client, tenant: &TenantId) -> Result<(), SubscribeError> {
        let mut messages = client.subscribe(super::subjects::all_of(tenant)).await?;
        let mut shown = client.subscribe(super::subjects::all_shown_of(tenant)).await?;
        self.listening.set_heard(tenant);
        self.changed.notify_one();
        loop {
            tokio::select! {
                Some(message) = messages.next() => wire::take_in(tenant, &message, &self.local, &self.peers),
                Some(message) = shown.next() => wire::show(tenant, &message, &self.local),
                else => return Ok(()),
            }
        }
    }

    fn intake(self: &Arc<Self>, tenant: &TenantId, queue: &Queue) -> Arc<Intake> {
        let mut intakes = self.intakes.write();
        let new = || {
            let intake = Intake::new(self.shared.clone(), tenant.clone(), queue.clone());
            self.spawn(intake.clone().run());
            intake
        };
        intakes.entry((tenant.clone(), queue.clone())).or_insert_with(new).clone()
    }

    fn end_receiver(&self, tenant: &TenantId, id: SubscriptionId) {
        for ((of, _), intake) in &*self.intakes.read() {
            if of == tenant {
                intake.remove(id);
            }
        }
    }

    /// An agent that no host has any more: what waits for it is given up, and leaves the stream.
    fn unbind(self: &Arc<Self>, tenant: &TenantId, agent: &AgentId) {
        let queue = Queue::Agent(agent.clone());
        self.keeper.unbind(tenant, agent);
        self.gateways.lock().remove(&(tenant.clone(), queue.clone()));
        self.outbox(tenant).forget(&queue);
        let (streams, tenant) = (self.shared.streams.clone(), tenant.clone());
        self.spawn(async move {
            if let Err(error) = streams.forget_queue(&tenant, &queue).await {
                tracing::warn!(%tenant, %queue, error = error.source.to_string(), "the queue of a deleted agent is still in the stream");
            }
        });
    }

    fn forward_all(&self, binding: &Binding) {
        self.forward(&binding.tenant, &Queue::Agent(binding.agent.clone()));
        for queue in &binding.shared {
            self.forward(&binding.tenant, queue);
        }
    }
}

impl OnEnd for Inner {
    /// A message that this host took has ended, wherever that was.
    fn ended(&self, tenant: &TenantId, ended: &Ended) {
        let Some(outbox) = self.outboxes.read().get(tenant).cloned() else { return };
        if outbox.end(&ended.queue, ended.message) {
            let attempts = match &ended.end {
                End::Dead { attempts, .. } => *attempts,
                End::Done | End::Quarantined => 1,
            };
            self.keeper.end_elsewhere(tenant, &ended.queue, ended.message, outbox::ended(ended.end.clone()), attempts);
        }
    }
}

impl OnAcknowledged for Inner {
    fn acknowledged(&self, tenant: &TenantId, queue: &Queue, message: MessageId) {
        let intake = self.intakes.read().get(&(tenant.clone(), queue.clone())).cloned();
        if let Some(intake) = intake {
            intake.acknowledged(message);
        }
    }
}

/// The bindings call this while the inner is alive in its task.
impl OnBound for Inner {
    fn bound(&self, tenant: &TenantId, agent: &AgentId, binding: Option<Binding>) {
        match binding {
            Some(binding) => {
                self.keeper.bind(binding.clone());
                self.forward_all(&binding);
            }
            None => {
                self.keeper.unbind(tenant, agent);
                self.gateways.lock().remove(&(tenant.clone(), Queue::Agent(agent.clone())));
                self.outbox(tenant).forget(&Queue::Agent(agent.clone()));
            }
        }
    }
}

impl Bus for NatsBus {
    fn publish(&self, stamped: Stamped) -> Result<Receipt, BusError> {
        let stamped = Arc::new(stamped);
        let receipt = Receipt { id: stamped.envelope().id, durability: Durability::Volatile };
        self.0.publish(&stamped)?;
        self.0.local.show(&stamped.envelope().tenant, &stamped);
        Ok(receipt)
    }

    fn subscribe(&self, subscribe: Subscribe, inbound: Arc<dyn Inbound>) -> SubscriptionId {
        let (tenant, interest) = (subscribe.tenant.clone(), subscribe.interest.clone());
        let id = self.0.local.subscribe(subscribe, inbound.clone());
        if let Interest::Queue { queue, in_flight_max } = interest {
            self.0.intake(&tenant, &queue).add(id, inbound, in_flight_max);
        }
        self.0.listen(&tenant);
        id
    }

    fn receive_replies(&self, inbound: Arc<dyn Inbound>) {
        self.0.local.receive_replies(inbound);
    }

    fn unsubscribe(&self, tenant: &TenantId, id: SubscriptionId) {
        self.0.local.unsubscribe(tenant, id);
        self.0.end_receiver(tenant, id);
        self.0.listen(tenant);
    }

    fn keep(&self, stamped: Stamped) -> Keeping {
        self.0.keep_by(stamped, None)
    }

    fn replay(&self, stamped: Stamped, letter: &Letter) -> Keeping {
        self.0.keep_by(stamped, Some(letter))
    }

    fn settle(&self, accepted: &Accepted, verdict: Verdict) {
        let envelope = accepted.envelope();
        let queue = match &envelope.to {
            Destination::Queue(queue) => queue.clone(),
            Destination::Topic(_) => Queue::Agent(accepted.receiver().agent().clone()),
            Destination::Reply { .. } => return,
        };
        let intake = self.0.intakes.read().get(&(envelope.tenant.clone(), queue)).cloned();
        if let Some(intake) = intake {
            intake.settle(envelope.id, verdict);
        }
    }

    fn bind(&self, binding: Binding) {
        let (tenant, agent) = (binding.tenant.clone(), binding.agent.clone());
        if let Some(merged) = self.0.bindings.set_own(&tenant, &agent, Some(binding)) {
            self.0.keeper.bind(merged.clone());
            self.0.forward_all(&merged);
        }
    }

    fn unbind(&self, tenant: &TenantId, agent: &AgentId) {
        match self.0.bindings.set_own(tenant, agent, None) {
            Some(elsewhere) => self.0.keeper.bind(elsewhere),
            None => self.0.unbind(tenant, agent),
        }
    }

    fn forget<'a>(&'a self, tenant: &'a TenantId) -> Forgetting<'a> {
        Box::pin(async move {
            let broken = |error: NatsError| JournalError::Broken { act: error.act, source: error.source };
            self.0.shared.streams.forget(tenant).await.map_err(broken)?;
            self.0.keeper.forget(tenant).await?;
            self.0.outboxes.write().remove(tenant);
            self.0.gateways.lock().retain(|(of, _), _| of != tenant);
            self.0.shared.memory.forget(tenant);
            Ok(())
        })
    }

    fn letters_gone(&self, tenant: &TenantId, count: u64) {
        self.0.keeper.letters_gone(tenant, count);
    }

    fn set_limits(&self, tenant: &TenantId, limits: QueueLimits) {
        self.0.keeper.set_limits(tenant, limits);
    }

    fn queues(&self, tenant: &TenantId) -> Vec<QueueView> {
        self.0.keeper.queues(tenant)
    }

    fn health(&self) -> KeepHealth {
        match (self.0.keeper.health(), self.0.shared.connection.health()) {
            (KeepHealth::Good, KeepHealth::Good) => {
                let lost = self.0.lost_at.lock().is_some_and(|at| at.elapsed() < LOSS_SHOWN);
                if lost { KeepHealth::Rebuilt } else { KeepHealth::Good }
            }
            (KeepHealth::Good, servers) => servers,
            (keeper, _) => keeper,
        }
    }
}
