//! The way of what must not be lost: the journal, the outbox, the stream, and back.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use host_gate::Stamped;
use host_model::{AgentId, DeathCause, Durability, MessageId, Queue, Receipt, TenantId};
use tokio::sync::watch;

use super::bindings::OnBound;
use super::bus::Inner;
use super::done::{End, Ended, OnEnd};
use super::outbox::{self, Expected, Gateway, IN_STREAM_MAX, Old, Outbox};
use super::pull::Intake;
use super::settle::{OnAcknowledged, Settling};
use super::streams::Streams;
use super::{Class, NatsError};
use crate::keeper::Consumer;
use crate::{Binding, BusError, KeepHealth, Keeping, Letter, SubscriptionId};

/// How long a message of class `replicated` may take into the stream before its sender is told that it is not there yet.
const REPLICATED_WAIT: Duration = Duration::from_secs(5);
/// Longer than handling a message may take: that is at most 10 minutes.
const HANDLED_MAX: Duration = Duration::from_mins(15);
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
                Box::pin(sending.run(link.connection.clone(), link.streams.clone())).await;
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
            let up = self.shared.links.now(&tenant).filter(|link| link.connection.is_up());
            let Some(link) = up else { continue };
            self.expire(&tenant, &link.streams, &outbox).await;
            for ended in outbox.known_ends(&self.shared.memory) {
                self.ended(&tenant, &ended);
            }
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

    /// Gives up what lies in the stream for longer than its tenant keeps messages. While receivers are at messages of its queue, it
    /// may be theirs: then it has the time that handling one may take.
    pub(super) async fn expire(&self, tenant: &TenantId, streams: &Streams, outbox: &Outbox) {
        let (now, retention) = (self.keeper.now(), self.keeper.limits_of(tenant).retention);
        let mut handled: HashMap<Queue, bool> = HashMap::new();
        for Old { queue, message, subject, long_ago } in outbox.older_than(now, retention, HANDLED_MAX) {
            let expired = async {
                let handled = match handled.get(&queue) {
                    Some(handled) => *handled,
                    None => *handled.entry(queue.clone()).or_insert(streams.is_handled(tenant, &queue).await?),
                };
                if handled && !long_ago {
                    return Ok(false);
                }
                streams.delete(tenant, subject).await.map(|()| true)
            };
            let expired: Result<bool, NatsError> = expired.await;
            match expired {
                Ok(false) => {}
                Ok(true) => {
                    let detail = "it waited for longer than its tenant keeps messages".to_owned();
                    let ended =
                        Ended { queue, message, end: End::Dead { cause: DeathCause::Expired, detail, attempts: 0 } };
                    self.ended(tenant, &ended);
                    // So that no host handles it, should it come again.
                    self.shared.settles.push(Settling::Ended { tenant: tenant.clone(), ended, acker: None });
                }
                Err(error) => {
                    tracing::warn!(%tenant, %queue, %message, error = error.source.to_string(), "a message that is too old is still in the stream");
                }
            }
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
        let begun = self.keeper.begin(&stamped, replay);
        let expected = match &begun {
            Ok(begun) if replicated => Some(outbox.expect(id, begun.queues.clone(), &self.shared.memory)),
            _ => None,
        };
        let inner = self.clone();
        Box::pin(async move {
            let receipt = begun?.kept().await;
            let receipt = match (receipt?, expected) {
                (receipt, Some(expected)) => replicated_as(receipt, expected).await?,
                (receipt, None) => receipt,
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

    /// Ends what this host does for a tenant that is no more.
    pub(super) fn let_go_of(&self, tenant: &TenantId) {
        self.bindings.forget(tenant);
        self.gateways.lock().retain(|(of, _), _| of != tenant);
        if let Some(outbox) = self.outboxes.write().remove(tenant) {
            outbox.close();
        }
        self.intakes.write().retain(|(of, _), intake| {
            let stays = of != tenant;
            if !stays {
                intake.close();
            }
            stays
        });
        self.shared.memory.forget(tenant);
    }

    /// Ends what this host does for a queue that is no more.
    fn let_go_of_queue(&self, tenant: &TenantId, queue: &Queue) {
        let key = (tenant.clone(), queue.clone());
        self.gateways.lock().remove(&key);
        if let Some(outbox) = self.outboxes.read().get(tenant) {
            outbox.forget(queue);
        }
        if let Some(intake) = self.intakes.write().remove(&key) {
            intake.close();
        }
    }

    /// An agent that no host has any more: what waits for it is given up, and leaves the stream.
    pub(super) fn unbind(self: &Arc<Self>, tenant: &TenantId, agent: &AgentId) {
        let queue = Queue::Agent(agent.clone());
        self.keeper.unbind(tenant, agent);
        self.let_go_of_queue(tenant, &queue);
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

/// What is said of a message that must be in the stream too. Where that takes too long it goes on all the same.
async fn replicated_as(receipt: Receipt, mut expected: Expected) -> Result<Receipt, BusError> {
    match tokio::time::timeout(REPLICATED_WAIT, expected.stored()).await {
        Ok(true) => Ok(Receipt { durability: Durability::Replicated, ..receipt }),
        Ok(false) | Err(_) => Err(BusError::Unkept(KeepHealth::Disconnected)),
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
    /// Heard of before the log says it: that may be lost on its way here.
    fn acknowledged(&self, tenant: &TenantId, queue: &Queue, message: MessageId) {
        if let Some(end) = self.shared.memory.end_of(tenant, queue, message) {
            self.ended(tenant, &Ended { queue: queue.clone(), message, end });
        }
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
        self.keeper.unbind(tenant, agent);
        self.let_go_of_queue(tenant, &Queue::Agent(agent.clone()));
    }
}
