//! The bus itself: local receivers first, then the wire; the journal first, then the stream.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use async_nats::Client;
use foldhash::fast::RandomState;
use host_gate::{Accepted, Gate, Keys, Stamped};
use host_model::{AgentId, Clock, Destination, Durability, Queue, Receipt, TenantId};
use host_vault::Vault;
use parking_lot::{Mutex, RwLock};
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::accounts::{self, Accounts, Door};
use super::bindings::Bindings;
use super::connection::Connection;
use super::done::{self, Memory};
use super::gossip::{self, Gossip};
use super::keys::KeyExchange;
use super::leases::{Fences, NatsLeases};
use super::links::{Link, Links};
use super::outbox::Outbox;
use super::peers::Peers;
use super::pull::{self, Intake, Shared};
use super::settle::Settles;
use super::state::SharedState;
use super::streams::Streams;
use super::wire::Listening;
use super::{NatsError, NatsSettings, servers, subjects};
use crate::{
    Binding, Bus, BusError, EmbeddedBus, Forgetting, Inbound, Interest, JournalError, KeepHealth, Keeper, Keeping,
    Letter, QueueLimits, QueueView, Subscribe, SubscriptionId, Verdict,
};

/// For how long a loss is shown.
const LOSS_SHOWN: Duration = Duration::from_mins(10);
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

pub(super) struct Inner {
    pub(super) settings: NatsSettings,
    pub(super) gate: Gate,
    pub(super) keys: Arc<dyn Keys>,
    pub(super) keeper: Keeper,
    pub(super) local: Arc<EmbeddedBus>,
    pub(super) peers: Arc<Peers>,
    pub(super) changed: Arc<Notify>,
    pub(super) shared: Arc<Shared>,
    pub(super) bindings: Arc<Bindings>,
    pub(super) listening: Arc<Listening>,
    pub(super) outboxes: RwLock<HashMap<TenantId, Arc<Outbox>, RandomState>>,
    pub(super) gateways: Mutex<HashMap<(TenantId, Queue), SubscriptionId, RandomState>>,
    pub(super) intakes: RwLock<HashMap<(TenantId, Queue), Arc<Intake>, RandomState>>,
    /// Whether all that was handled before this start is known: before, nothing is put into a stream.
    pub(super) log_read: AtomicBool,
    pub(super) lost_at: Mutex<Option<Instant>>,
    /// Where drafts of external agents are taken, once somebody takes them.
    pub(super) door: watch::Sender<Option<Arc<dyn Door>>>,
    pub(super) runtime: Handle,
    pub(super) tasks: TaskTracker,
    pub(super) closing: CancellationToken,
}

impl NatsBus {
    /// Connects, now or whenever a server can be reached, on the tokio runtime it is opened on.
    pub async fn open(parts: NatsParts) -> Result<Self, NatsError> {
        let NatsParts { settings, keeper, gate, keys, vault } = parts;
        let connection = Connection::open(&settings).await?;
        let streams = Streams::new(connection.jetstream.clone(), settings.class);
        let system = servers::connect(&settings).await?;
        let accounts =
            settings.minter().cloned().zip(system.clone()).map(|(minter, system)| Accounts::new(system, minter));
        let hosts = Arc::new(Link { connection: connection.clone(), streams: streams.clone() });
        let links = Links::new(hosts, &settings, accounts);
        let (memory, settles) = (Arc::new(Memory::default()), Settles::default());
        let host = settings.host;
        let exchange = Arc::new(KeyExchange::new(host, vault));
        let peers = Arc::new(Peers::new(host));
        let shared = Arc::new(Shared {
            connection,
            streams,
            links,
            memory,
            settles,
            exchange,
            keeper: keeper.clone(),
            peers: peers.clone(),
        });
        let bus = Self(Arc::new(Inner {
            settings,
            gate,
            keys,
            keeper,
            local: Arc::new(EmbeddedBus::new()),
            peers,
            changed: Arc::default(),
            shared,
            bindings: Arc::new(Bindings::new(host)),
            listening: Arc::default(),
            outboxes: RwLock::default(),
            gateways: Mutex::default(),
            intakes: RwLock::default(),
            log_read: AtomicBool::new(false),
            lost_at: Mutex::default(),
            door: watch::channel(None).0,
            runtime: Handle::current(),
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
        }));
        bus.0.start(system);
        Ok(bus)
    }

    /// The leases that all hosts share. Tokens are raised in `fences` too, whoever is granted one.
    pub fn leases(&self, fences: Arc<dyn Fences>, clock: Arc<dyn Clock>) -> NatsLeases {
        let Shared { connection, streams, .. } = &*self.0.shared;
        let leases = NatsLeases::new(self.0.settings.host, connection.clone(), streams.clone(), fences, clock);
        self.0.spawn(leases.clone().follow());
        leases
    }

    /// From now on takes what external agents publish to their ingress subjects to this door, where tenants are accounts.
    pub fn take_drafts_to(&self, door: Arc<dyn Door>) {
        self.0.door.send_replace(Some(door));
    }

    /// The state of agents that all hosts share.
    pub fn shared_state(&self) -> SharedState {
        let Shared { connection, streams, .. } = &*self.0.shared;
        SharedState::new(connection.clone(), streams.clone(), self.0.bindings.clone())
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
            for link in shared.links.all().iter().filter(|link| link.connection.is_up()) {
                link.connection.client.flush().await.map_err(super::failed("leave"))?;
            }
            shared.connection.client.flush().await.map_err(super::failed("leave"))
        };
        match tokio::time::timeout(DRAIN_MAX, told).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(error = error.source.to_string(), "other hosts were not told that this one goes");
            }
            Err(_) => tracing::warn!("the NATS server was not told of all that was handled: it hands that out again"),
        }
        self.0.door.send_replace(None);
        closing.cancel();
        tasks.close();
        tasks.wait().await;
    }
}

impl Inner {
    fn start(self: &Arc<Self>, system: Option<Client>) {
        let Shared { connection, streams, memory, settles, exchange, .. } = &*self.shared;
        self.spawn(exchange.clone().run(connection.clone(), streams.clone()));
        self.spawn(servers::watch(connection.clone(), system.clone(), self.settings.class));
        if let Some(minter) = self.settings.minter() {
            for client in std::iter::once(connection.client.clone()).chain(system) {
                self.spawn(accounts::renew(client, minter.clone(), self.closing.clone()));
            }
        }
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
        self.spawn(self.bindings.clone().run(connection.clone(), streams.clone(), Arc::new(self.clone())));
        self.spawn(settles.clone().run(self.shared.clone(), self.clone()));
        let (read, log_read) = watch::channel(false);
        self.spawn(done::follow(connection.clone(), streams.clone(), memory.clone(), self.clone(), read));
        self.spawn(self.clone().forward_when(log_read));
        let inner = self.clone();
        self.spawn(pull::progress(self.shared.clone(), move || inner.intakes.read().values().cloned().collect()));
        self.spawn(self.clone().look());
        if let Some(link) = self.shared.links.shared().cloned() {
            let inner = self.clone();
            self.spawn(async move { inner.hear_answers(&link.connection.client, subjects::ALL_ANSWERS).await });
        }
    }

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let closing = self.closing.clone();
        let task = async move {
            closing.run_until_cancelled(task).await;
        };
        self.tasks.spawn_on(task, &self.runtime);
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
        let member = subscribe.member.clone();
        let id = self.0.local.subscribe(subscribe, inbound.clone());
        if let Interest::Queue { queue, in_flight_max } = interest {
            self.0.intake(&tenant, &queue).add(id, inbound, in_flight_max, member);
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
        self.0.bindings.set_own(&tenant, &agent, Some(binding), |merged| {
            if let Some(merged) = merged {
                self.0.keeper.bind(merged.clone());
                self.0.forward_all(&merged);
            }
        });
    }

    fn unbind(&self, tenant: &TenantId, agent: &AgentId) {
        self.0.bindings.set_own(tenant, agent, None, |elsewhere| match elsewhere {
            Some(elsewhere) => self.0.keeper.bind(elsewhere),
            None => self.0.unbind(tenant, agent),
        });
    }

    fn forget<'a>(&'a self, tenant: &'a TenantId) -> Forgetting<'a> {
        Box::pin(async move {
            let broken = |error: NatsError| JournalError::Broken { act: error.act, source: error.source };
            self.0.reach(tenant);
            self.0.shared.links.forget(tenant).await.map_err(broken)?;
            self.0.keeper.forget(tenant).await?;
            self.0.let_go_of(tenant);
            // What was still on its way into the stream may have made it anew.
            match self.0.shared.links.shared() {
                Some(hosts) => hosts.streams.forget(tenant).await.map_err(broken),
                None => Ok(()),
            }
        })
    }

    fn letters_gone(&self, tenant: &TenantId, count: u64) {
        self.0.keeper.letters_gone(tenant, count);
    }

    fn set_limits(&self, tenant: &TenantId, limits: QueueLimits) {
        self.0.keeper.set_limits(tenant, limits);
        self.0.shared.links.set_limits(tenant, limits);
        self.0.reach(tenant);
    }

    fn queues(&self, tenant: &TenantId) -> Vec<QueueView> {
        self.0.keeper.queues(tenant)
    }

    fn reaches_outside(&self) -> bool {
        self.0.shared.links.shared().is_none()
    }

    fn tell_outside(&self, accepted: &Accepted) -> Result<(), BusError> {
        self.0.tell_outside(accepted)
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
