//! Finding peers: what to look for, and what is found.

/// What to look for. All given conditions must hold; with none given every running agent of the tenant is found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Query {
    /// The id of a skill.
    pub skill: Option<String>,
    /// A tag on any skill.
    pub tag: Option<String>,
    /// Text in the id, name or description, without regard to case; `*` stands for any run of characters.
    pub pattern: Option<String>,
    /// A capability from the manifest.
    pub capability: Option<String>,
}

impl Query {
    /// Agents with this skill.
    pub fn skill(id: impl Into<String>) -> Self {
        Self { skill: Some(id.into()), ..Self::default() }
    }

    /// Agents with a skill of this tag.
    pub fn tag(tag: impl Into<String>) -> Self {
        Self { tag: Some(tag.into()), ..Self::default() }
    }

    /// Agents whose id, name or description matches.
    pub fn pattern(pattern: impl Into<String>) -> Self {
        Self { pattern: Some(pattern.into()), ..Self::default() }
    }

    /// Agents with this capability.
    pub fn capability(capability: impl Into<String>) -> Self {
        Self { capability: Some(capability.into()), ..Self::default() }
    }
}

/// What one usually needs of an agent's A2A card.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Card {
    /// The agent id to send to.
    pub id: String,
    /// The display name.
    pub name: String,
    /// What the agent is for.
    pub description: String,
    /// The agent's version.
    pub version: String,
    /// What the agent can do.
    pub skills: Vec<Skill>,
    /// The A2A agent card, whole, as JSON.
    pub card_json: String,
}

/// One thing an agent can do.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Skill {
    /// What to ask for in a [`Query`].
    pub id: String,
    /// The display name.
    pub name: String,
    /// What it does.
    pub description: String,
    /// Words to find it by.
    pub tags: Vec<String>,
}
