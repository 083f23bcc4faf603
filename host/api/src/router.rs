//! All routes, and the layers around them.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::trace::TraceLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{require_agent, require_operator};
use crate::bounds::{bounded, inert, panicked};
use crate::docs;
use crate::extract::{COMPONENT_LEN_MAX, JSON_LEN_MAX};
use crate::health;
use crate::problem::ApiError;
use crate::routes::{
    agents, audit, components, dlq, external, groups, logs, mailbox, messages, policy, quarantine, queues, quotas,
    registry, tenants, topics, usage, vault,
};
use crate::state::ApiState;

/// The whole API over a state.
pub fn router(state: ApiState) -> Router {
    let guarded = guarded().route_layer(from_fn_with_state(state.clone(), require_operator));
    let of_agents = of_agents().route_layer(from_fn_with_state(state.clone(), require_agent));
    let (routes, _) = open().merge(guarded).merge(of_agents).split_for_parts();
    routes
        .merge(docs::routes())
        .fallback(async || ApiError::NoSuchRoute)
        .method_not_allowed_fallback(async || ApiError::NoSuchMethod)
        .layer(from_fn_with_state(state.clone(), bounded))
        .layer(from_fn(inert))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(TraceLayer::new_for_http().make_span_with(span))
        .with_state(state)
}

/// What everybody may ask.
pub(crate) fn open() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(health::healthz)).routes(routes!(health::readyz))
}

/// What the operator may ask.
pub(crate) fn guarded() -> OpenApiRouter<ApiState> {
    let components =
        OpenApiRouter::new().routes(routes!(components::put_component)).layer(DefaultBodyLimit::max(COMPONENT_LEN_MAX));
    OpenApiRouter::new()
        .routes(routes!(tenants::create_tenant, tenants::list_tenants))
        .routes(routes!(policy::get_policy, policy::set_policy, policy::end_shadow))
        .routes(routes!(policy::policy_schema))
        .routes(routes!(policy::explain))
        .routes(routes!(policy::approve_agent))
        .routes(routes!(policy::reject_agent))
        .routes(routes!(tenants::get_tenant, tenants::delete_tenant))
        .routes(routes!(tenants::suspend_tenant))
        .routes(routes!(tenants::resume_tenant))
        .routes(routes!(tenants::quarantine_tenant))
        .routes(routes!(quotas::get_quota, quotas::put_quota))
        .routes(routes!(groups::list_groups))
        .routes(routes!(groups::get_group, groups::put_group))
        .routes(routes!(quarantine::quarantine_agent))
        .routes(routes!(quarantine::release_agent))
        .routes(routes!(vault::list_keys))
        .routes(routes!(vault::rotate_key))
        .routes(routes!(vault::revoke_key))
        .routes(routes!(vault::rotate_vault))
        .routes(routes!(vault::list_secrets))
        .routes(routes!(vault::set_secret, vault::remove_secret))
        .routes(routes!(agents::deploy_agent, agents::list_agents))
        .routes(routes!(agents::get_agent, agents::delete_agent))
        .routes(routes!(agents::start_agent))
        .routes(routes!(agents::stop_agent))
        .routes(routes!(agents::restart_agent))
        .routes(routes!(agents::command_agent))
        .routes(routes!(external::register_agent))
        .routes(routes!(external::mint_token, external::list_tokens))
        .routes(routes!(external::revoke_token))
        .routes(routes!(external::mint_credentials))
        .routes(routes!(queues::list_queues))
        .routes(routes!(dlq::list_letters))
        .routes(routes!(dlq::get_letter, dlq::delete_letter))
        .routes(routes!(dlq::replay_letter))
        .routes(routes!(dlq::replay_letters))
        .routes(routes!(dlq::purge_letters))
        .routes(routes!(logs::agent_logs))
        .routes(routes!(messages::send_message))
        .routes(routes!(topics::publish_message))
        .routes(routes!(topics::watch_topics))
        .routes(routes!(registry::list_cards))
        .routes(routes!(registry::search_cards))
        .routes(routes!(registry::get_card))
        .routes(routes!(audit::list_audit))
        .routes(routes!(audit::verify_audit))
        .routes(routes!(usage::list_usage))
        .layer(DefaultBodyLimit::max(JSON_LEN_MAX))
        .merge(components)
}

/// What external agents may ask, each with a token of its own.
pub(crate) fn of_agents() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(mailbox::post_message))
        .routes(routes!(mailbox::stream_messages))
        .routes(routes!(mailbox::ack_messages))
        .layer(DefaultBodyLimit::max(JSON_LEN_MAX))
}

/// A request's span says what was asked, never with which token or body.
fn span(request: &axum::extract::Request) -> tracing::Span {
    tracing::info_span!("request", method = %request.method(), path = request.uri().path())
}
