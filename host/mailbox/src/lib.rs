//! Bounded queues of accepted messages, and whose turn it is: deficit round robin between tenants, first come first served within
//! one.
//!
//! Pure: no threads, no clock. One lane of a shard owns one [`Mailbox`]; the courier pushes, the lane asks [`Mailbox::next_turn`] and
//! says with [`Mailbox::charge`] what the turn took.

mod account;
mod queue;
mod turns;

pub use account::Weight;
pub use queue::{Address, Full, Open, Push};
pub use turns::{Mailbox, Turn};
