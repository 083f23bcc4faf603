//! Leases: of all who ask for one, one has it, and each later holder has a higher number.
//!
//! A lease alone proves nothing: its holder may sleep past its end. So whatever is done under a lease names its [`Fence`], and
//! whoever keeps something compares that with the latest grant at the moment of the write.

mod embedded;

use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use host_model::{AgentId, Fence, FencingToken, LeaseName, LeaseScope, Producer, TenantId};

pub use embedded::{EmbeddedLeases, LeaseRepository};

use crate::HostId;

/// The most names of leases in one scope, counted over its whole life: their tokens are kept.
pub const LEASE_NAMES_MAX: u64 = 64;

/// Who has, or wants, a lease: one start of an agent, or one replica of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Holder {
    /// Which agent.
    pub agent: AgentId,
    /// Which start of it.
    pub producer: Producer,
    /// On which other host; none for this one, whose holders nobody else has to tell from each other.
    pub elsewhere: Option<HostId>,
}

/// For how long a lease is had: 1 to 60 seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseTtl(Duration);

impl LeaseTtl {
    /// The shortest, in milliseconds: a holder has to get a renewal through in it.
    pub const MIN_MS: u64 = 1_000;
    /// The longest, in milliseconds: for so long nobody else does what a dead holder did.
    pub const MAX_MS: u64 = 60_000;

    /// From milliseconds within the bounds.
    pub fn from_millis(millis: u64) -> Result<Self, LeaseError> {
        if (Self::MIN_MS..=Self::MAX_MS).contains(&millis) {
            return Ok(Self(Duration::from_millis(millis)));
        }
        Err(LeaseError::Ttl { millis, min: Self::MIN_MS, max: Self::MAX_MS })
    }

    /// The time.
    pub const fn as_duration(self) -> Duration {
        self.0
    }
}

/// A lease as it was when somebody asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Which.
    pub name: LeaseName,
    /// Who has it.
    pub holder: Holder,
    /// Which grant it is: tokens of one name only grow, over releases and restarts too.
    pub token: FencingToken,
    /// What was left of it then.
    pub remaining: Duration,
}

impl Lease {
    /// What is done under it.
    pub fn fence(&self) -> Fence {
        Fence { name: self.name.clone(), token: self.token }
    }
}

/// What came of asking for a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acquired {
    /// Who asked has it: from now on, or still.
    Held(Lease),
    /// Somebody else has it.
    Taken(Lease),
}

/// Somebody else was granted the lease since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("token {token} is not the latest: that is {latest}")]
pub struct Fenced {
    /// The token that came too late.
    pub token: FencingToken,
    /// The latest one.
    pub latest: FencingToken,
}

/// Why a lease was not granted, or nothing is known of it.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// A time to live out of bounds.
    #[error("a lease of {millis} ms: it must last {min} to {max}")]
    Ttl {
        /// What was asked for.
        millis: u64,
        /// The shortest.
        min: u64,
        /// The longest.
        max: u64,
    },
    /// The scope has had as many names as it may.
    #[error("there are {len_max} leases already")]
    Names {
        /// How many that is.
        len_max: u64,
    },
    /// What keeps the tokens failed. Nothing was granted that anybody was told of.
    #[error("leases cannot be granted")]
    Store(#[source] Box<dyn Error + Send + Sync>),
}

/// Grants leases. Time is counted by a clock that never goes back.
#[async_trait]
pub trait Leases: Send + Sync {
    /// Takes a lease that nobody has. Who has it already keeps its token and has it for `ttl` from now.
    async fn acquire(&self, name: &LeaseName, holder: &Holder, ttl: LeaseTtl) -> Result<Acquired, LeaseError>;

    /// Has a lease last for `ttl` from now. `None` if it has run out, was given back, or is another's.
    async fn renew(&self, lease: &Lease, ttl: LeaseTtl) -> Result<Option<Lease>, LeaseError>;

    /// Gives a lease back. Says whether it was still had; the next grant has a higher token all the same.
    async fn release(&self, lease: &Lease) -> Result<bool, LeaseError>;

    /// Who has a lease that has not run out.
    async fn current(&self, name: &LeaseName) -> Result<Option<Lease>, LeaseError>;

    /// Whether nobody was granted the lease since, as far as this host knows now. Never waits.
    fn check(&self, fence: &Fence) -> Result<(), Fenced>;

    /// Forgets the leases of a scope, or of a whole tenant, that is gone for good.
    fn forget(&self, tenant: &TenantId, scope: Option<&LeaseScope>);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_live_is_taken_from_one_second_to_sixty() {
        let check = |millis, ok| assert_eq!(LeaseTtl::from_millis(millis).is_ok(), ok, "{millis}");
        check(999, false);
        check(1_000, true);
        check(60_000, true);
        check(60_001, false);
        check(0, false);
    }
}
