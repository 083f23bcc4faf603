//! Usage lines as files.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::sync::Arc;

use host_ledger::{LedgerError, UsageLog, segments_in};
use parking_lot::Mutex;

use crate::DataDir;
use crate::lock::Lock;
use crate::segments::{SEGMENT_LEN_MAX, Segments};

/// The longest line that is read, in bytes; ours are far shorter.
const LINE_LEN_MAX: u64 = 64 << 10;

/// Usage lines at `usage/NNNNNN.jsonl`.
pub struct UsageFiles {
    dir: PathBuf,
    segments: Mutex<Segments>,
    _lock: Arc<Lock>,
}

impl UsageFiles {
    /// Opens the usage lines of a data directory, cuts off a last one that is not whole, and keeps that directory held. Blocks on
    /// the disk.
    pub fn open(data: &DataDir) -> Result<Self, LedgerError> {
        let dir = data.usage();
        let mut segments = Segments::open(&dir, SEGMENT_LEN_MAX)?;
        segments.cut_torn()?;
        Ok(Self { dir, segments: Mutex::new(segments), _lock: data.share_lock() })
    }
}

impl UsageLog for UsageFiles {
    fn append(&self, lines: &[u8]) -> Result<(), LedgerError> {
        self.segments.lock().append(lines).map(drop)
    }

    fn each_line(&self, each: &mut dyn FnMut(&[u8])) -> Result<(), LedgerError> {
        for (_, path) in segments_in(&self.dir)? {
            let mut lines = BufReader::new(File::open(&path).map_err(LedgerError::file("read", &path))?);
            let mut line = Vec::new();
            while lines
                .by_ref()
                .take(LINE_LEN_MAX)
                .read_until(b'\n', &mut line)
                .map_err(LedgerError::file("read", &path))?
                > 0
            {
                each(&line);
                line.clear();
            }
        }
        Ok(())
    }
}
