//! `/api/dlq`: messages that were given up.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use host_app::LetterId;
use host_model::TenantId;
use host_wire::{DeadLetter, DeadLetterDetails, Page, PurgeLetters, Purged, Reason, Receipt, ReplayLetters, Replayed};
use serde::Deserialize;

use crate::convert::{filter_of, letter_of, opened_of, receipt_of, replayed_of};
use crate::extract::{At, Body, InTenant, Params};
use crate::page::TenantPageParams;
use crate::problem::ApiError;
use crate::routes::logs::{now, since_of};
use crate::state::ApiState;

/// What of a letter is shown.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LetterParams {
    /// Whose.
    #[param(value_type = String, example = "acme")]
    tenant: TenantId,
    /// With the whole message. Needs a reason.
    #[serde(default)]
    payload: bool,
    /// Why it is looked at, for the audit.
    reason: Option<String>,
}

/// List a tenant's dead letters
///
/// Oldest first, without what they say.
#[utoipa::path(
    get,
    path = "/api/dlq",
    tag = "queues",
    params(TenantPageParams),
    responses((status = 200, body = Page<DeadLetter>))
)]
pub(crate) async fn list_letters(
    State(state): State<ApiState>,
    Params(params): Params<TenantPageParams>,
) -> Result<Json<Page<DeadLetter>>, ApiError> {
    let (tenant, page) = params.into_parts();
    let (after, limit) = page.by_number()?;
    let mut letters = state.app().letters(&tenant, LetterId(after), limit + 1).await?;
    let more = letters.len() > limit;
    letters.truncate(limit);
    let next = letters.last().filter(|_| more).map(|last| crate::page::cursor_at(last.id.0));
    Ok(Json(Page { items: letters.into_iter().map(letter_of).collect(), next }))
}

/// Show a dead letter
///
/// Of what it says the length, the media type and the digest; with `payload=true` and a `reason` all of it, once the audit has the
/// reason.
#[utoipa::path(
    get,
    path = "/api/dlq/{id}",
    tag = "queues",
    params(("id" = String, Path, description = "Which letter"), LetterParams),
    responses((status = 200, body = DeadLetterDetails))
)]
pub(crate) async fn get_letter(
    State(state): State<ApiState>,
    At(id): At<String>,
    Params(LetterParams { tenant, payload, reason }): Params<LetterParams>,
) -> Result<Json<DeadLetterDetails>, ApiError> {
    let id = letter_id(&id)?;
    let opened = match (payload, reason) {
        (false, None) => state.app().letter(&tenant, id).await?,
        (true, Some(reason)) => state.app().read_letter(&tenant, id, reason).await?,
        (true, None) => return Err(ApiError::BadQuery("payload=true needs a reason: it is recorded".to_owned())),
        (false, Some(_)) => return Err(ApiError::BadQuery("a reason is for payload=true: add it".to_owned())),
    };
    Ok(Json(opened_of(opened, payload)))
}

/// Send a dead letter again
///
/// As its sender, with what that sender may do now. Doing it twice sends it once, and gives the same receipt.
#[utoipa::path(
    post,
    path = "/api/dlq/{id}/replay",
    tag = "queues",
    params(("id" = String, Path, description = "Which letter"), InTenant),
    request_body = Reason,
    responses((status = 202, body = Receipt))
)]
pub(crate) async fn replay_letter(
    State(state): State<ApiState>,
    At(id): At<String>,
    Params(InTenant { tenant }): Params<InTenant>,
    Body(Reason { reason }): Body<Reason>,
) -> Result<(StatusCode, Json<Receipt>), ApiError> {
    let receipt = state.app().replay_letter(&tenant, letter_id(&id)?, reason).await?;
    Ok((StatusCode::ACCEPTED, Json(receipt_of(receipt))))
}

/// Send dead letters again
///
/// Those of a cause or a queue, or all; oldest first, 1,000 at most and at most 500 a second. Those that were sent again before
/// are not.
#[utoipa::path(
    post,
    path = "/api/dlq/replay",
    tag = "queues",
    params(InTenant),
    request_body = ReplayLetters,
    responses((status = 200, body = Replayed))
)]
pub(crate) async fn replay_letters(
    State(state): State<ApiState>,
    Params(InTenant { tenant }): Params<InTenant>,
    Body(body): Body<ReplayLetters>,
) -> Result<Json<Replayed>, ApiError> {
    let (filter, reason) = filter_of(body)?;
    Ok(Json(replayed_of(state.app().replay_letters(&tenant, filter, reason).await?)))
}

/// Delete a dead letter
#[utoipa::path(
    delete,
    path = "/api/dlq/{id}",
    tag = "queues",
    params(("id" = String, Path, description = "Which letter"), InTenant),
    responses((status = 204))
)]
pub(crate) async fn delete_letter(
    State(state): State<ApiState>,
    At(id): At<String>,
    Params(InTenant { tenant }): Params<InTenant>,
) -> Result<StatusCode, ApiError> {
    state.app().delete_letter(&tenant, letter_id(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Delete dead letters
///
/// Those that were given up until a moment, or all.
#[utoipa::path(
    post,
    path = "/api/dlq/purge",
    tag = "queues",
    params(InTenant),
    request_body = PurgeLetters,
    responses((status = 200, body = Purged))
)]
pub(crate) async fn purge_letters(
    State(state): State<ApiState>,
    Params(InTenant { tenant }): Params<InTenant>,
    Body(PurgeLetters { until, all, reason }): Body<PurgeLetters>,
) -> Result<Json<Purged>, ApiError> {
    let until = match (until, all) {
        (Some(until), false) => since_of(Some(&until), now()).map_err(in_body)?,
        (None, true) => None,
        _ => return Err(ApiError::BadBody("give either until or all: true".to_owned())),
    };
    Ok(Json(Purged { purged: state.app().purge_letters(&tenant, until, reason).await? }))
}

fn in_body(error: ApiError) -> ApiError {
    match error {
        ApiError::BadQuery(_) => ApiError::BadBody("until: use a time as in RFC 3339, or how long ago (7d)".to_owned()),
        other => other,
    }
}

/// What no letter can have as its number is none of the tenant's, like every other that is not there.
fn letter_id(raw: &str) -> Result<LetterId, ApiError> {
    raw.parse().map(LetterId).map_err(|_| ApiError::App(host_app::AppError::NotFound))
}
