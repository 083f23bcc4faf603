//! The verbs about whole tenants: create, look, suspend, resume, quarantine, delete, and their quotas.

use host_fleet::{QuotaLine, TenantRecord, TenantStatus};
use host_model::TenantId;
use host_quota::QuotaOverrides;

use crate::app::to_the_end;
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
        let record = self.fleet().create_tenant(id, name).await?;
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
        let (fleet, id) = (self.fleet().clone(), id.clone());
        to_the_end(async move { fleet.suspend_tenant(&id, reason).await }).await
    }

    /// Ends a tenant's suspension or quarantine, and starts its agents that should be up.
    pub async fn resume_tenant(&self, id: &TenantId) -> Result<TenantStatus, AppError> {
        let (fleet, id) = (self.fleet().clone(), id.clone());
        to_the_end(async move { fleet.resume_tenant(&id).await }).await
    }

    /// Cuts everything of a tenant off at once, and refuses everything for it until it is resumed.
    pub async fn quarantine_tenant(&self, id: &TenantId, reason: Option<String>) -> Result<TenantStatus, AppError> {
        let reason = checked_reason(reason)?;
        let (fleet, id) = (self.fleet().clone(), id.clone());
        to_the_end(async move { fleet.quarantine_tenant(&id, reason).await }).await
    }

    /// Cuts a tenant off and deletes everything it has. Its id is never given again.
    pub async fn delete_tenant(&self, id: &TenantId) -> Result<(), AppError> {
        let (fleet, tenant) = (self.fleet().clone(), id.clone());
        let agents = to_the_end(async move { fleet.delete_tenant(&tenant).await }).await?;
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
        let (fleet, tenant) = (self.fleet().clone(), id.clone());
        let lines = to_the_end(async move { fleet.set_quota(&tenant, overrides).await }).await?;
        tracing::info!(tenant = %id, "quota set");
        Ok(lines)
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
