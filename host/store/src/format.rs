//! Which layout a data directory has, told by a small text file in it: so that no version works on data it does not know.

use std::fs::{self, File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::files::{io_error, is_draft, write_private};
use crate::{DataDir, StoreError};

/// The format this version writes, and the latest it reads. There is no older one to migrate from.
pub(crate) const FORMAT: u32 = 1;
/// Before the number.
const MARK: &str = "bailiwick-data ";
/// The longest format file that is read, in bytes.
const LEN_MAX: u64 = 64;
/// What may lie in a directory that has no format yet: what a first start writes before it, what a fresh volume has, and the key
/// that an operator brought from another host.
const BEFORE_FORMAT: [&str; 5] =
    [DataDir::LOCK, DataDir::OPERATOR_TOKEN, DataDir::ARTIFACT_KEY, DataDir::KEK, "lost+found"];

/// What a directory is to this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// It has no format, and nothing that is not ours.
    Fresh,
    /// It has the format that this version writes.
    Current,
}

/// Looks, and changes nothing.
pub(crate) fn look(dir: &Path) -> Result<Found, StoreError> {
    let file = dir.join(DataDir::FORMAT);
    match read(&file) {
        Ok(text) => judge(dir, &file, &text),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => refuse_foreign(dir).map(|()| Found::Fresh),
        Err(cause) => Err(io_error("read", &file)(cause)),
    }
}

/// Makes a fresh directory ours: closed to other users, then marked.
pub(crate) fn adopt(dir: &Path) -> Result<(), StoreError> {
    fs::set_permissions(dir, Permissions::from_mode(0o700)).map_err(io_error("close to other users", dir))?;
    write_private(&dir.join(DataDir::FORMAT), format!("{MARK}{FORMAT}\n").as_bytes())
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(file)?.take(LEN_MAX).read_to_end(&mut text)?;
    Ok(text)
}

fn judge(dir: &Path, file: &Path, text: &[u8]) -> Result<Found, StoreError> {
    match parse(text) {
        Some(FORMAT) => Ok(Found::Current),
        Some(found) if found > FORMAT => Err(StoreError::NewerFormat { path: dir.to_owned(), found, known: FORMAT }),
        _ => Err(StoreError::BadFormat { path: file.to_owned() }),
    }
}

fn parse(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.strip_prefix(MARK)?.trim_end().parse().ok()
}

fn refuse_foreign(dir: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(dir).map_err(io_error("read", dir))? {
        let name = entry.map_err(io_error("read", dir))?.file_name();
        let name = name.to_string_lossy();
        if !BEFORE_FORMAT.contains(&name.as_ref()) && !is_draft(&name) {
            return Err(StoreError::NotOurs { path: dir.to_owned(), found: name.escape_debug().to_string() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &[u8], expected: Option<u32>) {
        assert_eq!(parse(text), expected, "{}", text.escape_ascii());
    }

    #[test]
    fn a_format_is_the_mark_and_a_number() {
        check(b"bailiwick-data 1\n", Some(1));
        check(b"bailiwick-data 1", Some(1));
        check(b"bailiwick-data 4000000000\n", Some(4_000_000_000));
        for bad in
            [&b""[..], b"1\n", b"bailiwick-data \n", b"bailiwick-data 1 2\n", b"bailiwick-data -1\n", b"\xff\xff"]
        {
            check(bad, None);
        }
    }
}
