//! The host functions, a row each: charge, convert, ask, charge, convert.

mod config;
mod keyvalue;
mod leases;
mod state;
mod storage;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use host_calls::{
    Answer, CALL_BASE, ENTRY_PRICE, HostCall, HostReply, LogLine, LogSource, Price, Refusal, WASI_CALL, price_of_call,
    price_of_reply,
};
use host_component::Capability;
use wasmtime::component::Linker;
use wasmtime::{CallHook, Engine, StoreContextMut, Trap};

use crate::bindings::v0_1::{
    Level, answered, batch_item, batched, card, discovery, found, log_fields, names, sent, wit,
};
use crate::state::AgentState;

/// The most items of one batch.
const BATCH_LEN_MAX: usize = 256;

/// A linker with the base, what is free, and what was granted; nothing else is there to be called.
pub(crate) fn linker(engine: &Engine, granted: &[Capability]) -> wasmtime::Result<Linker<AgentState>> {
    let mut linker = Linker::new(engine);
    crate::wasi::link_base(&mut linker)?;
    link_log(&mut linker)?;
    link_settings(&mut linker)?;
    link_identity(&mut linker)?;
    config::link(&mut linker)?;
    for capability in granted {
        match capability {
            Capability::Messaging => link_messaging(&mut linker)?,
            Capability::Discovery => link_discovery(&mut linker)?,
            Capability::State => {
                state::link(&mut linker)?;
                keyvalue::link(&mut linker)?;
            }
            Capability::Storage => storage::link(&mut linker)?,
            Capability::Leases => leases::link(&mut linker)?,
            Capability::Http => crate::http::link_http(&mut linker)?,
        }
    }
    Ok(linker)
}

pub(crate) type Store<'a> = StoreContextMut<'a, AgentState>;

fn link_messaging(linker: &mut Linker<AgentState>) -> wasmtime::Result<()> {
    let mut messaging = linker.instance(names::MESSAGING)?;
    messaging.func_wrap_async("publish", |mut store: Store<'_>, (topic, draft): (String, wit::Draft)| {
        let call = HostCall::Publish { topic, draft: draft.into() };
        Box::new(async move { Ok((sent(ask(&mut store, call).await?),)) })
    })?;
    messaging.func_wrap_async("send", |mut store: Store<'_>, (agent, draft): (String, wit::Draft)| {
        let call = HostCall::Send { agent, draft: draft.into() };
        Box::new(async move { Ok((sent(ask(&mut store, call).await?),)) })
    })?;
    messaging.func_wrap_async(
        "request",
        |mut store: Store<'_>, (agent, draft, deadline_ms): (String, wit::Draft, u32)| {
            let call = HostCall::Request { agent, draft: draft.into(), deadline_ms };
            Box::new(async move { Ok((answered(ask(&mut store, call).await?),)) })
        },
    )?;
    messaging.func_wrap_async("batch", |store: Store<'_>, (items,): (Vec<(wit::Target, wit::Draft)>,)| {
        Box::new(async move { Ok((batch(store, items).await?,)) })
    })
}

fn link_discovery(linker: &mut Linker<AgentState>) -> wasmtime::Result<()> {
    let mut registry = linker.instance(names::REGISTRY)?;
    registry.func_wrap_async("find", |mut store: Store<'_>, (query,): (discovery::Query,)| {
        Box::new(async move { Ok((found(ask(&mut store, HostCall::Find(query.into())).await?),)) })
    })?;
    registry.func_wrap_async("get", |mut store: Store<'_>, (id,): (String,)| {
        Box::new(async move { Ok((card(ask(&mut store, HostCall::Card(id)).await?),)) })
    })
}

fn link_log(linker: &mut Linker<AgentState>) -> wasmtime::Result<()> {
    let mut log = linker.instance(names::LOG)?;
    log.func_wrap_async(
        "write",
        |mut store: Store<'_>, (level, message, fields): (Level, String, Vec<wit::HeaderResult>)| {
            let line = LogLine { level: level.into(), source: LogSource::Log, message, fields: log_fields(fields) };
            Box::new(async move { ask(&mut store, HostCall::Log(line)).await.map(drop) })
        },
    )
}

fn link_settings(linker: &mut Linker<AgentState>) -> wasmtime::Result<()> {
    let mut settings = linker.instance(names::SETTINGS)?;
    settings.func_wrap("get", |mut store: Store<'_>, (name,): (String,)| Ok((one_setting(&mut store, &name)?,)))?;
    settings.func_wrap("all", |mut store: Store<'_>, (): ()| Ok((all_settings(&mut store)?,)))
}

fn one_setting(store: &mut Store<'_>, name: &str) -> wasmtime::Result<Option<String>> {
    let value = store.data().birth().setting(name);
    charge(store, CALL_BASE - WASI_CALL + bytes(&[name, value.as_deref().unwrap_or_default()]))?;
    Ok(value)
}

fn all_settings(store: &mut Store<'_>) -> wasmtime::Result<Vec<(String, String)>> {
    let all: Vec<(String, String)> = store.data().birth().all_settings().into_iter().collect();
    charge(store, CALL_BASE - WASI_CALL + all.iter().map(|(name, value)| bytes(&[name, value])).sum::<Price>())?;
    Ok(all)
}

fn link_identity(linker: &mut Linker<AgentState>) -> wasmtime::Result<()> {
    let mut identity = linker.instance(names::IDENTITY)?;
    identity.func_wrap("tenant-id", |mut store: Store<'_>, (): ()| {
        told(&mut store, |state| state.birth().caller.tenant().to_string())
    })?;
    identity.func_wrap("agent-id", |mut store: Store<'_>, (): ()| {
        told(&mut store, |state| state.birth().caller.agent().to_string())
    })?;
    identity
        .func_wrap("agent-name", |mut store: Store<'_>, (): ()| told(&mut store, |state| state.birth().name.clone()))?;
    identity.func_wrap("version", |mut store: Store<'_>, (): ()| {
        told(&mut store, |state| state.birth().caller.version().to_owned())
    })
}

fn told(store: &mut Store<'_>, text: impl Fn(&AgentState) -> String) -> wasmtime::Result<(String,)> {
    let text = text(store.data());
    charge(store, CALL_BASE - WASI_CALL + bytes(&[&text]))?;
    Ok((text,))
}

async fn batch(
    mut store: Store<'_>,
    items: Vec<(wit::Target, wit::Draft)>,
) -> wasmtime::Result<Vec<Result<wit::Receipt, wit::Denied>>> {
    let len = items.len();
    if len > BATCH_LEN_MAX {
        // Each item gets the answer, and was read to be refused.
        charge(&mut store, CALL_BASE + len as Price * ENTRY_PRICE)?;
        let numbers = host_calls::RefusalNumbers::of("batch-too-long").past(BATCH_LEN_MAX as u64, len as u64);
        return Ok(batched(len, Err(Refusal::TooLarge(numbers))));
    }
    let items = items.into_iter().map(batch_item).collect();
    Ok(batched(len, ask(&mut store, HostCall::Batch(items)).await?))
}

/// Charges a call's price, asks the host, and charges the answer's bytes before the guest gets them.
async fn ask(store: &mut Store<'_>, call: HostCall) -> wasmtime::Result<Result<HostReply, Refusal>> {
    charge(store, price_of_call(&call).saturating_sub(WASI_CALL))?;
    let context = store.data().next_context();
    let birth = Arc::clone(store.data().birth());
    let reply = match birth.calls.call(&birth.caller, context, call) {
        Answer::Now(reply) => reply,
        Answer::Later(reply) => reply.await,
    };
    charge(store, reply.as_ref().map_or(0, price_of_reply))?;
    Ok(reply)
}

/// Takes fuel wherever a guest leaves its component, WASI's functions included, and for what they did when they return.
///
/// Only takes: a guest without fuel is stopped by its own next look at it. wasmtime's helpers, such as the one that grows a memory,
/// come by here too, and the guest overwrites what was taken there. So what is owed is taken when the outermost call returns: the
/// allocator that the host calls on the way may have grown a memory.
pub(crate) fn at_border(mut store: Store<'_>, crossing: CallHook) -> wasmtime::Result<()> {
    let state = store.data_mut();
    let price = match crossing {
        CallHook::CallingHost => {
            state.away += 1;
            WASI_CALL
        }
        CallHook::ReturningFromHost => {
            state.away = state.away.saturating_sub(1);
            if state.away == 0 { take_debt(state) } else { 0 }
        }
        CallHook::CallingWasm | CallHook::ReturningFromWasm => 0,
    };
    if price > 0 {
        let left = store.get_fuel()?;
        store.set_fuel(left.saturating_sub(price))?;
    }
    Ok(())
}

/// Takes fuel for host work from the budget that guest instructions spend too.
pub(crate) fn charge(store: &mut Store<'_>, price: Price) -> wasmtime::Result<()> {
    let price = price.saturating_add(take_debt(store.data()));
    let left = store.get_fuel()?;
    store.set_fuel(left.saturating_sub(price))?;
    if left < price { Err(Trap::OutOfFuel.into()) } else { Ok(()) }
}

fn take_debt(state: &AgentState) -> Price {
    // One thread has the store at a time: nobody owes more in between.
    if state.debt.load(Ordering::Relaxed) == 0 { 0 } else { state.debt.swap(0, Ordering::Relaxed) }
}

fn bytes(texts: &[&str]) -> Price {
    texts.iter().map(|text| text.len() as Price).sum()
}
