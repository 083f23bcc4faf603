//! Who sent a message, as a principal of now: for sending it again.

use std::sync::Arc;

use host_courier::Party;
use host_model::{AgentId, Caller, TenantId};

use crate::FleetError;
use crate::fleet::Fleet;

impl Fleet {
    /// An agent of a tenant with what it may do now, whether it runs or not; the operator as itself. Refused while the tenant or
    /// the agent takes no work.
    pub fn sender(&self, tenant: &TenantId, agent: &AgentId) -> Result<Arc<Party>, FleetError> {
        if *agent == AgentId::operator() {
            return self.operator_at_work(tenant);
        }
        if let Some(external) = self.tenant(tenant)?.find_external(agent) {
            return external.at_work().cloned();
        }
        let (tenant, agent) = self.find(tenant, agent)?;
        agent.hold.takes_work()?;
        let spec = agent.spec();
        let version = spec.manifest.agent.version.clone();
        let caller = Caller::born(agent.tenant.clone(), agent.id.clone(), version, self.next_incarnation());
        Ok(Arc::new(tenant.party_apart(&agent, Arc::new(caller), &spec.manifest, true)))
    }
}
