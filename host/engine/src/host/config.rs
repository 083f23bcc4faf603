//! `wasi:config/store@0.2.0-rc.1` over the agent's settings, at the same prices.

use wasmtime::component::{ComponentType, Lift, Linker, Lower};

use super::{Store, all_settings, one_setting};
use crate::state::AgentState;

/// The name under which the interface is linked.
const STORE: &str = "wasi:config/store@0.2.0-rc.1";

/// `store.error`. Settings are in memory, so none is ever given.
#[derive(Debug, ComponentType, Lift, Lower)]
#[component(variant)]
enum Error {
    #[component(name = "upstream")]
    Upstream(String),
    #[component(name = "io")]
    Io(String),
}

pub(super) fn link(linker: &mut Linker<AgentState>) -> wasmtime::Result<()> {
    let mut config = linker.instance(STORE)?;
    config.func_wrap("get", |mut store: Store<'_>, (name,): (String,)| {
        Ok((Ok(one_setting(&mut store, &name)?) as Result<_, Error>,))
    })?;
    config.func_wrap("get-all", |mut store: Store<'_>, (): ()| Ok((Ok(all_settings(&mut store)?) as Result<_, Error>,)))
}
