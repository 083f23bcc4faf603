//! The policies in force, by tenant, for whoever asks while a call is under way.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use host_egress::EgressPolicy;
use host_model::{Policy, Scheme, SecretBinding, SecretName, TenantId};
use parking_lot::RwLock;

use crate::PolicyInForce;

/// The policy in force of each tenant. Written by the fleet alone.
#[derive(Default)]
pub struct PolicyBook(RwLock<HashMap<TenantId, Arc<PolicyInForce>, RandomState>>);

impl PolicyBook {
    /// A book without tenants: nothing is allowed.
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn set(&self, tenant: &TenantId, policy: Arc<PolicyInForce>) {
        self.0.write().insert(tenant.clone(), policy);
    }

    pub(crate) fn forget(&self, tenant: &TenantId) {
        self.0.write().remove(tenant);
    }

    fn ask<T>(&self, tenant: &TenantId, answer: impl FnOnce(&Policy) -> T) -> Option<T> {
        self.0.read().get(tenant).map(|policy| answer(&policy.document.policy))
    }
}

impl EgressPolicy for PolicyBook {
    /// For any of its agents: for which of them is in the agent's own grants, which the policy has capped.
    fn may_call(&self, tenant: &TenantId, scheme: Scheme, host: &str, port: u16) -> bool {
        let allowed = |policy: &Policy| policy.rules.iter().any(|rule| rule.allows.may_call(scheme, host, port));
        self.ask(tenant, allowed).unwrap_or_default()
    }

    fn private_allowed(&self, tenant: &TenantId, host: &str, port: u16) -> bool {
        let named = |policy: &Policy| {
            let schemes = [Scheme::Http, Scheme::Https];
            policy.private_hosts.iter().any(|named| schemes.iter().any(|scheme| named.matches(*scheme, host, port)))
        };
        self.ask(tenant, named).unwrap_or_default()
    }

    fn secret_binding(&self, tenant: &TenantId, name: &SecretName) -> Option<SecretBinding> {
        let bound = |policy: &Policy| policy.secrets.iter().find(|binding| binding.name == *name).cloned();
        self.ask(tenant, bound).flatten()
    }
}

#[cfg(test)]
mod tests {
    use host_component::PolicyDocument;

    use super::*;

    #[test]
    fn a_tenant_has_its_own_policy_and_an_unknown_one_none() {
        let text = "private_hosts = ['http://in.side:81']\n[[allow]]\nagents = ['a']\nhttp = ['a.com']\n[[secrets]]\nname = 'k'\nhost = 'a.com'\npath = '/v1/'\n";
        let document = PolicyDocument::parse(text).unwrap();
        let (book, acme, globex) = (PolicyBook::new(), "acme".parse().unwrap(), "globex".parse().unwrap());
        book.set(&acme, Arc::new(PolicyInForce { version: 1, text: text.into(), document, set: None }));
        let answers = |tenant: &TenantId| {
            (
                book.may_call(tenant, Scheme::Https, "a.com", 443),
                book.private_allowed(tenant, "in.side", 81),
                book.secret_binding(tenant, &"k".parse().unwrap()).is_some(),
            )
        };
        assert_eq!((answers(&acme), answers(&globex)), ((true, true, true), (false, false, false)));
        assert!(!book.may_call(&acme, Scheme::Http, "a.com", 80) && !book.private_allowed(&acme, "in.side", 80));
        book.forget(&acme);
        assert_eq!(answers(&acme), (false, false, false));
    }
}
