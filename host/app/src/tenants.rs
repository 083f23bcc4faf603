//! The verbs about whole tenants: create, look, suspend, resume, quarantine, delete, and their quotas.

use std::sync::Arc;

use host_fleet::{Fleet, QuotaLine, TenantRecord, TenantStatus};
use host_ledger::{Act, Recorded};
use host_model::TenantId;
use host_quota::QuotaOverrides;
use serde_json::json;

use crate::{App, AppError};

/// The longest display name of a tenant, in characters.
const NAME_LEN_MAX: usize = 100;
/// The longest reason for stopping somebody, in characters.
const REASON_LEN_MAX: usize = 200;

impl App {
    /// Creates a tenant. Its name is its id unless given.
    pub async fn create_tenant(&self, id: TenantId, name: Option<String>) -> Result<TenantRecord, AppError> {
        let name = name.unwrap_or_else(|| id.to_string());
        if !is_line(&name, NAME_LEN_MAX) {
            return Err(AppError::BadName { len_max: NAME_LEN_MAX });
        }
        let act = Act::operator("tenant.create").tenant(&id).on(&id);
        let (fleet, vault) = (self.fleet().clone(), self.vault().clone());
        let create = move |r: Arc<Recorded>| async move {
            let reserved = vault.reserve(&id)?;
            let record = fleet.create_tenant(&r, id, name).await?;
            reserved.make_key().await?;
            Ok::<_, AppError>(record)
        };
        let record = self.controlled(act, create).await?;
        tracing::info!(tenant = %record.id, "tenant created");
        Ok(record)
    }

    /// All tenants, by id.
    pub fn tenants(&self) -> Vec<TenantStatus> {
        self.fleet().tenant_statuses()
    }

    /// One tenant.
    pub fn tenant(&self, id: &TenantId) -> Result<TenantStatus, AppError> {
        Ok(self.fleet().tenant_status(id)?)
    }

    /// Drains and stops all agents of a tenant, and takes no new work for it until it is resumed.
    pub async fn suspend_tenant(&self, id: &TenantId, reason: Option<String>) -> Result<TenantStatus, AppError> {
        let reason = checked_reason(reason)?;
        let (act, fleet, id) = self.on_tenant("tenant.suspend", id);
        let act = act.detail(json!({ "reason": reason }));
        self.controlled(act, move |r| async move { fleet.suspend_tenant(&r, &id, reason).await }).await
    }

    /// Ends a tenant's suspension or quarantine, and starts its agents that should be up.
    pub async fn resume_tenant(&self, id: &TenantId) -> Result<TenantStatus, AppError> {
        let (act, fleet, id) = self.on_tenant("tenant.resume", id);
        let vault = self.vault().clone();
        let resume = move |r: Arc<Recorded>| async move {
            // One whose deletion failed half way has lost its keys.
            fleet.operator(&id)?;
            vault.ensure_key(&id).await?;
            Ok::<_, AppError>(fleet.resume_tenant(&r, &id).await?)
        };
        self.controlled(act, resume).await
    }

    /// Cuts everything of a tenant off at once, and refuses everything for it until it is resumed.
    pub async fn quarantine_tenant(&self, id: &TenantId, reason: Option<String>) -> Result<TenantStatus, AppError> {
        let reason = checked_reason(reason)?;
        let (act, fleet, id) = self.on_tenant("tenant.quarantine", id);
        let act = act.detail(json!({ "reason": reason }));
        self.controlled(act, move |r| async move { fleet.quarantine_tenant(&r, &id, reason).await }).await
    }

    /// Cuts a tenant off and deletes everything it has. Its id is never given again.
    ///
    /// Its keys and secrets go first, while it is in quarantine: should that fail, it can be deleted again.
    pub async fn delete_tenant(&self, id: &TenantId) -> Result<(), AppError> {
        // What it used since the last line goes with it; that it cannot be written is no reason to keep the rest.
        if let Err(error) = self.settle_usage().await {
            tracing::error!(tenant = %id, %error, "what a tenant used last is lost with it");
        }
        let (act, fleet, tenant) = self.on_tenant("tenant.delete", id);
        let vault = self.vault().clone();
        let delete = move |r: Arc<Recorded>| async move {
            let bus = fleet.parts().bus.clone();
            let shred = async {
                bus.forget(&tenant).await?;
                Ok::<_, AppError>(vault.shred(&tenant).await?)
            };
            let agents = fleet.delete_tenant(&r, &tenant, shred).await?;
            // What was set between the two is gone from the store with the tenant, and signs for nobody.
            if let Err(error) = vault.shred(&tenant).await {
                tracing::warn!(%tenant, %error, "a key or secret of a deleted tenant stays in memory until the host stops");
            }
            Ok::<_, AppError>(agents)
        };
        let agents = self.controlled(act, delete).await?;
        for agent in &agents {
            self.forget_logs(id, agent);
        }
        tracing::info!(tenant = %id, "tenant deleted");
        Ok(())
    }

    /// What a tenant may use, and what it uses.
    pub fn quota(&self, id: &TenantId) -> Result<Vec<QuotaLine>, AppError> {
        Ok(self.fleet().quota(id)?)
    }

    /// Replaces what was set for a tenant; the rest follows the host's defaults. In force at once.
    pub async fn set_quota(&self, id: &TenantId, overrides: QuotaOverrides) -> Result<Vec<QuotaLine>, AppError> {
        let before = self.fleet().quota_overrides(id)?;
        let (act, fleet, tenant) = self.on_tenant("tenant.quota", id);
        let act = act.detail(json!({ "before": before, "after": overrides }));
        let set = move |r: Arc<Recorded>| async move { fleet.set_quota(&r, &tenant, overrides).await };
        let lines = self.controlled(act, set).await?;
        tracing::info!(tenant = %id, "quota set");
        Ok(lines)
    }

    /// An act on a tenant, and what it takes to do it.
    pub(crate) fn on_tenant(&self, action: &'static str, id: &TenantId) -> (Act, Fleet, TenantId) {
        (Act::operator(action).tenant(id).on(id), self.fleet().clone(), id.clone())
    }
}

/// Why somebody is stopped, as it was given, or that an operator said so.
pub(crate) fn checked_reason(reason: Option<String>) -> Result<String, AppError> {
    let reason = reason.unwrap_or_else(|| "by an operator".to_owned());
    if is_line(&reason, REASON_LEN_MAX) { Ok(reason) } else { Err(AppError::BadReason { len_max: REASON_LEN_MAX }) }
}

fn is_line(text: &str, len_max: usize) -> bool {
    !text.is_empty() && text.chars().count() <= len_max && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_of_bounded_length() {
        let check = |reason: Option<String>, ok| assert_eq!(checked_reason(reason.clone()).is_ok(), ok, "{reason:?}");
        check(None, true);
        check(Some("it mines".to_owned()), true);
        check(Some(String::new()), false);
        check(Some("two\nlines".to_owned()), false);
        check(Some("é".repeat(REASON_LEN_MAX)), true);
        check(Some("é".repeat(REASON_LEN_MAX + 1)), false);
    }
}
