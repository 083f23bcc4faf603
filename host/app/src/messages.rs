//! The verbs about messages: the operator as a principal of a tenant, for sending by hand and for watching.

use std::sync::Arc;
use std::time::Duration;

use host_calls::HostReply;
use host_courier::{Post, PostTarget, Watch};
use host_ledger::Act;
use host_model::{AgentId, Draft, Envelope, Receipt, TenantId, TopicPattern};

use crate::{App, AppError};

/// The longest an operator waits for an answer.
const WAIT_MAX: Duration = Duration::from_mins(1);

impl App {
    /// Sends to one agent as the operator.
    pub async fn send(&self, tenant: &TenantId, agent: &AgentId, draft: Draft) -> Result<Receipt, AppError> {
        self.post(tenant, PostTarget::Agent(agent.to_string()), draft).await
    }

    async fn post(&self, tenant: &TenantId, target: PostTarget, draft: Draft) -> Result<Receipt, AppError> {
        let operator = self.fleet().operator_at_work(tenant)?;
        Ok(self.courier().post(&operator, Post { target, draft, key: None }).await?)
    }

    /// Asks one agent as the operator, and waits for its answer for at most a minute.
    pub async fn request(
        &self,
        tenant: &TenantId,
        agent: &AgentId,
        draft: Draft,
        wait: Duration,
    ) -> Result<Arc<Envelope>, AppError> {
        let operator = self.fleet().operator_at_work(tenant)?;
        match self.courier().ask_as(&operator, agent.as_str(), draft, wait.min(WAIT_MAX)).await? {
            HostReply::Answered(envelope) => Ok(Arc::from(envelope)),
            _ => Err(AppError::HostFailed),
        }
    }

    /// Publishes on a topic as the operator.
    pub async fn publish(&self, tenant: &TenantId, topic: &str, draft: Draft) -> Result<Receipt, AppError> {
        self.post(tenant, PostTarget::Topic(topic.to_owned()), draft).await
    }

    /// Watches a tenant's messages whose address matches a pattern, queues and replies included.
    pub async fn watch(&self, tenant: &TenantId, pattern: &str) -> Result<Watch, AppError> {
        let operator = self.fleet().operator(tenant)?;
        let pattern = TopicPattern::parse_address_in(tenant, pattern).map_err(|_| AppError::BadPattern)?;
        let (courier, caller) = (self.courier().clone(), operator.caller.clone());
        let act = Act::operator("topic.watch").tenant(tenant).on(&pattern);
        self.controlled(act, move |_| async move { Ok::<_, AppError>(courier.watch(caller, pattern)) }).await
    }
}
