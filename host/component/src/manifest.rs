//! What an author says of an agent and asks for it (`bailiwick.toml`).
//!
//! A key that this host does not know, or does not enforce yet, is an error: a grant or a limit that is read and
//! ignored would be a promise broken in silence.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use host_model::{AgentId, Grants, GroupId, Limits, RunMode, Skill};
use serde::Deserialize;
use toml::Spanned;

use self::shape::{LimitsShape, RunShape, Shape};
use self::value::{is_line, is_prose};
use crate::ManifestError;
pub use config::{BadSettings, check_settings};

mod config;
mod external;
pub(crate) mod refusal;
mod shape;
pub(crate) mod value;

/// The longest manifest, in bytes.
const MANIFEST_LEN_MAX: usize = 64 << 10;
/// What an agent is when its manifest does not say (`agent.type`).
const KIND_DEFAULT: &str = "worker";

/// A manifest, checked: every bound holds and every limit can be meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// `[agent]`: who it is.
    pub agent: Agent,
    /// `[[skills]]`: what it can do, for its card. At most 32, no id twice.
    pub skills: Vec<Skill>,
    /// `[grants]`: what it may reach. Empty unless asked for.
    pub grants: Grants,
    /// `[limits]`: what it may use. [`Limits::default`] where the manifest says nothing; always [`Limits::checked`].
    pub limits: Limits,
    /// `[run]`: how its instances live.
    pub run: Run,
    /// `[config]`: its settings. Text as it stands, everything else as JSON. At most 64, and 16 KiB of names and
    /// values in all.
    pub config: BTreeMap<String, String>,
}

/// Who an agent is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// Its id within its tenant.
    pub id: AgentId,
    /// For people: 1 to 100 characters, no control characters.
    pub name: String,
    /// Its own version: 1 to 64 of `[A-Za-z0-9.+-]`, beginning with a letter or digit.
    pub version: String,
    /// For people: at most 1,000 characters. Empty unless given.
    pub description: String,
    /// Where its component lies, relative to the manifest. It may lead upwards; whoever opens it decides.
    pub component: Option<PathBuf>,
    /// `type`: the author's word for what it is; `worker` unless given. At most 64 characters.
    pub kind: String,
    /// Words peers search by. At most 32 of at most 64 characters.
    pub capabilities: Vec<String>,
}

/// By what replicas share messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shard {
    /// Messages of one key go to one replica.
    Key,
}

/// How an agent's instances live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// A fresh instance for each message (the default), or one that stays.
    pub instances: RunMode,
    /// How many of it, 1 to 64; 1 unless given.
    pub replicas: u32,
    /// The group whose settings and leases it shares.
    pub group: Option<GroupId>,
    /// Whether one of its replicas, or of its group, is given messages while the others stand by.
    pub leader: bool,
    /// By what its replicas share messages; in turn unless given.
    pub shard: Option<Shard>,
}

impl Default for Run {
    fn default() -> Self {
        Self { instances: RunMode::default(), replicas: 1, group: None, leader: false, shard: None }
    }
}

impl Manifest {
    /// Reads a manifest of at most 64 KiB. The error names the first key that is off, its line, and what to do.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        if text.len() > MANIFEST_LEN_MAX {
            return Err(ManifestError::TooLarge { len: text.len(), len_max: MANIFEST_LEN_MAX });
        }
        let toml = toml::Deserializer::parse(text).map_err(|cause| refusal::syntax(text, &cause))?;
        let shape = Shape::deserialize(toml).map_err(|cause| refusal::key(text, cause))?;
        Ok(Self {
            agent: shape.agent.into_agent(),
            skills: skills(text, shape.skills.0)?,
            grants: shape.grants.into_grants(),
            limits: limits(text, &shape.limits)?,
            run: run(text, shape.run)?,
            config: settings(text, shape.config)?,
        })
    }

    /// The manifest of a component that came without one: its id, no skills, no grants, the default limits.
    pub fn minimal(id: AgentId) -> Self {
        let agent = Agent {
            name: id.to_string(),
            id,
            version: "0.0.0".to_owned(),
            description: String::new(),
            component: None,
            kind: KIND_DEFAULT.to_owned(),
            capabilities: Vec::new(),
        };
        Self {
            agent,
            skills: Vec::new(),
            grants: Grants::default(),
            limits: Limits::default(),
            run: Run::default(),
            config: BTreeMap::new(),
        }
    }

    /// The text that reads back as [`minimal`](Self::minimal), for whoever keeps manifests word for word.
    pub fn minimal_text(id: &AgentId) -> String {
        format!("[agent]\nid = \"{id}\"\nname = \"{id}\"\nversion = \"0.0.0\"\n")
    }

    /// The id for a component that came without a manifest, from its file's name without the ending: `my_agent` is
    /// `my-agent`.
    pub fn id_from_stem(stem: &str) -> Result<AgentId, ManifestError> {
        let problem = |bad: host_model::BadId| format!("{bad} (rename the file, or deploy with a bailiwick.toml)");
        let id = stem.replace('_', "-").parse();
        id.map_err(|bad| ManifestError::Key { key: "agent.id".to_owned(), line: None, problem: problem(bad) })
    }
}

fn limits(text: &str, shape: &LimitsShape) -> Result<Limits, ManifestError> {
    shape.limits().checked().map_err(|bad| {
        let line = shape.offset_of(bad.name).map(|offset| refusal::line_at(text, offset));
        ManifestError::Limit { line, source: bad }
    })
}

fn run(text: &str, shape: RunShape) -> Result<Run, ManifestError> {
    match shape.conflict() {
        Some((offset, problem)) => Err(refusal::value(text, "run.shard", Some(offset), problem)),
        None => Ok(shape.into_run()),
    }
}

fn settings(text: &str, table: Option<Spanned<toml::Table>>) -> Result<BTreeMap<String, String>, ManifestError> {
    let Some(table) = table else { return Ok(BTreeMap::new()) };
    let offset = table.span().start;
    config::settings(table.into_inner()).map_err(|(key, problem)| refusal::value(text, &key, Some(offset), &problem))
}

fn skills(text: &str, raw: Vec<Spanned<Skill>>) -> Result<Vec<Skill>, ManifestError> {
    let mut skills: Vec<Skill> = Vec::with_capacity(raw.len());
    for (Range { start, .. }, skill) in raw.into_iter().map(|skill| (skill.span(), skill.into_inner())) {
        let refuse = |key: &str, problem: &str| refusal::value(text, key, Some(start), problem);
        check_skill(&skill).map_err(|(key, problem)| refuse(key, problem))?;
        if skills.iter().any(|earlier| earlier.id == skill.id) {
            return Err(refuse("skills.id", &format!("'{}' is there twice: give each skill its own id", skill.id)));
        }
        skills.push(skill);
    }
    Ok(skills)
}

/// The bounds of a skill, as the key that is off and what to do.
fn check_skill(skill: &Skill) -> Result<(), (&'static str, &'static str)> {
    let checks = [
        (is_line(&skill.id, 64), "skills.id", "use 1 to 64 characters without control characters"),
        (is_line(&skill.name, 100), "skills.name", "use 1 to 100 characters without control characters"),
        (
            is_prose(&skill.description, 1_000),
            "skills.description",
            "use at most 1000 characters, with no control characters but line breaks",
        ),
        ((1..=16).contains(&skill.tags.len()), "skills.tags", "use 1 to 16 tags"),
        (
            skill.tags.iter().all(|tag| is_line(tag, 64)),
            "skills.tags",
            "use 1 to 64 characters without control characters in each",
        ),
        (skill.examples.len() <= 16, "skills.examples", "use at most 16 examples"),
        (
            skill.examples.iter().all(|text| is_prose(text, 500)),
            "skills.examples",
            "use at most 500 characters in each",
        ),
    ];
    checks.into_iter().find(|(fits, ..)| !fits).map_or(Ok(()), |(_, key, problem)| Err((key, problem)))
}

#[cfg(test)]
mod tests;
