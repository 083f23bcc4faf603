//! Components as files named by their digest: what is read is what was kept, or an error.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use host_component::Digest;
use host_fleet::{Components, RepositoryError};

use crate::DataDir;
use crate::error::{Cause, StoreError};
use crate::files::{ensure_dir, io_error, sweep, write_private};
use crate::lock::Lock;

/// The directory under `components/`: the digest's algorithm.
const ALGORITHM: &str = "sha256";
/// How many hexadecimal digits name the directory in between, so that none grows long.
const SHARD_LEN: usize = 2;

/// Components at `components/sha256/{first two digits}/{all digits}.wasm`.
#[derive(Debug)]
pub struct ComponentFiles {
    root: PathBuf,
    _lock: Arc<Lock>,
}

impl ComponentFiles {
    /// Opens the components of a data directory, and keeps that directory held.
    pub fn open(data: &DataDir) -> Result<Self, StoreError> {
        let root = data.components().join(ALGORITHM);
        ensure_dir(&root)?;
        Ok(Self { root, _lock: data.share_lock() })
    }

    /// Removes what a killed host has left half-written.
    pub(crate) fn sweep(components: &Path) {
        let Ok(shards) = fs::read_dir(components.join(ALGORITHM)) else { return };
        for shard in shards.filter_map(Result::ok) {
            sweep(&shard.path());
        }
    }

    fn path_of(&self, digest: &Digest) -> PathBuf {
        let hex = digest.to_hex();
        let shard: String = hex.chars().take(SHARD_LEN).collect();
        self.root.join(shard).join(format!("{hex}.wasm"))
    }
}

#[async_trait]
impl Components for ComponentFiles {
    /// Writes also when there is a file, so that keeping a component again repairs it.
    async fn save(&self, digest: &Digest, bytes: &[u8]) -> Result<(), RepositoryError> {
        let (digest, path, bytes) = (*digest, self.path_of(digest), bytes.to_owned());
        on_disk(move || write(digest, &path, &bytes)).await.map_err(failed("save the component"))
    }

    async fn load(&self, digest: &Digest) -> Result<Option<Vec<u8>>, RepositoryError> {
        let (digest, path) = (*digest, self.path_of(digest));
        on_disk(move || read(digest, &path)).await.map_err(failed("load the component"))
    }
}

async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(StoreError::CutOff)?
}

fn failed(act: &'static str) -> impl Fn(StoreError) -> RepositoryError {
    move |cause| RepositoryError::Store { act, source: Cause::from(cause) }
}

fn write(digest: Digest, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    check(digest, bytes)?;
    if let Some(shard) = path.parent() {
        ensure_dir(shard)?;
    }
    write_private(path, bytes)
}

fn read(digest: Digest, path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    match fs::read(path) {
        Ok(bytes) => check(digest, &bytes).map(|()| Some(bytes)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(io_error("read", path)(cause)),
    }
}

fn check(digest: Digest, bytes: &[u8]) -> Result<(), StoreError> {
    let found = Digest::of(bytes);
    if found == digest { Ok(()) } else { Err(StoreError::ChangedComponent { digest, found }) }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use tempfile::TempDir;

    use super::*;

    const BYTES: &[u8] = b"\0asm and more";

    fn open(dir: &TempDir) -> ComponentFiles {
        ComponentFiles::open(&DataDir::open(dir.path()).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_component_survives_reopening() {
        let dir = tempfile::tempdir().unwrap();
        let digest = Digest::of(BYTES);
        open(&dir).save(&digest, BYTES).await.unwrap();

        let components = open(&dir);

        assert_eq!(components.load(&digest).await.unwrap().as_deref(), Some(BYTES));
        assert_eq!(components.load(&Digest::of(b"another")).await.unwrap(), None);
    }

    #[tokio::test]
    async fn keeping_the_same_one_twice_is_no_error() {
        let dir = tempfile::tempdir().unwrap();
        let (components, digest) = (open(&dir), Digest::of(BYTES));
        components.save(&digest, BYTES).await.unwrap();
        components.save(&digest, BYTES).await.unwrap();
        assert_eq!(components.load(&digest).await.unwrap().as_deref(), Some(BYTES));
    }

    #[tokio::test]
    async fn a_flipped_byte_is_an_error_until_the_component_is_kept_again() {
        let dir = tempfile::tempdir().unwrap();
        let (components, digest) = (open(&dir), Digest::of(BYTES));
        components.save(&digest, BYTES).await.unwrap();
        let mut changed = BYTES.to_owned();
        changed[4] ^= 1;
        fs::write(components.path_of(&digest), &changed).unwrap();

        let refused = components.load(&digest).await.unwrap_err();

        assert_eq!(refused.to_string(), "cannot load the component");
        let found = Digest::of(&changed);
        let line = format!("the component {digest} was changed (these bytes have {found}): deploy it again");
        assert_eq!(refused.source().unwrap().to_string(), line);

        components.save(&digest, BYTES).await.unwrap();
        assert_eq!(components.load(&digest).await.unwrap().as_deref(), Some(BYTES));
    }

    #[tokio::test]
    async fn bytes_are_not_kept_under_a_digest_they_do_not_have() {
        let dir = tempfile::tempdir().unwrap();
        let (components, digest) = (open(&dir), Digest::of(BYTES));
        components.save(&digest, b"others").await.unwrap_err();
        assert_eq!(components.load(&digest).await.unwrap(), None);
    }

    #[tokio::test]
    async fn what_was_left_half_written_is_ignored_and_swept_at_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let (components, digest) = (open(&dir), Digest::of(BYTES));
        let shard = components.path_of(&digest).parent().unwrap().to_owned();
        fs::create_dir(&shard).unwrap();
        let half = shard.join(".bailiwick-draft-a1b2c3");
        fs::write(&half, &BYTES[..4]).unwrap();

        assert_eq!(components.load(&digest).await.unwrap(), None);
        components.save(&digest, BYTES).await.unwrap();
        assert!(half.exists(), "a live host's draft is not taken from it");

        drop(components);
        let components = open(&dir);
        assert!(!half.exists());
        assert_eq!(components.load(&digest).await.unwrap().as_deref(), Some(BYTES));
    }
}
