//! The log of one file: its writes since it was last synced, each with what stood there before.
//!
//! A record is six numbers of 64 bits, little-endian (kind, sequence number, offset, the file's length before, how many bytes stood
//! there, how many are written), then the bytes that stood there and those that are written. Kinds: 1 a write; 2 the file's length
//! becomes `offset`, and the bytes are those cut off; 3 all up to the sequence number in `offset` is on the disk.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsRawFd as _, RawFd};
use std::path::Path;

use crate::raw;
use crate::target::{Identity, Target};

const WRITE: u64 = 1;
const LENGTH: u64 = 2;
const SYNCED: u64 = 3;

/// A file's log, and a descriptor of the file to read it by. Neither is ever closed: to close any descriptor of a file would give up
/// the locks that the process holds on it (fcntl(2)).
pub(crate) struct Log {
    records: File,
    reader: RawFd,
    /// The number of its last record.
    last: u64,
}

impl Log {
    /// A new log. None if the file or its log cannot be opened.
    pub(crate) fn open(folder: &Path, identity: Identity, fd: RawFd) -> Option<Self> {
        let path = folder.join(format!("{:x}-{:x}", identity.inode, identity.born_nanos));
        let records = OpenOptions::new().append(true).create(true).open(path).ok()?;
        Some(Self { records, reader: raw::open_to_read(&raw::proc_path(fd))?, last: 0 })
    }

    /// Before bytes are written at an offset.
    pub(crate) fn write(&mut self, sequence: u64, target: &Target, offset: u64, new: &[u8]) -> bool {
        let old = raw::read_at(self.reader, offset, new.len());
        self.last = sequence;
        self.append([WRITE, sequence, offset, target.len], &old, new)
    }

    /// Before a file's length is set.
    pub(crate) fn length(&mut self, sequence: u64, target: &Target, len: u64) -> bool {
        let cut_off = usize::try_from(target.len.saturating_sub(len)).unwrap_or(0);
        let old = raw::read_at(self.reader, len, cut_off);
        self.last = sequence;
        self.append([LENGTH, sequence, len, target.len], &old, &[])
    }

    /// After everything up to a number is on the disk.
    pub(crate) fn synced(&mut self, until: u64) -> bool {
        if self.last <= until {
            return raw::empty(self.records.as_raw_fd());
        }
        self.append([SYNCED, 0, until, 0], &[], &[])
    }

    fn append(&self, head: [u64; 4], old: &[u8], new: &[u8]) -> bool {
        let lens = [old.len() as u64, new.len() as u64];
        let head = head.iter().chain(&lens).flat_map(|number| number.to_le_bytes());
        // One call: a process that is killed in it leaves at most its last record cut off.
        let record: Vec<u8> = head.chain(old.iter().copied()).chain(new.iter().copied()).collect();
        raw::append(self.records.as_raw_fd(), &record)
    }
}
