//! What an operator allows in a tenant (`policy.toml`).
//!
//! Rules only allow. What no `[[allow]]` names is denied, and a key that this host does not know is an error.

use std::fmt;

use host_model::{HostPattern, Policy};
use serde::Deserialize;
use toml::Spanned;

use self::shape::Shape;
use crate::error::{at, one_line};
use crate::manifest::refusal::{Located, line_at, locate};

mod shape;

/// The longest policy, in bytes.
const POLICY_LEN_MAX: usize = 256 << 10;

/// The policy of a tenant that was given none: its agents may do among themselves what their manifests ask for, and nothing
/// leaves the tenant (ADR 8).
pub const STARTER_POLICY: &str = include_str!("policy/starter.toml");

/// Why a text is not a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Longer than the host reads.
    #[error("the policy has {len} bytes, more than the {len_max} allowed: shorten it")]
    TooLarge {
        /// Its length in bytes.
        len: usize,
        /// The most that is read, in bytes.
        len_max: usize,
    },
    /// Not TOML.
    #[error("policy, line {line}: not TOML: {problem}: correct this line")]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// What is wrong; one line, bounded.
        problem: String,
    },
    /// A key is missing, unknown, or has a value that cannot be meant.
    #[error("policy{}: {key}: {problem}", at(*.line))]
    Key {
        /// The key with its tables: `allow.publish`.
        key: String,
        /// The line, from 1, where it is known.
        line: Option<usize>,
        /// What is wrong and what to do; one line, bounded.
        problem: String,
    },
}

/// A policy that was read, and what in it is wide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyDocument {
    /// What it says.
    pub policy: Policy,
    /// What is allowed and worth a look.
    pub warnings: Vec<PolicyWarning>,
}

/// A wildcard in a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyWarning {
    /// In which rule.
    pub rule: String,
    /// Under which key.
    pub key: &'static str,
    /// The pattern.
    pub pattern: String,
}

impl fmt::Display for PolicyWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, key, pattern } = self;
        write!(f, "rule '{rule}' allows {key} '{pattern}': a wildcard; name what is meant if it is known")
    }
}

impl PolicyDocument {
    /// Reads a policy of at most 256 KiB. The error names the first key that is off, its line, and what to do.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        if text.len() > POLICY_LEN_MAX {
            return Err(PolicyError::TooLarge { len: text.len(), len_max: POLICY_LEN_MAX });
        }
        let toml = toml::Deserializer::parse(text).map_err(|cause| syntax(text, &cause))?;
        let shape = Shape::deserialize(toml).map_err(|cause| key(text, cause))?;
        let policy = shape.into_policy(|name, spanned_at, problem| PolicyError::Key {
            key: name.to_owned(),
            line: spanned_at.map(|offset| line_at(text, offset)),
            problem,
        })?;
        let warnings = warnings(&policy);
        Ok(Self { policy, warnings })
    }

    /// The [`STARTER_POLICY`].
    pub fn starter() -> Self {
        Self::parse(STARTER_POLICY).expect("a test reads it")
    }

    /// The JSON Schema (2020-12) of policies.
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(Shape).to_value()
    }
}

fn syntax(text: &str, cause: &toml::de::Error) -> PolicyError {
    let line = line_at(text, cause.span().map_or(text.len(), |span| span.start));
    PolicyError::Syntax { line, problem: one_line(cause.message()) }
}

fn key(text: &str, cause: toml::de::Error) -> PolicyError {
    let Located { key, line, problem } = locate(text, cause);
    PolicyError::Key { key, line, problem }
}

fn warnings(policy: &Policy) -> Vec<PolicyWarning> {
    let mut warnings = Vec::new();
    for rule in &policy.rules {
        let mut warn = |key, pattern: String| warnings.push(PolicyWarning { rule: rule.name.clone(), key, pattern });
        let allows = &rule.allows;
        for (key, patterns) in [("publish", &allows.publish), ("subscribe", &allows.subscribe)] {
            patterns.iter().filter(|pattern| pattern.is_wild()).for_each(|pattern| warn(key, pattern.to_string()));
        }
        allows.http.iter().filter(|host| host.is_wild()).for_each(|host| warn("http", host.to_string()));
        if allows.send == host_model::SendGrant::Any {
            warn("send", "*".to_owned());
        }
    }
    warnings
}

/// A host that must be one host: where secrets go, and what lies in the private network.
fn one_host(host: &Spanned<HostPattern>) -> Result<HostPattern, String> {
    let pattern = host.get_ref();
    if pattern.is_wild() { Err(format!("'{pattern}' is a wildcard: name one host")) } else { Ok(pattern.clone()) }
}

#[cfg(test)]
mod tests;
