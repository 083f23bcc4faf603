//! What agents keep, for the fleet: opened with their tenant, deleted with their agent.

use async_trait::async_trait;
use host_fleet::{AgentData, RepositoryError};
use host_model::{AgentId, TenantId};
use host_quota::TenantBudgets;

use crate::error::{Cause, StoreError};
use crate::{AgentFiles, AgentState, SharedAgentState};

/// Both stores of agents. Cheap to clone.
#[derive(Clone)]
pub struct AgentStores {
    /// Keys and values, or the tokens of leases alone where hosts share them.
    pub state: AgentState,
    /// Keys and values of all hosts.
    pub shared: Option<SharedAgentState>,
    /// Files.
    pub files: AgentFiles,
}

#[async_trait]
impl AgentData for AgentStores {
    async fn open_tenant(&self, tenant: &TenantId, budgets: &TenantBudgets) -> Result<(), RepositoryError> {
        match &self.shared {
            Some(shared) => shared.open_tenant(tenant, budgets).await,
            None => {
                self.state.open_tenant(tenant, budgets).await.map_err(failed("count the state of a tenant"))?;
            }
        }
        self.files.open_tenant(tenant, budgets).await.map_err(failed("count the files of a tenant"))
    }

    async fn delete_agent(&self, tenant: &TenantId, agent: &AgentId) -> Result<(), RepositoryError> {
        let deleted = match &self.shared {
            Some(shared) => shared.delete_agent(tenant, agent).await,
            None => self.state.delete_agent(tenant, agent).await,
        };
        deleted.map_err(failed("delete the state of an agent"))?;
        self.files.delete_agent(tenant, agent).await.map_err(failed("delete the files of an agent"))
    }

    async fn close_tenant(&self, tenant: &TenantId) -> Result<(), RepositoryError> {
        let closed = match &self.shared {
            Some(shared) => shared.close_tenant(tenant).await,
            None => self.state.close_tenant(tenant).await,
        };
        closed.map_err(failed("delete the leases of a tenant"))?;
        self.files.close_tenant(tenant).await.map_err(failed("remove the directory of a tenant"))
    }
}

fn failed(act: &'static str) -> impl Fn(StoreError) -> RepositoryError {
    move |cause| RepositoryError::Store { act, source: Cause::from(cause) }
}
