//! The checkpoint: nothing moves between agents without passing here, and what passed carries the proof in its type.
//!
//! `Draft → Stamped → Accepted`: [`Gate::admit`] alone builds a [`Stamped`], [`Gate::accept`] alone an [`Accepted`]. Pure: no async,
//! no I/O, and time, ids and counters come in as arguments, so that every rule can be tested as a table.

mod accept;
mod admit;
mod denied;
mod explain;
mod gate;
#[cfg(test)]
mod samples;
mod witness;

pub use accept::Receiver;
pub use admit::{MessageLimits, Outgoing, Stamp};
pub use denied::{Denied, Refused};
pub use explain::{Ask, Explanation, explain};
pub use gate::Gate;
pub use witness::{Accepted, Delivery, Stamped};
