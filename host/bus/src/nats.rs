//! NATS.

pub mod accounts;
