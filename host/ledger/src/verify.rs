//! Checks a chain from its first record on, and finds the first that does not hold. Needs no host.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::chain::{part, seq_of};
use crate::{Hash, LINE_LEN_MAX, LedgerError, Link, Sealed};

/// What the names of segments end with.
const SUFFIX: &str = ".jsonl";

/// A chain that holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// How many records there are.
    pub records: u64,
    /// In how many files.
    pub files: u64,
    /// The hash of the last record.
    pub hash: Hash,
    /// Records after the sealed head: written at the moment a host was killed, or added by somebody without the key.
    pub unsealed: u64,
    /// Bytes of a last record that is not whole: left by a host that was killed, and cut off at its next start.
    pub torn_bytes: u64,
}

/// Where a chain breaks first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Break {
    /// In which file.
    pub file: String,
    /// In which line, from 1.
    pub line: u64,
    /// Where the record of this number should be.
    pub seq: u64,
    /// Why it does not hold.
    #[serde(flatten)]
    pub reason: Reason,
}

/// Why a record does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum Reason {
    /// The line is no record.
    NotARecord,
    /// Its bytes, or the hash before them, are not those that were hashed.
    Changed,
    /// Another record stands in its place: some are missing, doubled or moved.
    OutOfPlace {
        /// The number that stands there.
        found: u64,
    },
    /// The chain holds, but it is not the one that was sealed.
    Rewritten,
    /// The log ends before the sealed head.
    CutOff {
        /// The number of the last record that was sealed.
        sealed: u64,
    },
    /// There are records, and no head that says how far they went.
    NoHead,
    /// The head was not sealed under this key.
    ForgedHead,
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, seq, reason } = self;
        write!(f, "{file}, line {line}, record {seq}: ")?;
        match reason {
            Reason::NotARecord => f.write_str("the line is no record"),
            Reason::Changed => f.write_str("the record was changed"),
            Reason::OutOfPlace { found } => write!(f, "record {found} stands in its place"),
            Reason::Rewritten => f.write_str("the record is not the one that was sealed"),
            Reason::CutOff { sealed } => write!(f, "the log is cut off here; it went to record {sealed}"),
            Reason::NoHead => f.write_str("there is no sealed head that says how far the log went"),
            Reason::ForgedHead => f.write_str("the head was not sealed under this host's key"),
        }
    }
}

/// Checks the records of all segments, in order, against one another and against the sealed head.
///
/// Reads each line into at most [`LINE_LEN_MAX`] bytes. An error is one of reading; a broken chain is an answer.
pub fn verify<R: BufRead>(
    segments: impl IntoIterator<Item = Result<(String, R), LedgerError>>,
    sealed: Sealed,
) -> Result<Result<Summary, Break>, LedgerError> {
    let mut walk = Walk::new(sealed);
    for segment in segments {
        let (name, mut lines) = segment?;
        walk.enter(name);
        while let Some(line) = next_line(&mut lines).map_err(LedgerError::file("read", Path::new(&walk.file)))? {
            if let Err(broken) = walk.step(&line) {
                return Ok(Err(broken));
            }
        }
    }
    Ok(walk.finish())
}

/// Checks the segments of a directory; the last one is read up to `len_max` bytes, if that is given.
pub fn verify_files(dir: &Path, sealed: Sealed, len_max: Option<u64>) -> Result<Result<Summary, Break>, LedgerError> {
    let segments = segments_in(dir)?;
    let last = segments.len().saturating_sub(1);
    let opened = segments.into_iter().enumerate().map(|(index, (number, path))| {
        let file = File::open(&path).map_err(LedgerError::file("read", &path))?;
        let len_max = len_max.filter(|_| index == last).unwrap_or(u64::MAX);
        Ok((segment_name(number), BufReader::new(file.take(len_max))))
    });
    verify(opened, sealed)
}

/// What a segment is called.
pub fn segment_name(number: u64) -> String {
    format!("{number:06}{SUFFIX}")
}

/// The segments in a directory, by number. A directory that is not there is an error.
pub fn segments_in(dir: &Path) -> Result<Vec<(u64, PathBuf)>, LedgerError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(LedgerError::file("read", dir))? {
        let path = entry.map_err(LedgerError::file("read", dir))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(number) = name.strip_suffix(SUFFIX).and_then(|number| number.parse().ok()) {
            found.push((number, path));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// A line without its line feed, and whether it had one.
struct Line {
    bytes: Vec<u8>,
    whole: bool,
}

/// The next line; a longer one than any record is read in pieces, which are no records.
fn next_line(lines: &mut impl BufRead) -> io::Result<Option<Line>> {
    let mut bytes = Vec::new();
    let len = lines.take(LINE_LEN_MAX as u64).read_until(b'\n', &mut bytes)?;
    if len == 0 {
        return Ok(None);
    }
    let whole = bytes.pop_if(|last| *last == b'\n').is_some();
    Ok(Some(Line { bytes, whole: whole || len == LINE_LEN_MAX }))
}

/// A walk along the chain.
struct Walk {
    at: Link,
    sealed: Sealed,
    file: String,
    line: u64,
    files: u64,
    torn_bytes: u64,
}

impl Walk {
    fn new(sealed: Sealed) -> Self {
        Self { at: Link::GENESIS, sealed, file: segment_name(1), line: 0, files: 0, torn_bytes: 0 }
    }

    fn enter(&mut self, name: String) {
        self.file = name;
        self.line = 0;
        self.files += 1;
    }

    fn step(&mut self, line: &Line) -> Result<(), Break> {
        self.line += 1;
        let seq = self.at.seq + 1;
        if self.torn_bytes > 0 {
            return Err(self.broken(Reason::NotARecord));
        }
        if !line.whole {
            self.torn_bytes = line.bytes.len() as u64;
            return Ok(());
        }
        let (body, hash) = part(&line.bytes).ok_or_else(|| self.broken(Reason::NotARecord))?;
        match seq_of(body) {
            Some(found) if found != seq => return Err(self.broken(Reason::OutOfPlace { found })),
            Some(_) if self.at.next_hash(body) == hash => self.at = Link { seq, hash },
            Some(_) => return Err(self.broken(Reason::Changed)),
            None => return Err(self.broken(Reason::NotARecord)),
        }
        match self.sealed {
            Sealed::At(sealed) if sealed.seq == seq && sealed.hash != hash => Err(self.here(Reason::Rewritten)),
            _ => Ok(()),
        }
    }

    fn finish(mut self) -> Result<Summary, Break> {
        self.line += u64::from(self.torn_bytes == 0);
        let unsealed = match self.sealed {
            Sealed::At(sealed) if sealed.seq > self.at.seq => {
                return Err(self.broken(Reason::CutOff { sealed: sealed.seq }));
            }
            Sealed::At(sealed) => self.at.seq - sealed.seq,
            Sealed::Missing if self.at.seq == 0 => 0,
            Sealed::Missing => return Err(self.here(Reason::NoHead)),
            Sealed::Forged => return Err(self.here(Reason::ForgedHead)),
        };
        let Self { at, files, torn_bytes, .. } = self;
        Ok(Summary { records: at.seq, files, hash: at.hash, unsealed, torn_bytes })
    }

    /// At the record that should come next.
    fn broken(&self, reason: Reason) -> Break {
        Break { file: self.file.clone(), line: self.line, seq: self.at.seq + 1, reason }
    }

    /// At the record that came last.
    fn here(&self, reason: Reason) -> Break {
        Break { file: self.file.clone(), line: self.line, seq: self.at.seq, reason }
    }
}

#[cfg(test)]
mod tests;
