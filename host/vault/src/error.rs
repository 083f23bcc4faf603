//! Why the vault did not do it. Never says what it holds.

use host_model::{KeyId, SecretName, TenantId};

use crate::VaultStoreError;

/// Why the vault did not do it.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// What is kept does not open: it was changed, moved, or sealed under another key-encryption key.
    #[error("'{id}' of tenant {tenant} does not open: restore the key-encryption key that it was sealed under")]
    DoesNotOpen {
        /// Whose it is.
        tenant: TenantId,
        /// Which key or secret.
        id: String,
    },
    /// Sealing failed.
    #[error("sealing failed")]
    NotSealed,
    /// The machine gives no random bytes.
    #[error("the machine gives no random bytes")]
    NoRandomness(#[source] getrandom::Error),
    /// The tenant has no such key.
    #[error("there is no key {0}")]
    NoKey(KeyId),
    /// The tenant has no such secret.
    #[error("there is no secret '{0}'")]
    NoSecret(SecretName),
    /// Another change of the tenant's keys or secrets is under way.
    #[error("another change of this tenant's keys or secrets is under way: try again")]
    Busy,
    /// The tenant has as many keys as it may.
    #[error("{len_max} keys are the most: wait until retired ones are forgotten")]
    TooManyKeys {
        /// How many it may have.
        len_max: usize,
    },
    /// The tenant has as many secrets as it may.
    #[error("{len_max} secrets are the most: remove one")]
    TooManySecrets {
        /// How many it may have.
        len_max: usize,
    },
    /// The secret is empty or too long.
    #[error("a secret of {len} bytes: it has 1 to {len_max}")]
    SecretLength {
        /// Bytes.
        len: usize,
        /// Bytes.
        len_max: usize,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] VaultStoreError),
}
