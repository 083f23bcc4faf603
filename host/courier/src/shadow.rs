//! A policy that is tried before it is put in force: what it would deny is counted, and nothing is denied.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

use host_model::{AgentId, Grants};
use parking_lot::Mutex;

/// The most kinds of would-be denials counted apart; what comes after them is counted as the rest.
const KINDS_MAX: usize = 1_000;

/// What a policy that is being tried would allow one agent, and where its tenant's would-be denials are counted.
#[derive(Debug)]
pub struct Shadow {
    /// What the agent could reach under it.
    pub grants: Grants,
    /// Shared by the agents of a tenant.
    pub tally: Arc<ShadowTally>,
}

/// The would-be denials of one tenant.
#[derive(Debug, Default)]
pub struct ShadowTally(Mutex<Tally>);

#[derive(Debug, Default)]
struct Tally {
    kinds: BTreeMap<(AgentId, &'static str, String), u64>,
    rest: u64,
}

/// One kind of would-be denial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WouldDeny {
    /// Whose.
    pub agent: AgentId,
    /// Under which key of `[grants]`.
    pub key: &'static str,
    /// Which topic, agent or host.
    pub what: String,
    /// How often.
    pub count: u64,
}

impl ShadowTally {
    pub(crate) fn count(&self, agent: &AgentId, key: &'static str, what: &dyn Display) {
        let mut tally = self.0.lock();
        let kind = (agent.clone(), key, what.to_string());
        if let Some(count) = tally.kinds.get_mut(&kind) {
            *count += 1;
        } else if tally.kinds.len() < KINDS_MAX {
            tally.kinds.insert(kind, 1);
        } else {
            tally.rest += 1;
        }
    }

    /// What would have been denied so far, by agent, key and object; and how often something beyond the first thousand kinds.
    pub fn view(&self) -> (Vec<WouldDeny>, u64) {
        let tally = self.0.lock();
        let kinds = tally.kinds.iter().map(|((agent, key, what), count)| WouldDeny {
            agent: agent.clone(),
            key,
            what: what.clone(),
            count: *count,
        });
        (kinds.collect(), tally.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn would_be_denials_are_counted_exactly_and_their_kinds_are_bounded() {
        let tally = ShadowTally::default();
        let agent: AgentId = "one".parse().unwrap();
        for round in 0..3 {
            for topic in 0..KINDS_MAX + 5 {
                tally.count(&agent, "publish", &format!("t{topic}"));
            }
            let (kinds, rest) = tally.view();
            assert_eq!((kinds.len(), rest), (KINDS_MAX, 5 * (round + 1)));
            assert!(kinds.iter().all(|kind| kind.count == round + 1));
        }
    }
}
