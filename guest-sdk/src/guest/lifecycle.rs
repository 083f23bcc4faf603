//! The `lifecycle` export: from the operator to the agent.

use std::thread::LocalKey;

use super::{Slot, imports::Imports};
use crate::Resident;

pub use super::bindings::lifecycle::exports::bailiwick::agent::lifecycle::Guest;

/// Starts the instance's agent.
pub fn start<A: Resident>(slot: &'static LocalKey<Slot<A>>) -> Result<(), String> {
    slot.with_borrow_mut(|agent| agent.start(&Imports))
}

/// Stops the instance's agent.
pub fn stop<A: Resident>(slot: &'static LocalKey<Slot<A>>) -> Result<(), String> {
    slot.with_borrow_mut(|agent| agent.stop(&Imports))
}

/// Passes an operator's order on.
pub fn command<A: Resident>(slot: &'static LocalKey<Slot<A>>, name: &str, data: &str) -> Result<String, String> {
    slot.with_borrow_mut(|agent| agent.command(&Imports, name, data))
}
