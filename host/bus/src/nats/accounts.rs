//! Tenants as accounts of a NATS server in operator mode (`--nats-accounts DIR`).
//!
//! Each tenant is an account: nothing that one publishes, stores or acknowledges reaches another. A [`Minter`] holds the two seeds
//! that a host needs; from them it makes every account and every user there is, so that hosts with a copy of the folder agree
//! without asking each other, and no credential of a host lies on a disk. An external agent's [`Credentials`] publish to one subject
//! and subscribe to two, for a quarter of an hour at most. What it publishes is a draft ([`Ingress`]), never a frame.
//!
//! Claims are NATS JWTs of version 2 (NATS ADR-14), checked against the real server in `tests/kit`.

mod agent;
mod claims;
mod connect;
mod credentials;
mod error;
mod folder;
mod ingress;
mod key;
mod limits;
mod minter;
mod push;

pub use agent::{AgentSubjects, AgentUser, LIFETIME_MAX, LIFETIME_MIN, ReplyTo, Transport};
pub use connect::{connect, options, renew};
pub use credentials::Credentials;
pub use error::AccountsError;
pub use folder::{Made, ServerAddress, init};
pub use ingress::{Door, Ingress, Posted};
pub use limits::AccountLimits;
pub use minter::{Account, HOST_LIFETIME, Minter};
pub use push::Accounts;
