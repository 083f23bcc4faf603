//! Signing keys and secrets: what may be told of them.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A key that signs a tenant's messages where they leave the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SigningKey {
    /// Its name: 16 hexadecimal digits.
    #[schema(example = "4be0643f1d98573b")]
    pub key_id: String,
    /// The one agent it signs for; absent for the host's own, which signs for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    /// `active` signs and verifies, `retired` verifies what it signed, `revoked` does neither.
    #[schema(example = "active")]
    pub state: String,
    /// When it was made (RFC 3339).
    pub created_at: String,
    /// When it was retired or revoked (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
}

/// That all keys and secrets were sealed anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VaultRotation {
    /// How many were sealed under the new key-encryption key.
    #[schema(example = 12)]
    pub resealed: u64,
}

/// A secret to keep.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetSecret {
    /// Its text: 1 to 16,384 bytes. Never given back.
    pub value: String,
}

/// Shows that there is one.
impl fmt::Debug for SetSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SetSecret")
    }
}

/// A secret that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Secret {
    /// What manifests call it.
    #[schema(example = "pagerduty-token")]
    pub name: String,
    /// When it was last set (RFC 3339).
    pub updated_at: String,
}
