//! How a request went wrong (RFC 9457).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A refusal or a failure, as `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// A URI for the kind of problem: `urn:bailiwick:problem:{code}`.
    #[serde(rename = "type")]
    #[schema(example = "urn:bailiwick:problem:not-found")]
    pub kind: String,
    /// The kind in words; the same for each occurrence.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What failed this time, and what to do next.
    pub detail: String,
    /// The kind as a stable word for programs.
    #[schema(example = "not-found")]
    pub code: String,
    /// The limit that was hit, in the unit the code implies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// What was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actual: Option<u64>,
    /// When trying again can make sense, in milliseconds from now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}
