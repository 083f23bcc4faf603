//! What an agent says of itself.

use serde::{Deserialize, Serialize};

use crate::AgentId;

/// One thing an agent can do (A2A 1.0, `AgentSkill`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skill {
    /// What peers search by: `search_knowledge_base`.
    pub id: String,
    /// For people.
    pub name: String,
    /// For people, and for models that choose.
    pub description: String,
    /// At least one.
    pub tags: Vec<String>,
    /// Questions it answers well.
    #[serde(default)]
    pub examples: Vec<String>,
}

/// What peers need to know of an agent, and its A2A card whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// The id to send to.
    pub id: AgentId,
    /// For people.
    pub name: String,
    /// For people.
    pub description: String,
    /// The agent's own version.
    pub version: String,
    /// Words the manifest's `capabilities` lists.
    pub capabilities: Vec<String>,
    /// What it can do.
    pub skills: Vec<Skill>,
    /// The A2A 1.0 agent card as JSON.
    pub card_json: String,
}

/// All given conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardQuery {
    /// The id of a skill.
    pub skill: Option<String>,
    /// A tag on any skill.
    pub tag: Option<String>,
    /// Text in the id, name or description, without regard to case; `*` stands for any run of characters.
    pub pattern: Option<String>,
    /// One of the card's capabilities.
    pub capability: Option<String>,
}
