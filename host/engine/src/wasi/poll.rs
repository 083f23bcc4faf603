//! `wasi:io/poll`, where a list has a length and a price: the host looks at each of its entries, at each wake-up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use host_calls::{ENTRY_PRICE, Price};
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::WasiView as _;
use wasmtime_wasi_io::bindings::wasi::io::poll::{self, Host, HostPollable};
use wasmtime_wasi_io::poll::DynPollable;

use crate::settings::RESOURCES_MAX;
use crate::state::AgentState;

/// The most entries of one list: no instance has more to wait for.
const LIST_LEN_MAX: usize = RESOURCES_MAX;

pub(super) fn link(linker: &mut Linker<AgentState>) -> wasmtime::Result<()> {
    poll::add_to_linker::<AgentState, PricedPoll<'static>>(linker, |state| {
        let debt = state.debt.clone();
        PricedPoll { table: state.ctx().table, debt }
    })
}

struct PricedPoll<'a> {
    table: &'a mut ResourceTable,
    debt: Arc<AtomicU64>,
}

impl HasData for PricedPoll<'static> {
    type Data<'a> = PricedPoll<'a>;
}

impl Host for PricedPoll<'_> {
    async fn poll(&mut self, list: Vec<Resource<DynPollable>>) -> wasmtime::Result<Vec<u32>> {
        if list.len() > LIST_LEN_MAX {
            wasmtime::bail!("a list of {} to wait for, where {LIST_LEN_MAX} is the most", list.len());
        }
        self.debt.fetch_add(list.len() as Price * ENTRY_PRICE, Ordering::Relaxed);
        Host::poll(self.table, list).await
    }
}

impl HostPollable for PricedPoll<'_> {
    async fn block(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        HostPollable::block(self.table, pollable).await
    }

    async fn ready(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<bool> {
        HostPollable::ready(self.table, pollable).await
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        HostPollable::drop(self.table, pollable)
    }
}
