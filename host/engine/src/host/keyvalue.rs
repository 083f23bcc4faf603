//! `wasi:keyvalue@0.2.0-draft` over the agent's state: the same keys, bounds, quotas and prices.
//!
//! The types are written out and not generated: there are four, and wasmtime checks them against the component when it is linked.

use host_calls::{CALL_BASE, ENTRY_PRICE, Price, Refusal, RefusalNumbers, StateCall};
use wasmtime::component::{ComponentType, Lift, Linker, Lower, Resource, ResourceType};

use super::state::ask_state;
use super::{Store, charge};
use crate::bindings::state_v0_1::{done, keys, number, set, value};
use crate::state::AgentState;

/// The names under which the interfaces are linked.
const STORE: &str = "wasi:keyvalue/store@0.2.0-draft";
const ATOMICS: &str = "wasi:keyvalue/atomics@0.2.0-draft";
const BATCH: &str = "wasi:keyvalue/batch@0.2.0-draft";
/// The one bucket there is; an empty name means it too.
const BUCKET: &str = "default";
/// The most keys of one batch.
const BATCH_LEN_MAX: usize = 256;

/// `store.error`.
#[derive(Debug, ComponentType, Lift, Lower)]
#[component(variant)]
enum Error {
    #[component(name = "no-such-store")]
    NoSuchStore,
    #[component(name = "access-denied")]
    AccessDenied,
    #[component(name = "other")]
    Other(String),
}

/// `store.key-response`.
#[derive(ComponentType, Lift, Lower)]
#[component(record)]
struct KeyResponse {
    keys: Vec<String>,
    cursor: Option<u64>,
}

/// `store.bucket`: a place in the list of keys, since all else is with the agent's state.
#[derive(Default)]
struct Bucket {
    /// The latest cursor it gave, and the key it stands for. Cursors count pages from 1.
    page: Option<(u64, String)>,
}

type Answer<T> = Result<T, Error>;
type Pair = (String, Vec<u8>);

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotGranted(_) => Self::AccessDenied,
            refusal => Self::Other(refusal.code().to_owned()),
        }
    }
}

pub(super) fn link(linker: &mut Linker<AgentState>) -> wasmtime::Result<()> {
    link_store(linker)?;
    let mut atomics = linker.instance(ATOMICS)?;
    atomics.func_wrap_async(
        "increment",
        |mut store: Store<'_>, (_, key, delta): (Resource<Bucket>, String, u64)| {
            Box::new(async move { Ok((increment(&mut store, key, delta).await?,)) })
        },
    )?;
    link_batch(linker)
}

fn link_store(linker: &mut Linker<AgentState>) -> wasmtime::Result<()> {
    let mut keyvalue = linker.instance(STORE)?;
    keyvalue.resource("bucket", ResourceType::host::<Bucket>(), |mut store, index| {
        store.data_mut().table().delete(Resource::<Bucket>::new_own(index))?;
        Ok(())
    })?;
    keyvalue.func_wrap("open", |mut store: Store<'_>, (name,): (String,)| Ok((open(&mut store, &name)?,)))?;
    keyvalue.func_wrap_async("[method]bucket.get", |mut store: Store<'_>, (_, key): (Resource<Bucket>, String)| {
        Box::new(async move { Ok((get(&mut store, key).await?.map_err(Error::from),)) })
    })?;
    keyvalue.func_wrap_async(
        "[method]bucket.set",
        |mut store: Store<'_>, (_, key, value): (Resource<Bucket>, String, Vec<u8>)| {
            Box::new(async move { Ok((put(&mut store, key, value).await?.map_err(Error::from),)) })
        },
    )?;
    keyvalue.func_wrap_async(
        "[method]bucket.delete",
        |mut store: Store<'_>, (_, key): (Resource<Bucket>, String)| {
            Box::new(async move { Ok((delete(&mut store, key).await?.map_err(Error::from),)) })
        },
    )?;
    keyvalue.func_wrap_async(
        "[method]bucket.exists",
        |mut store: Store<'_>, (_, key): (Resource<Bucket>, String)| {
            Box::new(async move {
                let there = get(&mut store, key).await?.map(|value| value.is_some());
                Ok((there.map_err(Error::from),))
            })
        },
    )?;
    keyvalue.func_wrap_async(
        "[method]bucket.list-keys",
        |mut store: Store<'_>, (bucket, cursor): (Resource<Bucket>, Option<u64>)| {
            Box::new(async move { Ok((list_keys(&mut store, &bucket, cursor).await?,)) })
        },
    )
}

fn link_batch(linker: &mut Linker<AgentState>) -> wasmtime::Result<()> {
    let mut batch = linker.instance(BATCH)?;
    batch.func_wrap_async("get-many", |mut store: Store<'_>, (_, keys): (Resource<Bucket>, Vec<String>)| {
        Box::new(async move { Ok((get_many(&mut store, keys).await?,)) })
    })?;
    batch.func_wrap_async("set-many", |mut store: Store<'_>, (_, pairs): (Resource<Bucket>, Vec<Pair>)| {
        Box::new(async move { Ok((set_many(&mut store, pairs).await?,)) })
    })?;
    batch.func_wrap_async("delete-many", |mut store: Store<'_>, (_, keys): (Resource<Bucket>, Vec<String>)| {
        Box::new(async move { Ok((delete_many(&mut store, keys).await?,)) })
    })
}

/// Handles are bounded by the instance's table of resources; past that the call traps.
fn open(store: &mut Store<'_>, name: &str) -> wasmtime::Result<Answer<Resource<Bucket>>> {
    charge(store, CALL_BASE + name.len() as u64)?;
    if !name.is_empty() && name != BUCKET {
        return Ok(Err(Error::NoSuchStore));
    }
    Ok(Ok(store.data_mut().table().push(Bucket::default())?))
}

async fn get(store: &mut Store<'_>, key: String) -> wasmtime::Result<Result<Option<Vec<u8>>, Refusal>> {
    Ok(value(ask_state(store, StateCall::Get { key }).await?))
}

async fn put(store: &mut Store<'_>, key: String, value: Vec<u8>) -> wasmtime::Result<Result<(), Refusal>> {
    Ok(set(ask_state(store, StateCall::Set { key, value, ttl_ms: None }).await?))
}

async fn delete(store: &mut Store<'_>, key: String) -> wasmtime::Result<Result<(), Refusal>> {
    Ok(done(ask_state(store, StateCall::Delete { key }).await?).map(drop))
}

async fn increment(store: &mut Store<'_>, key: String, delta: u64) -> wasmtime::Result<Answer<u64>> {
    let overflow = || Refusal::Invalid(RefusalNumbers::of("number-overflow"));
    let Ok(delta) = i64::try_from(delta) else { return Ok(Err(overflow().into())) };
    // There are no numbers below zero here, though `bailiwick:state` may have left one.
    let sum = number(ask_state(store, StateCall::Increment { key, delta, sum_min: 0 }).await?);
    Ok(sum.and_then(|sum| u64::try_from(sum).map_err(|_| overflow())).map_err(Error::from))
}

async fn list_keys(
    store: &mut Store<'_>,
    bucket: &Resource<Bucket>,
    cursor: Option<u64>,
) -> wasmtime::Result<Answer<KeyResponse>> {
    let page = store.data_mut().table().get(bucket)?.page.clone();
    let after = match (cursor, page) {
        (None, _) => None,
        (Some(cursor), Some((given, after))) if given == cursor => Some(after),
        (Some(_), _) => return Ok(Err(Error::Other("unknown-cursor".to_owned()))),
    };
    let call = StateCall::Keys { prefix: String::new(), after };
    let (keys, next) = match keys(ask_state(store, call).await?) {
        Ok(page) => page,
        Err(refusal) => return Ok(Err(refusal.into())),
    };
    let page = next.map(|next| (cursor.unwrap_or_default() + 1, next));
    let cursor = page.as_ref().map(|(cursor, _)| *cursor);
    store.data_mut().table().get_mut(bucket)?.page = page;
    Ok(Ok(KeyResponse { keys, cursor }))
}

async fn get_many(store: &mut Store<'_>, keys: Vec<String>) -> wasmtime::Result<Answer<Vec<Option<Pair>>>> {
    if let Err(error) = check_len(store, keys.len())? {
        return Ok(Err(error));
    }
    let mut pairs = Vec::new();
    for key in keys {
        match get(store, key.clone()).await? {
            Ok(value) => pairs.push(value.map(|value| (key, value))),
            Err(refusal) => return Ok(Err(refusal.into())),
        }
    }
    Ok(Ok(pairs))
}

async fn set_many(store: &mut Store<'_>, pairs: Vec<Pair>) -> wasmtime::Result<Answer<()>> {
    if let Err(error) = check_len(store, pairs.len())? {
        return Ok(Err(error));
    }
    for (key, value) in pairs {
        if let Err(refusal) = put(store, key, value).await? {
            return Ok(Err(refusal.into()));
        }
    }
    Ok(Ok(()))
}

async fn delete_many(store: &mut Store<'_>, keys: Vec<String>) -> wasmtime::Result<Answer<()>> {
    if let Err(error) = check_len(store, keys.len())? {
        return Ok(Err(error));
    }
    for key in keys {
        if let Err(refusal) = delete(store, key).await? {
            return Ok(Err(refusal.into()));
        }
    }
    Ok(Ok(()))
}

/// Charges a list that is refused: its entries have been read. Those of one that is taken pay for themselves.
fn check_len(store: &mut Store<'_>, len: usize) -> wasmtime::Result<Answer<()>> {
    if len <= BATCH_LEN_MAX {
        return Ok(Ok(()));
    }
    charge(store, CALL_BASE + len as Price * ENTRY_PRICE)?;
    Ok(Err(Error::Other("batch-too-long".to_owned())))
}
