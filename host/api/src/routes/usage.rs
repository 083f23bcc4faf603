//! `/api/usage`: what each tenant used.

use axum::Json;
use axum::extract::State;
use host_model::TenantId;
use host_wire::{Page, Usage};
use serde::Deserialize;

use crate::convert::usage_of;
use crate::extract::Params;
use crate::page::PageParams;
use crate::problem::ApiError;
use crate::state::ApiState;

/// Whose usage.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct UsageParams {
    /// This tenant's; all tenants' if absent.
    #[param(value_type = Option<String>, example = "acme")]
    tenant: Option<TenantId>,
    /// Items on the page, 1 to 1000; 100 if absent.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// What tenants used
///
/// Up to now, over all starts of the host.
#[utoipa::path(
    get,
    path = "/api/usage",
    tag = "audit",
    params(UsageParams),
    responses((status = 200, body = Page<Usage>))
)]
pub(crate) async fn list_usage(
    State(state): State<ApiState>,
    Params(params): Params<UsageParams>,
) -> Result<Json<Page<Usage>>, ApiError> {
    let totals = state.app().usage_of(params.tenant.as_ref()).await?;
    let items = totals.iter().map(|(tenant, used)| usage_of(tenant, used)).collect();
    PageParams::of(params.limit, params.cursor).cut(items, |usage: &Usage| &usage.tenant_id).map(Json)
}
