//! `bailiwick:storage/files`: files of the agent.

use host_calls::{HostCall, StorageCall};
use wasmtime::component::Linker;

use super::{Store, ask};
use crate::bindings::storage_v0_1::{FILES, bytes, done, page, stat};
use crate::state::AgentState;

pub(super) fn link(linker: &mut Linker<AgentState>) -> wasmtime::Result<()> {
    let mut files = linker.instance(FILES)?;
    files.func_wrap_async("read", |mut store: Store<'_>, (path, offset, len): (String, u64, u32)| {
        let call = HostCall::Storage(StorageCall::Read { path, offset, len });
        Box::new(async move { Ok((bytes(ask(&mut store, call).await?),)) })
    })?;
    files.func_wrap_async("write", |mut store: Store<'_>, (path, bytes): (String, Vec<u8>)| {
        let call = HostCall::Storage(StorageCall::Write { path, bytes });
        Box::new(async move { Ok((done(ask(&mut store, call).await?),)) })
    })?;
    files.func_wrap_async("append", |mut store: Store<'_>, (path, bytes): (String, Vec<u8>)| {
        let call = HostCall::Storage(StorageCall::Append { path, bytes });
        Box::new(async move { Ok((done(ask(&mut store, call).await?),)) })
    })?;
    files.func_wrap_async("remove", |mut store: Store<'_>, (path,): (String,)| {
        let call = HostCall::Storage(StorageCall::Remove { path });
        Box::new(async move { Ok((done(ask(&mut store, call).await?),)) })
    })?;
    files.func_wrap_async("list", |mut store: Store<'_>, (directory, after): (String, Option<String>)| {
        let call = HostCall::Storage(StorageCall::List { directory, after });
        Box::new(async move { Ok((page(ask(&mut store, call).await?),)) })
    })?;
    files.func_wrap_async("stat", |mut store: Store<'_>, (path,): (String,)| {
        let call = HostCall::Storage(StorageCall::Stat { path });
        Box::new(async move { Ok((stat(ask(&mut store, call).await?),)) })
    })?;
    files.func_wrap_async("make-dir", |mut store: Store<'_>, (path,): (String,)| {
        let call = HostCall::Storage(StorageCall::MakeDir { path });
        Box::new(async move { Ok((done(ask(&mut store, call).await?),)) })
    })?;
    files.func_wrap_async("rename", |mut store: Store<'_>, (from, to): (String, String)| {
        let call = HostCall::Storage(StorageCall::Rename { from, to });
        Box::new(async move { Ok((done(ask(&mut store, call).await?),)) })
    })
}
