//! A record of the shim's log, as `tests/shim/src/log.rs` writes it.

use std::fs;
use std::io;
use std::path::Path;

/// Six numbers of 64 bits.
const HEAD_LEN: usize = 48;

/// One change to a file that no sync has covered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) sequence: u64,
    /// The file's length before.
    pub(super) len_before: u64,
    /// The bytes that stood there, or were cut off.
    pub(super) old: Vec<u8>,
    pub(super) change: Change,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    Write { offset: u64, new: Vec<u8> },
    Length(u64),
}

impl Record {
    /// The file's length after.
    pub(super) fn len_after(&self) -> u64 {
        match &self.change {
            Change::Write { offset, new } => self.len_before.max(offset + new.len() as u64),
            Change::Length(len) => *len,
        }
    }
}

/// What a sync has not covered, in its order. The process may have been killed while it wrote the last record: what that one is about
/// was not done.
pub(super) fn unsynced(log: &Path) -> io::Result<Vec<Record>> {
    let bytes = fs::read(log)?;
    let (mut records, mut rest) = (Vec::new(), bytes.as_slice());
    while let Some((found, behind)) = next(rest) {
        match found {
            Found::Record(record) => records.push(record),
            Found::SyncedUntil(sequence) => records.retain(|record: &Record| record.sequence > sequence),
        }
        rest = behind;
    }
    Ok(records)
}

enum Found {
    Record(Record),
    SyncedUntil(u64),
}

fn next(bytes: &[u8]) -> Option<(Found, &[u8])> {
    let (head, rest) = bytes.split_at_checked(HEAD_LEN)?;
    let mut numbers = head.chunks_exact(8).map(|number| u64::from_le_bytes(number.try_into().expect("eight bytes")));
    let mut number = || numbers.next().expect("there are six");
    let (kind, sequence, offset, len_before) = (number(), number(), number(), number());
    let (old, rest) = rest.split_at_checked(usize::try_from(number()).ok()?)?;
    let (new, rest) = rest.split_at_checked(usize::try_from(number()).ok()?)?;
    let record = |change| Found::Record(Record { sequence, len_before, old: old.to_vec(), change });
    let found = match kind {
        1 => record(Change::Write { offset, new: new.to_vec() }),
        2 => record(Change::Length(offset)),
        3 => Found::SyncedUntil(offset),
        _ => unreachable!("the shim writes no record of kind {kind}"),
    };
    Some((found, rest))
}
