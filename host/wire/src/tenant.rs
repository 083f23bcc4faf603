//! Tenants and their components.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::QuotaLine;

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
    /// Whether it works.
    #[serde(default)]
    pub state: TenantState,
    /// Why it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Since when it does not (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// When it was created (RFC 3339).
    pub created_at: String,
}

/// A tenant, with what of it wants attention.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TenantDetails {
    /// Who it is.
    #[serde(flatten)]
    pub tenant: Tenant,
    /// How many agents it has.
    pub agents: u64,
    /// How many of them are ready.
    pub ready: u64,
    /// Limits of which 80 % or more are in use.
    pub quotas: Vec<QuotaLine>,
}

/// Whether a tenant works.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum TenantState {
    /// It does.
    #[default]
    #[serde(rename = "active")]
    Active,
    /// Its agents were drained and stopped, and no new work is taken.
    #[serde(rename = "suspended")]
    Suspended,
    /// Everything of it is cut off.
    #[serde(rename = "quarantined")]
    Quarantined,
}

/// The word in JSON.
impl fmt::Display for TenantState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Quarantined => "quarantined",
        })
    }
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
