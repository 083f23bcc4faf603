//! Commands to resident agents.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// A command to an agent.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// What the agent calls it.
    #[schema(example = "reset")]
    pub name: String,
    /// Any JSON; null if absent.
    #[serde(default = "null")]
    #[schema(value_type = serde_json::Value)]
    pub data: Box<RawValue>,
}

/// What the agent answered.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CommandResult {
    /// Any JSON.
    #[schema(value_type = serde_json::Value)]
    pub result: Box<RawValue>,
}

fn null() -> Box<RawValue> {
    RawValue::NULL.to_owned()
}
