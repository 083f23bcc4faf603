//! Files of an agent: the grant said a second time, paths parsed, and the store asked.

use std::sync::Arc;

use host_calls::{FILE_CHUNK_LEN_MAX, HostReply, Refusal, RefusalNumbers, StorageCall, StorageReply};
use host_model::{Caller, FilePath};

use crate::{Party, Pending};

/// A [`StorageCall`] whose words are checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileOp {
    /// At most so many bytes from an offset on.
    Read(FilePath, u64, usize),
    /// Makes or replaces a file.
    Write(FilePath, Vec<u8>),
    /// Adds to a file.
    Append(FilePath, Vec<u8>),
    /// Removes a file or an empty directory.
    Remove(FilePath),
    /// A page of a directory, the agent's own if none is named, after a name.
    List(Option<FilePath>, Option<String>),
    /// What something is.
    Stat(FilePath),
    /// Makes a directory.
    MakeDir(FilePath),
    /// Gives the first another path.
    Rename(FilePath, FilePath),
}

/// Keeps the files of all agents. `store` implements it.
pub trait FileStore: Send + Sync {
    /// Does it for the caller's agent and nobody else's. A quota is exact and refuses without effect. What has begun is finished
    /// even if the answer is dropped.
    fn call(&self, caller: &Arc<Caller>, op: FileOp) -> Pending<StorageReply>;
}

pub(crate) fn call(
    store: Option<&Arc<dyn FileStore>>,
    party: &Party,
    call: StorageCall,
) -> Result<Pending<HostReply>, Refusal> {
    if !party.grants().storage {
        return Err(Refusal::NotGranted(RefusalNumbers::of("storage-not-granted")));
    }
    party.tried("storage", &"true", |grants| grants.storage);
    let op = parse(call)?;
    let store = store.ok_or_else(|| Refusal::Unavailable(RefusalNumbers::of("no-storage-here")))?;
    let reply = store.call(&party.caller, op);
    Ok(Box::pin(async move { reply.await.map(HostReply::Storage) }))
}

fn parse(call: StorageCall) -> Result<FileOp, Refusal> {
    Ok(match call {
        StorageCall::Read { path, offset, len } => {
            FileOp::Read(parse_path(&path)?, offset, chunk(usize::try_from(len).unwrap_or(usize::MAX))?)
        }
        StorageCall::Write { path, bytes } => {
            chunk(bytes.len())?;
            FileOp::Write(parse_path(&path)?, bytes)
        }
        StorageCall::Append { path, bytes } => {
            chunk(bytes.len())?;
            FileOp::Append(parse_path(&path)?, bytes)
        }
        StorageCall::Remove { path } => FileOp::Remove(parse_path(&path)?),
        StorageCall::List { directory, after } => FileOp::List(parse_directory(&directory)?, after),
        StorageCall::Stat { path } => FileOp::Stat(parse_path(&path)?),
        StorageCall::MakeDir { path } => FileOp::MakeDir(parse_path(&path)?),
        StorageCall::Rename { from, to } => FileOp::Rename(parse_path(&from)?, parse_path(&to)?),
    })
}

fn parse_path(raw: &str) -> Result<FilePath, Refusal> {
    raw.parse().map_err(|_| Refusal::Invalid(RefusalNumbers::of("path")))
}

fn parse_directory(raw: &str) -> Result<Option<FilePath>, Refusal> {
    if raw.is_empty() { Ok(None) } else { parse_path(raw).map(Some) }
}

fn chunk(len: usize) -> Result<usize, Refusal> {
    if len <= FILE_CHUNK_LEN_MAX {
        return Ok(len);
    }
    Err(Refusal::TooLarge(RefusalNumbers::of("file-chunk-bytes").past(FILE_CHUNK_LEN_MAX as u64, len as u64)))
}

#[cfg(test)]
mod tests;
