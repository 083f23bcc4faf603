//! What is kept, and what may be told of it.

use std::fmt;

use host_model::{KeyId, Principal, SecretName, TenantId, Timestamp};

/// Bytes that only the key-encryption key opens.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedBytes(Vec<u8>);

impl SealedBytes {
    /// As they were kept.
    pub fn new(sealed: Vec<u8>) -> Self {
        Self(sealed)
    }

    /// As they are kept.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SealedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sealed bytes", self.0.len())
    }
}

/// How a signing key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// It signs and verifies.
    Active,
    /// It verifies what it signed before this moment.
    Retired(Timestamp),
    /// It does neither since this moment, and its bytes are gone.
    Revoked(Timestamp),
}

/// A signing key as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its name.
    pub id: KeyId,
    /// For whom it may sign.
    pub principal: Principal,
    /// How it is.
    pub state: KeyState,
    /// When it was made.
    pub created: Timestamp,
    /// Its bytes; none once it is revoked.
    pub sealed: Option<SealedBytes>,
}

/// What may be told of a signing key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyView {
    /// Its name.
    pub id: KeyId,
    /// For whom it may sign.
    pub principal: Principal,
    /// How it is.
    pub state: KeyState,
    /// When it was made.
    pub created: Timestamp,
}

impl From<&KeyRecord> for KeyView {
    fn from(record: &KeyRecord) -> Self {
        let KeyRecord { id, principal, state, created, .. } = record;
        Self { id: *id, principal: principal.clone(), state: *state, created: *created }
    }
}

/// A tenant's secret as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRecord {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its name.
    pub name: SecretName,
    /// When it was last set.
    pub updated: Timestamp,
    /// Its text.
    pub sealed: SealedBytes,
}

/// What may be told of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretView {
    /// Its name.
    pub name: SecretName,
    /// When it was last set.
    pub updated: Timestamp,
}
