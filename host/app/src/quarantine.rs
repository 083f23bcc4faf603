//! The verbs that take an agent out of service and let it back.

use std::sync::Arc;

use host_fleet::{AgentStatus, CrashAlarm};
use host_ledger::{Act, Recorded};
use host_model::{AgentId, TenantId};
use serde_json::json;

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
        let (act, fleet, tenant, agent) = self.act("agent.quarantine", tenant, agent);
        let act = act.detail(json!({ "reason": reason }));
        let quarantine = move |r: Arc<Recorded>| async move { fleet.quarantine(&r, &tenant, &agent, reason).await };
        let status = self.controlled(act, quarantine).await?;
        tracing::info!(tenant = %status.tenant, agent = %status.agent, "quarantined");
        Ok(status)
    }

    /// Ends an agent's quarantine, and leaves it stopped.
    pub async fn release(&self, tenant: &TenantId, agent: &AgentId) -> Result<AgentStatus, AppError> {
        let (act, fleet, tenant, agent) = self.act("agent.release", tenant, agent);
        self.controlled(act, move |r| async move { fleet.release(&r, &tenant, &agent).await }).await
    }

    /// Quarantines agents in a crash loop, as long as it is polled. A second call would find nothing to do.
    pub async fn end_crash_loops(&self) {
        while let Some(CrashAlarm { tenant, agent, reason }) = self.fleet().next_crash_loop().await {
            tracing::error!(%tenant, %agent, reason, "a crash loop");
            let act = Act::host("agent.quarantine").tenant(&tenant).on(&agent).detail(json!({ "reason": reason }));
            let (fleet, (in_tenant, of_agent)) = (self.fleet().clone(), (tenant.clone(), agent.clone()));
            let end = move |r: Arc<Recorded>| async move { fleet.quarantine(&r, &in_tenant, &of_agent, reason).await };
            if let Err(error) = self.controlled(act, end).await {
                // The agent's next failure raises the alarm again.
                tracing::error!(%tenant, %agent, %error, "a crash loop could not be ended");
            }
        }
    }
}
