//! `/api/tenants/{tenant}/quota`: what a tenant may use.

use axum::Json;
use axum::extract::State;
use host_model::TenantId;
use host_wire::{Quota, SetQuota};

use crate::convert::{overrides_of, quota_of};
use crate::extract::{At, Body};
use crate::problem::ApiError;
use crate::state::ApiState;

/// Show a tenant's quotas
#[utoipa::path(
    get,
    path = "/api/tenants/{tenant}/quota",
    tag = "tenants",
    params(("tenant" = String, Path, description = "Which tenant")),
    responses((status = 200, body = Quota))
)]
pub(crate) async fn get_quota(
    State(state): State<ApiState>,
    At(tenant): At<TenantId>,
) -> Result<Json<Quota>, ApiError> {
    Ok(Json(quota_of(&tenant, state.app().quota(&tenant)?)))
}

/// Set a tenant's quotas
///
/// In place of everything that was set; what is not named follows the host's defaults. In force at once: what is in use stays in
/// use, and no more is given until it is below the limit.
#[utoipa::path(
    put,
    path = "/api/tenants/{tenant}/quota",
    tag = "tenants",
    params(("tenant" = String, Path, description = "Which tenant")),
    request_body = SetQuota,
    responses((status = 200, body = Quota))
)]
pub(crate) async fn put_quota(
    State(state): State<ApiState>,
    At(tenant): At<TenantId>,
    Body(body): Body<SetQuota>,
) -> Result<Json<Quota>, ApiError> {
    let lines = state.app().set_quota(&tenant, overrides_of(&body)?).await?;
    Ok(Json(quota_of(&tenant, lines)))
}
