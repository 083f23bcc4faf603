//! The embedded bus, and beside it the way of sealed frames for queues that lie on another host.

use std::collections::BTreeSet;
use std::sync::Arc;

use host_bus::{Bus, BusError, EmbeddedBus, Inbound, Subscribe, SubscriptionId};
use host_gate::{Gate, Keys, Sealed, Stamped};
use host_model::{AgentId, Destination, Durability, Queue, Receipt, TenantId};
use host_vault::SnapshotKeys;
use parking_lot::Mutex;

/// Seals what goes to a queue elsewhere, and leaves the rest to the embedded bus.
pub(crate) struct SimBus {
    pub(crate) near: EmbeddedBus,
    gate: Gate,
    keys: Arc<SnapshotKeys>,
    far: BTreeSet<(TenantId, AgentId)>,
    sealed: Mutex<Vec<(Sealed, host_model::Envelope, host_model::KeyId)>>,
}

impl SimBus {
    pub(crate) fn new(gate: Gate, keys: Arc<SnapshotKeys>, far: BTreeSet<(TenantId, AgentId)>) -> Self {
        Self { near: EmbeddedBus::new(), gate, keys, far, sealed: Mutex::default() }
    }

    pub(crate) fn is_far(&self, tenant: &TenantId, agent: &AgentId) -> bool {
        self.far.contains(&(tenant.clone(), agent.clone()))
    }

    /// The frames since it was last asked, with what they were made of.
    pub(crate) fn take_sealed(&self) -> Vec<(Sealed, host_model::Envelope, host_model::KeyId)> {
        std::mem::take(&mut self.sealed.lock())
    }
}

impl Bus for SimBus {
    fn publish(&self, stamped: Stamped) -> Result<Receipt, BusError> {
        let envelope = stamped.envelope().clone();
        match &envelope.to {
            Destination::Queue(Queue::Agent(agent)) if self.is_far(&envelope.tenant, agent) => {
                let key = self.keys.signing(&envelope.tenant, &envelope.sender).map(|signing| signing.key);
                let (Some(key), Ok(sealed)) = (key, self.gate.seal(&stamped, self.keys.as_ref())) else {
                    return Err(BusError::NoReceiver);
                };
                let receipt = Receipt { id: envelope.id, durability: Durability::Volatile };
                self.sealed.lock().push((sealed, envelope, key));
                Ok(receipt)
            }
            _ => self.near.publish(stamped),
        }
    }

    fn subscribe(&self, subscribe: Subscribe, inbound: Arc<dyn Inbound>) -> SubscriptionId {
        self.near.subscribe(subscribe, inbound)
    }

    fn receive_replies(&self, inbound: Arc<dyn Inbound>) {
        self.near.receive_replies(inbound);
    }

    fn unsubscribe(&self, tenant: &TenantId, id: SubscriptionId) {
        self.near.unsubscribe(tenant, id);
    }
}
