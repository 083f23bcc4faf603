//! The cards of running agents.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use foldhash::fast::RandomState;
use host_model::{AgentId, Card, CardQuery, TenantId};
use parking_lot::RwLock;

/// The most cards one search answers with.
const FOUND_MAX: usize = 100;

/// The cards of running agents, by tenant. A question is asked in a tenant, and no answer comes from another.
#[derive(Default)]
pub struct Registry {
    tenants: RwLock<HashMap<TenantId, BTreeMap<AgentId, Arc<Card>>, RandomState>>,
}

impl Registry {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lists an agent: it is running.
    pub fn register(&self, tenant: &TenantId, card: Arc<Card>) {
        self.tenants.write().entry(tenant.clone()).or_default().insert(card.id.clone(), card);
    }

    /// Takes an agent off the list: it runs no more.
    pub fn unregister(&self, tenant: &TenantId, agent: &AgentId) {
        let mut tenants = self.tenants.write();
        if let Some(cards) = tenants.get_mut(tenant) {
            cards.remove(agent);
            if cards.is_empty() {
                tenants.remove(tenant);
            }
        }
    }

    /// One running agent's card.
    pub fn get(&self, tenant: &TenantId, agent: &AgentId) -> Option<Arc<Card>> {
        self.tenants.read().get(tenant)?.get(agent).cloned()
    }

    /// Running agents that match, by id, at most 100.
    pub fn find(&self, tenant: &TenantId, query: &CardQuery) -> Vec<Arc<Card>> {
        let tenants = self.tenants.read();
        let Some(cards) = tenants.get(tenant) else { return Vec::new() };
        cards.values().filter(|card| matches(card, query)).take(FOUND_MAX).cloned().collect()
    }
}

fn matches(card: &Card, query: &CardQuery) -> bool {
    let given = |wanted: &Option<String>, found: &dyn Fn(&str) -> bool| wanted.as_deref().is_none_or(found);
    given(&query.skill, &|id| card.skills.iter().any(|skill| skill.id == id))
        && given(&query.tag, &|tag| card.skills.iter().any(|skill| skill.tags.iter().any(|other| other == tag)))
        && given(&query.capability, &|capability| card.capabilities.iter().any(|other| other == capability))
        && given(&query.pattern, &|pattern| {
            [card.id.as_str(), &card.name, &card.description].into_iter().any(|text| contains(text, pattern))
        })
}

/// Whether the parts of a pattern between its `*` stand in the text in that order, without regard to case.
fn contains(text: &str, pattern: &str) -> bool {
    let text = text.to_lowercase();
    let mut rest = text.as_str();
    pattern.to_lowercase().split('*').all(|part| match rest.find(part) {
        Some(at) => {
            rest = rest.get(at + part.len()..).unwrap_or_default();
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use host_model::Skill;

    use super::*;

    fn card(id: &str, skill: &str) -> Arc<Card> {
        Arc::new(Card {
            id: id.parse().unwrap(),
            name: format!("The {id}"),
            description: "Searches runbooks".into(),
            version: "1.0.0".into(),
            capabilities: vec!["search".into()],
            skills: vec![Skill {
                id: skill.into(),
                name: skill.into(),
                description: String::new(),
                tags: vec!["ops".into()],
                examples: vec![],
            }],
            card_json: "{}".into(),
        })
    }

    fn ids(registry: &Registry, tenant: &str, query: CardQuery) -> Vec<String> {
        registry.find(&tenant.parse().unwrap(), &query).iter().map(|card| card.id.to_string()).collect()
    }

    #[test]
    fn a_question_is_answered_from_its_own_tenant_alone() {
        let registry = Registry::new();
        registry.register(&"acme".parse().unwrap(), card("kb", "search"));
        assert_eq!(ids(&registry, "acme", CardQuery::default()), ["kb"]);
        assert!(ids(&registry, "globex", CardQuery::default()).is_empty());
        assert!(registry.get(&"globex".parse().unwrap(), &"kb".parse().unwrap()).is_none());
    }

    #[test]
    fn an_agent_that_stopped_is_found_no_more() {
        let (registry, acme) = (Registry::new(), "acme".parse().unwrap());
        registry.register(&acme, card("kb", "search"));
        registry.unregister(&acme, &"kb".parse().unwrap());
        assert!(registry.get(&acme, &"kb".parse().unwrap()).is_none());
        assert!(ids(&registry, "acme", CardQuery::default()).is_empty());
    }

    #[test]
    fn all_given_conditions_must_hold() {
        let registry = Registry::new();
        let acme: TenantId = "acme".parse().unwrap();
        registry.register(&acme, card("kb", "search"));
        registry.register(&acme, card("echo", "repeat"));
        let some = |text: &str| Some(text.to_owned());
        let check = |query: CardQuery, expected: &[&str]| assert_eq!(ids(&registry, "acme", query), expected);
        check(CardQuery { skill: some("search"), ..Default::default() }, &["kb"]);
        check(CardQuery { tag: some("ops"), ..Default::default() }, &["echo", "kb"]);
        check(CardQuery { tag: some("ops"), skill: some("repeat"), ..Default::default() }, &["echo"]);
        check(CardQuery { capability: some("none"), ..Default::default() }, &[]);
        check(CardQuery { pattern: some("THE *b"), ..Default::default() }, &["kb"]);
        check(CardQuery { pattern: some("runbooks*search"), ..Default::default() }, &[]);
    }
}
