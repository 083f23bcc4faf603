//! Tells the ledger of messages that were given up.

use host_bus::{Death, Notices};
use host_ledger::{Actor, Decision, Denial, Ledger};
use host_model::{MessageId, Queue, TenantId};

pub(crate) struct Deaths {
    pub(crate) ledger: Ledger,
}

impl Notices for Deaths {
    fn died(&self, tenant: &TenantId, queue: &Queue, message: MessageId, death: &Death) {
        // Without its detail: that may be a guest's own words about what the message says.
        let Death { cause, attempts, .. } = death;
        tracing::warn!(%tenant, %queue, %message, cause = cause.as_str(), attempts, "a message is a dead letter");
        let actor = match queue {
            Queue::Agent(agent) => Actor::from(agent),
            Queue::Agents | Queue::Orchestrator => Actor::Host,
        };
        self.ledger.denied(&Denial {
            tenant: Some(tenant),
            actor,
            action: "message.bury",
            decision: Decision::Failed,
            code: cause.as_str(),
            limit: None,
            actual: None,
            foreign: None,
        });
    }
}
