//! The directory that holds all a host keeps: one host at a time, one format, closed to other users.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::files::{ensure_dir, io_error, sweep};
use crate::format::{self, Found};
use crate::lock::Lock;
use crate::{ComponentFiles, StoreError};

/// A host's data directory, held for this process alone.
///
/// It is given back when this and everything opened on it ([`Sqlite`](crate::Sqlite), [`ComponentFiles`]) are dropped, so
/// that nothing is ever written without the lock.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    lock: Arc<Lock>,
}

impl DataDir {
    pub(crate) const LOCK: &str = "lock";
    pub(crate) const FORMAT: &str = "format";
    pub(crate) const OPERATOR_TOKEN: &str = "operator.token";
    pub(crate) const ARTIFACT_KEY: &str = "artifact.key";
    /// Below the directory of the audit.
    pub(crate) const AUDIT_HEAD: &str = "head";
    pub(crate) const KEK: &str = "kek";
    const NEXT_KEK: &str = "kek.next";

    /// Opens a data directory, and creates it where there is none (mode 0700).
    ///
    /// An empty one becomes ours; one that is not empty and has no `format` is refused, and so is one of a newer version
    /// ([`StoreError::NotOurs`], [`StoreError::NewerFormat`]): nothing in it is changed. Never waits for another host
    /// ([`StoreError::InUse`]), but blocks on the disk. Killed at any point, it can be called again.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let path = path.into();
        create(&path)?;
        // Before the lock, so that what is refused is not even locked.
        format::look(&path)?;
        let lock = Lock::take(&path, &path.join(Self::LOCK))?;
        // And under it: another host may have been quicker.
        if format::look(&path)? == Found::Fresh {
            format::adopt(&path)?;
        }
        let data = Self { path, lock: Arc::new(lock) };
        data.tidy()?;
        Ok(data)
    }

    /// The control database.
    pub fn database(&self) -> PathBuf {
        self.path.join("bailiwick.db")
    }

    /// The database of agents' keys and values.
    pub fn state(&self) -> PathBuf {
        self.path.join("state.db")
    }

    /// The log of messages that must not be lost.
    pub fn journal(&self) -> PathBuf {
        self.path.join("journal.db")
    }

    /// The directory of agents' files; it exists.
    pub fn tenants(&self) -> PathBuf {
        self.path.join("tenants")
    }

    /// The directory of components; it exists.
    pub fn components(&self) -> PathBuf {
        self.path.join("components")
    }

    /// The directory of what the engine compiles; it exists, and may be emptied while no host is up.
    pub fn artifacts(&self) -> PathBuf {
        self.path.join("artifacts")
    }

    /// The operator's key, written by [`write_private`](crate::write_private).
    pub fn operator_token(&self) -> PathBuf {
        self.path.join(Self::OPERATOR_TOKEN)
    }

    /// The key that binds artifacts to this host, written by [`write_private`](crate::write_private).
    pub fn artifact_key(&self) -> PathBuf {
        self.path.join(Self::ARTIFACT_KEY)
    }

    /// The directory of the audit; it exists.
    pub fn audit(&self) -> PathBuf {
        self.path.join("audit")
    }

    /// The key under which heads of the audit are sealed, written by [`write_private`](crate::write_private).
    pub fn audit_key(&self) -> PathBuf {
        self.path.join("audit.key")
    }

    /// Which of the hosts of one NATS this is.
    pub fn host_id(&self) -> PathBuf {
        self.path.join("host.id")
    }

    /// The directory of usage lines; it exists.
    pub fn usage(&self) -> PathBuf {
        self.path.join("usage")
    }

    /// The key-encryption key of the vault, kept by [`KekFiles`](crate::KekFiles). Not in the database: who has a copy
    /// of that alone can open nothing.
    pub fn kek(&self) -> PathBuf {
        self.path.join(Self::KEK)
    }

    /// The key-encryption key that a rotation puts in its place.
    pub(crate) fn next_kek(&self) -> PathBuf {
        self.path.join(Self::NEXT_KEK)
    }

    /// Keeps the lock for as long as what is opened on the directory.
    pub(crate) fn share_lock(&self) -> Arc<Lock> {
        Arc::clone(&self.lock)
    }

    fn tidy(&self) -> Result<(), StoreError> {
        ensure_dir(&self.components())?;
        ensure_dir(&self.artifacts())?;
        ensure_dir(&self.audit())?;
        ensure_dir(&self.usage())?;
        ensure_dir(&self.tenants())?;
        sweep(&self.path);
        sweep(&self.artifacts());
        ComponentFiles::sweep(&self.components());
        Ok(())
    }
}

fn create(path: &Path) -> Result<(), StoreError> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(io_error("create", parent))?;
    }
    ensure_dir(path)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    /// Every entry with what is in it.
    fn contents(dir: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
        let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| (path.clone(), fs::read(path).ok())).collect()
    }

    #[test]
    fn a_first_start_makes_a_closed_directory_and_marks_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/er/data");

        let data = DataDir::open(&path).unwrap();

        assert_eq!(mode(&path), 0o700);
        assert_eq!(fs::read_to_string(path.join("format")).unwrap(), "bailiwick-data 1\n");
        assert_eq!(mode(&data.components()), 0o700);
        assert_eq!(mode(&data.artifacts()), 0o700);
        assert_eq!(data.operator_token(), path.join("operator.token"));
    }

    #[test]
    fn an_empty_directory_is_adopted_and_closed_to_other_users() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();

        DataDir::open(dir.path()).unwrap();

        assert_eq!(mode(dir.path()), 0o700);
    }

    #[test]
    fn a_second_host_is_refused_while_the_first_lives_and_welcome_after() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataDir::open(dir.path()).unwrap();

        let refused = DataDir::open(dir.path()).unwrap_err();
        let (path, pid) = (dir.path().display(), std::process::id());
        let line = format!("another host (pid {pid}) is using {path}: stop it or choose another --data");
        assert_eq!(refused.to_string(), line);

        drop(first);
        DataDir::open(dir.path()).unwrap();
    }

    #[test]
    fn what_was_opened_on_it_keeps_it_held() {
        let dir = tempfile::tempdir().unwrap();
        let components = ComponentFiles::open(&DataDir::open(dir.path()).unwrap()).unwrap();

        assert!(matches!(DataDir::open(dir.path()), Err(StoreError::InUse { .. })));

        drop(components);
        DataDir::open(dir.path()).unwrap();
    }

    #[test]
    fn a_holder_that_has_not_written_its_id_is_still_a_holder() {
        let dir = tempfile::tempdir().unwrap();
        let _first = DataDir::open(dir.path()).unwrap();
        fs::write(dir.path().join("lock"), "").unwrap();

        let refused = DataDir::open(dir.path()).unwrap_err();

        let path = dir.path().display();
        assert_eq!(refused.to_string(), format!("another host is using {path}: stop it or choose another --data"));
    }

    #[test]
    fn a_newer_format_is_refused_and_nothing_changed() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("format"), "bailiwick-data 2\n").unwrap();
        fs::write(dir.path().join("lock"), "99999999\n").unwrap();
        fs::write(dir.path().join(".bailiwick-draft-x"), "half").unwrap();
        let before = contents(dir.path());

        let refused = DataDir::open(dir.path()).unwrap_err();

        let path = dir.path().display();
        let line = format!("{path} was written by a newer version (format 2, this one reads 1): upgrade bailiwick");
        assert_eq!(refused.to_string(), line);
        assert_eq!(contents(dir.path()), before);
    }

    #[test]
    fn a_directory_of_somebody_else_is_refused_and_nothing_changed() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("thesis.tex"), "years of work").unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        let before = contents(dir.path());

        let refused = DataDir::open(dir.path()).unwrap_err();

        assert!(matches!(&refused, StoreError::NotOurs { found, .. } if found == "thesis.tex"), "{refused}");
        assert_eq!(contents(dir.path()), before);
        assert_eq!(mode(dir.path()), 0o755);
    }

    #[test]
    fn a_format_that_tells_nothing_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for damaged in ["", "0\n", "bailiwick-data 0\n", "\0\0\0\0"] {
            fs::write(dir.path().join("format"), damaged).unwrap();
            assert!(matches!(DataDir::open(dir.path()), Err(StoreError::BadFormat { .. })), "{damaged:?}");
        }
    }

    #[test]
    fn a_start_that_was_killed_at_any_point_can_be_repeated() {
        let halves =
            [&["lock"][..], &["lock", ".bailiwick-draft-x"], &["operator.token"], &["lost+found"], &["lock", "format"]];
        for half in halves {
            let dir = tempfile::tempdir().unwrap();
            for name in half {
                let text = if *name == "format" { "bailiwick-data 1\n" } else { "" };
                fs::write(dir.path().join(name), text).unwrap();
            }
            let data = DataDir::open(dir.path()).unwrap();
            assert!(data.components().is_dir(), "{half:?}");
            assert!(!dir.path().join(".bailiwick-draft-x").exists(), "{half:?}");
        }
    }

    #[test]
    fn a_directory_that_holds_nothing_but_a_key_from_another_host_becomes_ours() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("kek"), [7; 32]).unwrap();
        let data = DataDir::open(dir.path()).unwrap();
        assert_eq!(fs::read(data.kek()).unwrap(), [7; 32]);
    }

    #[test]
    fn a_path_that_is_no_directory_is_one_clear_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let refused = DataDir::open(file.path()).unwrap_err();
        assert_eq!(refused.to_string(), format!("cannot create {}", file.path().display()));
    }
}
