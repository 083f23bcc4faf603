//! The alarm about a crash loop: an agent that only fails is taken out of service before it burns what others could use.

use host_model::{AgentId, TenantId, TrapCause};
use tokio::sync::mpsc;

use crate::streak::CRASHES_MAX;

/// Alarms that wait to be acted on. What finds no room is raised again by the agent's next failure.
const ALARMS_MAX: usize = 256;

/// An agent that is in a crash loop.
#[derive(Debug)]
pub struct CrashAlarm {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub agent: AgentId,
    /// What happened, bounded and inert.
    pub reason: String,
}

/// Where alarms are raised, and where they are acted on.
pub(crate) fn alarms() -> (mpsc::Sender<CrashAlarm>, mpsc::Receiver<CrashAlarm>) {
    mpsc::channel(ALARMS_MAX)
}

/// Tells when one agent is in a crash loop.
pub(crate) struct CrashBell {
    tenant: TenantId,
    agent: AgentId,
    alarms: mpsc::Sender<CrashAlarm>,
}

impl CrashBell {
    pub(crate) fn new(tenant: TenantId, agent: AgentId, alarms: mpsc::Sender<CrashAlarm>) -> Self {
        Self { tenant, agent, alarms }
    }

    /// Never waits. With no room for it, the next failure raises it again.
    pub(crate) fn ring(&self, cause: TrapCause, detail: &str) {
        let word = cause.as_str();
        let reason = format!("crash loop: {CRASHES_MAX} failures in a row, the last: {word}: {detail}");
        let alarm = CrashAlarm { tenant: self.tenant.clone(), agent: self.agent.clone(), reason };
        let _ = self.alarms.try_send(alarm);
    }
}
