//! What an agent asks of its files: whole values and bounded chunks, so that every call is one piece of data.

use serde::{Deserialize, Serialize};

use crate::Price;
use crate::state::ENTRY_PRICE;

/// A call that touches files.
pub const STORAGE_BASE: Price = 10_000;
/// The most bytes of a file that one call carries.
pub const FILE_CHUNK_LEN_MAX: usize = 1 << 20;

/// A call of `bailiwick:storage/files`. Paths are as the guest wrote them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StorageCall {
    /// A part of a file.
    Read {
        /// Which.
        path: String,
        /// From which byte on.
        offset: u64,
        /// At most so many bytes.
        len: u32,
    },
    /// Makes or replaces a file.
    Write {
        /// Which.
        path: String,
        /// All of it.
        bytes: Vec<u8>,
    },
    /// Adds to a file.
    Append {
        /// Which.
        path: String,
        /// What to add.
        bytes: Vec<u8>,
    },
    /// Removes a file or an empty directory.
    Remove {
        /// Which.
        path: String,
    },
    /// A page of a directory.
    List {
        /// Which; empty for the agent's own.
        directory: String,
        /// After which name.
        after: Option<String>,
    },
    /// What something is.
    Stat {
        /// Which.
        path: String,
    },
    /// Makes a directory.
    MakeDir {
        /// Which.
        path: String,
    },
    /// Gives another path.
    Rename {
        /// What.
        from: String,
        /// Where to.
        to: String,
    },
}

/// What a file or directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStat {
    /// Whether it is a directory.
    pub is_directory: bool,
    /// A file's length in bytes; 0 for a directory.
    pub len: u64,
}

/// One entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its name there.
    pub name: String,
    /// What it is.
    pub stat: FileStat,
}

impl StorageCall {
    /// Whether it changes anything.
    pub const fn writes(&self) -> bool {
        match self {
            Self::Write { .. }
            | Self::Append { .. }
            | Self::Remove { .. }
            | Self::MakeDir { .. }
            | Self::Rename { .. } => true,
            Self::Read { .. } | Self::List { .. } | Self::Stat { .. } => false,
        }
    }
}

/// The answer to a [`StorageCall`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StorageReply {
    /// To read.
    Bytes(Vec<u8>),
    /// To write, append, remove, make-dir and rename.
    Done,
    /// To list.
    Entries {
        /// At most [`PAGE_LEN_MAX`](crate::PAGE_LEN_MAX), in ascending order of their names' bytes.
        entries: Vec<FileEntry>,
        /// After which name the next page begins.
        next: Option<String>,
    },
    /// To stat.
    Stat(FileStat),
}

pub(crate) fn price_of_call(call: &StorageCall) -> Price {
    let bytes = match call {
        StorageCall::Read { path, .. }
        | StorageCall::Remove { path }
        | StorageCall::Stat { path }
        | StorageCall::MakeDir { path } => path.len(),
        StorageCall::Write { path, bytes } | StorageCall::Append { path, bytes } => path.len() + bytes.len(),
        StorageCall::List { directory, after } => directory.len() + after.as_ref().map_or(0, String::len),
        StorageCall::Rename { from, to } => from.len() + to.len(),
    };
    STORAGE_BASE + bytes as Price
}

pub(crate) fn price_of_reply(reply: &StorageReply) -> Price {
    match reply {
        StorageReply::Bytes(bytes) => bytes.len() as Price,
        StorageReply::Entries { entries, .. } => {
            entries.iter().map(|entry| ENTRY_PRICE + entry.name.len() as Price).sum()
        }
        StorageReply::Done | StorageReply::Stat(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_that_crosses_is_charged_in_both_directions() {
        let path = || "a/b".to_owned();
        let check = |call: StorageCall, bytes: Price| assert_eq!(price_of_call(&call), STORAGE_BASE + bytes);
        check(StorageCall::Read { path: path(), offset: 0, len: u32::MAX }, 3);
        check(StorageCall::Write { path: path(), bytes: vec![0; 10] }, 13);
        check(StorageCall::Rename { from: path(), to: path() }, 6);
        assert_eq!(price_of_reply(&StorageReply::Bytes(vec![0; 10])), 10);
        let entry = FileEntry { name: "abc".into(), stat: FileStat { is_directory: false, len: 9 } };
        assert_eq!(price_of_reply(&StorageReply::Entries { entries: vec![entry], next: None }), 64 + 3);
    }
}
