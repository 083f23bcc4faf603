//! `/api/agents`: deploy, look, steer.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use host_app::Deploy;
use host_component::{BadDigest, Digest};
use host_model::AgentId;
use host_wire::{Agent, Command, CommandResult, DeployAgent, Page};
use serde_json::value::RawValue;

use crate::convert::agent_of;
use crate::extract::{At, Body, InTenant, Params};
use crate::page::TenantPageParams;
use crate::problem::ApiError;
use crate::state::ApiState;

/// Deploy an agent, or a new revision of one
#[utoipa::path(
    post,
    path = "/api/agents",
    tag = "agents",
    params(InTenant),
    request_body = DeployAgent,
    responses((status = 201, body = Agent))
)]
pub(crate) async fn deploy_agent(
    State(state): State<ApiState>,
    Params(InTenant { tenant }): Params<InTenant>,
    Body(body): Body<DeployAgent>,
) -> Result<(StatusCode, Json<Agent>), ApiError> {
    let digest: Digest = body.digest.parse().map_err(|bad: BadDigest| ApiError::BadBody(format!("digest: {bad}")))?;
    let deploy = Deploy { manifest: body.manifest, digest, start: body.start };
    let status = state.app().deploy(&tenant, deploy).await?;
    Ok((StatusCode::CREATED, Json(agent_of(status))))
}

/// List a tenant's agents
#[utoipa::path(
    get,
    path = "/api/agents",
    tag = "agents",
    params(TenantPageParams),
    responses((status = 200, body = Page<Agent>))
)]
pub(crate) async fn list_agents(
    State(state): State<ApiState>,
    Params(params): Params<TenantPageParams>,
) -> Result<Json<Page<Agent>>, ApiError> {
    let (tenant, page) = params.into_parts();
    let agents = state.app().agents(&tenant)?.into_iter().map(agent_of).collect();
    page.cut(agents, |agent: &Agent| &agent.agent_id).map(Json)
}

/// Show an agent
#[utoipa::path(
    get,
    path = "/api/agents/{id}",
    tag = "agents",
    params(("id" = String, Path, description = "Which agent"), InTenant),
    responses((status = 200, body = Agent))
)]
pub(crate) async fn get_agent(
    State(state): State<ApiState>,
    At(agent): At<AgentId>,
    Params(InTenant { tenant }): Params<InTenant>,
) -> Result<Json<Agent>, ApiError> {
    Ok(Json(agent_of(state.app().agent(&tenant, &agent)?)))
}

/// Delete an agent
///
/// Its id is never given again.
#[utoipa::path(
    delete,
    path = "/api/agents/{id}",
    tag = "agents",
    params(("id" = String, Path, description = "Which agent"), InTenant),
    responses((status = 204))
)]
pub(crate) async fn delete_agent(
    State(state): State<ApiState>,
    At(agent): At<AgentId>,
    Params(InTenant { tenant }): Params<InTenant>,
) -> Result<StatusCode, ApiError> {
    state.app().delete(&tenant, &agent).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Start an agent
#[utoipa::path(
    post,
    path = "/api/agents/{id}/start",
    tag = "agents",
    params(("id" = String, Path, description = "Which agent"), InTenant),
    responses((status = 200, body = Agent))
)]
pub(crate) async fn start_agent(
    State(state): State<ApiState>,
    At(agent): At<AgentId>,
    Params(InTenant { tenant }): Params<InTenant>,
) -> Result<Json<Agent>, ApiError> {
    Ok(Json(agent_of(state.app().start(&tenant, &agent).await?)))
}

/// Stop an agent
///
/// It finishes what it has begun.
#[utoipa::path(
    post,
    path = "/api/agents/{id}/stop",
    tag = "agents",
    params(("id" = String, Path, description = "Which agent"), InTenant),
    responses((status = 200, body = Agent))
)]
pub(crate) async fn stop_agent(
    State(state): State<ApiState>,
    At(agent): At<AgentId>,
    Params(InTenant { tenant }): Params<InTenant>,
) -> Result<Json<Agent>, ApiError> {
    Ok(Json(agent_of(state.app().stop(&tenant, &agent).await?)))
}

/// Stop an agent and start it again
#[utoipa::path(
    post,
    path = "/api/agents/{id}/restart",
    tag = "agents",
    params(("id" = String, Path, description = "Which agent"), InTenant),
    responses((status = 200, body = Agent))
)]
pub(crate) async fn restart_agent(
    State(state): State<ApiState>,
    At(agent): At<AgentId>,
    Params(InTenant { tenant }): Params<InTenant>,
) -> Result<Json<Agent>, ApiError> {
    Ok(Json(agent_of(state.app().restart(&tenant, &agent).await?)))
}

/// Give a resident agent a command
#[utoipa::path(
    post,
    path = "/api/agents/{id}/commands",
    tag = "agents",
    params(("id" = String, Path, description = "Which agent"), InTenant),
    request_body = Command,
    responses((status = 200, body = CommandResult))
)]
pub(crate) async fn command_agent(
    State(state): State<ApiState>,
    At(agent): At<AgentId>,
    Params(InTenant { tenant }): Params<InTenant>,
    Body(Command { name, data }): Body<Command>,
) -> Result<Json<CommandResult>, ApiError> {
    let answer = state.app().command(&tenant, &agent, name, Box::<str>::from(data).into()).await?;
    let result = RawValue::from_string(answer).map_err(|_| ApiError::AnswerNotJson)?;
    Ok(Json(CommandResult { result }))
}
