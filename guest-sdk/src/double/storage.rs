//! Files that live as long as their double.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::{Denied, Entry, EntryPage, Refusal, Stat, Storage};

/// The most entries of a page.
const PAGE_LEN_MAX: usize = 256;

/// Files and directories in memory: a directory has no bytes.
#[derive(Default)]
pub(super) struct MemoryStorage(RefCell<BTreeMap<String, Option<Vec<u8>>>>);

fn invalid<T>(code: &str) -> Result<T, Denied> {
    Err(Denied::Invalid(Refusal::new(code)))
}

impl MemoryStorage {
    fn is_directory(&self, path: &str) -> bool {
        path.is_empty() || matches!(self.0.borrow().get(path), Some(None))
    }

    /// Whether something may be put at a path.
    fn check_place(&self, path: &str) -> Result<(), Denied> {
        if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return invalid("path");
        }
        let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
        if self.is_directory(directory) { Ok(()) } else { Err(Denied::NotFound) }
    }

    fn is_empty(&self, path: &str) -> bool {
        let inside = format!("{path}/");
        !self.0.borrow().keys().any(|other| other.starts_with(&inside))
    }
}

fn stat_of(bytes: Option<&Vec<u8>>) -> Stat {
    Stat { is_directory: bytes.is_none(), len: bytes.map_or(0, |bytes| bytes.len() as u64) }
}

impl Storage for &MemoryStorage {
    fn read(&self, path: &str, offset: u64, len: u32) -> Result<Vec<u8>, Denied> {
        match self.0.borrow().get(path) {
            None => Err(Denied::NotFound),
            Some(None) => invalid("not-a-file"),
            Some(Some(bytes)) => {
                let offset = usize::try_from(offset).unwrap_or(usize::MAX);
                Ok(bytes.iter().skip(offset).take(len as usize).copied().collect())
            }
        }
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), Denied> {
        self.check_place(path)?;
        if self.is_directory(path) {
            return invalid("not-a-file");
        }
        self.0.borrow_mut().insert(path.to_owned(), Some(bytes.to_owned()));
        Ok(())
    }

    fn append(&self, path: &str, bytes: &[u8]) -> Result<(), Denied> {
        let mut all = self.0.borrow().get(path).cloned().flatten().unwrap_or_default();
        all.extend_from_slice(bytes);
        self.write(path, &all)
    }

    fn remove(&self, path: &str) -> Result<(), Denied> {
        if !self.is_empty(path) {
            return invalid("not-empty");
        }
        self.0.borrow_mut().remove(path).map(drop).ok_or(Denied::NotFound)
    }

    fn list(&self, directory: &str, after: Option<&str>) -> Result<EntryPage, Denied> {
        if !self.is_directory(directory) {
            return Err(Denied::NotFound);
        }
        let start = if directory.is_empty() { String::new() } else { format!("{directory}/") };
        let kept = self.0.borrow();
        let inside = kept.iter().filter_map(|(path, bytes)| Some((path.strip_prefix(&start)?, bytes)));
        let wanted = inside.filter(|(name, _)| !name.contains('/') && after.is_none_or(|after| *name > after));
        let entry =
            |(name, bytes): (&str, &Option<Vec<u8>>)| Entry { name: name.to_owned(), stat: stat_of(bytes.as_ref()) };
        let mut entries: Vec<Entry> = wanted.map(entry).take(PAGE_LEN_MAX + 1).collect();
        let more = entries.len() > PAGE_LEN_MAX;
        entries.truncate(PAGE_LEN_MAX);
        Ok(EntryPage { next: entries.last().filter(|_| more).map(|entry| entry.name.clone()), entries })
    }

    fn stat(&self, path: &str) -> Result<Stat, Denied> {
        self.0.borrow().get(path).map(|bytes| stat_of(bytes.as_ref())).ok_or(Denied::NotFound)
    }

    fn make_dir(&self, path: &str) -> Result<(), Denied> {
        self.check_place(path)?;
        if self.0.borrow().contains_key(path) {
            return invalid("already-exists");
        }
        self.0.borrow_mut().insert(path.to_owned(), None);
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), Denied> {
        self.check_place(to)?;
        let moved = self.stat(from)?;
        let replaced = self.stat(to).ok().filter(|_| from != to);
        if moved.is_directory && to.split('/').count() > from.split('/').count() {
            return invalid("too-deep");
        }
        if replaced.is_some_and(|replaced| moved.is_directory || replaced.is_directory) {
            return invalid("already-exists");
        }
        let inside = format!("{from}/");
        let mut kept = self.0.borrow_mut();
        let paths: Vec<String> =
            kept.keys().filter(|path| *path == from || path.starts_with(&inside)).cloned().collect();
        for path in paths {
            if let (Some(bytes), Some(rest)) = (kept.remove(&path), path.strip_prefix(from)) {
                kept.insert(format!("{to}{rest}"), bytes);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_files_as_the_host_does() {
        let kept = MemoryStorage::default();
        let files = &kept;
        assert_eq!(files.write("d/a", b"x"), Err(Denied::NotFound));
        assert!(files.write("../a", b"x").is_err() && files.write("", b"x").is_err());
        files.make_dir("d").expect("a double takes all");
        files.write("d/a", b"one").expect("a double takes all");
        files.append("d/a", b"two").expect("a double takes all");
        assert_eq!(files.read("d/a", 2, 2), Ok(b"et".to_vec()));
        assert_eq!(files.stat("d/a"), Ok(Stat { is_directory: false, len: 6 }));
        assert!(files.remove("d").is_err() && files.make_dir("d").is_err());
        files.rename("d", "e").expect("a double moves directories");
        let names = |directory| {
            files.list(directory, None).map(|page| page.entries.into_iter().map(|entry| entry.name).collect::<Vec<_>>())
        };
        assert_eq!(
            (names(""), names("e"), names("d")),
            (Ok(vec!["e".into()]), Ok(vec!["a".into()]), Err(Denied::NotFound))
        );
        assert_eq!(
            (files.remove("e/a"), files.remove("e"), files.remove("e")),
            (Ok(()), Ok(()), Err(Denied::NotFound))
        );
    }
}
