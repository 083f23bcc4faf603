//! The verbs about tenants and agents.

use std::sync::Arc;

use host_bus::Journal;
use host_bus::accounts::Minter;
use host_component::{Digest, Manifest};
use host_courier::{Courier, LogBook, LogQuery, LogRecord, LogStream};
use host_fleet::{AgentStatus, Deploy, Fleet};
use host_ledger::{Act, Ledger, UsageBook};
use host_model::{AgentId, Card, CardQuery, TenantId};
use host_registry::Registry;
use host_vault::Vault;
use serde_json::json;

use crate::readiness::Standing;
use crate::{AppError, Readiness};

/// What of a command's name is kept in the audit, in bytes.
const COMMAND_LEN_MAX: usize = 100;

/// What the app works with.
pub struct AppParts {
    /// Who is deployed and what runs.
    pub fleet: Fleet,
    /// What carries messages.
    pub courier: Courier,
    /// Who is there.
    pub registry: Arc<Registry>,
    /// Agents' logs.
    pub logs: Arc<LogBook>,
    /// What happened.
    pub ledger: Ledger,
    /// What was used.
    pub usage: Arc<UsageBook>,
    /// Tenants' keys and secrets.
    pub vault: Arc<Vault>,
    /// Where messages are kept: its dead letters are read here.
    pub journal: Arc<dyn Journal>,
    /// What makes external agents' credentials for the bus, where tenants are accounts of it.
    pub minter: Option<Arc<Minter>>,
}

/// All verbs. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    parts: AppParts,
    standing: Standing,
}

impl App {
    /// The verbs over a fleet that is not up yet: [`set_ready`](Self::set_ready) says when it is.
    pub fn new(parts: AppParts) -> Self {
        Self(Arc::new(Inner { parts, standing: Standing::default() }))
    }

    /// Every agent that should be up has been started.
    pub fn set_ready(&self) {
        self.0.standing.set_ready();
    }

    /// Whether the host can serve.
    pub fn readiness(&self) -> Readiness {
        self.0.standing.readiness(&self.0.parts.fleet, self.ledger())
    }

    /// Keeps a component under its digest, which must be the digest of its bytes.
    pub async fn save_component(&self, stated: Digest, bytes: Vec<u8>) -> Result<(), AppError> {
        // Hashing and reading 16 MiB takes a while: not on a thread that serves others.
        let read = tokio::task::spawn_blocking(move || {
            let actual = Digest::of(&bytes);
            if actual != stated {
                return Err(AppError::WrongDigest { stated, actual });
            }
            host_component::Component::read(&bytes)?;
            Ok(bytes)
        });
        let bytes = read.await.map_err(|_| AppError::HostFailed)??;
        let act = Act::operator("component.upload").on(&stated).detail(json!({ "bytes": bytes.len() }));
        let fleet = self.fleet().clone();
        self.controlled(act, move |_| async move { fleet.parts().components.save(&stated, &bytes).await }).await
    }

    /// Deploys an agent, or a new revision of it.
    ///
    /// Runs to its end even if whoever asked goes away, so that nothing is left half done; so do the other verbs that change.
    pub async fn deploy(&self, tenant: &TenantId, deploy: Deploy) -> Result<AgentStatus, AppError> {
        let (fleet, tenant) = (self.fleet().clone(), tenant.clone());
        let act = deploy_act(&fleet, &tenant, &deploy);
        let status = self.controlled(act, move |r| async move { fleet.deploy(&r, &tenant, deploy).await }).await?;
        tracing::info!(tenant = %status.tenant, agent = %status.agent, revision = status.revision, digest = ?status.digest, "deployed");
        Ok(status)
    }

    /// All agents of a tenant, by id.
    pub fn agents(&self, tenant: &TenantId) -> Result<Vec<AgentStatus>, AppError> {
        Ok(self.fleet().statuses(tenant)?)
    }

    /// One agent.
    pub fn agent(&self, tenant: &TenantId, agent: &AgentId) -> Result<AgentStatus, AppError> {
        Ok(self.fleet().status(tenant, agent)?)
    }

    /// Starts an agent.
    pub async fn start(&self, tenant: &TenantId, agent: &AgentId) -> Result<AgentStatus, AppError> {
        let (act, fleet, tenant, agent) = self.act("agent.start", tenant, agent);
        self.controlled(act, move |r| async move { fleet.start(&r, &tenant, &agent).await }).await
    }

    /// Stops an agent: drains it, then takes it off the registry.
    pub async fn stop(&self, tenant: &TenantId, agent: &AgentId) -> Result<AgentStatus, AppError> {
        let (act, fleet, tenant, agent) = self.act("agent.stop", tenant, agent);
        self.controlled(act, move |r| async move { fleet.stop(&r, &tenant, &agent).await }).await
    }

    /// Stops and starts an agent.
    pub async fn restart(&self, tenant: &TenantId, agent: &AgentId) -> Result<AgentStatus, AppError> {
        let (act, fleet, tenant, agent) = self.act("agent.restart", tenant, agent);
        self.controlled(act, move |r| async move { fleet.restart(&r, &tenant, &agent).await }).await
    }

    /// Stops an agent and deletes it. Its id is never given again.
    pub async fn delete(&self, tenant: &TenantId, agent: &AgentId) -> Result<(), AppError> {
        // What it used since the last line would go with it.
        self.settle_usage().await?;
        let (act, fleet, tenant_id, agent_id) = self.act("agent.delete", tenant, agent);
        self.controlled(act, move |r| async move { fleet.delete(&r, &tenant_id, &agent_id).await }).await?;
        self.forget_logs(tenant, agent);
        tracing::info!(%tenant, %agent, "deleted");
        Ok(())
    }

    /// Passes an order to a resident agent: `data` and the answer are JSON.
    pub async fn command(
        &self,
        tenant: &TenantId,
        agent: &AgentId,
        name: String,
        data: String,
    ) -> Result<String, AppError> {
        tracing::info!(%tenant, %agent, "command");
        let (act, fleet, tenant, agent) = self.act("agent.command", tenant, agent);
        // Its name, and not its data: that may hold a secret.
        let act = act.detail(json!({ "command": host_calls::inert(&name, COMMAND_LEN_MAX) }));
        self.controlled(act, move |r| async move { fleet.command(&r, &tenant, &agent, name, data).await }).await
    }

    /// The last lines of an agent's log that match, oldest first.
    pub fn logs(&self, tenant: &TenantId, agent: &AgentId, query: &LogQuery) -> Result<Vec<Arc<LogRecord>>, AppError> {
        self.fleet().status(tenant, agent)?;
        Ok(self.0.parts.logs.read(tenant, agent, query))
    }

    /// Lines of an agent's log that match, from now on.
    pub fn follow_logs(&self, tenant: &TenantId, agent: &AgentId, query: LogQuery) -> Result<LogStream, AppError> {
        self.fleet().status(tenant, agent)?;
        Ok(self.0.parts.logs.follow(tenant, agent, query))
    }

    /// Cards of running agents that match, by id.
    pub fn cards(&self, tenant: &TenantId, query: &CardQuery) -> Result<Vec<Arc<Card>>, AppError> {
        self.fleet().operator(tenant)?;
        Ok(self.0.parts.registry.find(tenant, query))
    }

    /// A running agent's card.
    pub fn card(&self, tenant: &TenantId, agent: &AgentId) -> Result<Arc<Card>, AppError> {
        self.fleet().operator(tenant)?;
        self.0.parts.registry.get(tenant, agent).ok_or(AppError::NotFound)
    }

    /// The fleet, for who runs the host.
    pub fn fleet(&self) -> &Fleet {
        &self.0.parts.fleet
    }

    pub(crate) fn vault(&self) -> &Arc<Vault> {
        &self.0.parts.vault
    }

    pub(crate) fn journal(&self) -> &Arc<dyn Journal> {
        &self.0.parts.journal
    }

    pub(crate) fn courier(&self) -> &Courier {
        &self.0.parts.courier
    }

    pub(crate) fn forget_logs(&self, tenant: &TenantId, agent: &AgentId) {
        self.0.parts.logs.forget(tenant, agent);
    }

    pub(crate) fn minter(&self) -> Option<&Arc<Minter>> {
        self.0.parts.minter.as_ref()
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.0.parts.ledger
    }

    pub(crate) fn usage(&self) -> &Arc<UsageBook> {
        &self.0.parts.usage
    }

    /// An act on an agent, and what it takes to do it.
    pub(crate) fn act(
        &self,
        action: &'static str,
        tenant: &TenantId,
        agent: &AgentId,
    ) -> (Act, Fleet, TenantId, AgentId) {
        let before = self.fleet().status(tenant, agent).ok().map(|status| status.phase.as_str());
        let act = Act::operator(action).tenant(tenant).on(agent).detail(json!({ "before": before }));
        (act, self.fleet().clone(), tenant.clone(), agent.clone())
    }
}

/// A deployment, with what it replaces. A manifest that cannot be read names nobody.
fn deploy_act(fleet: &Fleet, tenant: &TenantId, deploy: &Deploy) -> Act {
    let agent = Manifest::parse(&deploy.manifest).ok().map(|manifest| manifest.agent.id);
    let before = agent.as_ref().and_then(|agent| fleet.status(tenant, agent).ok());
    let before = before
        .map(|before| json!({ "revision": before.revision, "digest": before.digest.map(|digest| digest.to_string()) }));
    let target = agent.map_or_else(|| "unreadable manifest".to_owned(), |agent| agent.to_string());
    let detail = json!({ "digest": deploy.digest.to_string(), "start": deploy.start, "before": before });
    Act::operator("agent.deploy").tenant(tenant).on(&target).detail(detail)
}
