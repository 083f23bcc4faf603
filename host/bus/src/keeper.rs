//! Keeps the messages that must not be lost: in the journal before they are acknowledged, and handed out from there.

mod pump;
mod tenant;
mod writer;

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use host_gate::{Accepted, Gate, Keys, Stamped};
use host_model::{AgentId, Clock, Destination, Durability, MessageId, Queue, Receipt, TenantId, Timestamp};
use parking_lot::RwLock;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

pub(crate) use self::pump::Consumer;
use self::tenant::Tenant;
use self::writer::{Keeping, Writer};
use crate::{
    Binding, BusError, Handover, Journal, JournalError, Keep, KeepHealth, Letter, Notices, Position, QueueLimits,
    QueueView, SubscriptionId, Verdict,
};

/// For how long the id of a message is remembered after it was taken, in milliseconds, if it does not wait for longer: within that
/// time a message sent again under its id is known.
const REMEMBER_MS: u64 = 24 * 60 * 60 * 1_000;
/// Ids of a tenant that are remembered; with more, the oldest are forgotten earlier, but for those of messages that wait.
const IDS_MAX: u64 = 1_000_000;

/// What a keeper works with.
pub struct KeeperParts {
    /// Where messages lie.
    pub journal: Arc<dyn Journal>,
    /// What signs them.
    pub gate: Gate,
    /// The tenants' keys.
    pub keys: Arc<dyn Keys>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What a tenant may keep, until [`Keeper::set_limits`] says otherwise.
    pub limits: QueueLimits,
}

/// All queues of this host. Cheap to clone.
#[derive(Clone)]
pub struct Keeper(Arc<Inner>);

struct Inner {
    house: Arc<House>,
    gate: Gate,
    keys: Arc<dyn Keys>,
    limits: QueueLimits,
    tenants: RwLock<HashMap<TenantId, Arc<Tenant>, RandomState>>,
}

/// What every queue works with.
pub(crate) struct House {
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) writer: Writer,
    pub(crate) runtime: Handle,
    /// The last position before this start: what lies up to here may have been handed over before.
    pub(crate) started_at: Position,
    pub(crate) notices: RwLock<Option<Arc<dyn Notices>>>,
}

impl Keeper {
    /// Opens what was kept before. Nothing is handed out until somebody subscribes. Works on the tokio runtime it is opened on.
    pub async fn open(parts: KeeperParts) -> Result<Self, JournalError> {
        let KeeperParts { journal, gate, keys, clock, limits } = parts;
        let (started_at, depths) = (journal.last().await?, journal.depths().await?);
        let letters = journal.letter_counts().await?;
        let writer = Writer::start(journal.clone());
        let runtime = Handle::current();
        let house = Arc::new(House { journal, clock, writer, runtime, started_at, notices: RwLock::default() });
        let keeper = Self(Arc::new(Inner { house, gate, keys, limits, tenants: RwLock::default() }));
        for depth in depths {
            keeper.tenant(&depth.tenant).found(&keeper.0.house, depth);
        }
        for (tenant, count) in letters {
            keeper.tenant(&tenant).usage.found_letters(count);
        }
        Ok(keeper)
    }

    /// Waits until all that was decided is on the disk, and takes nothing more.
    pub async fn close(&self) {
        self.0.house.writer.close().await;
    }

    /// Whether messages can be kept now.
    pub fn health(&self) -> KeepHealth {
        self.0.house.writer.health()
    }

    /// Who is told of dead letters.
    pub fn notify(&self, notices: Arc<dyn Notices>) {
        *self.0.house.notices.write() = Some(notices);
    }

    /// Sets what a tenant may keep. What lies there beyond it stays.
    pub fn set_limits(&self, tenant: &TenantId, limits: QueueLimits) {
        self.tenant(tenant).usage.set_limits(limits);
    }

    /// Keeps a place for the messages of an agent, in place of the one before.
    pub fn bind(&self, binding: Binding) {
        self.tenant(&binding.tenant.clone()).bind(&self.0.house, binding);
    }

    /// An agent is gone: what waits in its own queue becomes dead letters.
    pub fn unbind(&self, tenant: &TenantId, agent: &AgentId) {
        self.tenant(tenant).unbind(agent);
    }

    /// Forgets a deleted tenant with all it has. Nothing of it is sent any more; until this has succeeded, it can go on as before.
    pub async fn forget(&self, tenant: &TenantId) -> Result<(), JournalError> {
        self.0.house.journal.forget_tenant(tenant).await?;
        self.0.tenants.write().remove(tenant);
        Ok(())
    }

    /// After a start, when all agents are bound: what waits for agents that are not there is given up, and what is left of tenants
    /// that are not there is forgotten.
    pub async fn clear(&self, is_there: impl Fn(&TenantId) -> bool) -> Result<(), JournalError> {
        let tenants: Vec<TenantId> = self.0.tenants.read().keys().cloned().collect();
        for id in tenants {
            if is_there(&id) {
                self.tenant(&id).end_unbound();
            } else {
                self.forget(&id).await?;
            }
        }
        Ok(())
    }

    /// Keeps a message and returns once it is synced. Nothing is lost if the wait is given up, and the message may be kept all the same.
    pub fn keep(&self, stamped: &Stamped) -> impl Future<Output = Result<Receipt, BusError>> + Send + use<> {
        let begun = self.begin(stamped, None);
        async move { begun?.kept().await }
    }

    /// Keeps the message that a dead letter is sent again as, for the queue it died in. One that was sent again is not sent a second
    /// time.
    pub fn replay(
        &self,
        stamped: &Stamped,
        letter: &Letter,
    ) -> impl Future<Output = Result<Receipt, BusError>> + Send + use<> {
        let begun = self.begin(stamped, Some(letter));
        async move { begun?.kept().await }
    }

    /// Sends a message, or a letter again, on its way into the journal.
    pub(crate) fn begin(&self, stamped: &Stamped, replay: Option<&Letter>) -> Result<Begun, BusError> {
        let envelope = stamped.envelope();
        let id = envelope.id;
        let tenant = self.tenant(&envelope.tenant);
        let pumps = match replay {
            Some(letter) => tenant.pump_again(&letter.queue)?,
            None => tenant.pumps_for(&envelope.to)?,
        };
        if pumps.is_empty() {
            return Ok(Begun { id, queues: Vec::new(), wait: None });
        }
        let sealed = self.0.gate.seal(stamped, &*self.0.keys).map_err(|_| BusError::NotSigned)?;
        let reserved = tenant.usage.reserve(pumps.len() as u64, sealed.bytes().len() as u64)?;
        let kept = self.0.house.clock.now();
        let keep = Keep {
            sealed,
            message: id,
            sender: envelope.sender.clone(),
            queues: pumps.iter().map(|pump| pump.queue().clone()).collect(),
            kept,
            remember_until: Timestamp::from_millis(kept.as_millis().saturating_add(REMEMBER_MS)),
        };
        let queues = keep.queues.clone();
        let (answer, wait) = oneshot::channel();
        let replay = replay.map(|letter| letter.id);
        self.0.house.writer.keep(Keeping { keep, replay, reserved, pumps, reply: answer })?;
        Ok(Begun { id, queues, wait: Some(wait) })
    }

    /// Ends a message that was handed to a consumer of this queue and has ended on another host, after so many attempts.
    pub(crate) fn end_elsewhere(
        &self,
        tenant: &TenantId,
        queue: &Queue,
        message: MessageId,
        ended: Handover,
        attempts: u32,
    ) {
        if let Some(pump) = self.tenant(tenant).pump(queue) {
            pump.end_elsewhere(message, ended, attempts);
        }
    }

    /// All queues there are.
    pub(crate) fn places(&self) -> Vec<(TenantId, Queue)> {
        let tenants = self.0.tenants.read();
        let of_tenant = |(id, tenant): (&TenantId, &Arc<Tenant>)| {
            let queues = tenant.all().into_iter().map(|pump| (id.clone(), pump.queue().clone()));
            queues.collect::<Vec<_>>()
        };
        tenants.iter().flat_map(of_tenant).collect()
    }

    /// What a tenant may keep.
    pub(crate) fn limits_of(&self, tenant: &TenantId) -> QueueLimits {
        self.tenant(tenant).usage.limits()
    }

    /// The time.
    pub(crate) fn now(&self) -> Timestamp {
        self.0.house.clock.now()
    }

    /// Ends a delivery that was taken.
    pub fn settle(&self, accepted: &Accepted, verdict: Verdict) {
        let envelope = accepted.envelope();
        let queue = match &envelope.to {
            Destination::Queue(queue) => queue.clone(),
            Destination::Topic(_) => Queue::Agent(accepted.receiver().agent().clone()),
            Destination::Reply { .. } => return,
        };
        if let Some(pump) = self.tenant(&envelope.tenant).pump(&queue) {
            pump.settle(envelope.id, verdict);
        }
    }

    /// Hands the messages of a queue to one more receiver.
    pub(crate) fn consume(&self, tenant: &TenantId, queue: &Queue, consumer: Consumer) {
        self.tenant(tenant).pump_or_new(&self.0.house, queue).consume(consumer);
    }

    /// Ends what [`consume`](Self::consume) began. What that receiver holds is still its own to end.
    pub(crate) fn end_consumer(&self, tenant: &TenantId, id: SubscriptionId) {
        self.tenant(tenant).all().iter().for_each(|pump| pump.end_consumer(id));
    }

    /// All queues of a tenant, by name.
    pub fn queues(&self, tenant: &TenantId) -> Vec<QueueView> {
        let mut views: Vec<QueueView> = self.tenant(tenant).all().iter().map(|pump| pump.view()).collect();
        views.sort_by(|one, other| one.queue.cmp(&other.queue));
        views
    }

    /// Dead letters of a tenant were deleted.
    pub fn letters_gone(&self, tenant: &TenantId, count: u64) {
        self.tenant(tenant).usage.letters_gone(count);
    }

    /// Gives up what waited for longer than its tenant keeps messages, and forgets ids that need not be remembered. To be called
    /// now and then.
    pub async fn tend(&self) -> Result<(), JournalError> {
        let tenants: Vec<Arc<Tenant>> = self.0.tenants.read().values().cloned().collect();
        let House { journal, clock, .. } = &*self.0.house;
        for tenant in &tenants {
            for pump in tenant.all() {
                pump.expire().await?;
            }
            if tenant.usage.has_many_new_ids() {
                journal.forget_beyond(tenant.id(), IDS_MAX).await?;
            }
        }
        journal.forget_until(clock.now()).await.map(drop)
    }

    fn tenant(&self, id: &TenantId) -> Arc<Tenant> {
        if let Some(tenant) = self.0.tenants.read().get(id) {
            return tenant.clone();
        }
        let mut tenants = self.0.tenants.write();
        tenants.entry(id.clone()).or_insert_with(|| Arc::new(Tenant::new(id.clone(), self.0.limits))).clone()
    }
}

/// A message on its way into the journal; nobody waits where nobody receives.
pub(crate) struct Begun {
    id: MessageId,
    /// Where it will wait.
    pub(crate) queues: Vec<Queue>,
    wait: Option<oneshot::Receiver<Result<(), BusError>>>,
}

impl Begun {
    /// Returns once it is synced.
    pub(crate) async fn kept(self) -> Result<Receipt, BusError> {
        if let Some(wait) = self.wait {
            wait.await.unwrap_or(Err(BusError::Unkept(KeepHealth::Broken)))?;
        }
        Ok(Receipt { id: self.id, durability: Durability::Durable })
    }
}
