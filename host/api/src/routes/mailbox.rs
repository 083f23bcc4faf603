//! `/api/messages`: what external agents send and receive, each with a token of its own.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::response::sse::Event;
use axum::{Extension, Json};
use host_app::{BadCursor, Cursor, Stream, Streamed};
use host_wire::{Acknowledge, Acknowledged, PostMessage, Receipt};
use serde::Deserialize;

use crate::auth::Agent;
use crate::convert::{message_of, post_of, receipt_of};
use crate::extract::{Body, Params};
use crate::headers::{idempotency_key, last_event_id};
use crate::problem::ApiError;
use crate::state::ApiState;
use crate::stream::{self, Source};

/// Where to go on.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StreamParams {
    /// As the header `Last-Event-ID`, which goes first: acknowledges this event and all before it.
    last_event_id: Option<String>,
}

/// Send a message as an external agent
///
/// The tenant and the sender are the token's. With `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header) what is sent again
/// under the same key is the same message, and gets the same id.
#[utoipa::path(
    post,
    path = "/api/messages",
    tag = "messages",
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 128 visible ASCII characters")),
    request_body = PostMessage,
    responses((status = 202, body = Receipt)),
    security(("agent" = []))
)]
pub(crate) async fn post_message(
    State(state): State<ApiState>,
    Extension(Agent(bearer)): Extension<Agent>,
    headers: HeaderMap,
    Body(message): Body<PostMessage>,
) -> Result<(StatusCode, Json<Receipt>), ApiError> {
    let post = post_of(message, idempotency_key(&headers)?)?;
    let receipt = state.app().post_as(&bearer, post).await?;
    Ok((StatusCode::ACCEPTED, Json(receipt_of(receipt))))
}

/// Receive messages as an external agent
///
/// Server-sent events: `ready`, then `message` with a `Message` for each, under an `id` that acknowledges it and all before it when
/// it is given as `Last-Event-ID` or to `POST /api/messages/ack`. What is not acknowledged is sent again after a reconnect; 256
/// messages may be so at once. A second stream of the same agent ends the first one, which says `replaced`.
#[utoipa::path(
    get,
    path = "/api/messages/stream",
    tag = "messages",
    params(StreamParams, ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event received")),
    responses((status = 200, content_type = "text/event-stream", body = String)),
    security(("agent" = []))
)]
pub(crate) async fn stream_messages(
    State(state): State<ApiState>,
    Extension(Agent(bearer)): Extension<Agent>,
    headers: HeaderMap,
    Params(params): Params<StreamParams>,
) -> Result<Response, ApiError> {
    let given = last_event_id(&headers)?.or(params.last_event_id);
    let last = given.as_deref().filter(|given| !given.is_empty()).map(cursor_of).transpose()?;
    stream::events_for_agent(&state, || Ok(state.app().receive(&bearer, last)?))
}

/// Acknowledge messages as an external agent
///
/// Without closing the stream.
#[utoipa::path(
    post,
    path = "/api/messages/ack",
    tag = "messages",
    request_body = Acknowledge,
    responses((status = 200, body = Acknowledged)),
    security(("agent" = []))
)]
pub(crate) async fn ack_messages(
    State(state): State<ApiState>,
    Extension(Agent(bearer)): Extension<Agent>,
    Body(Acknowledge { last_event_id }): Body<Acknowledge>,
) -> Result<Json<Acknowledged>, ApiError> {
    let cursor: Cursor =
        last_event_id.parse().map_err(|bad: BadCursor| ApiError::BadBody(format!("lastEventId: {bad}")))?;
    let messages = state.app().acknowledge(&bearer, cursor)? as u64;
    Ok(Json(Acknowledged { messages }))
}

fn cursor_of(raw: &str) -> Result<Cursor, ApiError> {
    raw.parse().map_err(|bad: BadCursor| ApiError::BadHeader(format!("Last-Event-ID: {bad}")))
}

impl Source for Stream {
    async fn next_event(&mut self) -> Option<Event> {
        Some(match self.next().await? {
            Streamed::Message(cursor, accepted) => {
                stream::event("message", &message_of(accepted.envelope())).id(cursor.to_string())
            }
            Streamed::Replaced => stream::event("replaced", &serde_json::json!({})),
        })
    }
}
