//! `/api/external-agents`, `/api/agents/{id}/tokens` and `/credentials`: agents without a component, and what they come with.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use host_app::{AgentUser, BadTokenId, TokenId};
use host_model::AgentId;
use host_wire::{
    Agent, AgentToken, BadLifetime, Lifetime, MintCredentials, MintToken, MintedCredentials, MintedToken, Page,
    RegisterAgent,
};

use crate::convert::{agent_of, credentials_of, minted_of, token_of, transport_of};
use crate::extract::{At, Body, InTenant, Params};
use crate::page::TenantPageParams;
use crate::problem::ApiError;
use crate::state::ApiState;

/// Register an agent without a component, or a new revision of one
///
/// Somebody runs it elsewhere. It sends and receives with a token of its own: `POST /api/messages`, `GET /api/messages/stream`.
#[utoipa::path(
    post,
    path = "/api/external-agents",
    tag = "agents",
    params(InTenant),
    request_body = RegisterAgent,
    responses((status = 201, body = Agent))
)]
pub(crate) async fn register_agent(
    State(state): State<ApiState>,
    Params(InTenant { tenant }): Params<InTenant>,
    Body(RegisterAgent { manifest }): Body<RegisterAgent>,
) -> Result<(StatusCode, Json<Agent>), ApiError> {
    let status = state.app().register(&tenant, manifest).await?;
    Ok((StatusCode::CREATED, Json(agent_of(status))))
}

/// Mint a token for an external agent
///
/// The answer is the one time that it is told. It opens `/api/messages` for this agent, and nothing else.
#[utoipa::path(
    post,
    path = "/api/agents/{id}/tokens",
    tag = "agents",
    params(("id" = String, Path, description = "Which agent"), InTenant),
    request_body = MintToken,
    responses((status = 201, body = MintedToken))
)]
pub(crate) async fn mint_token(
    State(state): State<ApiState>,
    At(agent): At<AgentId>,
    Params(InTenant { tenant }): Params<InTenant>,
    Body(MintToken { expires_in }): Body<MintToken>,
) -> Result<(StatusCode, Json<MintedToken>), ApiError> {
    let minted = state.app().mint_token(&tenant, &agent, lifetime_of(&expires_in)?).await?;
    Ok((StatusCode::CREATED, Json(minted_of(minted))))
}

/// List an external agent's tokens
///
/// What they are called and until when they are valid, never what they are.
#[utoipa::path(
    get,
    path = "/api/agents/{id}/tokens",
    tag = "agents",
    params(("id" = String, Path, description = "Which agent"), TenantPageParams),
    responses((status = 200, body = Page<AgentToken>))
)]
pub(crate) async fn list_tokens(
    State(state): State<ApiState>,
    At(agent): At<AgentId>,
    Params(params): Params<TenantPageParams>,
) -> Result<Json<Page<AgentToken>>, ApiError> {
    let (tenant, page) = params.into_parts();
    let tokens = state.app().tokens(&tenant, &agent)?.into_iter().map(token_of).collect();
    page.cut(tokens, |token: &AgentToken| &token.token_id).map(Json)
}

/// Revoke a token
///
/// It proves nothing from now on, and the agent's stream ends.
#[utoipa::path(
    delete,
    path = "/api/agents/{id}/tokens/{token}",
    tag = "agents",
    params(
        ("id" = String, Path, description = "Whose token"),
        ("token" = String, Path, description = "Which token: 16 hexadecimal digits"),
        InTenant
    ),
    responses((status = 204))
)]
pub(crate) async fn revoke_token(
    State(state): State<ApiState>,
    At((agent, token)): At<(AgentId, String)>,
    Params(InTenant { tenant }): Params<InTenant>,
) -> Result<StatusCode, ApiError> {
    let token: TokenId = token.parse().map_err(|bad: BadTokenId| ApiError::BadPath(bad.to_string()))?;
    state.app().revoke_token(&tenant, &agent, token).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Mint credentials for the bus for an external agent
///
/// Only where tenants are accounts of a NATS server (`--nats-accounts`). The answer is the one time that they are told. With them the
/// agent publishes to its ingress subject what `POST /api/messages` takes, subscribes to its own deliveries and its own inbox, and
/// does nothing else.
#[utoipa::path(
    post,
    path = "/api/agents/{id}/credentials",
    tag = "agents",
    params(("id" = String, Path, description = "Which agent"), InTenant),
    request_body = MintCredentials,
    responses((status = 201, body = MintedCredentials))
)]
pub(crate) async fn mint_credentials(
    State(state): State<ApiState>,
    At(agent): At<AgentId>,
    Params(InTenant { tenant }): Params<InTenant>,
    Body(MintCredentials { expires_in, transport }): Body<MintCredentials>,
) -> Result<(StatusCode, Json<MintedCredentials>), ApiError> {
    let user = AgentUser { tenant, agent, lifetime: lifetime_of(&expires_in)?, transport: transport_of(transport) };
    let minted = state.app().mint_credentials(user.clone()).await?;
    Ok((StatusCode::CREATED, Json(credentials_of(&user, &minted))))
}

fn lifetime_of(raw: &str) -> Result<Duration, ApiError> {
    let read = raw.parse::<Lifetime>().map(|lifetime| lifetime.duration());
    read.map_err(|bad: BadLifetime| ApiError::BadBody(format!("expiresIn: {bad}")))
}
