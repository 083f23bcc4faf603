//! Tenants and what they may use, as operators see them.

use host_app::TenantStatus;
use host_fleet::{Notice, Pressure, QuotaLine, Standing, TenantRecord};
use host_model::TenantId;
use host_quota::{QuotaName, QuotaOverrides, UnknownQuota};
use host_wire::{Quota, QuotaState, SetQuota, Tenant, TenantDetails, TenantState};

use crate::problem::ApiError;

/// A tenant that was just created.
pub(crate) fn created_tenant_of(record: TenantRecord) -> Tenant {
    tenant_with(record, Standing::Active)
}

/// A tenant in a list.
pub(crate) fn tenant_of(status: TenantStatus) -> Tenant {
    tenant_with(status.record, status.standing)
}

/// A tenant, with what is nearly used up or is.
pub(crate) fn tenant_details_of(status: TenantStatus) -> TenantDetails {
    let pressing = status.quota.iter().filter(|line| line.pressure() > Pressure::Low).copied();
    TenantDetails {
        agents: status.agents as u64,
        ready: status.ready as u64,
        quotas: pressing.map(quota_line_of).collect(),
        tenant: tenant_with(status.record, status.standing),
    }
}

/// All limits of a tenant.
pub(crate) fn quota_of(tenant: &TenantId, lines: Vec<QuotaLine>) -> Quota {
    Quota { tenant_id: tenant.to_string(), limits: lines.into_iter().map(quota_line_of).collect() }
}

/// What is to be set; a name that is not known is refused.
pub(crate) fn overrides_of(quota: &SetQuota) -> Result<QuotaOverrides, ApiError> {
    let entries = quota.limits.iter().map(|(name, value)| Ok((name.parse::<QuotaName>()?, *value)));
    entries.collect::<Result<_, UnknownQuota>>().map_err(|unknown| ApiError::BadBody(format!("limits: {unknown}")))
}

fn tenant_with(record: TenantRecord, standing: Standing) -> Tenant {
    let (state, notice) = match standing {
        Standing::Active => (TenantState::Active, None),
        Standing::Suspended(notice) => (TenantState::Suspended, Some(notice)),
        Standing::Quarantined(notice) => (TenantState::Quarantined, Some(notice)),
    };
    let (reason, since) = notice.map(|Notice { reason, since }| (reason, since.to_string())).unzip();
    Tenant {
        tenant_id: record.id.to_string(),
        name: record.name,
        state,
        reason,
        since,
        created_at: record.created.to_string(),
    }
}

fn quota_line_of(line: QuotaLine) -> host_wire::QuotaLine {
    host_wire::QuotaLine {
        name: line.name.as_str().to_owned(),
        limit: line.limit,
        bytes: line.name.is_bytes(),
        set: line.explicit,
        in_use: line.used,
        state: match line.pressure() {
            Pressure::Low => QuotaState::Ok,
            Pressure::Near => QuotaState::Near,
            Pressure::Exceeded => QuotaState::Exceeded,
        },
        resets_at: line.resets.map(|resets| resets.to_string()),
    }
}
