//! The real vault over nothing: what it saves goes nowhere, so that no run waits for a disk.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use host_model::{Clock, KeyId, SecretName, TenantId};
use host_vault::{
    KekStore, Keks, KeyRecord, LocalKek, Sealed, SecretRecord, Vault, VaultRepository, VaultStoreError, Zeroizing,
};

struct Nowhere;

#[async_trait]
impl VaultRepository for Nowhere {
    async fn keys(&self) -> Result<Vec<KeyRecord>, VaultStoreError> {
        Ok(Vec::new())
    }

    async fn save_keys(&self, _: &TenantId, _: &[KeyRecord], _: &[KeyId]) -> Result<(), VaultStoreError> {
        Ok(())
    }

    async fn secrets(&self) -> Result<Vec<SecretRecord>, VaultStoreError> {
        Ok(Vec::new())
    }

    async fn save_secret(&self, _: &SecretRecord) -> Result<(), VaultStoreError> {
        Ok(())
    }

    async fn delete_secret(&self, _: &TenantId, _: &SecretName) -> Result<(), VaultStoreError> {
        Ok(())
    }

    async fn shred(&self, _: &TenantId) -> Result<(), VaultStoreError> {
        Ok(())
    }

    async fn reseal(&self, _: &TenantId, _: &Sealed) -> Result<(), VaultStoreError> {
        Ok(())
    }

    async fn scrub(&self) -> Result<(), VaultStoreError> {
        Ok(())
    }
}

/// Always the same key.
#[async_trait]
impl KekStore for Nowhere {
    async fn load(&self) -> Result<Keks, VaultStoreError> {
        Ok(Keks { in_force: Arc::new(LocalKek::new(&Zeroizing::new([7; 32]))), next: None })
    }

    async fn add_next(&self) -> Result<(), VaultStoreError> {
        Ok(())
    }

    async fn promote(&self) -> Result<(), VaultStoreError> {
        Ok(())
    }
}

/// A vault without a key.
pub(crate) fn empty(clock: Arc<dyn Clock>) -> Vault {
    at_once(Vault::open(Arc::new(Nowhere), Arc::new(Nowhere), clock)).expect("nothing is kept that could be wrong")
}

/// What has nothing to wait for.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("nothing here waits"),
    }
}
