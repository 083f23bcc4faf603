//! The audit as files: segments of chained lines, and a sealed head beside them.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use host_ledger::{
    AuditLog, Break, Found, Hash, LedgerError, Link, Query, Record, SealKey, Sealed, Summary, segments_in, verify_files,
};
use parking_lot::Mutex;

use crate::DataDir;
use crate::lock::Lock;
use crate::segments::{SEGMENT_LEN_MAX, Segments};

/// The audit at `audit/NNNNNN.jsonl`, its head at `audit/head`.
pub struct AuditFiles {
    dir: PathBuf,
    key: SealKey,
    open: Mutex<Open>,
    _lock: Arc<Lock>,
}

struct Open {
    segments: Segments,
    head: File,
    end: Link,
}

impl AuditFiles {
    /// Opens the audit of a data directory, whose heads are sealed under this key, and keeps that directory held.
    ///
    /// A last line that is not whole is cut off. Where the sealed head goes further than the records, the chain goes on from the
    /// head, so that what is missing is never given its number again. Blocks on the disk.
    pub fn open(data: &DataDir, key: SealKey) -> Result<(Self, Found), LedgerError> {
        let dir = data.audit();
        let mut segments = Segments::open(&dir, SEGMENT_LEN_MAX)?;
        let torn_bytes = segments.cut_torn()?;
        let tail = Tail::read(&dir)?;
        let (end, found) = tail.judge(key.open_file(&dir.join(DataDir::AUDIT_HEAD))?);
        let found = Found { torn_bytes, ..found };
        let head = open_head(&dir.join(DataDir::AUDIT_HEAD))?;
        let open = Mutex::new(Open { segments, head, end });
        Ok((Self { dir, key, open, _lock: data.share_lock() }, found))
    }
}

impl AuditLog for AuditFiles {
    fn end(&self) -> Link {
        self.open.lock().end
    }

    fn append(&self, lines: &[u8], end: &Link) -> Result<(), LedgerError> {
        let mut open = self.open.lock();
        let begin = open.segments.append(lines)?;
        // After the lines, in place and without a sync of its own: a head that lags behind after a power loss is no break.
        let path = self.dir.join(DataDir::AUDIT_HEAD);
        if let Err(cause) = open.head.write_all_at(self.key.seal(end).as_bytes(), 0) {
            open.segments.cut(begin)?;
            return Err(LedgerError::file("write", &path)(cause));
        }
        open.end = *end;
        Ok(())
    }

    fn read(&self, query: &Query) -> Result<Vec<Record>, LedgerError> {
        let (_, len) = self.open.lock().segments.extent();
        let mut wanted = Vec::new();
        let mut len_max = usize::try_from(len).unwrap_or(usize::MAX);
        for (_, path) in segments_in(&self.dir)?.into_iter().rev() {
            let bytes = fs::read(&path).map_err(LedgerError::file("read", &path))?;
            let whole = bytes.get(..len_max.min(bytes.len())).unwrap_or_default();
            // Only the last segment grows while it is read.
            len_max = usize::MAX;
            if !collect(whole, query, &mut wanted) {
                break;
            }
        }
        wanted.reverse();
        Ok(wanted)
    }

    fn verify(&self) -> Result<Result<Summary, Break>, LedgerError> {
        let (len, sealed) = {
            let open = self.open.lock();
            (open.segments.extent().1, self.key.open_file(&self.dir.join(DataDir::AUDIT_HEAD))?)
        };
        verify_files(&self.dir, sealed, Some(len))
    }
}

/// Takes matching records from the last one on, until there are enough or they are too old; says whether to go on.
fn collect(lines: &[u8], query: &Query, wanted: &mut Vec<Record>) -> bool {
    for line in lines_from_the_end(lines) {
        if wanted.len() >= query.limit {
            return false;
        }
        // What is no record is for `verify` to find.
        let Ok(record) = serde_json::from_slice::<Record>(line) else { continue };
        if query.wants(&record) {
            wanted.push(record);
        }
    }
    wanted.len() < query.limit
}

/// The end of the log, as far as opening needs it.
struct Tail {
    last: Link,
    /// The last segment that holds a record: the head points into it, or at its last record.
    bytes: Vec<u8>,
}

impl Tail {
    fn read(dir: &Path) -> Result<Self, LedgerError> {
        // A segment that was just begun holds nothing yet: then the one before it has the last record.
        for (_, path) in segments_in(dir)?.into_iter().rev() {
            let bytes = fs::read(&path).map_err(LedgerError::file("read", &path))?;
            let last = lines_from_the_end(&bytes).next().map(link_of);
            match last {
                Some(Some(last)) => return Ok(Self { last, bytes }),
                Some(None) => return Err(LedgerError::Damaged { path }),
                None => {}
            }
        }
        Ok(Self { last: Link::GENESIS, bytes: Vec::new() })
    }

    /// Where the chain goes on, and what was wrong.
    fn judge(&self, sealed: Sealed) -> (Link, Found) {
        let lost = Found { head_lost: true, ..Found::default() };
        match sealed {
            Sealed::At(head) if head.seq > self.last.seq => {
                (head, Found { cut_off_from: Some(self.last.seq + 1), ..Found::default() })
            }
            Sealed::At(head) if self.hash_of(head.seq).is_some_and(|hash| hash != head.hash) => (self.last, lost),
            Sealed::At(_) => (self.last, Found::default()),
            Sealed::Missing if self.last == Link::GENESIS => (self.last, Found::default()),
            Sealed::Missing | Sealed::Forged => (self.last, lost),
        }
    }

    fn hash_of(&self, seq: u64) -> Option<Hash> {
        lines_from_the_end(&self.bytes).filter_map(link_of).find(|link| link.seq <= seq).map(|link| link.hash)
    }
}

fn lines_from_the_end(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.rsplit(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

fn link_of(line: &[u8]) -> Option<Link> {
    let record: Record = serde_json::from_slice(line).ok()?;
    Some(Link { seq: record.seq, hash: record.hash })
}

fn open_head(path: &Path) -> Result<File, LedgerError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600).open(path).map_err(LedgerError::file("open", path))
}

#[cfg(test)]
mod tests;
