//! A sync of the messages' log that fails once, when a file says so: whoever makes the file has the next one fail.

use std::os::fd::RawFd;
use std::path::PathBuf;
use std::sync::OnceLock;

/// The file's name. It is removed when the sync fails.
const FILE: &str = "SHIM_FAIL_SYNC";
/// Which syncs fail: those of files of this name, and of what `SQLite` keeps beside it.
const NAME: &str = "journal.db";

/// Whether this sync is the one.
pub(crate) fn is_due(fd: RawFd) -> bool {
    let Some(file) = file() else { return false };
    let Ok(path) = std::fs::read_link(format!("/proc/self/fd/{fd}")) else { return false };
    let of_journal = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(NAME.as_bytes()));
    of_journal && std::fs::remove_file(file).is_ok()
}

#[expect(clippy::disallowed_methods, reason = "nobody hands a preloaded library its settings")]
fn file() -> Option<&'static PathBuf> {
    static PATH: OnceLock<Option<PathBuf>> = OnceLock::new();
    PATH.get_or_init(|| std::env::var_os(FILE).map(PathBuf::from)).as_ref()
}
