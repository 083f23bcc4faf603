//! What happened, and whether its record still holds.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What came of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AuditDecision {
    /// It may be done, and is begun.
    Allowed,
    /// It may not be done.
    Denied,
    /// What was allowed is done.
    Done,
    /// What was allowed did not succeed.
    Failed,
}

impl AuditDecision {
    /// The word in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

/// One record of the audit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditRecord {
    /// Counts all records from 1.
    pub seq: u64,
    /// When (RFC 3339); of several counted together, the last.
    pub at: String,
    /// In which tenant; absent for the host as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    /// `operator`, `host`, or `agent:` and an id.
    #[schema(example = "operator")]
    pub actor: String,
    /// What was asked for.
    #[schema(example = "agent.deploy")]
    pub action: String,
    /// On what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// What came of it.
    pub decision: AuditDecision,
    /// Why not, as a stable word for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The limit that was hit, in the unit the code implies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// What was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actual: Option<u64>,
    /// How often it happened.
    pub count: u64,
    /// When it happened first, of several counted together (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// The number of the record whose outcome this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<u64>,
    /// More, such as values before and after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<serde_json::Value>,
    /// The record's hash, which covers the record before.
    pub hash: String,
}

/// Whether the audit holds: exactly one of the two is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditCheck {
    /// It holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<AuditSummary>,
    /// It does not, from here on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<AuditBreak>,
}

/// An audit that holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditSummary {
    /// How many records there are.
    pub records: u64,
    /// In how many files.
    pub files: u64,
    /// The hash of the last record.
    pub hash: String,
    /// Records after the sealed head.
    pub unsealed: u64,
    /// Bytes of a last record that is not whole.
    pub torn_bytes: u64,
}

/// Where an audit is broken first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditBreak {
    /// In which file of `DATA/audit`.
    #[schema(example = "000001.jsonl")]
    pub file: String,
    /// In which line, from 1.
    pub line: u64,
    /// Where the record of this number should be.
    pub seq: u64,
    /// File, line, record and reason in words.
    pub message: String,
}
