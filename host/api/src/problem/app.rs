//! The app's errors as HTTP.

use std::error::Error;

use axum::http::StatusCode;
use host_app::{AppError, Category};
use host_calls::{Refusal, RefusalNumbers};

use super::Facts;

/// What is unknown and what is another tenant's read the same, word for word.
const NOT_FOUND: &str =
    "no such tenant, or nothing of this name in it, or it is not running: list the tenants and the tenant's agents";
/// A failure of ours is told in the log, not to the caller.
const FAILED: &str = "the host failed at this, and nothing else is wrong: its log says why";

pub(super) fn facts_of(error: &AppError) -> Facts {
    let facts = Facts::of(status_of(error), code_of(error));
    match error {
        AppError::Refused(refusal) => with_numbers(facts, refusal),
        _ => facts,
    }
}

/// What failed and what to do next.
pub(super) fn detail_of(error: &AppError) -> String {
    match (error.category(), error) {
        (Category::NotFound, _) => NOT_FOUND.to_owned(),
        (Category::Internal, _) => FAILED.to_owned(),
        (_, AppError::Refused(refusal)) => format!("{refusal}: {}", next_step(refusal)),
        (_, error) => error.to_string(),
    }
}

/// Keeps the whole chain of causes of a failure of ours.
pub(super) fn log_failure(error: &AppError) {
    if error.category() != Category::Internal {
        return;
    }
    let mut causes = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        causes = format!("{causes}: {cause}");
        source = cause.source();
    }
    tracing::error!(code = error.code(), %causes, "a request failed");
}

fn status_of(error: &AppError) -> StatusCode {
    match error.category() {
        Category::NotFound => StatusCode::NOT_FOUND,
        Category::Invalid => StatusCode::BAD_REQUEST,
        Category::Refused => StatusCode::UNPROCESSABLE_ENTITY,
        Category::Conflict => StatusCode::CONFLICT,
        Category::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Category::Busy if matches!(error, AppError::Refused(Refusal::OverQuota(_))) => StatusCode::TOO_MANY_REQUESTS,
        Category::Busy => StatusCode::SERVICE_UNAVAILABLE,
        Category::TimedOut => StatusCode::GATEWAY_TIMEOUT,
        Category::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Whatever word the rooms below have for it, a thing that is not there has one.
fn code_of(error: &AppError) -> &str {
    if error.category() == Category::NotFound { "not-found" } else { error.code() }
}

fn with_numbers(facts: Facts, refusal: &Refusal) -> Facts {
    let Some(RefusalNumbers { limit, actual, retry_after_ms, .. }) = numbers_of(refusal) else { return facts };
    Facts { limit: *limit, actual: *actual, retry_after_ms: *retry_after_ms, ..facts }
}

fn numbers_of(refusal: &Refusal) -> Option<&RefusalNumbers> {
    match refusal {
        Refusal::NotFound => None,
        Refusal::NotGranted(numbers)
        | Refusal::Invalid(numbers)
        | Refusal::TooLarge(numbers)
        | Refusal::OverQuota(numbers)
        | Refusal::Backpressure(numbers)
        | Refusal::TimedOut(numbers)
        | Refusal::Unavailable(numbers)
        | Refusal::Other(numbers) => Some(numbers),
    }
}

fn next_step(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::NotFound => NOT_FOUND,
        Refusal::NotGranted(_) => "add the grant to the agent's manifest and deploy it again",
        Refusal::Invalid(_) => "correct it and send it again",
        Refusal::TooLarge(_) => "send less",
        Refusal::OverQuota(_) | Refusal::Backpressure(_) => "try again later",
        Refusal::TimedOut(_) => "look at the agent's logs, or wait longer",
        Refusal::Unavailable(_) => "try again later, and look at GET /readyz if it stays so",
        Refusal::Other(_) => "look at the agent's logs",
    }
}
