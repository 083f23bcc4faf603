//! `/api/audit`: what happened, and whether its record still holds.

use axum::Json;
use axum::extract::State;
use host_app::Query;
use host_model::TenantId;
use host_wire::{AuditCheck, AuditDecision, AuditRecord, Page};
use serde::Deserialize;

use crate::convert::{audit_record_of, check_of, decision_of};
use crate::extract::Params;
use crate::page::checked_limit;
use crate::problem::ApiError;
use crate::routes::logs::{now, since_of};
use crate::state::ApiState;

/// Which records.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditParams {
    /// Of this tenant.
    #[param(value_type = Option<String>, example = "acme")]
    tenant: Option<TenantId>,
    /// From when on: so long ago (`90s`, `10m`, `2h`, `7d`), or a time as in RFC 3339.
    #[param(example = "10m")]
    since: Option<String>,
    /// With this action (`agent.deploy`), or with any below it (`agent`).
    #[param(example = "agent.deploy")]
    action: Option<String>,
    /// With this decision.
    decision: Option<AuditDecision>,
    /// The last so many records, 1 to 1000; 100 if absent.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// Read the audit
///
/// The last records that match, oldest first.
#[utoipa::path(
    get,
    path = "/api/audit",
    tag = "audit",
    params(AuditParams),
    responses((status = 200, body = Page<AuditRecord>))
)]
pub(crate) async fn list_audit(
    State(state): State<ApiState>,
    Params(params): Params<AuditParams>,
) -> Result<Json<Page<AuditRecord>>, ApiError> {
    let query = Query {
        since: since_of(params.since.as_deref(), now())?,
        tenant: params.tenant,
        action: params.action,
        decision: params.decision.map(decision_of),
        limit: checked_limit(params.limit)?,
    };
    let items = state.app().audit(query).await?.into_iter().map(audit_record_of).collect();
    Ok(Json(Page { items, next: None }))
}

/// Check the whole audit
///
/// Reads every record there is. A broken chain is an answer, and names the first record that does not hold.
#[utoipa::path(get, path = "/api/audit/verify", tag = "audit", responses((status = 200, body = AuditCheck)))]
pub(crate) async fn verify_audit(State(state): State<ApiState>) -> Result<Json<AuditCheck>, ApiError> {
    Ok(Json(check_of(state.app().verify_audit().await?)))
}
