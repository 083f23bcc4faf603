//! A tenant's policy in force, the one that is tried beside it, and what follows for its agents.

use std::sync::Arc;

use host_component::{Manifest, PolicyDocument, PolicyError, STARTER_POLICY};
use host_courier::{Counters, Party, Shadow, ShadowTally, Switch, WouldDeny};
use host_ledger::Recorded;
use host_model::{AgentId, Caller, Grants, LeaseScope, TenantId, Timestamp};
use host_quota::TenantBudgets;

use crate::agent::{Agent, Spec};
use crate::external::External;
use crate::fleet::{Fleet, Tenant};
use crate::{FleetError, PolicyRecord};

/// A policy in force.
#[derive(Debug)]
pub struct PolicyInForce {
    /// Counts the policies that were in force; 0 is the one every tenant starts with.
    pub version: u32,
    /// The document, word for word.
    pub text: String,
    /// What it says.
    pub document: PolicyDocument,
    /// When it was set; `None` for the one every tenant starts with.
    pub set: Option<Timestamp>,
}

/// A policy that is tried: nothing is denied by it, what it would deny is counted.
#[derive(Debug)]
pub struct ShadowPolicy {
    /// The document, word for word.
    pub text: String,
    /// What it says.
    pub document: PolicyDocument,
    /// When it was set, or this host started: counts start there.
    pub since: Timestamp,
    tally: Arc<ShadowTally>,
}

impl ShadowPolicy {
    /// What would have been denied so far; and how often something beyond the kinds that are counted apart.
    pub fn would_deny(&self) -> (Vec<WouldDeny>, u64) {
        self.tally.view()
    }
}

/// Both. Whoever makes a party of the tenant holds them meanwhile, so that no change passes it by.
pub(crate) struct Policies {
    pub(crate) enforced: Arc<PolicyInForce>,
    pub(crate) shadow: Option<Arc<ShadowPolicy>>,
}

impl Default for Policies {
    fn default() -> Self {
        let (text, document) = (STARTER_POLICY.to_owned(), PolicyDocument::starter());
        Self { enforced: Arc::new(PolicyInForce { version: 0, text, document, set: None }), shadow: None }
    }
}

impl Policies {
    fn grants_of(&self, agent: &AgentId, manifest: &Manifest) -> Grants {
        manifest.grants.and(&self.enforced.document.policy.allows(agent))
    }

    fn shadow_of(&self, agent: &AgentId) -> Option<Arc<Shadow>> {
        let shadow = self.shadow.as_ref()?;
        Some(Arc::new(Shadow { grants: shadow.document.policy.allows(agent), tally: shadow.tally.clone() }))
    }

    fn reach(&self, agent: &Agent) {
        for party in agent.parties() {
            party.set_grants(self.grants_of(&agent.id, &agent.spec().manifest));
            party.set_shadow(self.shadow_of(&agent.id));
        }
    }

    fn reach_external(&self, external: &External) {
        let (party, manifest) = external.reach();
        party.set_grants(self.grants_of(party.caller.agent(), manifest));
        party.set_shadow(self.shadow_of(party.caller.agent()));
    }
}

impl Fleet {
    /// The policy in force in a tenant.
    pub fn policy(&self, tenant: &TenantId) -> Result<Arc<PolicyInForce>, FleetError> {
        Ok(self.tenant(tenant)?.policies.read().enforced.clone())
    }

    /// The policy that is tried in a tenant, if one is.
    pub fn shadow_policy(&self, tenant: &TenantId) -> Result<Option<Arc<ShadowPolicy>>, FleetError> {
        Ok(self.tenant(tenant)?.policies.read().shadow.clone())
    }

    /// Puts a policy in force, and ends the trial of another. Running agents reach no further than it from the moment this
    /// returns; what they asked for before stays asked for, and comes back if a later policy allows it.
    pub async fn set_policy(
        &self,
        _recorded: &Recorded,
        tenant: &TenantId,
        text: String,
    ) -> Result<Arc<PolicyInForce>, FleetError> {
        let tenant = self.tenant(tenant)?;
        let document = PolicyDocument::parse(&text)?;
        // One change at a time. A deployment under way is held back by the party it is, like any agent that runs.
        let _turn = tenant.changing_policy.lock().await;
        self.still_there(&tenant)?;
        let version = tenant.policies.read().enforced.version.saturating_add(1);
        let set = self.parts().clock.now();
        let record = PolicyRecord { tenant: tenant.id().clone(), shadow: false, version, text: text.clone(), set };
        self.parts().repository.save_policy(&record).await?;
        self.parts().repository.delete_shadow_policy(tenant.id()).await?;
        let enforced = Arc::new(PolicyInForce { version, text, document, set: Some(set) });
        tenant.enforce(enforced.clone());
        self.bind_all(&tenant);
        self.parts().policies.set(tenant.id(), enforced.clone());
        self.parts().courier.close_connections(tenant.id());
        Ok(enforced)
    }

    /// Tries a policy beside the one in force; `None` ends the trial.
    pub async fn set_shadow_policy(
        &self,
        _recorded: &Recorded,
        tenant: &TenantId,
        text: Option<String>,
    ) -> Result<Option<Arc<ShadowPolicy>>, FleetError> {
        let tenant = self.tenant(tenant)?;
        let document = text.as_deref().map(PolicyDocument::parse).transpose()?;
        let _turn = tenant.changing_policy.lock().await;
        self.still_there(&tenant)?;
        let since = self.parts().clock.now();
        let shadow = text.zip(document).map(|(text, document)| shadow(text, document, since));
        match &shadow {
            None => self.parts().repository.delete_shadow_policy(tenant.id()).await?,
            Some(shadow) => {
                let (tenant, text) = (tenant.id().clone(), shadow.text.clone());
                let record = PolicyRecord { tenant, shadow: true, version: 0, text, set: since };
                self.parts().repository.save_policy(&record).await?;
            }
        }
        let mut policies = tenant.policies.write();
        policies.shadow.clone_from(&shadow);
        tenant.reach(&policies);
        Ok(shadow)
    }

    /// Takes over what was kept.
    pub(crate) async fn load_policies(&self) -> Result<(), FleetError> {
        for record in self.parts().repository.policies().await? {
            let tenant = self.tenant(&record.tenant)?;
            let document = PolicyDocument::parse(&record.text)
                .map_err(|source| FleetError::KeptPolicy { tenant: record.tenant.clone(), source })?;
            let PolicyRecord { version, text, set, .. } = record;
            let mut policies = tenant.policies.write();
            if record.shadow {
                policies.shadow = Some(shadow(text, document, self.parts().clock.now()));
            } else {
                policies.enforced = Arc::new(PolicyInForce { version, text, document, set: Some(set) });
                self.parts().policies.set(tenant.id(), policies.enforced.clone());
            }
        }
        Ok(())
    }
}

fn shadow(text: String, document: PolicyDocument, since: Timestamp) -> Arc<ShadowPolicy> {
    Arc::new(ShadowPolicy { text, document, since, tally: Arc::default() })
}

impl Tenant {
    fn enforce(&self, policy: Arc<PolicyInForce>) {
        let mut policies = self.policies.write();
        *policies = Policies { enforced: policy, shadow: None };
        self.reach(&policies);
    }

    fn reach(&self, policies: &Policies) {
        self.each_agent(|agent| policies.reach(agent));
        self.externals.read().values().for_each(|external| policies.reach_external(external));
    }

    /// Makes an external agent and lets it be found, before the policies can change again.
    pub(crate) fn take_in(&self, make: impl FnOnce(&Policies) -> External) -> Arc<External> {
        let policies = self.policies.read();
        let external = Arc::new(make(&policies));
        self.externals.write().insert(external.id().clone(), external.clone());
        external
    }

    /// The party that a registration of an external agent is.
    pub(crate) fn external_party(
        &self,
        policies: &Policies,
        caller: Arc<Caller>,
        manifest: &Manifest,
        counters: Arc<Counters>,
        switch: Arc<Switch>,
    ) -> Arc<Party> {
        let grants = policies.grants_of(caller.agent(), manifest);
        let shadow = policies.shadow_of(caller.agent());
        let party = Party::new(caller, grants, self.budgets.requests.clone(), false, counters);
        party.set_shadow(shadow);
        Arc::new(party.within(self.budgets.rates.clone()).switched_by(switch))
    }

    /// What an agent may reach now, whether it runs or not.
    pub(crate) fn grants_now(&self, agent: &Agent) -> Grants {
        self.policies.read().grants_of(&agent.id, &agent.spec().manifest)
    }

    /// What is deployed, with its limits where the policy caps them now.
    pub(crate) fn capped(&self, spec: &Spec) -> Spec {
        let caps = self.policies.read().enforced.document.policy.caps;
        let mut manifest = spec.manifest.clone();
        manifest.limits = caps.cap(manifest.limits);
        manifest.run.replicas = manifest.run.replicas.min(caps.replicas_max.unwrap_or(u32::MAX));
        Spec { deployment: spec.deployment.clone(), manifest }
    }

    /// The party that a start of an agent is. It is known to the agent before the policies can change again.
    pub(crate) fn party(
        &self,
        agent: &Agent,
        caller: Arc<Caller>,
        manifest: &Manifest,
        single_store: bool,
    ) -> Arc<Party> {
        let policies = self.policies.read();
        let party = Arc::new(self.party_under(&policies, agent, caller, manifest, single_store));
        agent.add_party(party.clone());
        party
    }

    /// A party with what an agent may do now, which no later policy reaches: for one act.
    pub(crate) fn party_apart(
        &self,
        agent: &Agent,
        caller: Arc<Caller>,
        manifest: &Manifest,
        single_store: bool,
    ) -> Party {
        self.party_under(&self.policies.read(), agent, caller, manifest, single_store)
    }

    fn party_under(
        &self,
        policies: &Policies,
        agent: &Agent,
        caller: Arc<Caller>,
        manifest: &Manifest,
        single_store: bool,
    ) -> Party {
        let grants = policies.grants_of(&agent.id, manifest);
        let party = Party::new(caller, grants, self.budgets.requests.clone(), single_store, agent.counters.clone());
        party.set_shadow(policies.shadow_of(&agent.id));
        party
            .in_scope(LeaseScope::of(&agent.id, manifest.run.group.as_ref()))
            .with_http(self.budgets.http_requests.clone())
            .within(self.budgets.rates.clone())
            .switched_by(agent.hold.switch())
    }
}

/// The operator may publish and send everywhere in a tenant, as itself; its acts are the host's own.
pub(crate) fn operator(caller: Caller, budgets: &TenantBudgets, switch: Arc<Switch>) -> Arc<Party> {
    let everything = ">".parse().expect("a pattern");
    let send = host_model::SendGrant::Any;
    let grants = Grants { publish: vec![everything], send, discover: true, ..Grants::default() };
    let party = Party::new(Arc::new(caller), grants, budgets.requests.clone(), false, Arc::<Counters>::default());
    Arc::new(party.within(budgets.rates.clone()).switched_by(switch))
}

impl From<PolicyError> for FleetError {
    fn from(error: PolicyError) -> Self {
        Self::Policy(error)
    }
}
