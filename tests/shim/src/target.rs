//! Which file a descriptor stands for, however it was opened, duplicated or handed on.

use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

use crate::raw;

/// Names of files that are mapped and not written: an index that `SQLite` makes anew after a crash.
const MAPPED_END: &str = "-shm";

/// One file for as long as it exists: its number alone may be given again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    pub(crate) inode: u64,
    /// When it was made, in nanoseconds since 1970.
    pub(crate) born_nanos: u64,
}

/// A file or folder below the one that is watched.
pub(crate) struct Target {
    pub(crate) identity: Identity,
    pub(crate) len: u64,
    pub(crate) path: PathBuf,
    pub(crate) is_dir: bool,
}

impl Target {
    /// What a descriptor stands for, if that lies below `root`.
    pub(crate) fn of(fd: RawFd, root: &Path) -> Option<Self> {
        let found = raw::statx(fd)?;
        let kind = u32::from(found.stx_mode) & libc::S_IFMT;
        // Sockets, pipes and counters are most of what is written to: they end here.
        if kind != libc::S_IFREG && kind != libc::S_IFDIR {
            return None;
        }
        let path = std::fs::read_link(format!("/proc/self/fd/{fd}")).ok()?;
        if !path.starts_with(root) || path.as_os_str().as_encoded_bytes().ends_with(MAPPED_END.as_bytes()) {
            return None;
        }
        let born_nanos = u64::try_from(found.stx_btime.tv_sec).unwrap_or(0) * 1_000_000_000;
        let born_nanos = born_nanos + u64::from(found.stx_btime.tv_nsec);
        let identity = Identity { inode: found.stx_ino, born_nanos };
        Some(Self { identity, len: found.stx_size, path, is_dir: kind == libc::S_IFDIR })
    }

    /// Where a `write` would go now.
    pub(crate) fn next_offset(&self, fd: RawFd) -> u64 {
        if raw::flags(fd) & libc::O_APPEND == 0 { raw::position(fd) } else { self.len }
    }
}
