//! What bounds every request: how many at once, how long, and what a defect of ours may break.

use std::any::Any;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::problem::ApiError;
use crate::state::ApiState;

/// How long an answer may take to begin; longer than the longest wait for an agent. A stream has begun when it is open.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(75);

/// Refuses what is too much and ends what takes too long.
pub(crate) async fn bounded(State(state): State<ApiState>, request: Request, next: Next) -> Result<Response, ApiError> {
    let _permit = state.request_permit()?;
    let limit_ms = u64::try_from(ANSWER_TIME_MAX.as_millis()).unwrap_or(u64::MAX);
    tokio::time::timeout(ANSWER_TIME_MAX, next.run(request)).await.map_err(|_| ApiError::TookTooLong { limit_ms })
}

/// Browsers guess nothing, keep nothing and run nothing, unless the answer says so itself.
pub(crate) async fn inert(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    let policy = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(policy);
    response
}

/// A panic is a defect: it costs its own request, and tells the caller nothing.
pub(crate) fn panicked(cause: Box<dyn Any + Send + 'static>) -> Response {
    let text = cause.downcast_ref::<String>().map(String::as_str).or_else(|| cause.downcast_ref::<&str>().copied());
    tracing::error!(cause = text.unwrap_or("no text"), "a request panicked");
    ApiError::Panicked.into_response()
}
