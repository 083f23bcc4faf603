//! Tenants and their components.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A tenant to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateTenant {
    /// 1 to 40 of `a-z`, `0-9` and `-`. Never given again, not even after the tenant is gone.
    #[schema(example = "acme")]
    pub tenant_id: String,
    /// For people; the id if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tenant {
    /// Its id.
    pub tenant_id: String,
    /// For people.
    pub name: String,
    /// When it was created (RFC 3339).
    pub created_at: String,
}

/// A component the host has kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoredComponent {
    /// What its bytes hash to.
    pub digest: String,
    /// Its length in bytes.
    pub size: u64,
}
