//! The bus of several hosts: what is volatile goes over core NATS, what must not be lost over `JetStream`.
//!
//! Nothing that comes from the server is believed: it is handed to the receivers as bytes, for the gate to verify.

pub mod accounts;
mod batch;
mod bindings;
mod bus;
mod carrying;
mod connection;
mod done;
mod gossip;
mod keeping;
mod keys;
mod leases;
mod links;
mod outbox;
mod peers;
mod pull;
mod reaching;
mod servers;
mod settings;
mod settle;
mod state;
mod streams;
mod subjects;
mod wire;

pub use bus::{NatsBus, NatsParts};
pub use leases::{Fences, NatsLeases};
pub use settings::{BadCredentials, Class, HostId, NatsCredentials, NatsSettings};
pub use state::{SharedState, SharedStateError, StateCell, StateChange, StateEntry, StateFound, StateHeld, StateTo};

/// Why NATS did not do it.
#[derive(Debug, thiserror::Error)]
#[error("cannot {act} over NATS")]
pub struct NatsError {
    /// What was tried: `create the stream`.
    pub act: &'static str,
    /// Why it failed.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl NatsError {
    /// What was tried, round the cause.
    pub fn new(act: &'static str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        failed(act)(cause)
    }
}

/// What was tried, round the cause.
fn failed<E: Into<Box<dyn std::error::Error + Send + Sync>>>(act: &'static str) -> impl FnOnce(E) -> NatsError {
    move |source| NatsError { act, source: source.into() }
}
