//! Leases: of all agents of a group that ask for one, one has it.

use std::time::Duration;

use crate::Denied;

/// The leases of the agent's group, or of its own replicas where it is in none. What is done while one is held is done under it:
/// once somebody else was granted it, publishes and writes are refused as `fenced`, until it is released or acquired anew.
///
/// A name is 1 to 40 of a-z, 0-9 and '-'; a time to live is 1 to 60 seconds. `acquire` costs 20,000 units of fuel, any other call
/// 4,000, and each byte of a name one more.
pub trait Leases {
    /// Takes a lease if nobody else has it. One that you have goes on under its token. `None` if somebody else has it.
    fn acquire(&self, name: &str, ttl: Duration) -> Result<Option<Lease>, Denied>;

    /// Has a lease of yours last for `ttl` from now. `None` if it has run out, or is not yours.
    fn renew(&self, name: &str, ttl: Duration) -> Result<Option<Lease>, Denied>;

    /// Gives a lease back. Says whether you still had it.
    fn release(&self, name: &str) -> Result<bool, Denied>;

    /// Who has a lease. `leader` is the host's own: it says who leads.
    fn current(&self, name: &str) -> Result<Option<Lease>, Denied>;
}

/// A lease that has not run out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Lease {
    /// The agent that has it.
    pub holder: String,
    /// Whether it is yours, and not another replica's or an earlier start's.
    pub mine: bool,
    /// Which grant it is: a later one has a higher token.
    pub token: u64,
    /// What is left of it.
    pub remaining: Duration,
}
