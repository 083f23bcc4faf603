//! Quarantine: everything of an agent, or of a tenant, ends at once, and nothing of it begins until an operator says so.
//!
//! The order makes it whole: kept first, so that it survives the host; then one switch, so that nothing new passes; then what
//! runs is cut off and what waits is dropped. When the verb returns, no instruction of it runs and no message of it moves.

use futures_util::future::join_all;
use host_ledger::Recorded;
use host_model::{AgentId, TenantId};

use crate::agent::Agent;
use crate::crash_loop::CrashAlarm;
use crate::fleet::{Fleet, Tenant};
use crate::{AgentQuarantine, AgentStatus, Desired, FleetError, Phase, Standing, Step, TenantStatus};

impl Fleet {
    /// Cuts an agent off, drops what waits for it, and refuses to start it until it is released. It is no error to quarantine an
    /// agent again: the first reason stays. One whose first deployment is under way is refused it, and is not deployed.
    pub async fn quarantine(
        &self,
        _recorded: &Recorded,
        tenant: &TenantId,
        agent: &AgentId,
        reason: String,
    ) -> Result<AgentStatus, FleetError> {
        let (tenant, agent) = self.find(tenant, agent)?;
        // Held to the end: what is started after a release is not taken for what is to be cleared away.
        let _turn = tenant.hold.turn.lock().await;
        let notice = self.notice(reason);
        let quarantine =
            AgentQuarantine { tenant: agent.tenant.clone(), agent: agent.id.clone(), notice: notice.clone() };
        let kept = self.parts().controls.quarantine(&quarantine).await?;
        // One that is not deployed is being deployed for the first time, or is gone.
        tenant.still_has(&agent)?;
        agent.hold.quarantine(notice);
        self.cut_off(&agent).await;
        self.clear(&agent).await;
        if !kept && tenant.still_has(&agent).is_ok() && !self.parts().controls.quarantine(&quarantine).await? {
            return Err(FleetError::NoAgent(quarantine.agent));
        }
        Ok(agent.status())
    }

    /// Ends an agent's quarantine and leaves it stopped: what it was quarantined for has not gone away by itself. Releasing one
    /// that is in none is no error.
    pub async fn release(
        &self,
        _recorded: &Recorded,
        tenant: &TenantId,
        agent: &AgentId,
    ) -> Result<AgentStatus, FleetError> {
        let (tenant, agent) = self.find(tenant, agent)?;
        let _turn = tenant.hold.turn.lock().await;
        if agent.hold.is_quarantined() {
            let _running = agent.running.lock().await;
            tenant.still_has(&agent)?;
            self.want(&agent, Desired::Stopped).await?;
            self.parts().controls.release(&agent.tenant, &agent.id).await?;
            agent.hold.release();
            tracing::info!(tenant = %agent.tenant, agent = %agent.id, "released from quarantine");
        }
        Ok(agent.status())
    }

    /// Cuts all agents of a tenant off at once, and refuses everything for it until it is resumed.
    pub async fn quarantine_tenant(
        &self,
        _recorded: &Recorded,
        id: &TenantId,
        reason: String,
    ) -> Result<TenantStatus, FleetError> {
        let tenant = self.tenant(id)?;
        // Held to the end: what a resumption starts is not taken for what is to be cleared away.
        let _turn = tenant.hold.turn.lock().await;
        self.decide(&tenant, Standing::Quarantined(self.notice(reason))).await?;
        self.cut_off_all(&tenant).await;
        Ok(self.status_of(&tenant))
    }

    /// Waits for an agent that is in a crash loop and still in service. Whoever asks is to quarantine it. `None` never comes
    /// while the fleet lives.
    pub async fn next_crash_loop(&self) -> Option<CrashAlarm> {
        let mut alarms = self.alarms().lock().await;
        loop {
            let alarm = alarms.recv().await?;
            if self.status(&alarm.tenant, &alarm.agent).is_ok_and(|status| status.standing == Standing::Active) {
                return Some(alarm);
            }
        }
    }

    /// Ends everything of a tenant whose switch is off, deployments that are under way included.
    pub(crate) async fn cut_off_all(&self, tenant: &Tenant) {
        let agents = tenant.all();
        join_all(agents.iter().map(|agent| self.cut_off(agent))).await;
        // A deployment under way is refused now, and what it brought up before that is among the agents.
        drop(tenant.deploying.lock().await);
        let agents = tenant.all();
        join_all(agents.iter().map(|agent| self.clear(agent))).await;
    }

    /// Ends what an agent runs and drops what waits for it, whoever is starting or stopping it meanwhile.
    async fn cut_off(&self, agent: &Agent) {
        agent.hold.cut_off();
        for mailbox in agent.mailboxes() {
            mailbox.empty(&self.parts().courier);
        }
        self.shards().pass(&agent.tenant).await;
    }

    /// Takes away what is left of a start whose work was cut off.
    async fn clear(&self, agent: &std::sync::Arc<Agent>) {
        let mut running = agent.running.lock().await;
        if let Some(running) = running.take() {
            self.clear_away(agent, running).await;
        }
        agent.reached(Phase::Stopped, Step::None);
    }
}
