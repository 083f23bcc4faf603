//! The verbs about tenants and agents.

use std::sync::Arc;

use host_component::Digest;
use host_courier::{Courier, LogBook, LogQuery, LogRecord, LogStream};
use host_fleet::{AgentStatus, Deploy, Fleet, TenantRecord};
use host_model::{AgentId, Card, CardQuery, TenantId};
use host_registry::Registry;
use host_vault::Vault;

use crate::readiness::Standing;
use crate::{AppError, Readiness};

/// The longest display name of a tenant, in characters.
const NAME_LEN_MAX: usize = 100;

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
    /// Tenants' keys and secrets.
    pub vault: Arc<Vault>,
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
        self.0.standing.readiness(&self.0.parts.fleet)
    }

    /// Creates a tenant. Its name is its id unless given.
    pub async fn create_tenant(&self, id: TenantId, name: Option<String>) -> Result<TenantRecord, AppError> {
        let name = name.unwrap_or_else(|| id.to_string());
        if name.is_empty() || name.chars().count() > NAME_LEN_MAX || name.chars().any(char::is_control) {
            return Err(AppError::BadName { len_max: NAME_LEN_MAX });
        }
        let record = self.fleet().create_tenant(id, name).await?;
        let (vault, tenant) = (self.vault().clone(), record.id.clone());
        to_the_end(async move { vault.ensure_key(&tenant).await }).await?;
        tracing::info!(tenant = %record.id, "tenant created");
        Ok(record)
    }

    /// All tenants, by id.
    pub fn tenants(&self) -> Vec<TenantRecord> {
        self.fleet().tenants()
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
        Ok(self.fleet().parts().components.save(&stated, &bytes).await?)
    }

    /// Deploys an agent, or a new revision of it.
    ///
    /// Runs to its end even if whoever asked goes away, so that nothing is left half done; so do the other verbs that change.
    pub async fn deploy(&self, tenant: &TenantId, deploy: Deploy) -> Result<AgentStatus, AppError> {
        let (fleet, tenant) = (self.fleet().clone(), tenant.clone());
        let status = to_the_end(async move { fleet.deploy(&tenant, deploy).await }).await?;
        tracing::info!(tenant = %status.tenant, agent = %status.agent, revision = status.revision, digest = %status.digest, "deployed");
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
        let (fleet, tenant, agent) = self.of(tenant, agent);
        to_the_end(async move { fleet.start(&tenant, &agent).await }).await
    }

    /// Stops an agent: drains it, then takes it off the registry.
    pub async fn stop(&self, tenant: &TenantId, agent: &AgentId) -> Result<AgentStatus, AppError> {
        let (fleet, tenant, agent) = self.of(tenant, agent);
        to_the_end(async move { fleet.stop(&tenant, &agent).await }).await
    }

    /// Stops and starts an agent.
    pub async fn restart(&self, tenant: &TenantId, agent: &AgentId) -> Result<AgentStatus, AppError> {
        let (fleet, tenant, agent) = self.of(tenant, agent);
        to_the_end(async move { fleet.restart(&tenant, &agent).await }).await
    }

    /// Stops an agent and deletes it. Its id is never given again.
    pub async fn delete(&self, tenant: &TenantId, agent: &AgentId) -> Result<(), AppError> {
        let (fleet, tenant_id, agent_id) = self.of(tenant, agent);
        to_the_end(async move { fleet.delete(&tenant_id, &agent_id).await }).await?;
        self.0.parts.logs.forget(tenant, agent);
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
        Ok(self.fleet().command(tenant, agent, name, data).await?)
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

    /// Sees that the host can sign for every tenant: those that an earlier version created have no key yet.
    pub async fn ensure_keys(&self) -> Result<(), AppError> {
        Ok(crate::vault::ensure_keys(self.vault(), &self.tenants()).await?)
    }

    pub(crate) fn vault(&self) -> &Arc<Vault> {
        &self.0.parts.vault
    }

    pub(crate) fn courier(&self) -> &Courier {
        &self.0.parts.courier
    }

    fn of(&self, tenant: &TenantId, agent: &AgentId) -> (Fleet, TenantId, AgentId) {
        (self.fleet().clone(), tenant.clone(), agent.clone())
    }
}

/// A verb that changes something is not dropped half way because its request was.
pub(crate) async fn to_the_end<T: Send + 'static, E: Send + 'static>(
    verb: impl Future<Output = Result<T, E>> + Send + 'static,
) -> Result<T, AppError>
where
    AppError: From<E>,
{
    #[expect(clippy::disallowed_methods, reason = "awaited right here; only a dropped request detaches it")]
    let verb = tokio::spawn(verb);
    match verb.await {
        Ok(result) => Ok(result?),
        Err(_) => Err(AppError::HostFailed),
    }
}
