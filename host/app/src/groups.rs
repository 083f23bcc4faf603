//! The verbs about groups of agents.

use host_fleet::{GroupStatus, Settings};
use host_model::{GroupId, TenantId};
use serde_json::json;

use crate::{App, AppError};

impl App {
    /// The groups of a tenant, by id.
    pub async fn groups(&self, tenant: &TenantId) -> Result<Vec<GroupStatus>, AppError> {
        Ok(self.fleet().groups(tenant).await?)
    }

    /// One group.
    pub async fn group(&self, tenant: &TenantId, group: &GroupId) -> Result<GroupStatus, AppError> {
        Ok(self.fleet().group(tenant, group).await?)
    }

    /// Sets what the members of a group share, in place of all that was.
    pub async fn set_group(
        &self,
        tenant: &TenantId,
        group: GroupId,
        settings: Settings,
    ) -> Result<GroupStatus, AppError> {
        let (act, fleet, tenant) = self.on_tenant("group.set", tenant);
        // Their names, and not what they are: that may be anything.
        let names: Vec<String> = settings.keys().map(|name| host_calls::inert(name, NAME_LEN_MAX)).collect();
        let act = act.on(&group).detail(json!({ "settings": names }));
        self.controlled(act, move |r| async move { fleet.set_group(&r, &tenant, group, settings).await }).await
    }
}

/// What of a setting's name is kept in the audit, in bytes.
const NAME_LEN_MAX: usize = 64;
