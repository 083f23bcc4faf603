//! The simulation: the real gate, courier, mailbox, quota, vault and embedded bus, driven from one seed on one thread.
//!
//! A seed names tenants, agents and grants, and then each step: who sends what, whose turn it is, which policy narrows, which key is
//! revoked, where the clock jumps, and what happens to a sealed frame on its way. Beside it runs a [book](book) that knows what must
//! be true; after each step both are compared. Time is the seed's own, so that a run of days takes a millisecond.
#![expect(
    clippy::indexing_slicing,
    reason = "a simulation says what is wrong by stopping; every index is one of its own"
)]

mod agent;
mod book;
mod bus;
mod clock;
mod frames;
mod handle;
mod host;
mod lane;
mod rules;
mod run;
mod send;
mod steps;
#[cfg(test)]
mod tests;
mod topics;
mod vault;

pub use run::{Broken, STEPS, Trace, run, traced};
