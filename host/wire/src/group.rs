//! Groups of agents.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What the members of a group share, in place of all that was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetGroup {
    /// Text by name: at most 64, and 16 KiB of names and values in all. A member's own `[config]` goes over it.
    #[schema(example = json!({ "model": "small" }))]
    pub settings: BTreeMap<String, String>,
}

/// A group of agents of one tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// Whose.
    pub tenant_id: String,
    /// Its name.
    #[schema(example = "search")]
    pub group_id: String,
    /// What its members share.
    pub settings: BTreeMap<String, String>,
    /// The agents whose manifest names it.
    pub members: Vec<String>,
    /// Who leads it now, where one of them does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<GroupLeader>,
}

/// Who leads a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GroupLeader {
    /// Which agent.
    pub agent_id: String,
    /// Counts those who led before it.
    pub token: u64,
}
