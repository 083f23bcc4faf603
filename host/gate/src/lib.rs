//! The checkpoint: nothing moves between agents without passing here, and what passed carries the proof in its type.
//!
//! `Draft → Stamped → [Sealed → Delivery] → Verified → Accepted`: [`Gate::admit`] alone builds a [`Stamped`], [`Gate::seal`] a
//! [`Sealed`], [`Gate::verify`] a [`Verified`], [`Gate::accept`] an [`Accepted`]. What stays in the process is neither sealed nor
//! signed. Pure: no async, no I/O, and time, ids, counters and keyed MAC states come in as arguments, so that every rule can be
//! tested as a table.

mod accept;
mod admit;
mod denied;
mod explain;
mod frame;
mod gate;
mod keys;
mod mac_input;
#[cfg(test)]
mod samples;
mod seal;
mod verify;
mod witness;
mod words;

pub use accept::{Novelty, Receiver};
pub use admit::{MessageLimits, Outgoing, Stamp};
pub use denied::{BadFrame, Denied, NotSealed, Refused};
pub use explain::{Ask, Explanation, explain};
pub use frame::shard_key_of;
pub use gate::Gate;
pub use keys::{KeyRefused, Keys, MAC_LEN, MacKey, NoKeys, Signing, Verifying};
pub use mac_input::MacInput;
pub use verify::Arrival;
pub use witness::{Accepted, Delivery, Sealed, Stamped, Verified};
