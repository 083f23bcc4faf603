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
    /// What another host announced was not taken.
    #[error("what host '{peer}' announced of tenant {tenant}'s keys is not taken: {cause}")]
    Peer {
        /// The host.
        peer: String,
        /// Whose keys they are.
        tenant: TenantId,
        /// Why not.
        cause: PeerKeysRefused,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] VaultStoreError),
}

/// Why another host's keys were not taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerKeysRefused {
    /// A key does not open.
    #[error("key {id} does not open: give both hosts the same key-encryption key")]
    DoesNotOpen {
        /// Which.
        id: KeyId,
    },
    /// A key is another tenant's.
    #[error("key {id} is tenant {tenant}'s")]
    Foreign {
        /// Which.
        id: KeyId,
        /// Whose it is.
        tenant: TenantId,
    },
    /// More keys than a tenant may have.
    #[error("{len} keys: {len_max} are the most")]
    TooMany {
        /// How many they are.
        len: usize,
        /// How many they may be.
        len_max: usize,
    },
    /// As many hosts as may be sign for the tenant already.
    #[error("{len_max} other hosts of one tenant are the most")]
    TooManyPeers {
        /// How many there may be.
        len_max: usize,
    },
    /// As many tenants as may be have keys already.
    #[error("{len_max} tenants are the most")]
    TooManyTenants {
        /// How many there may be.
        len_max: usize,
    },
}
