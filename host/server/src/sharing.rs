//! What a host has by itself, or shares with the other hosts of its NATS: leases, and the state of agents.

use std::sync::Arc;

use host_bus::{EmbeddedLeases, Leases, NatsBus};
use host_courier::StateStore;
use host_model::Clock;
use host_store::AgentStores;

/// Leases of this host alone, or of all hosts of its NATS.
pub(crate) fn leases(nats: Option<&NatsBus>, stores: &AgentStores, clock: Arc<dyn Clock>) -> Arc<dyn Leases> {
    match (nats, &stores.shared) {
        (Some(nats), Some(shared)) => Arc::new(nats.leases(Arc::new(shared.clone()), clock)),
        _ => Arc::new(EmbeddedLeases::new(Arc::new(stores.state.clone()), clock)),
    }
}

/// Keys and values of this host alone, or of all hosts of its NATS.
pub(crate) fn state(stores: &AgentStores) -> Arc<dyn StateStore> {
    match &stores.shared {
        Some(shared) => Arc::new(shared.clone()),
        None => Arc::new(stores.state.clone()),
    }
}
