//! `/api/tenants/{tenant}/groups`: agents that share settings and leases.

use axum::Json;
use axum::extract::State;
use host_app::GroupStatus;
use host_model::{GroupId, TenantId};
use host_wire::{Group, GroupLeader, Page, SetGroup};

use crate::extract::{At, Body, Params};
use crate::page::PageParams;
use crate::problem::ApiError;
use crate::state::ApiState;

/// List a tenant's groups
///
/// Those that have settings, and those that a manifest names.
#[utoipa::path(
    get,
    path = "/api/tenants/{tenant}/groups",
    tag = "tenants",
    params(("tenant" = String, Path, description = "Whose groups"), PageParams),
    responses((status = 200, body = Page<Group>))
)]
pub(crate) async fn list_groups(
    State(state): State<ApiState>,
    At(tenant): At<TenantId>,
    Params(page): Params<PageParams>,
) -> Result<Json<Page<Group>>, ApiError> {
    let groups = state.app().groups(&tenant).await?;
    let groups: Vec<Group> = groups.into_iter().map(|group| group_of(&tenant, group)).collect();
    page.cut(groups, |group: &Group| &group.group_id).map(Json)
}

/// Show a group
#[utoipa::path(
    get,
    path = "/api/tenants/{tenant}/groups/{group}",
    tag = "tenants",
    params(
        ("tenant" = String, Path, description = "Whose group"),
        ("group" = String, Path, description = "Which group")
    ),
    responses((status = 200, body = Group))
)]
pub(crate) async fn get_group(
    State(state): State<ApiState>,
    At((tenant, group)): At<(TenantId, GroupId)>,
) -> Result<Json<Group>, ApiError> {
    Ok(Json(group_of(&tenant, state.app().group(&tenant, &group).await?)))
}

/// Set a group's settings
///
/// In place of everything that was set. A member reads them from its next start on.
#[utoipa::path(
    put,
    path = "/api/tenants/{tenant}/groups/{group}",
    tag = "tenants",
    params(
        ("tenant" = String, Path, description = "Whose group"),
        ("group" = String, Path, description = "Which group")
    ),
    request_body = SetGroup,
    responses((status = 200, body = Group))
)]
pub(crate) async fn put_group(
    State(state): State<ApiState>,
    At((tenant, group)): At<(TenantId, GroupId)>,
    Body(body): Body<SetGroup>,
) -> Result<Json<Group>, ApiError> {
    Ok(Json(group_of(&tenant, state.app().set_group(&tenant, group, body.settings).await?)))
}

fn group_of(tenant: &TenantId, group: GroupStatus) -> Group {
    let leader =
        |lease: host_app::Lease| GroupLeader { agent_id: lease.holder.agent.to_string(), token: lease.token.0 };
    Group {
        tenant_id: tenant.to_string(),
        group_id: group.group.to_string(),
        settings: group.settings,
        members: group.members.iter().map(ToString::to_string).collect(),
        leader: group.leader.map(leader),
    }
}
