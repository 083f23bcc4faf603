//! The verbs that take an agent out of service and let it back.

use host_fleet::AgentStatus;
use host_model::{AgentId, TenantId};

use crate::app::to_the_end;
use crate::tenants::checked_reason;
use crate::{App, AppError};

impl App {
    /// Cuts an agent off at once, drops what waits for it, and refuses to start it until it is released.
    pub async fn quarantine(
        &self,
        tenant: &TenantId,
        agent: &AgentId,
        reason: Option<String>,
    ) -> Result<AgentStatus, AppError> {
        let reason = checked_reason(reason)?;
        let (fleet, tenant, agent) = self.of(tenant, agent);
        let status = to_the_end(async move { fleet.quarantine(&tenant, &agent, reason).await }).await?;
        tracing::info!(tenant = %status.tenant, agent = %status.agent, "quarantined");
        Ok(status)
    }

    /// Ends an agent's quarantine, and leaves it stopped.
    pub async fn release(&self, tenant: &TenantId, agent: &AgentId) -> Result<AgentStatus, AppError> {
        let (fleet, tenant, agent) = self.of(tenant, agent);
        to_the_end(async move { fleet.release(&tenant, &agent).await }).await
    }
}
