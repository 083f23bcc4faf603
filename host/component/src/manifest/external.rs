//! The manifest of an agent that no host runs: who it is and what it may reach, and nothing about a component.

use std::collections::BTreeMap;

use host_model::{Grants, Limits, Policy};

use super::{KIND_DEFAULT, Manifest, Run};
use crate::ManifestError;
use crate::review::{Objection, beyond};

impl Manifest {
    /// The same manifest, if an agent without a component can have it: `[agent]` id, name, version and description, `[grants]`
    /// publish, subscribe, send and queues. What else it says would be read and ignored.
    pub fn external(self) -> Result<Self, ManifestError> {
        let Self { agent, skills, grants, limits, run, config } = &self;
        let reach = Grants {
            publish: grants.publish.clone(),
            subscribe: grants.subscribe.clone(),
            send: grants.send.clone(),
            queues: grants.queues.clone(),
            ..Grants::default()
        };
        let of_no_use = [
            (agent.component.is_some(), "agent.component"),
            (agent.kind != KIND_DEFAULT, "agent.type"),
            (!agent.capabilities.is_empty(), "agent.capabilities"),
            (!skills.is_empty(), "skills"),
            (*grants != reach, "grants beyond publish, subscribe, send and queues"),
            (*limits != Limits::default(), "limits"),
            (*run != Run::default(), "run"),
            (*config != BTreeMap::new(), "config"),
        ];
        match of_no_use.into_iter().find(|(there, _)| *there) {
            Some((_, key)) => Err(ManifestError::NotExternal { key }),
            None => Ok(self),
        }
    }

    /// Holds what it asks for against its tenant's policy.
    pub fn within(&self, policy: &Policy) -> Result<(), Vec<Objection>> {
        let objections = beyond(self, policy);
        if objections.is_empty() { Ok(()) } else { Err(objections) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PolicyDocument;

    const HEAD: &str = "[agent]\nid = 'meter'\nname = 'Meter'\nversion = '1.0.0'\ndescription = 'Reads.'\n";

    fn read(rest: &str) -> Manifest {
        Manifest::parse(&format!("{HEAD}{rest}")).unwrap()
    }

    #[test]
    fn an_agent_without_a_component_says_who_it_is_and_where_it_reaches_and_nothing_else() {
        let check = |rest: &str, refused: Option<&str>| {
            let problem = read(rest).external().err().map(|error| error.to_string());
            assert_eq!(problem.is_some(), refused.is_some(), "{rest}: {problem:?}");
            assert!(problem.unwrap_or_default().contains(refused.unwrap_or_default()), "{rest}");
        };
        check("", None);
        check("[grants]\npublish = ['a.>']\nsubscribe = ['b']\nsend = '*'\n", None);
        check("component = 'meter.wasm'\n", Some("agent.component"));
        check("type = 'sensor'\n", Some("agent.type"));
        check("[grants]\nstate = true\n", Some("grants beyond"));
        check("[limits]\nfuel = 10000\n", Some("limits"));
        check("[run]\ninstances = 'resident'\n", Some("run"));
        check("[config]\na = 1\n", Some("config"));
    }

    #[test]
    fn it_stays_within_its_tenants_policy() {
        let policy = PolicyDocument::parse("[[allow]]\npublish = ['a.b']\n").unwrap().policy;
        assert_eq!(read("[grants]\npublish = ['a.b']\n").within(&policy), Ok(()));
        assert_eq!(read("[grants]\npublish = ['a.>']\n").within(&policy).unwrap_err().len(), 1);
    }
}
