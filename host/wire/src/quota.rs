//! What a tenant may use.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is set for a tenant, in place of everything that was. What is not named follows the host's defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetQuota {
    /// Limits by name: `memory`, `log-per-second`, `storage`, `state` in bytes; `instances`, `requests`, `messages-per-second`,
    /// `messages-per-day`, `storage-files`, `state-keys`, `http-requests`, `weight`, `parallelism`.
    #[schema(example = json!({ "memory": 1_073_741_824, "messages-per-second": 500 }))]
    pub limits: BTreeMap<String, u64>,
}

/// What a tenant may use, and what it uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Quota {
    /// Whose.
    pub tenant_id: String,
    /// Each limit.
    pub limits: Vec<QuotaLine>,
}

/// One limit of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuotaLine {
    /// Which.
    #[schema(example = "memory")]
    pub name: String,
    /// The most.
    pub limit: u64,
    /// Whether it counts bytes.
    pub bytes: bool,
    /// Whether it was set for this tenant; otherwise it is the host's default.
    pub set: bool,
    /// What is in use now, where that is counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_use: Option<u64>,
    /// How much that is of the limit.
    pub state: QuotaState,
    /// When what was used is free again, where the clock says so (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<String>,
}

/// How much of a limit is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum QuotaState {
    /// Less than 80 %.
    #[serde(rename = "ok")]
    Ok,
    /// 80 % or more.
    #[serde(rename = "near-quota")]
    Near,
    /// All of it, or more.
    #[serde(rename = "quota-exceeded")]
    Exceeded,
}

/// The word in JSON.
impl fmt::Display for QuotaState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Near => "near-quota",
            Self::Exceeded => "quota-exceeded",
        })
    }
}
