//! Files of the agent's own.

use crate::Denied;

/// The agent's files. Every call costs 10,000 units of fuel, one more for each byte that crosses, and 64 for each entry of a page.
/// A path is 1 to 16 parts of 1 to 128 bytes joined by `/`, without `.` and `..`; a call carries at most 1 MiB of a file.
pub trait Storage {
    /// Up to `len` bytes of a file from `offset` on; fewer where it ends.
    fn read(&self, path: &str, offset: u64, len: u32) -> Result<Vec<u8>, Denied>;

    /// Makes a file of these bytes, in place of one that was there: at every moment it is the old one or the new one.
    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), Denied>;

    /// Adds to the end of a file; makes it if it is not there.
    fn append(&self, path: &str, bytes: &[u8]) -> Result<(), Denied>;

    /// Removes a file, or a directory with nothing in it.
    fn remove(&self, path: &str) -> Result<(), Denied>;

    /// Up to 256 entries of a directory, by name in ascending order, after another name. An empty path is where all paths start.
    fn list(&self, directory: &str, after: Option<&str>) -> Result<EntryPage, Denied>;

    /// What is at a path.
    fn stat(&self, path: &str) -> Result<Stat, Denied>;

    /// Makes a directory in one that is there.
    fn make_dir(&self, path: &str) -> Result<(), Denied>;

    /// Gives a file or directory another path, as one step. A file may take the place of a file.
    fn rename(&self, from: &str, to: &str) -> Result<(), Denied>;
}

/// What a file or directory is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Stat {
    /// Whether it is a directory.
    pub is_directory: bool,
    /// A file's length in bytes; 0 for a directory.
    pub len: u64,
}

/// One entry of a directory.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Entry {
    /// Its name there.
    pub name: String,
    /// What it is.
    pub stat: Stat,
}

/// Some entries of a directory.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct EntryPage {
    /// At most 256, by name in ascending order.
    pub entries: Vec<Entry>,
    /// What to pass as `after` for the next page; `None` after the last one.
    pub next: Option<String>,
}
