//! The files of one agent. Blocks on the disk: called on a thread for that, by one caller at a time.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use cap_std::fs::{Dir, OpenOptions};
use host_calls::{FileEntry, FileStat, PAGE_LEN_MAX, Refusal, RefusalNumbers, StorageReply};
use host_courier::FileOp;
use host_model::{AgentId, FilePath, TenantId};
use host_quota::TenantBudgets;

use super::DRAFTS;
use super::entry::{Kind, enter, kind, open_file};
use super::usage::{Growth, Held, Size, below};
use crate::refusal::failed;
use crate::reserve::Reserve;

/// The directory of one tenant. It is opened for each call: descriptors are few, and tenants are many.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) tenants: Arc<Dir>,
    pub(super) tenant: TenantId,
}

impl Place {
    pub(super) fn open(&self) -> io::Result<Dir> {
        enter(&self.tenants, self.tenant.as_str())?.ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn drafts(&self) -> io::Result<Dir> {
        enter(&self.open()?, DRAFTS)?.ok_or_else(|| ErrorKind::NotFound.into())
    }
}

/// One agent's files, and what they count for.
pub(super) struct Tree {
    /// Its directory's name, and its drafts': it writes one file at a time.
    name: String,
    place: Place,
    reserve: Arc<Reserve>,
    held: Held,
    deleted: bool,
}

impl Tree {
    pub(super) fn new(agent: &AgentId, place: Place, reserve: Arc<Reserve>, budgets: &TenantBudgets) -> Self {
        Self { name: agent.to_string(), place, reserve, held: Held::nothing(budgets), deleted: false }
    }

    /// With what lies there counted.
    pub(super) fn counted(mut self) -> io::Result<Self> {
        if let Some(dir) = enter(&self.place.open()?, &self.name)? {
            self.held.found(below(&dir)?);
        }
        Ok(self)
    }

    pub(super) fn apply(&mut self, op: FileOp) -> Result<StorageReply, Refusal> {
        match op {
            FileOp::Read(path, offset, len) => self.read(&path, offset, len).map(StorageReply::Bytes),
            FileOp::Write(path, bytes) => self.write(&path, &bytes),
            FileOp::Append(path, bytes) => self.append(&path, &bytes),
            FileOp::Remove(path) => self.remove(&path),
            FileOp::List(path, after) => self.list(path.as_ref(), after.as_deref()),
            FileOp::Stat(path) => self.stat(&path).map(StorageReply::Stat),
            FileOp::MakeDir(path) => self.make_dir(&path),
            FileOp::Rename(from, to) => self.rename(&from, &to),
        }
    }

    /// Removes all of it; later calls of whoever still holds it are refused.
    pub(super) fn delete(&mut self) -> io::Result<()> {
        let tenant = self.place.open()?;
        if kind(&tenant, &self.name)? != Kind::Nothing {
            tenant.remove_dir_all(&self.name)?;
        }
        self.deleted = true;
        self.held.give_back(Size { files: u64::MAX, bytes: u64::MAX });
        Ok(())
    }

    fn read(&self, path: &FilePath, offset: u64, len: usize) -> Result<Vec<u8>, Refusal> {
        let (dir, name) = self.place(path)?;
        let file = match kind(&dir, name).map_err(disk)? {
            Kind::File(_) => open_file(&dir, name, OpenOptions::new().read(true)).map_err(disk)?,
            Kind::Nothing => None,
            Kind::Directory | Kind::Foreign => return Err(no_file()),
        };
        let file = file.ok_or(Refusal::NotFound)?.into_std();
        // What was asked for is bounded, and what is there may be far less.
        let left = file.metadata().map_err(disk)?.len().saturating_sub(offset);
        let mut bytes = vec![0; len.min(usize::try_from(left).unwrap_or(usize::MAX))];
        file.read_exact_at(&mut bytes, offset).map_err(disk)?;
        Ok(bytes)
    }

    fn write(&mut self, path: &FilePath, bytes: &[u8]) -> Result<StorageReply, Refusal> {
        let (dir, name) = self.place(path)?;
        let old = file_or_nothing(&dir, name)?;
        let (came, went) = (Size { files: 1, bytes: bytes.len() as u64 }, Size::of(old));
        let growth = self.room(came, went)?;
        self.replace(&dir, name, bytes).map_err(disk)?;
        self.held.settle(growth, came, went);
        Ok(StorageReply::Done)
    }

    /// Writes a whole file where no agent looks, synced: what then takes its place by a name is never half.
    fn replace(&self, dir: &Dir, name: &str, bytes: &[u8]) -> io::Result<()> {
        let drafts = self.place.drafts()?;
        let mut file = drafts.create(&self.name)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        drafts.rename(&self.name, dir, name)
    }

    fn append(&mut self, path: &FilePath, bytes: &[u8]) -> Result<StorageReply, Refusal> {
        let (dir, name) = self.place(path)?;
        let old = file_or_nothing(&dir, name)?;
        let went = Size::of(old);
        let came = Size { files: 1, bytes: went.bytes.saturating_add(bytes.len() as u64) };
        let growth = self.room(came, went)?;
        let file = open_file(&dir, name, OpenOptions::new().append(true).create(true)).map_err(disk)?;
        let mut file = file.ok_or_else(no_file)?;
        let written = file.write_all(bytes);
        if written.is_err() {
            // Back to what it was, so that the count stays what it was.
            file.set_len(went.bytes).map_err(disk)?;
            if old == Kind::Nothing {
                dir.remove_file(name).map_err(disk)?;
            }
        }
        written.map_err(disk)?;
        self.held.settle(growth, came, went);
        Ok(StorageReply::Done)
    }

    fn remove(&mut self, path: &FilePath) -> Result<StorageReply, Refusal> {
        let (dir, name) = self.place(path)?;
        let old = kind(&dir, name).map_err(disk)?;
        match old {
            Kind::Nothing => return Err(Refusal::NotFound),
            Kind::Foreign => return Err(no_file()),
            Kind::File(_) => dir.remove_file(name).map_err(disk)?,
            Kind::Directory => dir.remove_dir(name).map_err(|error| match error.kind() {
                ErrorKind::DirectoryNotEmpty => invalid("not-empty"),
                _ => disk(error),
            })?,
        }
        self.held.give_back(Size::of(old));
        Ok(StorageReply::Done)
    }

    fn list(&self, path: Option<&FilePath>, after: Option<&str>) -> Result<StorageReply, Refusal> {
        let dir = match path {
            None => self.root()?,
            Some(path) => walk(self.root()?, path.parts())?,
        };
        let names = first_names(&dir, after.unwrap_or_default()).map_err(disk)?;
        let more = names.len() > PAGE_LEN_MAX;
        let names: Vec<String> = names.into_iter().take(PAGE_LEN_MAX).collect();
        let next = names.last().filter(|_| more).cloned();
        let mut entries = Vec::new();
        for name in names {
            if let Some(stat) = stat_of(kind(&dir, &name).map_err(disk)?) {
                entries.push(FileEntry { name, stat });
            }
        }
        Ok(StorageReply::Entries { entries, next })
    }

    fn stat(&self, path: &FilePath) -> Result<FileStat, Refusal> {
        let (dir, name) = self.place(path)?;
        match kind(&dir, name).map_err(disk)? {
            Kind::Nothing => Err(Refusal::NotFound),
            kind => stat_of(kind).ok_or_else(no_file),
        }
    }

    fn make_dir(&mut self, path: &FilePath) -> Result<StorageReply, Refusal> {
        let (dir, name) = self.place(path)?;
        if kind(&dir, name).map_err(disk)? != Kind::Nothing {
            return Err(invalid("already-exists"));
        }
        let came = Size::of(Kind::Directory);
        let growth = self.room(came, Size::default())?;
        dir.create_dir(name).map_err(disk)?;
        self.held.settle(growth, came, Size::default());
        Ok(StorageReply::Done)
    }

    fn rename(&mut self, from: &FilePath, to: &FilePath) -> Result<StorageReply, Refusal> {
        let ((from_dir, from_name), (to_dir, to_name)) = (self.place(from)?, self.place(to)?);
        let old = kind(&from_dir, from_name).map_err(disk)?;
        let replaced = if from == to { Kind::Nothing } else { kind(&to_dir, to_name).map_err(disk)? };
        match (old, replaced) {
            (Kind::Nothing, _) => return Err(Refusal::NotFound),
            (Kind::Foreign, _) => return Err(no_file()),
            (Kind::Directory, _) if to.depth() > from.depth() => return Err(invalid("too-deep")),
            (Kind::File(_), Kind::File(_)) | (_, Kind::Nothing) => {}
            _ => return Err(invalid("already-exists")),
        }
        from_dir.rename(from_name, &to_dir, to_name).map_err(disk)?;
        self.held.give_back(Size::of(replaced));
        Ok(StorageReply::Done)
    }

    /// The directory that a path lies in, and its name there.
    fn place<'p>(&self, path: &'p FilePath) -> Result<(Dir, &'p str), Refusal> {
        let (directory, name) = path.split();
        Ok((walk(self.root()?, directory)?, name))
    }

    /// The agent's own directory, made when it is first needed. It counts for nothing.
    fn root(&self) -> Result<Dir, Refusal> {
        if self.deleted {
            return Err(Refusal::NotFound);
        }
        let tenant = self.place.open().map_err(disk)?;
        if let Some(root) = enter(&tenant, &self.name).map_err(disk)? {
            return Ok(root);
        }
        tenant.create_dir(&self.name).map_err(disk)?;
        enter(&tenant, &self.name).map_err(disk)?.ok_or_else(no_file)
    }

    fn room(&self, came: Size, went: Size) -> Result<Growth, Refusal> {
        let growth = self.held.reserve(came, went)?;
        // The draft lies beside the file that it will replace.
        self.reserve.check(came.bytes)?;
        Ok(growth)
    }
}

/// A directory below another.
fn walk<'p>(root: Dir, parts: impl Iterator<Item = &'p str>) -> Result<Dir, Refusal> {
    let mut dir = root;
    for part in parts {
        dir = enter(&dir, part).map_err(disk)?.ok_or(Refusal::NotFound)?;
    }
    Ok(dir)
}

/// The names after another in ascending order: a page of them and one more, however many there are.
fn first_names(dir: &Dir, after: &str) -> io::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for found in dir.entries()? {
        let Ok(name) = found?.file_name().into_string() else { continue };
        if name.as_str() > after {
            names.insert(name);
        }
        if names.len() > PAGE_LEN_MAX + 1 {
            names.pop_last();
        }
    }
    Ok(names)
}

fn stat_of(kind: Kind) -> Option<FileStat> {
    match kind {
        Kind::File(len) => Some(FileStat { is_directory: false, len }),
        Kind::Directory => Some(FileStat { is_directory: true, len: 0 }),
        Kind::Nothing | Kind::Foreign => None,
    }
}

/// What a file is about to be written over.
fn file_or_nothing(dir: &Dir, name: &str) -> Result<Kind, Refusal> {
    match kind(dir, name).map_err(disk)? {
        kind @ (Kind::Nothing | Kind::File(_)) => Ok(kind),
        Kind::Directory | Kind::Foreign => Err(no_file()),
    }
}

fn invalid(code: &str) -> Refusal {
    Refusal::Invalid(RefusalNumbers::of(code))
}

fn no_file() -> Refusal {
    invalid("not-a-file")
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn disk(error: io::Error) -> Refusal {
    failed("files", &error)
}
