//! `/api/registry`: A2A cards of a tenant's running agents, in the seeds' words.

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use host_model::{AgentId, CardQuery, TenantId};
use host_wire::Page;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::extract::{At, InTenant, Params};
use crate::page::{PageParams, TenantPageParams};
use crate::problem::ApiError;
use crate::state::ApiState;

/// Which cards. All given conditions must hold.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchParams {
    /// Whose agents.
    #[param(value_type = String, example = "acme")]
    tenant: TenantId,
    /// The id of a skill.
    #[param(example = "search_knowledge_base")]
    skill: Option<String>,
    /// A tag on any skill.
    tag: Option<String>,
    /// Text in the id, name or description, without regard to case; `*` stands for any run of characters.
    pattern: Option<String>,
    /// One of the card's capabilities.
    capability: Option<String>,
    /// Items on the page, 1 to 1000; 100 if absent.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// List the cards of a tenant's running agents
#[utoipa::path(
    get,
    path = "/api/registry/agents",
    tag = "registry",
    params(TenantPageParams),
    responses((status = 200, body = Page<Value>))
)]
pub(crate) async fn list_cards(
    State(state): State<ApiState>,
    Params(params): Params<TenantPageParams>,
) -> Result<Json<Page<Box<RawValue>>>, ApiError> {
    let (tenant, page) = params.into_parts();
    cards(&state, &tenant, &CardQuery::default(), &page)
}

/// Find cards of a tenant's running agents
#[utoipa::path(
    get,
    path = "/api/registry/agents/search",
    tag = "registry",
    params(SearchParams),
    responses((status = 200, body = Page<Value>))
)]
pub(crate) async fn search_cards(
    State(state): State<ApiState>,
    Params(params): Params<SearchParams>,
) -> Result<Json<Page<Box<RawValue>>>, ApiError> {
    let SearchParams { tenant, skill, tag, pattern, capability, limit, cursor } = params;
    cards(&state, &tenant, &CardQuery { skill, tag, pattern, capability }, &PageParams::of(limit, cursor))
}

/// Show the card of a running agent (A2A 1.0)
#[utoipa::path(
    get,
    path = "/api/registry/agents/{id}",
    tag = "registry",
    params(("id" = String, Path, description = "Which agent"), InTenant),
    responses((status = 200, body = Value))
)]
pub(crate) async fn get_card(
    State(state): State<ApiState>,
    At(agent): At<AgentId>,
    Params(InTenant { tenant }): Params<InTenant>,
) -> Result<Response, ApiError> {
    let card = state.app().card(&tenant, &agent)?;
    Ok(([(CONTENT_TYPE, "application/json")], card.card_json.clone()).into_response())
}

fn cards(
    state: &ApiState,
    tenant: &TenantId,
    query: &CardQuery,
    page: &PageParams,
) -> Result<Json<Page<Box<RawValue>>>, ApiError> {
    let found = state.app().cards(tenant, query)?;
    let Page { items, next } = page.cut(found, |card| card.id.as_str())?;
    // The registry made this text itself, so it is JSON.
    let items = items.iter().filter_map(|card| RawValue::from_string(card.card_json.clone()).ok()).collect();
    Ok(Json(Page { items, next }))
}
