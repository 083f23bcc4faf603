//! Bounded queues of accepted messages, and whose turn it is: round robin between tenants, first come first served within one.
//!
//! Pure: no threads, no clock. One shard owns one [`Mailbox`]; the courier pushes, the shard asks [`Mailbox::next_turn`].

mod queue;
mod turns;

pub use queue::{Address, Full, Open, Push};
pub use turns::{Mailbox, Turn};
