//! Where keys and secrets are kept, sealed.

use async_trait::async_trait;
use host_model::{KeyId, SecretName, TenantId};

use crate::{KeyRecord, SecretRecord};

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
}
