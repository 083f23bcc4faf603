//! A card from what the manifest says: A2A 1.0, `AgentCard`.

use host_component::Manifest;
use host_model::{Card, Skill, TenantId};
use serde::Serialize;

/// The protocol version our cards follow.
const PROTOCOL_VERSION: &str = "1.0";

/// The card of a deployed agent. `base_url` is where this host is reached, without a slash at the end.
pub fn card_of(tenant: &TenantId, manifest: &Manifest, base_url: &str) -> Card {
    let agent = &manifest.agent;
    let url = format!("{base_url}/a2a/{tenant}/{}", agent.id);
    let a2a = A2aCard {
        name: &agent.name,
        description: &agent.description,
        version: &agent.version,
        supported_interfaces: [Interface {
            url: &url,
            protocol_binding: "JSONRPC",
            protocol_version: PROTOCOL_VERSION,
        }],
        capabilities: Capabilities { streaming: false, push_notifications: false },
        default_input_modes: ["application/json"],
        default_output_modes: ["application/json"],
        skills: manifest.skills.iter().map(A2aSkill::of).collect(),
    };
    Card {
        id: agent.id.clone(),
        name: agent.name.clone(),
        description: agent.description.clone(),
        version: agent.version.clone(),
        capabilities: agent.capabilities.clone(),
        skills: manifest.skills.clone(),
        card_json: serde_json::to_string(&a2a).expect("plain data"),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct A2aCard<'a> {
    name: &'a str,
    description: &'a str,
    version: &'a str,
    supported_interfaces: [Interface<'a>; 1],
    capabilities: Capabilities,
    default_input_modes: [&'static str; 1],
    default_output_modes: [&'static str; 1],
    skills: Vec<A2aSkill<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Interface<'a> {
    url: &'a str,
    protocol_binding: &'static str,
    protocol_version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Capabilities {
    streaming: bool,
    push_notifications: bool,
}

#[derive(Serialize)]
struct A2aSkill<'a> {
    id: &'a str,
    name: &'a str,
    description: &'a str,
    tags: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    examples: &'a [String],
}

impl<'a> A2aSkill<'a> {
    fn of(skill: &'a Skill) -> Self {
        Self {
            id: &skill.id,
            name: &skill.name,
            description: &skill.description,
            tags: &skill.tags,
            examples: &skill.examples,
        }
    }
}
