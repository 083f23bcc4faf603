//! What the bus keeps for an agent, whether it runs or not, and how much for its tenant.

use std::time::Duration;

use host_bus::{Binding, QueueLimits};
use host_courier::Party;
use host_model::Grants;
use host_quota::TenantLimits;

use crate::agent::Agent;
use crate::fleet::{Fleet, Tenant};

impl Fleet {
    /// Has the bus keep what an agent may receive now.
    pub(crate) fn bind(&self, tenant: &Tenant, agent: &Agent) {
        let grants = tenant.grants_now(agent);
        let (tenant, agent) = (agent.tenant.clone(), agent.id.clone());
        self.parts().bus.bind(Binding { tenant, agent, topics: grants.subscribe, shared: grants.queues });
    }

    /// Has the bus keep also what the version before received, until it is clear which of the two it is.
    pub(crate) fn bind_both(&self, tenant: &Tenant, agent: &Agent, before: Grants) {
        let now = tenant.grants_now(agent);
        let (tenant, agent) = (agent.tenant.clone(), agent.id.clone());
        let topics = now.subscribe.into_iter().chain(before.subscribe).collect();
        let shared = now.queues.into_iter().chain(before.queues).collect();
        self.parts().bus.bind(Binding { tenant, agent, topics, shared });
    }

    pub(crate) fn bind_all(&self, tenant: &Tenant) {
        tenant.all().iter().for_each(|agent| self.bind(tenant, agent));
        tenant.externals.read().values().for_each(|external| self.bind_party(external.party()));
    }

    /// Has the bus keep what a party outside the host may receive now.
    pub(crate) fn bind_party(&self, party: &Party) {
        let (tenant, agent) = (party.caller.tenant().clone(), party.caller.agent().clone());
        let grants = party.grants();
        let (topics, shared) = (grants.subscribe.clone(), grants.queues.clone());
        self.parts().bus.bind(Binding { tenant, agent, topics, shared });
    }

    pub(crate) fn unbind(&self, agent: &Agent) {
        self.parts().bus.unbind(&agent.tenant, &agent.id);
    }

    /// Puts a tenant's limits in force.
    pub(crate) fn apply_limits(&self, tenant: &Tenant, limits: &TenantLimits) {
        tenant.budgets.set(limits);
        self.shards().set_share(tenant.id(), limits);
        self.parts().bus.set_limits(tenant.id(), queue_limits(limits));
    }
}

/// What a tenant with these limits may keep.
pub fn queue_limits(limits: &TenantLimits) -> QueueLimits {
    QueueLimits {
        messages_max: limits.queued_messages_max,
        bytes_max: limits.queued_bytes_max,
        letters_max: limits.dead_letters_max,
        retention: Duration::from_hours(limits.retention_hours_max),
        attempts_max: u32::try_from(limits.message_attempts_max).unwrap_or(u32::MAX),
    }
}
