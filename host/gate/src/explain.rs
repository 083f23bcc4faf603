//! Why a call was, or would be, allowed or denied: both keys, each with its rule.

use host_model::{AgentId, Grants, HostPattern, Policy, Queue, SecretName, SendGrant, Topic, TopicPattern};

/// What an agent may or may not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Publish on a topic.
    Publish(Topic),
    /// Receive from a topic.
    Subscribe(Topic),
    /// Send to a queue, or ask the agent whose it is.
    Send(Queue),
    /// Take from a shared queue.
    Take(Queue),
    /// Find its peers.
    Discover,
    /// Keep keys and values.
    State,
    /// Keep files.
    Storage,
    /// Take leases of its group.
    Leases,
    /// Call one host.
    Http(HostPattern),
    /// Have a secret put into a call.
    Secret(SecretName),
}

/// Both keys, and whether they turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What the author's manifest says: the entry that asks for it.
    pub asked: Option<String>,
    /// What the operator's policy says: the name of the rule that allows it, and its entry.
    pub allowed: Option<(String, String)>,
    /// A rule of the house that forbids it, whatever the keys say.
    pub forbidden: Option<&'static str>,
}

impl Explanation {
    /// Whether it is allowed.
    pub fn is_allowed(&self) -> bool {
        self.asked.is_some() && self.allowed.is_some() && self.forbidden.is_none()
    }
}

/// Explains what the gate would say to an agent with this manifest under this policy.
pub fn explain(agent: &AgentId, manifest: &Grants, policy: &Policy, ask: &Ask) -> Explanation {
    let mut rules = policy.rules.iter().filter(|rule| rule.is_for(agent));
    Explanation {
        asked: entry(manifest, ask),
        allowed: rules.find_map(|rule| entry(&rule.allows, ask).map(|entry| (rule.name.clone(), entry))),
        forbidden: forbidden(agent, policy, ask),
    }
}

fn forbidden(agent: &AgentId, policy: &Policy, ask: &Ask) -> Option<&'static str> {
    match ask {
        Ask::Publish(topic) => {
            let foreign = topic.owner().is_some_and(|owner| owner != agent.as_str());
            foreign.then_some("topics under agents.{agent} belong to that agent")
        }
        Ask::Secret(name) => {
            let bound = policy.secrets.iter().any(|binding| binding.name == *name);
            (!bound).then_some("no [[secrets]] of the policy says to which host it may go")
        }
        _ => None,
    }
}

/// The entry of some grants that covers what is asked, as a manifest writes it.
fn entry(grants: &Grants, ask: &Ask) -> Option<String> {
    let topic = |key: &str, patterns: &[TopicPattern], topic: &Topic| {
        patterns.iter().find(|pattern| pattern.matches(topic)).map(|pattern| format!("{key} '{pattern}'"))
    };
    let switch = |key: &str, on: bool| on.then(|| format!("{key} = true"));
    match ask {
        Ask::Publish(asked) => topic("publish", &grants.publish, asked),
        Ask::Subscribe(asked) => topic("subscribe", &grants.subscribe, asked),
        Ask::Send(queue) => grants.may_send(queue).then(|| match grants.send {
            SendGrant::Any => "send '*'".to_owned(),
            SendGrant::These(_) => format!("send '{queue}'"),
        }),
        Ask::Take(queue) => grants.may_take(queue).then(|| format!("queues '{queue}'")),
        Ask::Discover => switch("discover", grants.discover),
        Ask::State => switch("state", grants.state),
        Ask::Storage => switch("storage", grants.storage),
        Ask::Leases => switch("leases", grants.leases),
        Ask::Http(host) => grants.http.iter().find(|wide| wide.covers(host)).map(|wide| format!("http '{wide}'")),
        Ask::Secret(name) => grants.may_use(name).then(|| format!("secrets '{name}'")),
    }
}

#[cfg(test)]
mod tests {
    use host_model::Rule;

    use super::*;
    use crate::samples::{Sender, agent, draft, grants, topic};

    fn policy(allows: Grants) -> Policy {
        Policy { rules: vec![Rule { name: "r".into(), agents: None, allows }], ..Policy::default() }
    }

    #[test]
    fn an_explanation_names_both_keys_and_which_is_missing() {
        let echo: AgentId = "echo".parse().unwrap();
        let manifest = grants(&["a.>"], &[], &["kb"]);
        let check = |allows: Grants, ask: Ask, asked: Option<&str>, allowed: Option<&str>| {
            let explained = explain(&echo, &manifest, &policy(allows), &ask);
            assert_eq!(explained.asked.as_deref(), asked);
            assert_eq!(explained.allowed.as_ref().map(|(_, entry)| entry.as_str()), allowed);
            assert_eq!(explained.is_allowed(), asked.is_some() && allowed.is_some());
        };
        let publish = || Ask::Publish("a.b".parse().unwrap());
        check(grants(&["a.b"], &[], &[]), publish(), Some("publish 'a.>'"), Some("publish 'a.b'"));
        check(grants(&["b"], &[], &[]), publish(), Some("publish 'a.>'"), None);
        check(grants(&[">"], &[], &[]), Ask::Publish("c".parse().unwrap()), None, Some("publish '>'"));
        let any = Grants { send: SendGrant::Any, ..Grants::default() };
        check(any, Ask::Send("kb".parse().unwrap()), Some("send 'kb'"), Some("send '*'"));
        let shared = Grants { queues: vec![Queue::Agents], ..Grants::default() };
        check(shared, Ask::Take(Queue::Agents), None, Some("queues 'agents'"));
        check(Grants::default(), Ask::Http("a.com".parse().unwrap()), None, None);
    }

    #[test]
    fn a_secret_that_may_go_nowhere_may_not_be_used() {
        let allows = Grants { secrets: vec!["key".parse().unwrap()], ..Grants::default() };
        let explained = |policy: &Policy| {
            let ask = Ask::Secret("key".parse().unwrap());
            explain(&"echo".parse().unwrap(), &allows, policy, &ask).is_allowed()
        };
        let mut policy = policy(allows.clone());
        assert!(!explained(&policy));
        let (name, host) = ("key".parse().unwrap(), "a.com".parse().unwrap());
        policy.secrets.push(host_model::SecretBinding { name, host, path_prefix: "/".into() });
        assert!(explained(&policy));
    }

    /// Over every pair of small grants and every target, so that what is explained is what happens.
    #[test]
    fn what_is_explained_is_what_the_gate_does() {
        let lists: [&[&str]; 4] = [&[], &["open.a"], &["open.>"], &["agents.>", "other"]];
        let agents: [&[&str]; 2] = [&[], &["kb"]];
        let topics = ["open.a", "open.b", "other", "agents.echo.status", "agents.kb.status"];
        for (asked, allowed) in lists.iter().flat_map(|asked| lists.iter().map(move |allowed| (asked, allowed))) {
            for (may_ask, may_send) in agents.iter().flat_map(|one| agents.iter().map(move |other| (one, other))) {
                let (manifest, allows) = (grants(asked, &[], may_ask), grants(allowed, &[], may_send));
                let mut sender = Sender::new("acme", "echo");
                sender.grants = manifest.and(&allows);
                let explained =
                    |ask: Ask| explain(sender.caller.agent(), &manifest, &policy(allows.clone()), &ask).is_allowed();
                for raw in topics {
                    let admitted = sender.admit(topic(raw), draft()).is_ok();
                    assert_eq!(
                        explained(Ask::Publish(raw.parse().unwrap())),
                        admitted,
                        "{raw} {manifest:?} {allows:?}"
                    );
                }
                let admitted = sender.admit(agent("kb"), draft()).is_ok();
                assert_eq!(explained(Ask::Send("kb".parse().unwrap())), admitted);
            }
        }
    }
}
