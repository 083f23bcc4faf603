//! `/api/tenants`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use host_model::TenantId;
use host_wire::{CreateTenant, Page, Reason, Tenant, TenantDetails};

use crate::convert::{created_tenant_of, tenant_details_of, tenant_of};
use crate::extract::{At, Body, Params};
use crate::page::PageParams;
use crate::problem::ApiError;
use crate::state::ApiState;

/// Create a tenant
#[utoipa::path(
    post,
    path = "/api/tenants",
    tag = "tenants",
    request_body = CreateTenant,
    responses((status = 201, body = Tenant))
)]
pub(crate) async fn create_tenant(
    State(state): State<ApiState>,
    Body(body): Body<CreateTenant>,
) -> Result<(StatusCode, Json<Tenant>), ApiError> {
    let id: TenantId =
        body.tenant_id.parse().map_err(|bad: host_model::BadId| ApiError::BadBody(format!("tenantId: {bad}")))?;
    let tenant = state.app().create_tenant(id, body.name).await?;
    Ok((StatusCode::CREATED, Json(created_tenant_of(tenant))))
}

/// List all tenants
#[utoipa::path(
    get,
    path = "/api/tenants",
    tag = "tenants",
    params(PageParams),
    responses((status = 200, body = Page<Tenant>))
)]
pub(crate) async fn list_tenants(
    State(state): State<ApiState>,
    Params(page): Params<PageParams>,
) -> Result<Json<Page<Tenant>>, ApiError> {
    let tenants = state.app().tenants().into_iter().map(tenant_of).collect();
    page.cut(tenants, |tenant: &Tenant| &tenant.tenant_id).map(Json)
}

/// Show a tenant
///
/// With the quotas of which 80 % or more are in use.
#[utoipa::path(
    get,
    path = "/api/tenants/{tenant}",
    tag = "tenants",
    params(("tenant" = String, Path, description = "Which tenant")),
    responses((status = 200, body = TenantDetails))
)]
pub(crate) async fn get_tenant(
    State(state): State<ApiState>,
    At(tenant): At<TenantId>,
) -> Result<Json<TenantDetails>, ApiError> {
    Ok(Json(tenant_details_of(state.app().tenant(&tenant)?)))
}

/// Delete a tenant
///
/// All it has is cut off and deleted. Its id, and those of its agents in it, are never given again.
#[utoipa::path(
    delete,
    path = "/api/tenants/{tenant}",
    tag = "tenants",
    params(("tenant" = String, Path, description = "Which tenant")),
    responses((status = 204))
)]
pub(crate) async fn delete_tenant(
    State(state): State<ApiState>,
    At(tenant): At<TenantId>,
) -> Result<StatusCode, ApiError> {
    state.app().delete_tenant(&tenant).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Suspend a tenant
///
/// Its agents finish what they have begun and are stopped; no new work is taken until it is resumed.
#[utoipa::path(
    post,
    path = "/api/tenants/{tenant}/suspend",
    tag = "tenants",
    params(("tenant" = String, Path, description = "Which tenant")),
    request_body = Reason,
    responses((status = 200, body = TenantDetails))
)]
pub(crate) async fn suspend_tenant(
    State(state): State<ApiState>,
    At(tenant): At<TenantId>,
    Body(Reason { reason }): Body<Reason>,
) -> Result<Json<TenantDetails>, ApiError> {
    Ok(Json(tenant_details_of(state.app().suspend_tenant(&tenant, reason).await?)))
}

/// Resume a suspended or quarantined tenant
///
/// Its agents that should be up are started.
#[utoipa::path(
    post,
    path = "/api/tenants/{tenant}/resume",
    tag = "tenants",
    params(("tenant" = String, Path, description = "Which tenant")),
    responses((status = 200, body = TenantDetails))
)]
pub(crate) async fn resume_tenant(
    State(state): State<ApiState>,
    At(tenant): At<TenantId>,
) -> Result<Json<TenantDetails>, ApiError> {
    Ok(Json(tenant_details_of(state.app().resume_tenant(&tenant).await?)))
}

/// Quarantine a tenant
///
/// All its agents are cut off at once and everything for it is refused until it is resumed.
#[utoipa::path(
    post,
    path = "/api/tenants/{tenant}/quarantine",
    tag = "tenants",
    params(("tenant" = String, Path, description = "Which tenant")),
    request_body = Reason,
    responses((status = 200, body = TenantDetails))
)]
pub(crate) async fn quarantine_tenant(
    State(state): State<ApiState>,
    At(tenant): At<TenantId>,
    Body(Reason { reason }): Body<Reason>,
) -> Result<Json<TenantDetails>, ApiError> {
    Ok(Json(tenant_details_of(state.app().quarantine_tenant(&tenant, reason).await?)))
}
