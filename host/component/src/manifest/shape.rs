//! A manifest as TOML has it: every table and key this host knows, and those it refuses by name.

use host_model::{AgentId, Grants, GroupId, HostPattern, Limits, RunMode, SecretName, Skill};
use serde::Deserialize;
use toml::Spanned;

use super::value::{
    Line, List, MemorySize, Pattern, Prose, RelativePath, Replicas, Send, Shared, Span, Unavailable, Version,
};
use super::{Agent, Run, Shard};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Shape {
    pub(super) agent: AgentShape,
    #[serde(default)]
    pub(super) skills: List<Spanned<Skill>, 32>,
    #[serde(default)]
    pub(super) grants: GrantsShape,
    #[serde(default)]
    pub(super) limits: LimitsShape,
    #[serde(default)]
    pub(super) run: RunShape,
    #[serde(default, rename = "a2a")]
    _a2a: A2aShape,
    pub(super) config: Option<Spanned<toml::Table>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AgentShape {
    id: AgentId,
    name: Line<100>,
    version: Version,
    #[serde(default)]
    description: Prose<1000>,
    component: Option<RelativePath>,
    #[serde(rename = "type")]
    kind: Option<Line<64>>,
    #[serde(default)]
    capabilities: List<Line<64>, 32>,
}

impl AgentShape {
    pub(super) fn into_agent(self) -> Agent {
        Agent {
            id: self.id,
            name: self.name.0,
            version: self.version.0,
            description: self.description.0,
            component: self.component.map(|path| path.0),
            kind: self.kind.map_or_else(|| super::KIND_DEFAULT.to_owned(), |kind| kind.0),
            capabilities: self.capabilities.0.into_iter().map(|word| word.0).collect(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each grant is there or not, by itself")]
pub(super) struct GrantsShape {
    #[serde(default)]
    publish: List<Pattern, 64>,
    #[serde(default)]
    subscribe: List<Pattern, 64>,
    #[serde(default)]
    send: Send,
    #[serde(default)]
    queues: List<Shared, 2>,
    #[serde(default)]
    discover: bool,
    #[serde(default)]
    state: bool,
    #[serde(default)]
    storage: bool,
    #[serde(default)]
    leases: bool,
    #[serde(default)]
    http: List<HostPattern, 64>,
    #[serde(default)]
    secrets: List<SecretName, 32>,
    #[serde(rename = "models")]
    _models: Option<Unavailable>,
}

impl GrantsShape {
    pub(super) fn into_grants(self) -> Grants {
        let patterns = |list: List<Pattern, 64>| list.0.into_iter().map(|pattern| pattern.0).collect();
        Grants {
            publish: patterns(self.publish),
            subscribe: patterns(self.subscribe),
            send: self.send.0,
            queues: self.queues.0.into_iter().map(|queue| queue.0).collect(),
            discover: self.discover,
            state: self.state,
            storage: self.storage,
            leases: self.leases,
            http: self.http.0,
            secrets: self.secrets.0,
        }
    }
}

/// What the manifest limits, each with its place, so that a value which cannot be meant is shown with its line.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitsShape {
    memory: Option<Spanned<MemorySize>>,
    fuel: Option<Spanned<u64>>,
    deadline: Option<Spanned<Span>>,
    concurrency: Option<Spanned<u32>>,
    mailbox: Option<Spanned<u32>>,
}

impl LimitsShape {
    /// What is limited, unchecked; the default where nothing is said.
    pub(super) fn limits(&self) -> Limits {
        let default = Limits::default();
        Limits {
            memory_bytes_max: value(self.memory.as_ref()).map_or(default.memory_bytes_max, |size| size.0),
            fuel_per_message: value(self.fuel.as_ref()).unwrap_or(default.fuel_per_message),
            deadline: value(self.deadline.as_ref()).map_or(default.deadline, |span| span.0),
            concurrency_max: value(self.concurrency.as_ref()).unwrap_or(default.concurrency_max),
            mailbox_len_max: value(self.mailbox.as_ref()).unwrap_or(default.mailbox_len_max),
        }
    }

    /// Where a limit's value begins, in bytes, by the limit's name.
    pub(super) fn offset_of(&self, name: &str) -> Option<usize> {
        match name {
            "memory" => offset(self.memory.as_ref()),
            "fuel" => offset(self.fuel.as_ref()),
            "deadline" => offset(self.deadline.as_ref()),
            "concurrency" => offset(self.concurrency.as_ref()),
            "mailbox" => offset(self.mailbox.as_ref()),
            _ => None,
        }
    }
}

fn value<T: Copy>(spanned: Option<&Spanned<T>>) -> Option<T> {
    spanned.map(|spanned| *spanned.get_ref())
}

fn offset<T>(spanned: Option<&Spanned<T>>) -> Option<usize> {
    spanned.map(|spanned| spanned.span().start)
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RunShape {
    #[serde(default)]
    instances: RunMode,
    replicas: Option<Replicas>,
    group: Option<GroupId>,
    #[serde(default)]
    leader: bool,
    shard: Option<Spanned<Shard>>,
}

impl RunShape {
    /// What cannot be meant together, by its place in bytes and what to do.
    pub(super) fn conflict(&self) -> Option<(usize, &'static str)> {
        let shard = self.shard.as_ref()?.span().start;
        if self.leader {
            return Some((shard, "a leader is given every message: take out shard, or leader"));
        }
        let resident = self.instances == RunMode::Resident;
        (!resident).then_some((shard, "only instances that stay can share by key: add instances = \"resident\""))
    }

    pub(super) fn into_run(self) -> Run {
        Run {
            instances: self.instances,
            replicas: self.replicas.map_or(Run::default().replicas, |replicas| replicas.0),
            group: self.group,
            leader: self.leader,
            shard: self.shard.map(Spanned::into_inner),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct A2aShape {
    #[serde(rename = "expose")]
    _expose: Option<Unavailable>,
}
