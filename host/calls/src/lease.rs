//! What an agent asks about the leases of its group.

use host_model::{AgentId, FencingToken};
use serde::{Deserialize, Serialize};

use crate::Price;

/// A call that looks at a lease, or gives one back.
pub const LEASE_BASE: Price = 4_000;
/// A call that may be granted a lease: a grant is synced to the disk.
pub const LEASE_GRANT: Price = 20_000;

/// A call of `bailiwick:leases/leases`. Names are as the guest wrote them, and of its own group alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LeaseCall {
    /// Take it, if nobody has it.
    Acquire {
        /// Which.
        name: String,
        /// For how long, in milliseconds.
        ttl_ms: u32,
    },
    /// Keep it for longer.
    Renew {
        /// Which.
        name: String,
        /// For how long from now, in milliseconds.
        ttl_ms: u32,
    },
    /// Give it back.
    Release {
        /// Which.
        name: String,
    },
    /// Who has it.
    Current {
        /// Which.
        name: String,
    },
}

/// A lease as an agent sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseView {
    /// Which agent has it.
    pub holder: AgentId,
    /// Whether that is who asks, and not another replica or an earlier start of it.
    pub mine: bool,
    /// Which grant it is.
    pub token: FencingToken,
    /// What is left of it, in milliseconds.
    pub remaining_ms: u32,
}

/// The answer to a [`LeaseCall`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LeaseReply {
    /// To acquire and renew: none where somebody else has it, or it ran out. To current: none where nobody has it.
    Lease(Option<LeaseView>),
    /// To release: whether it was held.
    Released(bool),
}

pub(crate) fn price_of_call(call: &LeaseCall) -> Price {
    let (base, name) = match call {
        LeaseCall::Acquire { name, .. } => (LEASE_GRANT, name),
        LeaseCall::Renew { name, .. } | LeaseCall::Release { name } | LeaseCall::Current { name } => (LEASE_BASE, name),
    };
    base + name.len() as Price
}

pub(crate) fn price_of_reply(reply: &LeaseReply) -> Price {
    match reply {
        LeaseReply::Lease(Some(lease)) => lease.holder.as_str().len() as Price,
        LeaseReply::Lease(None) | LeaseReply::Released(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_written_to_the_disk_costs_more_than_a_look() {
        let name = || "backup".to_owned();
        assert_eq!(price_of_call(&LeaseCall::Acquire { name: name(), ttl_ms: 1 }), LEASE_GRANT + 6);
        assert_eq!(price_of_call(&LeaseCall::Renew { name: name(), ttl_ms: 1 }), LEASE_BASE + 6);
        let holder: AgentId = "kb".parse().unwrap();
        let view = LeaseView { holder, mine: true, token: FencingToken(1), remaining_ms: 1 };
        assert_eq!(price_of_reply(&LeaseReply::Lease(Some(view))), 2);
    }
}
