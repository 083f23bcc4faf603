//! What an operator allows in a tenant: the second of the two keys.

use std::time::Duration;

use crate::{AgentId, BadLimit, Grants, HostPattern, Limits, SecretName, SendGrant, TopicPattern};

/// A tenant's policy. Rules only allow, so that their order means nothing; what no rule allows is denied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Who may do what.
    pub rules: Vec<Rule>,
    /// The most that a manifest may ask for.
    pub caps: LimitCaps,
    /// Hosts that may be called although their addresses are not public, each by its full name.
    pub private_hosts: Vec<HostPattern>,
    /// Where each secret may go. One that is not here goes nowhere.
    pub secrets: Vec<SecretBinding>,
}

/// One `[[allow]]` of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// What `explain` and the audit call it.
    pub name: String,
    /// For whom: all agents of the tenant unless some are named.
    pub agents: Option<Vec<AgentId>>,
    /// What it allows.
    pub allows: Grants,
}

impl Rule {
    /// Whether it is for this agent.
    pub fn is_for(&self, agent: &AgentId) -> bool {
        self.agents.as_ref().is_none_or(|agents| agents.contains(agent))
    }
}

/// The most that a manifest may ask for; what is not set caps nothing below the host's own bounds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LimitCaps {
    /// Linear memory of one instance, in bytes.
    pub memory_bytes_max: Option<usize>,
    /// Fuel for one message.
    pub fuel_per_message: Option<u64>,
    /// Wall time for one message.
    pub deadline: Option<Duration>,
    /// Calls at once.
    pub concurrency_max: Option<u32>,
    /// Messages that wait.
    pub mailbox_len_max: Option<u32>,
    /// Resident instances of one agent.
    pub replicas_max: Option<u32>,
}

impl LimitCaps {
    /// Limits brought under their caps.
    #[must_use]
    pub fn cap(&self, limits: Limits) -> Limits {
        Limits {
            memory_bytes_max: limits.memory_bytes_max.min(self.memory_bytes_max.unwrap_or(usize::MAX)),
            fuel_per_message: limits.fuel_per_message.min(self.fuel_per_message.unwrap_or(u64::MAX)),
            deadline: limits.deadline.min(self.deadline.unwrap_or(Duration::MAX)),
            concurrency_max: limits.concurrency_max.min(self.concurrency_max.unwrap_or(u32::MAX)),
            mailbox_len_max: limits.mailbox_len_max.min(self.mailbox_len_max.unwrap_or(u32::MAX)),
        }
    }

    /// Each limit that asks for more than its cap.
    pub fn exceeded_by(&self, limits: &Limits, replicas: u32) -> Vec<BadLimit> {
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let table = [
            ("memory", limits.memory_bytes_max as u64, self.memory_bytes_max.map(|max| max as u64)),
            ("fuel", limits.fuel_per_message, self.fuel_per_message),
            ("deadline", millis(limits.deadline), self.deadline.map(millis)),
            ("concurrency", limits.concurrency_max.into(), self.concurrency_max.map(u64::from)),
            ("mailbox", limits.mailbox_len_max.into(), self.mailbox_len_max.map(u64::from)),
            ("replicas", replicas.into(), self.replicas_max.map(u64::from)),
        ];
        let over = |(name, value, max): (&'static str, u64, Option<u64>)| {
            max.filter(|max| value > *max).map(|max| BadLimit { name, value, min: 1, max })
        };
        table.into_iter().filter_map(over).collect()
    }
}

/// Where a secret may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretBinding {
    /// Which secret.
    pub name: SecretName,
    /// To which host, by its full name.
    pub host: HostPattern,
    /// Under which path: `/v1/` is every path below it.
    pub path_prefix: String,
}

impl Policy {
    /// What the policy allows one agent: the sum of the rules that are for it.
    pub fn allows(&self, agent: &AgentId) -> Grants {
        let mut sum = Grants::default();
        for rule in self.rules.iter().filter(|rule| rule.is_for(agent)) {
            sum.add(&rule.allows);
        }
        sum
    }
}

impl Grants {
    /// What both allow: two keys, and both must turn.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let topics = |mine: &[TopicPattern], theirs: &[TopicPattern]| pairs(mine, theirs, TopicPattern::and);
        Self {
            publish: topics(&self.publish, &other.publish),
            subscribe: topics(&self.subscribe, &other.subscribe),
            send: self.send.and(&other.send),
            queues: pairs(&self.queues, &other.queues, |mine, theirs| (mine == theirs).then(|| mine.clone())),
            discover: self.discover && other.discover,
            state: self.state && other.state,
            storage: self.storage && other.storage,
            leases: self.leases && other.leases,
            http: pairs(&self.http, &other.http, HostPattern::and),
            secrets: self.secrets.iter().filter(|name| other.may_use(name)).cloned().collect(),
        }
    }

    /// Adds what other grants allow.
    pub fn add(&mut self, other: &Self) {
        self.publish.extend_from_slice(&other.publish);
        self.subscribe.extend_from_slice(&other.subscribe);
        self.queues.extend_from_slice(&other.queues);
        self.http.extend_from_slice(&other.http);
        self.secrets.extend_from_slice(&other.secrets);
        self.discover |= other.discover;
        self.state |= other.state;
        self.storage |= other.storage;
        self.leases |= other.leases;
        match (&mut self.send, &other.send) {
            (SendGrant::These(queues), SendGrant::These(more)) => queues.extend_from_slice(more),
            (send, SendGrant::Any) => *send = SendGrant::Any,
            (SendGrant::Any, SendGrant::These(_)) => {}
        }
    }

    /// What these grants allow and `other` does not: one entry each, in a manifest's words.
    pub fn beyond(&self, other: &Self) -> Vec<Excess> {
        let mut excess = Vec::new();
        let mut note = |key, what: String| excess.push(Excess { key, what });
        for (key, mine, theirs) in
            [("publish", &self.publish, &other.publish), ("subscribe", &self.subscribe, &other.subscribe)]
        {
            let uncovered = mine.iter().filter(|pattern| !theirs.iter().any(|wide| wide.covers(pattern)));
            uncovered.for_each(|pattern| note(key, pattern.to_string()));
        }
        for agent in self.send.beyond(&other.send) {
            note("send", agent);
        }
        self.queues.iter().filter(|queue| !other.may_take(queue)).for_each(|queue| note("queues", queue.to_string()));
        let uncovered = self.http.iter().filter(|host| !other.http.iter().any(|wide| wide.covers(host)));
        uncovered.for_each(|host| note("http", host.to_string()));
        self.secrets.iter().filter(|name| !other.may_use(name)).for_each(|name| note("secrets", name.to_string()));
        for (key, mine, theirs) in [
            ("discover", self.discover, other.discover),
            ("state", self.state, other.state),
            ("storage", self.storage, other.storage),
            ("leases", self.leases, other.leases),
        ] {
            if mine && !theirs {
                note(key, "true".to_owned());
            }
        }
        excess
    }
}

/// What each of mine and each of theirs have in common, where there is anything.
fn pairs<T: Ord>(mine: &[T], theirs: &[T], and: fn(&T, &T) -> Option<T>) -> Vec<T> {
    let mut common: Vec<T> =
        mine.iter().flat_map(|one| theirs.iter().filter_map(move |other| and(one, other))).collect();
    common.sort_unstable();
    common.dedup();
    common
}

impl SendGrant {
    fn and(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Any, both) | (both, Self::Any) => both.clone(),
            (Self::These(mine), Self::These(theirs)) => {
                Self::These(mine.iter().filter(|agent| theirs.contains(agent)).cloned().collect())
            }
        }
    }

    fn beyond(&self, other: &Self) -> Vec<String> {
        match (self, other) {
            (_, Self::Any) => Vec::new(),
            (Self::Any, Self::These(_)) => vec!["*".to_owned()],
            (Self::These(agents), Self::These(allowed)) => {
                agents.iter().filter(|agent| !allowed.contains(agent)).map(ToString::to_string).collect()
            }
        }
    }
}

/// One thing that is asked for beyond what is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excess {
    /// Under which key of `[grants]`.
    pub key: &'static str,
    /// The pattern, agent, host or name, as a manifest writes it.
    pub what: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Queue;

    fn agent(raw: &str) -> AgentId {
        raw.parse().unwrap()
    }

    fn grants(publish: &[&str], send: SendGrant, http: &[&str]) -> Grants {
        Grants {
            publish: publish.iter().map(|raw| raw.parse().unwrap()).collect(),
            send,
            http: http.iter().map(|raw| raw.parse().unwrap()).collect(),
            ..Grants::default()
        }
    }

    fn rule(agents: Option<&[&str]>, allows: Grants) -> Rule {
        let agents = agents.map(|agents| agents.iter().map(|raw| agent(raw)).collect());
        Rule { name: "r".into(), agents, allows }
    }

    #[test]
    fn an_agent_gets_the_sum_of_its_rules_and_nothing_of_the_others() {
        let policy = Policy {
            rules: vec![
                rule(None, grants(&["a"], SendGrant::default(), &[])),
                rule(Some(&["one"]), grants(&["b"], SendGrant::Any, &["h.com"])),
            ],
            ..Policy::default()
        };
        assert_eq!(policy.allows(&agent("one")), grants(&["a", "b"], SendGrant::Any, &["h.com"]));
        assert_eq!(policy.allows(&agent("two")), grants(&["a"], SendGrant::default(), &[]));
        assert_eq!(Policy::default().allows(&agent("one")), Grants::default());
    }

    #[test]
    fn what_is_beyond_is_named_one_by_one() {
        let check = |asked: Grants, allowed: Grants, expected: &[(&str, &str)]| {
            let beyond = asked.beyond(&allowed);
            let beyond: Vec<_> = beyond.iter().map(|excess| (excess.key, excess.what.as_str())).collect();
            assert_eq!(beyond, expected);
        };
        let these = |agents: &[&str]| SendGrant::These(agents.iter().map(|raw| raw.parse().unwrap()).collect());
        check(grants(&["a.b"], these(&["kb"]), &[]), grants(&["a.>"], SendGrant::Any, &[]), &[]);
        check(
            grants(&["a.>"], SendGrant::Any, &[]),
            grants(&["a.b"], these(&["kb"]), &[]),
            &[("publish", "a.>"), ("send", "*")],
        );
        check(grants(&[], these(&["kb", "other"]), &[]), grants(&[], these(&["kb"]), &[]), &[("send", "other")]);
        check(grants(&[], these(&[]), &["a.com"]), grants(&[], these(&[]), &["b.com"]), &[("http", "a.com")]);
        let all = Grants {
            discover: true,
            state: true,
            storage: true,
            leases: true,
            queues: vec![Queue::Agents],
            secrets: vec!["k".parse().unwrap()],
            ..Grants::default()
        };
        check(all.clone(), all.clone(), &[]);
        check(
            all,
            Grants::default(),
            &[
                ("queues", "agents"),
                ("secrets", "k"),
                ("discover", "true"),
                ("state", "true"),
                ("storage", "true"),
                ("leases", "true"),
            ],
        );
    }

    #[test]
    fn one_key_alone_opens_nothing() {
        let full = Grants {
            publish: vec![">".parse().unwrap()],
            subscribe: vec!["a.*".parse().unwrap()],
            send: SendGrant::Any,
            queues: vec![Queue::Agents, Queue::Orchestrator],
            discover: true,
            state: true,
            storage: true,
            leases: true,
            http: vec!["*.a.com".parse().unwrap()],
            secrets: vec!["key".parse().unwrap()],
        };
        assert_eq!(full.and(&full), full);
        assert_eq!(full.and(&Grants::default()), Grants::default());
        assert_eq!(Grants::default().and(&full), Grants::default());
        let narrow = Grants {
            publish: vec!["a.*".parse().unwrap()],
            send: SendGrant::These(vec![agent("kb").into()]),
            queues: vec![Queue::Orchestrator],
            http: vec!["b.a.com".parse().unwrap()],
            ..Grants::default()
        };
        assert_eq!(full.and(&narrow), narrow);
        assert_eq!(narrow.and(&full), narrow);
    }

    #[test]
    fn a_cap_is_reached_and_not_passed() {
        let limits = Limits::default();
        let caps = |fuel| LimitCaps { fuel_per_message: Some(fuel), replicas_max: Some(2), ..LimitCaps::default() };
        assert_eq!(caps(limits.fuel_per_message).exceeded_by(&limits, 2), []);
        let capped = caps(limits.fuel_per_message - 1).cap(limits);
        assert_eq!((capped.fuel_per_message, capped.deadline), (limits.fuel_per_message - 1, limits.deadline));
        let over = caps(limits.fuel_per_message - 1).exceeded_by(&limits, 3);
        assert_eq!(
            over.iter().map(|bad| (bad.name, bad.value)).collect::<Vec<_>>(),
            [("fuel", 100_000_000), ("replicas", 3)]
        );
    }
}
