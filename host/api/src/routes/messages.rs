//! `/api/agents/{id}/messages`: send to one agent, and wait for its answer if asked to.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use host_model::AgentId;
use host_wire::{Message, Qos, Receipt, SendMessage};

use crate::convert::{draft_of, message_of, receipt_of, sure, wait_of};
use crate::extract::{At, Body, InTenant, Params};
use crate::problem::ApiError;
use crate::state::ApiState;

/// Send a message to an agent
///
/// With `waitMillis` the answer is the agent's own message; without, a receipt.
#[utoipa::path(
    post,
    path = "/api/agents/{id}/messages",
    tag = "messages",
    params(("id" = String, Path, description = "Which agent"), InTenant),
    request_body = SendMessage,
    responses((status = 202, body = Receipt, description = "Taken"), (status = 200, body = Message, description = "Answered"))
)]
pub(crate) async fn send_message(
    State(state): State<ApiState>,
    At(agent): At<AgentId>,
    Params(InTenant { tenant }): Params<InTenant>,
    Body(body): Body<SendMessage>,
) -> Result<Response, ApiError> {
    let (content, qos, wait_millis) = body.into_parts();
    let draft = sure(draft_of(content)?, qos);
    if wait_millis.is_some() && qos == Qos::AtLeastOnce {
        return Err(ApiError::BadBody(
            "who waits for an answer asks at-most-once: leave out qos or waitMillis".to_owned(),
        ));
    }
    let Some(wait) = wait_millis.map(wait_of).transpose()? else {
        let receipt = state.app().send(&tenant, &agent, draft).await?;
        return Ok((StatusCode::ACCEPTED, Json(receipt_of(receipt))).into_response());
    };
    let answer = state.app().request(&tenant, &agent, draft, wait).await?;
    Ok(Json(message_of(&answer)).into_response())
}
