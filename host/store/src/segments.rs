//! Append-only lines in numbered files: what was appended is there after a power loss, whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use host_ledger::{LedgerError, segment_name, segments_in};

/// The length from which on a new file is begun, in bytes.
pub(crate) const SEGMENT_LEN_MAX: u64 = 64 << 20;
/// What is kept free for this log on a full disk, in bytes.
const RESERVE_LEN: usize = 1 << 20;
/// The name of the file that keeps it.
const RESERVE: &str = "reserve";

/// The last of a directory's segments, open to be appended to.
#[derive(Debug)]
pub(crate) struct Segments {
    dir: PathBuf,
    number: u64,
    file: File,
    /// Bytes that are whole and on the disk; what is behind them is no part of the log.
    len: u64,
    len_max: u64,
}

impl Segments {
    /// Opens the last segment of a directory that exists, or begins the first (mode 0600). Blocks on the disk.
    pub(crate) fn open(dir: &Path, len_max: u64) -> Result<Self, LedgerError> {
        let number = segments_in(dir)?.last().map_or(1, |(number, _)| *number);
        let file = open_segment(dir, number)?;
        let len = file.metadata().map_err(LedgerError::file("read", dir))?.len();
        keep_reserve(dir)?;
        Ok(Self { dir: dir.to_owned(), number, file, len, len_max })
    }

    /// The last segment and how many of its bytes are whole.
    pub(crate) fn extent(&self) -> (PathBuf, u64) {
        (self.dir.join(segment_name(self.number)), self.len)
    }

    /// Cuts off a last line that is not whole, and says how long it was.
    pub(crate) fn cut_torn(&mut self) -> Result<u64, LedgerError> {
        let (path, len) = self.extent();
        let bytes = fs::read(&path).map_err(LedgerError::file("read", &path))?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.cut(whole as u64)?;
        Ok(len - self.len)
    }

    /// Leaves only so many bytes of the last segment: what [`append`](Self::append) returned takes it back.
    pub(crate) fn cut(&mut self, len: u64) -> Result<(), LedgerError> {
        self.len = len;
        self.undo()
    }

    /// Appends lines and returns, once they survive a power loss, where in the last segment they begin. On a full disk the
    /// reserve is given up for them.
    pub(crate) fn append(&mut self, lines: &[u8]) -> Result<u64, LedgerError> {
        match self.try_append(lines) {
            Err(error) if error.is_disk_full() && fs::remove_file(self.dir.join(RESERVE)).is_ok() => {
                tracing::error!(dir = %self.dir.display(), "the disk is full: the last {} KiB are being used", RESERVE_LEN >> 10);
                self.try_append(lines)
            }
            done => done,
        }
    }

    fn try_append(&mut self, lines: &[u8]) -> Result<u64, LedgerError> {
        if self.len >= self.len_max {
            self.begin_next()?;
        }
        // An attempt before may have left half of what it wrote.
        self.undo()?;
        let path = self.dir.join(segment_name(self.number));
        let written = self.file.write_all(lines).and_then(|()| self.file.sync_data());
        written.map_err(LedgerError::file("write", &path))?;
        let begin = self.len;
        self.len += lines.len() as u64;
        Ok(begin)
    }

    fn begin_next(&mut self) -> Result<(), LedgerError> {
        self.file = open_segment(&self.dir, self.number + 1)?;
        self.number += 1;
        self.len = 0;
        // It may have been given up; there may be room again.
        keep_reserve(&self.dir)
    }

    fn undo(&mut self) -> Result<(), LedgerError> {
        let path = self.dir.join(segment_name(self.number));
        let undone = self.file.set_len(self.len).and_then(|()| self.file.seek(SeekFrom::Start(self.len)));
        undone.map(drop).map_err(LedgerError::file("write", &path))
    }
}

fn open_segment(dir: &Path, number: u64) -> Result<File, LedgerError> {
    let path = dir.join(segment_name(number));
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(&path).map_err(LedgerError::file("open", &path))?;
    // A new name survives a power loss only once its directory is synced.
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(LedgerError::file("write", dir))?;
    Ok(file)
}

/// Fills a file that can be given up when the disk is full.
fn keep_reserve(dir: &Path) -> Result<(), LedgerError> {
    let path = dir.join(RESERVE);
    if fs::metadata(&path).is_ok_and(|found| found.len() == RESERVE_LEN as u64) {
        return Ok(());
    }
    let mut options = OpenOptions::new();
    let opened = options.write(true).create(true).truncate(true).mode(0o600).open(&path);
    match opened.and_then(|mut file| file.write_all(&vec![0; RESERVE_LEN]).and_then(|()| file.sync_data())) {
        Err(cause) if cause.kind() != std::io::ErrorKind::StorageFull => Err(LedgerError::file("write", &path)(cause)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn text(dir: &Path, number: u64) -> String {
        fs::read_to_string(dir.join(segment_name(number))).unwrap()
    }

    #[test]
    fn lines_go_on_in_the_next_file_when_one_is_full() {
        let dir = tempfile::tempdir().unwrap();
        let mut segments = Segments::open(dir.path(), 10).unwrap();
        for line in ["one\n", "two\n", "three\n", "four\n"] {
            segments.append(line.as_bytes()).unwrap();
        }
        drop(segments);
        Segments::open(dir.path(), 10).unwrap().append(b"five\n").unwrap();
        assert_eq!([text(dir.path(), 1), text(dir.path(), 2)], ["one\ntwo\nthree\n", "four\nfive\n"]);
        let mode = fs::metadata(dir.path().join(segment_name(2))).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn half_of_a_write_is_no_part_of_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let mut segments = Segments::open(dir.path(), 100).unwrap();
        segments.append(b"one\n").unwrap();
        segments.file.write_all(b"ha").unwrap();
        assert_eq!(segments.extent().1, 4);
        segments.append(b"two\n").unwrap();
        assert_eq!(text(dir.path(), 1), "one\ntwo\n");
    }
}
