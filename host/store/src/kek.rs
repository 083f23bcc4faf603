//! The vault's key-encryption key in files of its own: `kek`, and beside it `kek.next` while everything is sealed anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use host_vault::{Kek, KekStore, Keks, LocalKek, VaultStoreError, Zeroizing, random_key};

use crate::error::{Cause, StoreError};
use crate::files::{io_error, put_in_place};
use crate::lock::Lock;
use crate::{DataDir, write_private};

/// Keeps the key-encryption key in the data directory, where it makes one at the first start.
#[derive(Debug, Clone)]
pub struct KekFiles {
    in_force: PathBuf,
    next: PathBuf,
    _lock: Arc<Lock>,
}

impl KekFiles {
    /// Those of a data directory, which stays held.
    pub fn of(data: &DataDir) -> Self {
        Self { in_force: data.kek(), next: data.next_kek(), _lock: data.share_lock() }
    }

    /// Does something with the files, away from the threads that serve others.
    async fn on_disk<T: Send + 'static>(
        &self,
        act: &'static str,
        work: impl FnOnce(&Self) -> Result<T, Cause> + Send + 'static,
    ) -> Result<T, VaultStoreError> {
        let files = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&files)).await;
        done.map_err(|cut_off| Cause::from(StoreError::CutOff(cut_off)))
            .flatten()
            .map_err(|source| VaultStoreError { act, source })
    }
}

#[async_trait]
impl KekStore for KekFiles {
    async fn load(&self) -> Result<Keks, VaultStoreError> {
        self.on_disk("read the key-encryption key", |files| {
            // With a next one, the one in force was there: a host that lost it must not begin with another.
            if !files.in_force.exists() && !files.next.exists() {
                write_private(&files.in_force, random_key()?.as_slice())?;
            }
            let next = files.next.exists().then(|| read(&files.next)).transpose()?;
            Ok(Keks { in_force: read(&files.in_force)?, next })
        })
        .await
    }

    async fn add_next(&self) -> Result<(), VaultStoreError> {
        self.on_disk("keep a new key-encryption key", |files| {
            if !files.next.exists() {
                write_private(&files.next, random_key()?.as_slice())?;
            }
            Ok(())
        })
        .await
    }

    async fn promote(&self) -> Result<(), VaultStoreError> {
        self.on_disk("put the new key-encryption key in force", |files| Ok(put_in_place(&files.next, &files.in_force)?))
            .await
    }
}

fn read(path: &Path) -> Result<Arc<dyn Kek>, StoreError> {
    let bytes = Zeroizing::new(fs::read(path).map_err(io_error("read", path))?);
    let key: Result<[u8; 32], _> = bytes.as_slice().try_into();
    let key = Zeroizing::new(key.map_err(|_| StoreError::NoKey { path: path.to_owned() })?);
    Ok(Arc::new(LocalKek::new(&key)))
}
