//! The way of what must not be lost: the journal, the outbox, the stream, and back.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use host_gate::Stamped;
use host_model::{AgentId, DeathCause, Durability, MessageId, Queue, Receipt, TenantId};
use tokio::sync::watch;

use super::Class;
use super::bindings::OnBound;
use super::bus::Inner;
use super::done::{End, Ended, OnEnd};
use super::outbox::{self, Gateway, IN_STREAM_MAX, Outbox};
use super::pull::Intake;
use super::settle::OnAcknowledged;
use super::streams::Streams;
use crate::keeper::{Consumer, Synced};
use crate::{Binding, BusError, KeepHealth, Keeping, Letter, SubscriptionId};

/// How long a message of class `replicated` may take into the stream before its sender is told that it is not there yet.
const REPLICATED_WAIT: Duration = Duration::from_secs(5);
/// How often the streams are compared with what this host has put into them: a loss is told of within a minute.
const LOOK_EVERY: Duration = Duration::from_secs(15);

impl Inner {
    /// Once the log of what was handled is read, what this host has kept goes into the streams.
    pub(super) async fn forward_when(self: Arc<Self>, mut read: watch::Receiver<bool>) {
        if read.wait_for(|read| *read).await.is_ok() {
            self.log_read.store(true, Ordering::Release);
            for (tenant, queue) in self.keeper.places() {
                self.forward(&tenant, &queue);
            }
        }
    }

    /// Has the messages of a queue go from the journal into the tenant's stream.
    pub(super) fn forward(self: &Arc<Self>, tenant: &TenantId, queue: &Queue) {
        let mut gateways = self.gateways.lock();
        let key = (tenant.clone(), queue.clone());
        if !self.log_read.load(Ordering::Acquire) || gateways.contains_key(&key) {
            return;
        }
        let id = self.local.new_id();
        gateways.insert(key, id);
        drop(gateways);
        let gateway = Gateway { outbox: self.outbox(tenant), memory: self.shared.memory.clone() };
        self.keeper.consume(tenant, queue, Consumer::new(id, Arc::new(gateway), IN_STREAM_MAX));
    }

    pub(super) fn outbox(self: &Arc<Self>, tenant: &TenantId) -> Arc<Outbox> {
        if let Some(outbox) = self.outboxes.read().get(tenant) {
            return outbox.clone();
        }
        self.reach(tenant);
        let mut outboxes = self.outboxes.write();
        let new = || {
            let outbox = Arc::new(Outbox::new(tenant.clone()));
            let (shared, sending) = (self.shared.clone(), outbox.clone());
            self.spawn(async move {
                let link = shared.links.of(sending.tenant()).await;
                sending.run(link.connection.clone(), link.streams.clone()).await;
            });
            outbox
        };
        outboxes.entry(tenant.clone()).or_insert_with(new).clone()
    }

    /// Compares the streams with what was put into them, again and again.
    pub(super) async fn look(self: Arc<Self>) {
        let mut times = tokio::time::interval(LOOK_EVERY);
        loop {
            times.tick().await;
            self.shared.connection.up().await;
            self.look_once().await;
        }
    }

    pub(super) async fn look_once(&self) {
        let outboxes: Vec<_> = self.outboxes.read().iter().map(|(id, outbox)| (id.clone(), outbox.clone())).collect();
        for (tenant, outbox) in outboxes {
            let Some(link) = self.shared.links.now(&tenant) else { continue };
            self.expire(&tenant, &link.streams, &outbox).await;
            match outbox.look(&link.streams, &self.shared.memory).await {
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
    pub(super) async fn expire(&self, tenant: &TenantId, streams: &Streams, outbox: &Outbox) {
        let retention = self.keeper.limits_of(tenant).retention;
        for (queue, message, sequence) in outbox.older_than(self.keeper.now(), retention) {
            let deleted = match sequence {
                Some(sequence) => streams.delete(tenant, sequence).await,
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
    pub(super) fn keep_by(self: &Arc<Self>, stamped: Stamped, replay: Option<&Letter>) -> Keeping {
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
                Some(expected) => {
                    let stored = tokio::time::timeout(REPLICATED_WAIT, expected.stored()).await;
                    if stored != Ok(true) {
                        outbox.give_up(id);
                        return Err(BusError::Unkept(KeepHealth::Disconnected));
                    }
                    Receipt { durability: Durability::Replicated, ..receipt }
                }
            };
            let stamped = Arc::new(stamped);
            inner.local.show(&tenant, &stamped);
            inner.show_elsewhere(&stamped);
            Ok(receipt)
        })
    }

    pub(super) fn may_keep(&self, stamped: &Stamped) -> Result<(), BusError> {
        let health = self.shared.connection.health();
        if health.refuses() {
            return Err(BusError::Unkept(health));
        }
        self.fits(stamped)
    }

    pub(super) fn intake(self: &Arc<Self>, tenant: &TenantId, queue: &Queue) -> Arc<Intake> {
        self.reach(tenant);
        let mut intakes = self.intakes.write();
        let new = || {
            let intake = Intake::new(self.shared.clone(), tenant.clone(), queue.clone());
            self.spawn(intake.clone().run());
            intake
        };
        intakes.entry((tenant.clone(), queue.clone())).or_insert_with(new).clone()
    }

    pub(super) fn end_receiver(&self, tenant: &TenantId, id: SubscriptionId) {
        for ((of, _), intake) in &*self.intakes.read() {
            if of == tenant {
                intake.remove(id);
            }
        }
    }

    /// An agent that no host has any more: what waits for it is given up, and leaves the stream.
    pub(super) fn unbind(self: &Arc<Self>, tenant: &TenantId, agent: &AgentId) {
        let queue = Queue::Agent(agent.clone());
        self.keeper.unbind(tenant, agent);
        self.gateways.lock().remove(&(tenant.clone(), queue.clone()));
        self.outbox(tenant).forget(&queue);
        let (shared, tenant) = (self.shared.clone(), tenant.clone());
        self.spawn(async move {
            let link = shared.links.of(&tenant).await;
            if let Err(error) = link.streams.forget_queue(&tenant, &queue).await {
                tracing::warn!(%tenant, %queue, error = error.source.to_string(), "the queue of a deleted agent is still in the stream");
            }
        });
    }

    pub(super) fn forward_all(self: &Arc<Self>, binding: &Binding) {
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

impl OnBound for Arc<Inner> {
    fn bound(&self, tenant: &TenantId, agent: &AgentId, binding: Option<Binding>) {
        if let Some(binding) = binding {
            self.keeper.bind(binding.clone());
            return self.forward_all(&binding);
        }
        let queue = Queue::Agent(agent.clone());
        self.keeper.unbind(tenant, agent);
        self.outbox(tenant).forget(&queue);
        self.gateways.lock().remove(&(tenant.clone(), queue));
    }
}
