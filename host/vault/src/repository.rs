//! Where keys and secrets are kept, sealed, and where the key is that opens them.

use std::sync::Arc;

use async_trait::async_trait;
use host_model::{KeyId, SecretName, TenantId};

use crate::{Kek, KeyRecord, Sealed, SecretRecord};

/// The store could not do it.
#[derive(Debug, thiserror::Error)]
#[error("cannot {act}")]
pub struct VaultStoreError {
    /// What was tried: `save the key`.
    pub act: &'static str,
    /// Why it failed.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Keeps keys and secrets. Sees only sealed bytes.
#[async_trait]
pub trait VaultRepository: Send + Sync {
    /// All keys. One that cannot be read fails the whole: a host without one of its keys would look healthy.
    async fn keys(&self) -> Result<Vec<KeyRecord>, VaultStoreError>;

    /// Saves keys in this order, new ones and changed ones, and forgets others of the tenant: all or nothing.
    ///
    /// At most one key of a principal is active; a change that makes it two is an error.
    async fn save_keys(
        &self,
        tenant: &TenantId,
        saved: &[KeyRecord],
        forgotten: &[KeyId],
    ) -> Result<(), VaultStoreError>;

    /// All secrets.
    async fn secrets(&self) -> Result<Vec<SecretRecord>, VaultStoreError>;

    /// Saves a secret over whatever has its name.
    async fn save_secret(&self, secret: &SecretRecord) -> Result<(), VaultStoreError>;

    /// Deletes a secret. One that is not there is no error.
    async fn delete_secret(&self, tenant: &TenantId, name: &SecretName) -> Result<(), VaultStoreError>;

    /// Deletes every key and secret of a tenant: what was sealed or signed with them is lost for good.
    async fn shred(&self, tenant: &TenantId) -> Result<(), VaultStoreError>;

    /// Replaces what is sealed of a tenant, and nothing else of it: all or nothing.
    async fn reseal(&self, tenant: &TenantId, resealed: &Sealed) -> Result<(), VaultStoreError>;

    /// Sees that nothing that was replaced or deleted is left on the disk, where the medium allows it.
    async fn scrub(&self) -> Result<(), VaultStoreError>;
}

/// The key-encryption keys that there are.
pub struct Keks {
    /// What everything is sealed under.
    pub in_force: Arc<dyn Kek>,
    /// What a rotation that was not finished puts in its place.
    pub next: Option<Arc<dyn Kek>>,
}

/// Keeps the key-encryption key, apart from what it seals: in a file, or as a handle to an HSM.
#[async_trait]
pub trait KekStore: Send + Sync {
    /// The keys that there are; the first start makes one.
    async fn load(&self) -> Result<Keks, VaultStoreError>;

    /// Keeps a new key beside the one in force, durably. One that is there already stays.
    async fn add_next(&self) -> Result<(), VaultStoreError>;

    /// Puts the next key in force, and destroys the one before it. At any moment there is the one or the other.
    async fn promote(&self) -> Result<(), VaultStoreError>;
}
