//! Puts files on disk so that a crash leaves the old one or the new one, and never half of either.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use crate::StoreError;

/// How the names of files begin that are not yet, or will never be, what they are to become.
const DRAFT_PREFIX: &str = ".bailiwick-draft-";

/// Replaces `path` by a file of `bytes` that only the host's own user can read (mode 0600).
///
/// Atomic: at any moment there is the old file or the new one. When it returns, the new one survives a power loss.
/// Blocks on the disk.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    replace(path, bytes).map_err(io_error("write", path))
}

/// Puts a file in the place of another, which is gone then. Atomic and durable, as [`write_private`]. Blocks on the disk.
pub(crate) fn put_in_place(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to).and_then(|()| sync(parent_of(to))).map_err(io_error("replace", to))
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = parent_of(path);
    let mut file =
        tempfile::Builder::new().prefix(DRAFT_PREFIX).permissions(Permissions::from_mode(0o600)).tempfile_in(dir)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    sync(dir)
}

/// Sees that there is a directory, durably. One that it creates has mode 0700; its parent must exist.
pub(crate) fn ensure_dir(path: &Path) -> Result<(), StoreError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists || !path.is_dir() => Err(cause),
        // Synced also when it was there: whoever made it may not have come that far.
        _ => sync(parent_of(path)),
    }
    .map_err(io_error("create", path))
}

/// Removes the drafts that a killed host has left in a directory; a directory that is not there has none.
///
/// Only for whoever holds the lock: a live host's drafts look the same. What cannot be removed is logged and stays.
pub(crate) fn sweep(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.filter_map(Result::ok).filter(|entry| is_draft(&entry.file_name().to_string_lossy())) {
        if let Err(cause) = fs::remove_file(entry.path()) {
            tracing::warn!(path = %entry.path().display(), %cause, "cannot remove what an earlier host left half-written");
        }
    }
}

/// Whether a name is that of a draft.
pub(crate) fn is_draft(name: &str) -> bool {
    name.starts_with(DRAFT_PREFIX)
}

/// Says on what an I/O error came up.
pub(crate) fn io_error<'p>(act: &'static str, path: &'p Path) -> impl Fn(io::Error) -> StoreError + 'p {
    move |source| StoreError::Io { act, path: path.to_owned(), source }
}

fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}

/// A new name in a directory survives a power loss only once the directory itself is synced.
fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_file_is_replaced_whole_and_read_by_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("operator.token");
        fs::write(&path, "an older and longer token").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();

        write_private(&path, b"token").unwrap();

        assert_eq!(fs::read(&path).unwrap(), b"token");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "the draft is gone");
    }

    #[test]
    fn a_write_that_fails_leaves_the_old_file_and_no_draft() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("taken");
        fs::create_dir(&path).unwrap();

        let refused = write_private(&path, b"bytes").unwrap_err();

        assert_eq!(refused.to_string(), format!("cannot write {}", path.display()));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_sweep_takes_drafts_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(".bailiwick-draft-x1"), "half").unwrap();
        fs::write(dir.path().join("kept"), "whole").unwrap();

        sweep(dir.path());
        sweep(&dir.path().join("absent"));

        let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["kept"]);
    }
}
