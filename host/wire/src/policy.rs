//! What a tenant's agents may do, and why.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A policy to set or to try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetPolicy {
    /// The document, as TOML; `GET /api/policy-schema` describes it.
    pub policy: String,
    /// Try it beside the one in force: nothing is denied by it, what it would deny is counted.
    #[serde(default)]
    pub shadow: bool,
}

/// A tenant's policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// Whose.
    pub tenant_id: String,
    /// Whether it is only tried.
    pub shadow: bool,
    /// Counts the policies that were in force; 0 is the one every tenant starts with. A tried one has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// When it was set, or since when its would-be denials are counted (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// The document, word for word.
    pub policy: String,
    /// What in it is wide.
    pub warnings: Vec<String>,
    /// What a tried policy would have denied so far.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub would_deny: Vec<WouldDeny>,
    /// How often it would have denied something beyond the first thousand kinds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub would_deny_more: u64,
}

/// One kind of would-be denial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WouldDeny {
    /// Whose.
    pub agent_id: String,
    /// What it did: `publish`, `subscribe`, `send`, `queues`, `discover`, `state`, `storage`, `http`, `secrets`.
    pub verb: String,
    /// To which topic, agent or host.
    pub target: String,
    /// How often.
    pub count: u64,
}

/// Why a call was, or would be, allowed or denied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// `allowed` or `denied`.
    pub decision: String,
    /// The keys, in the order they are asked. All must turn.
    pub keys: Vec<Key>,
}

/// One key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// Who holds it: `author`, `operator`, or `host`.
    pub owner: String,
    /// Which document says so, and which version of it.
    pub document: String,
    /// Whether it turns.
    pub allows: bool,
    /// The rule, in the document's words; for a denial, what is missing.
    pub rule: String,
}

/// A version that waits for approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PendingVersion {
    /// The revision it will be.
    pub revision: u32,
    /// The author's version.
    pub version: String,
    /// Its component: approval is pinned to it.
    pub digest: String,
    /// The digest of its manifest: approval is pinned to it.
    pub manifest_digest: String,
    /// When it was deployed (RFC 3339).
    pub asked_at: String,
    /// What it asks for beyond the version that serves, a sentence each.
    pub widened: Vec<String>,
}

/// Which version is decided on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DecideVersion {
    /// The revision that waits, or the author's version of it.
    pub version: String,
    /// Its component, as it was looked at: another one is refused with `other-pending`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The digest of its manifest, as it was looked at: another one is refused with `other-pending`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest_digest: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
