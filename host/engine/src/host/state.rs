//! `bailiwick:state/store`: keys and values of the agent.

use host_calls::{HostCall, Refusal, StateCall, StateReply};
use wasmtime::component::Linker;

use super::{Store, ask};
use crate::bindings::state_v0_1::{Answer, Page, STORE, done, keys, number, reply, set, value};
use crate::state::AgentState;

pub(super) fn link(linker: &mut Linker<AgentState>) -> wasmtime::Result<()> {
    let mut store = linker.instance(STORE)?;
    store.func_wrap_async("get", |mut store: Store<'_>, (key,): (String,)| {
        let call = StateCall::Get { key };
        Box::new(async move { Ok((value(ask_state(&mut store, call).await?).map_err(Into::into),) as (Answer<_>,)) })
    })?;
    store.func_wrap_async("set", |mut store: Store<'_>, (key, value, ttl_ms): (String, Vec<u8>, Option<u64>)| {
        let call = StateCall::Set { key, value, ttl_ms };
        Box::new(async move { Ok((set(ask_state(&mut store, call).await?).map_err(Into::into),) as (Answer<_>,)) })
    })?;
    store.func_wrap_async("delete", |mut store: Store<'_>, (key,): (String,)| {
        let call = StateCall::Delete { key };
        Box::new(async move { Ok((done(ask_state(&mut store, call).await?).map_err(Into::into),) as (Answer<_>,)) })
    })?;
    store.func_wrap_async("keys", |mut store: Store<'_>, (prefix, after): (String, Option<String>)| {
        let call = StateCall::Keys { prefix, after };
        Box::new(async move { Ok((page(ask_state(&mut store, call).await?),)) })
    })?;
    store.func_wrap_async("increment", |mut store: Store<'_>, (key, delta): (String, i64)| {
        let call = StateCall::Increment { key, delta, sum_min: i64::MIN };
        Box::new(async move { Ok((number(ask_state(&mut store, call).await?).map_err(Into::into),) as (Answer<_>,)) })
    })?;
    store.func_wrap_async("compare-and-set", |mut store: Store<'_>, (key, expected, value, ttl_ms): Swap| {
        let call = StateCall::CompareAndSet { key, expected, value, ttl_ms };
        Box::new(async move { Ok((done(ask_state(&mut store, call).await?).map_err(Into::into),) as (Answer<_>,)) })
    })
}

/// What `compare-and-set` takes: the key, the expected value, the new one, and its time to live in milliseconds.
type Swap = (String, Option<Vec<u8>>, Vec<u8>, Option<u64>);

fn page(answer: Result<StateReply, Refusal>) -> Answer<Page> {
    let (keys, next) = keys(answer)?;
    Ok(Page { keys, next })
}

pub(super) async fn ask_state(store: &mut Store<'_>, call: StateCall) -> wasmtime::Result<Result<StateReply, Refusal>> {
    Ok(reply(ask(store, HostCall::State(call)).await?))
}
