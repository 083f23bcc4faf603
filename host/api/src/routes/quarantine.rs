//! `/api/agents/{id}/quarantine` and `/release`: out of service, and back.

use axum::Json;
use axum::extract::State;
use host_model::AgentId;
use host_wire::{Agent, Reason};

use crate::convert::agent_of;
use crate::extract::{At, Body, InTenant, Params};
use crate::problem::ApiError;
use crate::state::ApiState;

/// Quarantine an agent
///
/// It is cut off at once, what waits for it is dropped, and it cannot be started or deployed until it is released.
#[utoipa::path(
    post,
    path = "/api/agents/{id}/quarantine",
    tag = "agents",
    params(("id" = String, Path, description = "Which agent"), InTenant),
    request_body = Reason,
    responses((status = 200, body = Agent))
)]
pub(crate) async fn quarantine_agent(
    State(state): State<ApiState>,
    At(agent): At<AgentId>,
    Params(InTenant { tenant }): Params<InTenant>,
    Body(Reason { reason }): Body<Reason>,
) -> Result<Json<Agent>, ApiError> {
    Ok(Json(agent_of(state.app().quarantine(&tenant, &agent, reason).await?)))
}

/// Release an agent from quarantine
///
/// It stays stopped until somebody starts it.
#[utoipa::path(
    post,
    path = "/api/agents/{id}/release",
    tag = "agents",
    params(("id" = String, Path, description = "Which agent"), InTenant),
    responses((status = 200, body = Agent))
)]
pub(crate) async fn release_agent(
    State(state): State<ApiState>,
    At(agent): At<AgentId>,
    Params(InTenant { tenant }): Params<InTenant>,
) -> Result<Json<Agent>, ApiError> {
    Ok(Json(agent_of(state.app().release(&tenant, &agent).await?)))
}
