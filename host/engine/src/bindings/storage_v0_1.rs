//! `bailiwick:storage@0.1`: the generated types, and the answers a guest gets.

use host_calls::{FileStat, HostReply, Refusal, StorageReply};

use super::v0_1::{wit, wrong_kind};

mod generated {
    #![allow(missing_docs, unused_qualifications, clippy::pedantic, reason = "generated from wit/")]
    wasmtime::component::bindgen!({
        inline: "
            package bailiwick:host;
            world host {
                import bailiwick:storage/files@0.1.0;
            }
        ",
        path: ["../../wit/agent-0.1", "../../wit/storage-0.1"],
        with: { "bailiwick:agent/types": crate::bindings::v0_1::generated::bailiwick::agent::types },
    });
}

pub(crate) use generated::bailiwick::storage::files::{Entry, FileStat as Stat, Page};

/// The name under which the interface is linked.
pub(crate) const FILES: &str = "bailiwick:storage/files@0.1.0";

pub(crate) type Answer<T> = Result<T, wit::Denied>;

impl From<FileStat> for Stat {
    fn from(stat: FileStat) -> Self {
        Self { is_directory: stat.is_directory, len: stat.len }
    }
}

fn reply(reply: Result<HostReply, Refusal>) -> Result<StorageReply, Refusal> {
    match reply? {
        HostReply::Storage(reply) => Ok(reply),
        _ => Err(wrong_kind()),
    }
}

/// The answer to `read`.
pub(crate) fn bytes(answer: Result<HostReply, Refusal>) -> Answer<Vec<u8>> {
    match reply(answer)? {
        StorageReply::Bytes(bytes) => Ok(bytes),
        _ => Err(wrong_kind().into()),
    }
}

/// The answer to what changes files.
pub(crate) fn done(answer: Result<HostReply, Refusal>) -> Answer<()> {
    match reply(answer)? {
        StorageReply::Done => Ok(()),
        _ => Err(wrong_kind().into()),
    }
}

/// The answer to `list`.
pub(crate) fn page(answer: Result<HostReply, Refusal>) -> Answer<Page> {
    match reply(answer)? {
        StorageReply::Entries { entries, next } => {
            let entries = entries.into_iter().map(|entry| Entry { name: entry.name, stat: entry.stat.into() });
            Ok(Page { entries: entries.collect(), next })
        }
        _ => Err(wrong_kind().into()),
    }
}

/// The answer to `stat`.
pub(crate) fn stat(answer: Result<HostReply, Refusal>) -> Answer<Stat> {
    match reply(answer)? {
        StorageReply::Stat(stat) => Ok(stat.into()),
        _ => Err(wrong_kind().into()),
    }
}
