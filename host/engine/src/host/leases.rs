//! `bailiwick:leases/leases`: the leases of the agent's group.

use host_calls::{HostCall, LeaseCall};
use wasmtime::component::Linker;

use super::{Store, ask};
use crate::bindings::leases_v0_1::{LEASES, lease, released};
use crate::state::AgentState;

pub(super) fn link(linker: &mut Linker<AgentState>) -> wasmtime::Result<()> {
    let mut leases = linker.instance(LEASES)?;
    leases.func_wrap_async("acquire", |mut store: Store<'_>, (name, ttl_ms): (String, u32)| {
        let call = HostCall::Lease(LeaseCall::Acquire { name, ttl_ms });
        Box::new(async move { Ok((lease(ask(&mut store, call).await?),)) })
    })?;
    leases.func_wrap_async("renew", |mut store: Store<'_>, (name, ttl_ms): (String, u32)| {
        let call = HostCall::Lease(LeaseCall::Renew { name, ttl_ms });
        Box::new(async move { Ok((lease(ask(&mut store, call).await?),)) })
    })?;
    leases.func_wrap_async("release", |mut store: Store<'_>, (name,): (String,)| {
        let call = HostCall::Lease(LeaseCall::Release { name });
        Box::new(async move { Ok((released(ask(&mut store, call).await?),)) })
    })?;
    leases.func_wrap_async("current", |mut store: Store<'_>, (name,): (String,)| {
        let call = HostCall::Lease(LeaseCall::Current { name });
        Box::new(async move { Ok((lease(ask(&mut store, call).await?),)) })
    })
}
