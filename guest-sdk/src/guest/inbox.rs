//! The `inbox` export: from the bindings' message to the agent and back.

use std::thread::LocalKey;

use super::{Slot, bindings::inbox::bailiwick::agent::types as wit, imports::Imports};
use crate::{Agent, agent};

pub use super::bindings::inbox::exports::bailiwick::agent::inbox::Guest;
pub use wit::Message;

/// What `inbox.handle` returns.
pub type Handled = Result<Option<wit::Draft>, wit::Failure>;

/// Hands one message to the instance's agent.
pub fn handle<A: Agent>(slot: &'static LocalKey<Slot<A>>, message: Message) -> Handled {
    let outcome = slot.with_borrow_mut(|value| agent::deliver(value, &Imports, message.into()));
    outcome.map(|answer| answer.map(wit::Draft::from)).map_err(wit::Failure::from)
}
