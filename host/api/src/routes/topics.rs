//! `/api/topics`: publish, and watch what passes.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::response::sse::Event;
use host_app::{Seen, Watch};
use host_model::TenantId;
use host_wire::{PublishMessage, Receipt};
use serde::Deserialize;

use crate::convert::{draft_of, message_of, receipt_of, sure};
use crate::extract::{Body, InTenant, Params};
use crate::problem::ApiError;
use crate::state::ApiState;
use crate::stream::{self, Source};

/// What to watch.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WatchParams {
    /// Whose topics.
    #[param(value_type = String, example = "acme")]
    tenant: TenantId,
    /// Which topics: `*` stands for one token, a last `>` for one or more.
    #[param(example = "incident.>")]
    pattern: String,
}

/// Publish a message to all who subscribe to a topic
#[utoipa::path(
    post,
    path = "/api/topics/messages",
    tag = "messages",
    params(InTenant),
    request_body = PublishMessage,
    responses((status = 202, body = Receipt))
)]
pub(crate) async fn publish_message(
    State(state): State<ApiState>,
    Params(InTenant { tenant }): Params<InTenant>,
    Body(body): Body<PublishMessage>,
) -> Result<(StatusCode, Json<Receipt>), ApiError> {
    let (topic, content, qos) = body.into_parts();
    let receipt = state.app().publish(&tenant, &topic, sure(draft_of(content)?, qos)).await?;
    Ok((StatusCode::ACCEPTED, Json(receipt_of(receipt))))
}

/// Watch messages as they pass
///
/// Server-sent events: `ready` when the watch is on, `message` with a `Message` for each, `lagged` with the number of messages
/// that came faster than they were read.
#[utoipa::path(
    get,
    path = "/api/topics/stream",
    tag = "messages",
    params(WatchParams),
    responses((status = 200, content_type = "text/event-stream", body = String))
)]
pub(crate) async fn watch_topics(
    State(state): State<ApiState>,
    Params(params): Params<WatchParams>,
) -> Result<Response, ApiError> {
    let watch = state.app().watch(&params.tenant, &params.pattern).await?;
    stream::events(&state, watch)
}

impl Source for Watch {
    async fn next_event(&mut self) -> Option<Event> {
        Some(match self.next().await? {
            Seen::Message(accepted) => stream::event("message", &message_of(accepted.envelope())),
            Seen::Missed(count) => stream::event("lagged", &count),
        })
    }
}
