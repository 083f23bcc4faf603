//! Commands to resident agents, and why somebody is stopped.

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

/// Why a tenant or an agent is stopped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// One line for people, at most 200 characters; `by an operator` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

fn null() -> Box<RawValue> {
    RawValue::NULL.to_owned()
}
