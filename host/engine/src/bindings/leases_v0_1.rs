//! `bailiwick:leases@0.1`: the generated types, and the answers a guest gets.

use host_calls::{HostReply, LeaseReply, LeaseView, Refusal};

use super::v0_1::{wit, wrong_kind};

mod generated {
    #![allow(missing_docs, unused_qualifications, clippy::pedantic, reason = "generated from wit/")]
    wasmtime::component::bindgen!({
        inline: "
            package bailiwick:host;
            world host {
                import bailiwick:leases/leases@0.1.0;
            }
        ",
        path: ["../../wit/agent-0.1", "../../wit/leases-0.1"],
        with: { "bailiwick:agent/types": crate::bindings::v0_1::generated::bailiwick::agent::types },
    });
}

pub(crate) use generated::bailiwick::leases::leases::Lease;

/// The name under which the interface is linked.
pub(crate) const LEASES: &str = "bailiwick:leases/leases@0.1.0";

pub(crate) type Answer<T> = Result<T, wit::Denied>;

/// The answer to `acquire`, `renew` and `current`.
pub(crate) fn lease(reply: Result<HostReply, Refusal>) -> Answer<Option<Lease>> {
    match reply? {
        HostReply::Lease(LeaseReply::Lease(lease)) => Ok(lease.map(Into::into)),
        _ => Err(wrong_kind().into()),
    }
}

/// The answer to `release`.
pub(crate) fn released(reply: Result<HostReply, Refusal>) -> Answer<bool> {
    match reply? {
        HostReply::Lease(LeaseReply::Released(released)) => Ok(released),
        _ => Err(wrong_kind().into()),
    }
}

impl From<LeaseView> for Lease {
    fn from(lease: LeaseView) -> Self {
        let LeaseView { holder, mine, token, remaining_ms } = lease;
        Self { holder: holder.to_string(), mine, token: token.0, remaining_ms }
    }
}
