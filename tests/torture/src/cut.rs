//! A power cut: of a host that was killed with the shim in it, the files become what the disk might have held at that moment.

mod image;
mod record;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use tests_kit::chance::Chance;

use self::image::WrittenBack;

/// A folder whose files are watched, and the shim's logs of them.
pub(crate) struct Watched {
    data: PathBuf,
    log: PathBuf,
    /// Names that were on the disk before.
    entries: HashSet<Entry>,
}

/// A file under a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Entry {
    inode: u64,
    born_nanos: u64,
    path: PathBuf,
}

/// What a power cut did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Struck {
    /// Files that had writes no sync had covered.
    pub(crate) files: u64,
    /// Such writes.
    pub(crate) writes: u64,
    /// Files that are not as they were.
    pub(crate) changed: u64,
    /// Names that are gone.
    pub(crate) names: u64,
}

impl Struck {
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            files: self.files + other.files,
            writes: self.writes + other.writes,
            changed: self.changed + other.changed,
            names: self.names + other.names,
        }
    }
}

impl fmt::Display for Struck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { files, writes, changed, names } = self;
        write!(f, "{writes} unsynced writes in {files} files, {changed} of them changed, {names} names gone")
    }
}

impl Watched {
    /// Watches from now on, with the logs in a folder outside.
    pub(crate) fn begin(data: &Path, log: &Path) -> io::Result<Self> {
        if log.exists() {
            fs::remove_dir_all(log)?;
        }
        fs::create_dir_all(log)?;
        fs::create_dir_all(data)?;
        let data = data.canonicalize()?;
        let entries = below(&data)?.into_iter().collect();
        Ok(Self { data, log: log.canonicalize()?, entries })
    }

    /// What a process needs in its environment to be watched.
    pub(crate) fn environment(&self) -> [(&'static str, PathBuf); 3] {
        [("LD_PRELOAD", shim().into()), ("SHIM_DIR", self.data.clone()), ("SHIM_LOG", self.log.clone())]
    }

    /// Cuts the power. The process must have ended.
    pub(crate) fn strike(&self, chance: &mut Chance) -> io::Result<Struck> {
        self.strike_with(chance, WrittenBack::by_chance)
    }

    fn strike_with(
        &self,
        chance: &mut Chance,
        mut written: impl FnMut(&mut Chance, &[record::Record]) -> WrittenBack,
    ) -> io::Result<Struck> {
        let mut struck = Struck::default();
        let durable = self.durable()?;
        for entry in sorted(below(&self.data)?) {
            let log = self.log.join(format!("{:x}-{:x}", entry.inode, entry.born_nanos));
            let records = if log.exists() { record::unsynced(&log)? } else { Vec::new() };
            if !records.is_empty() {
                let now = fs::read(&entry.path)?;
                let written = written(chance, &records);
                let then = image::after(now.clone(), &records, written, chance);
                struck.files += 1;
                struck.writes += records.len() as u64;
                struck.changed += u64::from(then != now);
                fs::write(&entry.path, then)?;
            }
            if !durable.contains(&entry) && !is_mapped(&entry.path) && chance.one_in(2) {
                fs::remove_file(&entry.path)?;
                struck.names += 1;
            }
        }
        Ok(struck)
    }

    /// The names that a sync has covered.
    fn durable(&self) -> io::Result<HashSet<Entry>> {
        let said = fs::read_to_string(self.log.join("entries"))?;
        // A name that stood for another file before was taken over: what it stood for is gone, so the new one stays.
        let taken: HashSet<_> = self.entries.iter().map(|entry| entry.path.clone()).collect();
        let taken_over = below(&self.data)?.into_iter().filter(|entry| taken.contains(&entry.path));
        Ok(said.lines().filter_map(entry).chain(self.entries.iter().cloned()).chain(taken_over).collect())
    }
}

/// The library that is loaded before the C library of who is watched.
pub(crate) fn shim() -> String {
    tests_kit::built("libtests_shim.so").to_string_lossy().into_owned()
}

fn entry(line: &str) -> Option<Entry> {
    let (inode, rest) = line.split_once(' ')?;
    let (born, path) = rest.split_once(' ')?;
    Some(Entry { inode: inode.parse().ok()?, born_nanos: born.parse().ok()?, path: path.into() })
}

/// Every file below a folder.
fn below(folder: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for found in fs::read_dir(folder)? {
        let (path, meta) = found.and_then(|found| Ok((found.path(), found.metadata()?)))?;
        if meta.is_dir() {
            entries.extend(below(&path)?);
        } else if meta.is_file() {
            let born = meta.created()?.duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
            let born_nanos = u64::try_from(born.as_nanos()).map_err(io::Error::other)?;
            entries.push(Entry { inode: meta.ino(), born_nanos, path });
        }
    }
    Ok(entries)
}

/// In the order of their names: a seed names one power cut, whatever the order of the folder.
fn sorted(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort_by(|one, other| one.path.cmp(&other.path));
    entries
}

/// The index of a database's log: the shim does not watch it, and its name says nothing.
fn is_mapped(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(b"-shm")
}
