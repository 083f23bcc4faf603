//! Which names are on the disk: those of a folder that was synced, and a file's own once it was synced under it.
//!
//! The second is more than POSIX promises and what ext4, XFS and Btrfs do. The log has a line for each: inode, birth in nanoseconds,
//! path.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::raw;
use crate::target::{Identity, Target};

/// The log's name.
const FILE: &str = "entries";

/// What was said so far.
pub(crate) struct Entries {
    log: File,
    said: HashSet<(Identity, PathBuf)>,
}

impl Entries {
    pub(crate) fn open(folder: &Path) -> Option<Self> {
        let log = OpenOptions::new().append(true).create(true).open(folder.join(FILE)).ok()?;
        Some(Self { log, said: HashSet::new() })
    }

    /// These are on the disk.
    pub(crate) fn synced(&mut self, entries: Vec<(Identity, PathBuf)>) -> bool {
        entries.into_iter().filter(|entry| self.said.insert(entry.clone())).all(|(identity, path)| {
            let line = format!("{} {} {}\n", identity.inode, identity.born_nanos, path.display());
            raw::append(self.log.as_raw_fd(), line.as_bytes())
        })
    }
}

/// What a sync of this file or folder puts on the disk, if it succeeds: as it is before.
pub(crate) fn of(target: &Target) -> Vec<(Identity, PathBuf)> {
    if !target.is_dir {
        return vec![(target.identity, target.path.clone())];
    }
    let Ok(entries) = std::fs::read_dir(&target.path) else { return Vec::new() };
    entries.flatten().filter_map(|entry| Some((identity(&entry.path())?, entry.path()))).collect()
}

fn identity(path: &Path) -> Option<Identity> {
    let found = path.symlink_metadata().ok()?;
    let born = found.created().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Identity { inode: found.ino(), born_nanos: u64::try_from(born.as_nanos()).ok()? })
}
