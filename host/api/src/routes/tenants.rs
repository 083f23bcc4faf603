//! `/api/tenants`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use host_model::TenantId;
use host_wire::{CreateTenant, Page, Tenant};

use crate::convert::tenant_of;
use crate::extract::{Body, Params};
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
    Ok((StatusCode::CREATED, Json(tenant_of(tenant))))
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
