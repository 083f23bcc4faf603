//! `/api/tenants/{tenant}/policy`, `/api/explain`, and versions that wait.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use host_app::Choice;
use host_component::{Digest, PolicyDocument};
use host_model::{AgentId, TenantId};
use host_wire::{Agent, DecideVersion, Explanation, Policy, SetPolicy};
use serde::Deserialize;
use serde_json::Value;

use crate::convert::{agent_of, explanation_of, policy_of, shadow_of};
use crate::extract::{At, Body, InTenant, Params};
use crate::problem::ApiError;
use crate::state::ApiState;

/// Which of a tenant's policies.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WhichPolicy {
    /// The one that is tried, instead of the one in force.
    #[serde(default)]
    shadow: bool,
}

/// Show a tenant's policy
#[utoipa::path(
    get,
    path = "/api/tenants/{tenant}/policy",
    tag = "tenants",
    params(("tenant" = String, Path, description = "Whose"), WhichPolicy),
    responses((status = 200, body = Policy))
)]
pub(crate) async fn get_policy(
    State(state): State<ApiState>,
    At(tenant): At<TenantId>,
    Params(WhichPolicy { shadow }): Params<WhichPolicy>,
) -> Result<Json<Policy>, ApiError> {
    if !shadow {
        return Ok(Json(policy_of(&tenant, &*state.app().policy(&tenant)?)));
    }
    let shadow = state.app().shadow_policy(&tenant)?.ok_or(host_app::AppError::NotFound)?;
    Ok(Json(shadow_of(&tenant, &shadow)))
}

/// Set a tenant's policy, or try one beside it
///
/// Running agents reach no further than a policy in force from the moment this is answered.
#[utoipa::path(
    put,
    path = "/api/tenants/{tenant}/policy",
    tag = "tenants",
    params(("tenant" = String, Path, description = "Whose")),
    request_body = SetPolicy,
    responses((status = 200, body = Policy))
)]
pub(crate) async fn set_policy(
    State(state): State<ApiState>,
    At(tenant): At<TenantId>,
    Body(SetPolicy { policy, shadow }): Body<SetPolicy>,
) -> Result<Json<Policy>, ApiError> {
    if !shadow {
        return Ok(Json(policy_of(&tenant, &*state.app().set_policy(&tenant, policy).await?)));
    }
    let tried = state.app().set_shadow_policy(&tenant, Some(policy)).await?.ok_or(host_app::AppError::HostFailed)?;
    Ok(Json(shadow_of(&tenant, &tried)))
}

/// End the shadow of a policy
#[utoipa::path(
    delete,
    path = "/api/tenants/{tenant}/policy",
    tag = "tenants",
    params(("tenant" = String, Path, description = "Whose")),
    responses((status = 204))
)]
pub(crate) async fn end_shadow(
    State(state): State<ApiState>,
    At(tenant): At<TenantId>,
) -> Result<StatusCode, ApiError> {
    state.app().set_shadow_policy(&tenant, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The JSON Schema of policies
#[utoipa::path(get, path = "/api/policy-schema", tag = "tenants", responses((status = 200, body = Value)))]
pub(crate) async fn policy_schema() -> Json<Value> {
    Json(PolicyDocument::schema())
}

/// What is to be explained.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Question {
    /// In which tenant.
    #[param(value_type = String, example = "acme")]
    tenant: TenantId,
    /// Of which agent.
    #[param(value_type = String, example = "echo")]
    agent: AgentId,
    /// `publish`, `subscribe`, `send`, `request`, `take`, `discover`, `state`, `storage`, `http` or `secret`.
    #[param(example = "publish")]
    verb: String,
    /// To which topic, agent, host or name.
    #[serde(default)]
    #[param(example = "incident.created")]
    target: String,
}

/// Why a call is allowed or denied
#[utoipa::path(get, path = "/api/explain", tag = "agents", params(Question), responses((status = 200, body = Explanation)))]
pub(crate) async fn explain(
    State(state): State<ApiState>,
    Params(Question { tenant, agent, verb, target }): Params<Question>,
) -> Result<Json<Explanation>, ApiError> {
    Ok(Json(explanation_of(state.app().explain(&tenant, &agent, &verb, &target)?)))
}

/// Approve a version that asks for more than the one before it
#[utoipa::path(
    post,
    path = "/api/agents/{id}/approve",
    tag = "agents",
    params(("id" = String, Path, description = "Which agent"), InTenant),
    request_body = DecideVersion,
    responses((status = 200, body = Agent))
)]
pub(crate) async fn approve_agent(
    State(state): State<ApiState>,
    At(agent): At<AgentId>,
    Params(InTenant { tenant }): Params<InTenant>,
    Body(decide): Body<DecideVersion>,
) -> Result<Json<Agent>, ApiError> {
    Ok(Json(agent_of(state.app().approve(&tenant, &agent, choice(decide)?).await?)))
}

/// Reject a version that asks for more than the one before it
#[utoipa::path(
    post,
    path = "/api/agents/{id}/reject",
    tag = "agents",
    params(("id" = String, Path, description = "Which agent"), InTenant),
    request_body = DecideVersion,
    responses((status = 200, body = Agent))
)]
pub(crate) async fn reject_agent(
    State(state): State<ApiState>,
    At(agent): At<AgentId>,
    Params(InTenant { tenant }): Params<InTenant>,
    Body(decide): Body<DecideVersion>,
) -> Result<Json<Agent>, ApiError> {
    Ok(Json(agent_of(state.app().reject(&tenant, &agent, choice(decide)?).await?)))
}

fn choice(DecideVersion { version, digest, manifest_digest }: DecideVersion) -> Result<Choice, ApiError> {
    let parse = |name: &str, digest: Option<String>| {
        let parsed = digest.map(|digest| digest.parse::<Digest>()).transpose();
        parsed.map_err(|bad| ApiError::BadBody(format!("{name}: {bad}")))
    };
    let (digest, manifest_digest) = (parse("digest", digest)?, parse("manifestDigest", manifest_digest)?);
    Ok(Choice { version, digest, manifest_digest })
}
