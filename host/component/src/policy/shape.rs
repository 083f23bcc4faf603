//! A policy as TOML has it.

use host_model::{AgentId, Grants, HostPattern, LimitCaps, Policy, Rule, SecretBinding, SecretName};
use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::{PolicyError, one_host};
use crate::manifest::value::{Line, List, MemorySize, Pattern, Replicas, Send, Shared, Span};

/// What an operator allows in a tenant. What is not allowed is denied.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Shape {
    /// Rules; each allows, none denies.
    #[serde(default)]
    #[schemars(with = "Vec<RuleShape>")]
    allow: List<RuleShape, 256>,
    /// The most that a manifest may ask for.
    #[serde(default)]
    limits: CapsShape,
    /// Hosts that may be called although their addresses are not public, by full name: `http://metrics.internal:9090`.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    private_hosts: List<Spanned<HostPattern>, 64>,
    /// Where each secret may go.
    #[serde(default)]
    #[schemars(with = "Vec<SecretShape>")]
    secrets: List<SecretShape, 64>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each grant is there or not, by itself")]
struct RuleShape {
    /// What `explain` and the audit call it; `rule N` unless given.
    #[schemars(with = "Option<String>")]
    name: Option<Line<64>>,
    /// For whom; all agents of the tenant unless given.
    #[schemars(with = "Option<Vec<String>>")]
    agents: Option<List<AgentId, 256>>,
    /// Topics they may publish on, by pattern: `incident.*`, `incident.>`.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    publish: List<Pattern, 64>,
    /// Topics they may be subscribed to, by pattern.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    subscribe: List<Pattern, 64>,
    /// Queues they may send to: a list of agent ids, which they may ask too, and of `agents` and `orchestrator`; or `"*"`.
    #[serde(default)]
    #[schemars(with = "SendShape")]
    send: Send,
    /// Shared queues they may take from: `agents`, `orchestrator`.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    queues: List<Shared, 2>,
    /// Whether they may find their peers.
    #[serde(default)]
    discover: bool,
    /// Whether they may have keys and values.
    #[serde(default)]
    state: bool,
    /// Whether they may have files.
    #[serde(default)]
    storage: bool,
    /// Whether they may take leases of their group.
    #[serde(default)]
    leases: bool,
    /// Hosts they may call: `api.example.com`, `*.example.com`, `http://metrics.internal:9090`.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    http: List<HostPattern, 64>,
    /// Secrets that may be put into their calls.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    secrets: List<SecretName, 32>,
}

/// How `send` is written.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum SendShape {
    /// `"*"`: every agent of the tenant, and its shared queues.
    Any(String),
    /// These agents and shared queues.
    These(Vec<String>),
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CapsShape {
    /// Linear memory of one instance: `16MiB`.
    #[schemars(with = "Option<String>")]
    memory: Option<MemorySize>,
    /// Fuel for one message.
    fuel: Option<std::num::NonZeroU64>,
    /// Wall time for one message: `5s`.
    #[schemars(with = "Option<String>")]
    deadline: Option<Span>,
    /// Calls at once.
    concurrency: Option<std::num::NonZeroU32>,
    /// Messages that wait.
    mailbox: Option<std::num::NonZeroU32>,
    /// Resident instances of one agent.
    #[schemars(with = "Option<u32>")]
    replicas: Option<Replicas>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SecretShape {
    /// Which secret.
    #[schemars(with = "String")]
    name: SecretName,
    /// The one host it may go to.
    #[schemars(with = "String")]
    host: Spanned<HostPattern>,
    /// Under which path: `/v1/` is every path below it.
    #[schemars(with = "String")]
    path: Spanned<String>,
}

/// Makes an error of a key, its place in bytes, and what is wrong.
pub(super) trait Refuse: Fn(&str, Option<usize>, String) -> PolicyError {}
impl<F: Fn(&str, Option<usize>, String) -> PolicyError> Refuse for F {}

impl Shape {
    pub(super) fn into_policy(self, refuse: impl Refuse) -> Result<Policy, PolicyError> {
        let private =
            self.private_hosts.0.iter().map(|host| {
                one_host(host).map_err(|problem| refuse("private_hosts", Some(host.span().start), problem))
            });
        let private_hosts = private.collect::<Result<_, _>>()?;
        let secrets = self.secrets.0.iter().map(|secret| secret.binding(&refuse)).collect::<Result<_, _>>()?;
        let rules: Vec<Rule> = self.allow.0.into_iter().zip(1..).map(|(rule, number)| rule.into_rule(number)).collect();
        check_names(&rules, &refuse)?;
        Ok(Policy { rules, caps: self.limits.caps(&refuse)?, private_hosts, secrets })
    }
}

fn check_names(rules: &[Rule], refuse: &impl Refuse) -> Result<(), PolicyError> {
    for (index, rule) in rules.iter().enumerate() {
        if rules.iter().take(index).any(|earlier| earlier.name == rule.name) {
            return Err(refuse(
                "allow.name",
                None,
                format!("'{}' is there twice: give each rule its own name", rule.name),
            ));
        }
    }
    Ok(())
}

impl RuleShape {
    fn into_rule(self, number: usize) -> Rule {
        let patterns = |list: List<Pattern, 64>| list.0.into_iter().map(|pattern| pattern.0).collect();
        Rule {
            name: self.name.map_or_else(|| format!("rule {number}"), |name| name.0),
            agents: self.agents.map(|agents| agents.0),
            allows: Grants {
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
            },
        }
    }
}

impl CapsShape {
    fn caps(&self, refuse: &impl Refuse) -> Result<LimitCaps, PolicyError> {
        let nonzero = |key: &str, zero: bool| {
            if zero {
                Err(refuse(key, None, "is zero: leave it out, or give what may be used".to_owned()))
            } else {
                Ok(())
            }
        };
        nonzero("limits.memory", self.memory.is_some_and(|size| size.0 == 0))?;
        nonzero("limits.deadline", self.deadline.is_some_and(|span| span.0.is_zero()))?;
        Ok(LimitCaps {
            memory_bytes_max: self.memory.map(|size| size.0),
            fuel_per_message: self.fuel.map(Into::into),
            deadline: self.deadline.map(|span| span.0),
            concurrency_max: self.concurrency.map(Into::into),
            mailbox_len_max: self.mailbox.map(Into::into),
            replicas_max: self.replicas.as_ref().map(|replicas| replicas.0),
        })
    }
}

impl SecretShape {
    fn binding(&self, refuse: &impl Refuse) -> Result<SecretBinding, PolicyError> {
        let host =
            one_host(&self.host).map_err(|problem| refuse("secrets.host", Some(self.host.span().start), problem))?;
        let path = self.path.get_ref();
        let plain = path.starts_with('/') && path.bytes().all(|b| b.is_ascii_graphic()) && path.len() <= 1024;
        if !plain || path.contains("..") {
            let problem = "use a path that starts with '/', in printable ASCII, without '..'".to_owned();
            return Err(refuse("secrets.path", Some(self.path.span().start), problem));
        }
        Ok(SecretBinding { name: self.name.clone(), host, path_prefix: path.clone() })
    }
}
