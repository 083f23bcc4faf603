//! Denials, counted: the first of its kind is written at once, those that follow as one line each second, with exact counts.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use host_model::{TenantId, Timestamp};

use crate::{Actor, Decision, Entry};

/// Kinds of denials that one tenant has open; what comes beyond is counted as `other`.
const KINDS_MAX: usize = 64;
/// The longest code, in characters: the host's own words are shorter.
const CODE_LEN_MAX: usize = 64;
/// The code, and the action, of what is beyond the kinds that are open.
const OTHER: &str = "other";

/// One thing that was not allowed, or did not succeed.
#[derive(Debug, Clone)]
pub struct Denial<'a> {
    /// In which tenant; none before it is known who asks.
    pub tenant: Option<&'a TenantId>,
    /// To whom.
    pub actor: Actor,
    /// A stable word, such as `message.publish`.
    pub action: &'static str,
    /// `denied` or `failed`.
    pub decision: Decision,
    /// Why: a stable word of the host.
    pub code: &'a str,
    /// The limit that was hit.
    pub limit: Option<u64>,
    /// What was asked for.
    pub actual: Option<u64>,
    /// The other tenant, when the host itself found a thing of one tenant on its way into another.
    pub foreign: Option<&'a TenantId>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Kind {
    /// None beyond the kinds that are open.
    actor: Option<Actor>,
    action: &'static str,
    code: String,
    decision: Decision,
    foreign: Option<TenantId>,
}

/// What happened of one kind since it was last written.
#[derive(Debug, Clone, Copy)]
struct Tally {
    count: u64,
    first: Timestamp,
    last: Timestamp,
    limit: Option<u64>,
    actual: Option<u64>,
    /// Its first is not written yet.
    urgent: bool,
}

/// All denials that are counted and not written, by tenant, so that one's flood takes no room from another.
#[derive(Default)]
pub(crate) struct Tallies(HashMap<Option<TenantId>, HashMap<Kind, Tally, RandomState>, RandomState>);

/// Denials taken out to be written; given back if they cannot be.
pub(crate) struct Taken {
    tenant: Option<TenantId>,
    kind: Kind,
    tally: Tally,
}

impl Tallies {
    /// Counts one. Says whether it should be written at once.
    pub(crate) fn count(&mut self, denial: &Denial<'_>, now: Timestamp) -> bool {
        let kinds = self.0.entry(denial.tenant.cloned()).or_default();
        let kind = Kind::of(denial);
        let kind = if kinds.len() < KINDS_MAX || kinds.contains_key(&kind) { kind } else { kind.other() };
        let fresh = Tally { count: 0, first: now, last: now, limit: None, actual: None, urgent: true };
        let tally = kinds.entry(kind).or_insert(fresh);
        if tally.count == 0 {
            tally.first = now;
        }
        *tally = Tally { count: tally.count + 1, last: now, limit: denial.limit, actual: denial.actual, ..*tally };
        tally.urgent
    }

    /// Takes what is to be written: what is urgent, or all. With all, kinds of which nothing came since the last time are closed.
    pub(crate) fn take(&mut self, all: bool) -> Vec<Taken> {
        let mut taken = Vec::new();
        for (tenant, kinds) in &mut self.0 {
            kinds.retain(|_, tally| tally.count > 0 || !all);
            for (kind, tally) in kinds.iter_mut().filter(|(_, tally)| tally.count > 0 && (all || tally.urgent)) {
                taken.push(Taken { tenant: tenant.clone(), kind: kind.clone(), tally: *tally });
                *tally = Tally { count: 0, urgent: false, ..*tally };
            }
        }
        self.0.retain(|_, kinds| !kinds.is_empty());
        taken
    }

    /// Counts again what could not be written.
    pub(crate) fn give_back(&mut self, taken: Vec<Taken>) {
        for Taken { tenant, kind, tally: old } in taken {
            let tally = self.0.entry(tenant).or_default().entry(kind).or_insert(Tally { count: 0, ..old });
            *tally = if tally.count == 0 {
                old
            } else {
                Tally { count: tally.count + old.count, first: old.first, ..*tally }
            };
        }
    }
}

impl Taken {
    pub(crate) fn entry(&self) -> Entry {
        let Self { tenant, kind, tally } = self;
        let many = tally.count > 1;
        Entry {
            at: tally.last,
            tenant: tenant.clone(),
            actor: kind.actor.as_ref().map_or_else(|| OTHER.to_owned(), Actor::to_string),
            action: kind.action.into(),
            target: kind.foreign.as_ref().map(|foreign| format!("tenant:{foreign}")),
            decision: kind.decision,
            code: Some(kind.code.clone()),
            limit: tally.limit,
            actual: tally.actual,
            count: many.then_some(tally.count),
            first: many.then_some(tally.first),
            of: None,
            detail: None,
        }
    }
}

impl Kind {
    fn of(denial: &Denial<'_>) -> Self {
        Self {
            actor: Some(denial.actor.clone()),
            action: denial.action,
            code: denial.code.chars().take(CODE_LEN_MAX).collect(),
            decision: denial.decision,
            foreign: denial.foreign.cloned(),
        }
    }

    /// What it is counted as beyond the kinds that are open.
    fn other(self) -> Self {
        Self { actor: None, action: OTHER, code: OTHER.to_owned(), foreign: None, ..self }
    }
}

#[cfg(test)]
mod tests {
    use host_model::AgentId;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn denial<'a>(ids: &'a (TenantId, AgentId), code: &'a str) -> Denial<'a> {
        Denial {
            tenant: Some(&ids.0),
            actor: Actor::from(&ids.1),
            action: "message.publish",
            decision: Decision::Denied,
            code,
            limit: Some(5),
            actual: Some(6),
            foreign: None,
        }
    }

    fn ids() -> (TenantId, AgentId) {
        ("acme".parse().unwrap(), "echo".parse().unwrap())
    }

    fn entries(taken: &[Taken]) -> Vec<Entry> {
        taken.iter().map(Taken::entry).collect()
    }

    #[test]
    fn the_first_is_written_at_once_and_the_rest_is_counted_exactly() {
        let (mut tallies, ids) = (Tallies::default(), ids());
        assert!(tallies.count(&denial(&ids, "payload-bytes"), NOW));
        let first = entries(&tallies.take(false));
        assert_eq!((first.len(), first[0].count, first[0].actual), (1, None, Some(6)));
        for millis in 1..=1_000 {
            assert!(!tallies.count(&denial(&ids, "payload-bytes"), Timestamp::from_millis(1_000 + millis)));
        }
        assert!(tallies.take(false).is_empty());
        let rest = entries(&tallies.take(true));
        assert_eq!((rest.len(), rest[0].count), (1, Some(1_000)));
        assert_eq!((rest[0].first, rest[0].at), (Some(Timestamp::from_millis(1_001)), Timestamp::from_millis(2_000)));
        assert!(tallies.take(true).is_empty(), "nothing came, so the kind is closed");
        assert!(tallies.count(&denial(&ids, "payload-bytes"), NOW), "and the next one is a first again");
    }

    #[test]
    fn kinds_are_bounded_and_what_is_beyond_is_still_counted() {
        let (mut tallies, ids) = (Tallies::default(), ids());
        let codes: Vec<String> = (0..500).map(|number| format!("code-{number}")).collect();
        for code in &codes {
            tallies.count(&denial(&ids, code), NOW);
        }
        let entries = entries(&tallies.take(true));
        assert_eq!(entries.len(), KINDS_MAX + 1);
        assert_eq!(entries.iter().map(Entry::times).sum::<u64>(), 500);
        let other: Vec<_> = entries.iter().filter(|entry| entry.action == OTHER).collect();
        assert_eq!((other.len(), other[0].times()), (1, 500 - KINDS_MAX as u64));
    }

    #[test]
    fn one_tenants_flood_takes_no_room_from_another() {
        let (mut tallies, acme) = (Tallies::default(), ids());
        let globex = ("globex".parse().unwrap(), "echo".parse().unwrap());
        let codes: Vec<String> = (0..KINDS_MAX * 2).map(|number| format!("code-{number}")).collect();
        for code in &codes {
            tallies.count(&denial(&acme, code), NOW);
        }
        tallies.count(&denial(&globex, "hop-limit"), NOW);
        let entries = entries(&tallies.take(true));
        let theirs: Vec<_> = entries.iter().filter(|entry| entry.tenant.as_ref() == Some(&globex.0)).collect();
        assert_eq!((theirs.len(), theirs[0].code.as_deref()), (1, Some("hop-limit")));
    }

    #[test]
    fn what_could_not_be_written_is_counted_with_what_came_meanwhile() {
        let (mut tallies, ids) = (Tallies::default(), ids());
        let at = Timestamp::from_millis;
        tallies.count(&denial(&ids, "a"), at(1));
        let taken = tallies.take(false);
        tallies.count(&denial(&ids, "a"), at(2));
        tallies.give_back(taken);
        let entries = entries(&tallies.take(true));
        assert_eq!(
            (entries.len(), entries[0].count, entries[0].first, entries[0].at),
            (1, Some(2), Some(at(1)), at(2))
        );
    }
}
