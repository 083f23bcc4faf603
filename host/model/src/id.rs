//! Ids of tenants and agents: one grammar, parsed once at the edge.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest id, in bytes.
const ID_LEN_MAX: usize = 40;

const OPERATOR: &str = "operator";

/// Agent ids that name the house's own queues and principals (ADR 3).
const RESERVED_AGENT_IDS: [&str; 4] = ["agents", "dlq", OPERATOR, "orchestrator"];

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadId {
    /// It does not match the grammar.
    #[error("'{0}' is not an id: use 1 to 40 of a-z, 0-9 and '-', neither starting nor ending with '-'")]
    Grammar(String),
    /// It is a word the host keeps for itself.
    #[error("'{0}' is reserved: choose another id")]
    Reserved(String),
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadId;

            fn try_from(raw: String) -> Result<Self, BadId> {
                raw.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().to_owned()
            }
        }
    };
}

id_type! {
    /// A tenant: an organisation whose agents, messages and data nobody else sees.
    ///
    /// Grammar: `[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?`. Never reused.
    TenantId
}

id_type! {
    /// An agent within its tenant, with the grammar of [`TenantId`]. Never reused.
    AgentId
}

id_type! {
    /// A group of agents of one tenant, with the grammar of [`TenantId`].
    GroupId
}

id_type! {
    /// A lease within its scope, with the grammar of [`TenantId`]. `leader` is the host's own.
    LeaseId
}

/// The lease that says who leads.
const LEADER: &str = "leader";

impl LeaseId {
    /// The lease that the host itself takes for the leader of a group, or of an agent's replicas. No guest can ask for it.
    pub fn leader() -> Self {
        Self(LEADER.into())
    }
}

impl FromStr for GroupId {
    type Err = BadId;

    fn from_str(raw: &str) -> Result<Self, BadId> {
        check_grammar(raw)?;
        Ok(Self(raw.into()))
    }
}

impl FromStr for LeaseId {
    type Err = BadId;

    fn from_str(raw: &str) -> Result<Self, BadId> {
        check_grammar(raw)?;
        if raw == LEADER { Err(BadId::Reserved(raw.to_owned())) } else { Ok(Self(raw.into())) }
    }
}

impl FromStr for TenantId {
    type Err = BadId;

    fn from_str(raw: &str) -> Result<Self, BadId> {
        check_grammar(raw)?;
        Ok(Self(raw.into()))
    }
}

impl FromStr for AgentId {
    type Err = BadId;

    fn from_str(raw: &str) -> Result<Self, BadId> {
        check_grammar(raw)?;
        if RESERVED_AGENT_IDS.contains(&raw) {
            return Err(BadId::Reserved(raw.to_owned()));
        }
        Ok(Self(raw.into()))
    }
}

impl AgentId {
    /// The principal a person at the controls sends as. No deployed agent can carry this id.
    pub fn operator() -> Self {
        Self(OPERATOR.into())
    }

    /// Reads a principal in what the host itself wrote: an agent, or the operator.
    pub fn principal(raw: &str) -> Result<Self, BadId> {
        if raw == OPERATOR { Ok(Self::operator()) } else { raw.parse() }
    }
}

fn check_grammar(raw: &str) -> Result<(), BadId> {
    let bytes = raw.as_bytes();
    let inner = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
    let edge = |b: Option<&u8>| b.is_some_and(|b| *b != b'-');
    if bytes.len() <= ID_LEN_MAX && bytes.iter().all(inner) && edge(bytes.first()) && edge(bytes.last()) {
        return Ok(());
    }
    // What was typed goes into the message, so it is cut to a readable length and shown with its control characters escaped.
    let shown: String = raw.chars().take(ID_LEN_MAX + 1).flat_map(char::escape_debug).collect();
    Err(BadId::Grammar(shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, ok: bool) {
        assert_eq!(raw.parse::<TenantId>().is_ok(), ok, "{raw:?}");
    }

    #[test]
    fn an_id_is_one_to_forty_of_the_grammar() {
        for good in ["a", "0", "acme", "a-b", "a--b", "prod-data-processor-01", &"a".repeat(40)] {
            check(good, true);
        }
        for bad in [
            "",
            "-",
            "-a",
            "a-",
            "ACME",
            "a.b",
            "a*",
            ">",
            "..",
            "%2e",
            "a b",
            "a\0",
            "\u{e9}",
            "e\u{301}",
            &"a".repeat(41),
        ] {
            check(bad, false);
        }
    }

    #[test]
    fn an_agent_cannot_take_a_reserved_word() {
        for word in RESERVED_AGENT_IDS {
            assert_eq!(word.parse::<AgentId>(), Err(BadId::Reserved(word.into())));
            check(word, true);
        }
    }

    #[test]
    fn a_bad_id_is_shown_short_and_without_control_characters() {
        let text = format!("\u{1b}[31m{}", "x".repeat(5000)).parse::<TenantId>().unwrap_err().to_string();
        assert!(text.len() < 250 && !text.contains('\u{1b}'), "{text}");
    }
}
