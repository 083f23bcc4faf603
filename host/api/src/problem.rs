//! Errors as HTTP (RFC 9457): the one place where a refusal becomes a status.

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use host_app::AppError;
use host_wire::Problem;

/// Why a request was not answered with what it asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// The app says no, or cannot.
    #[error(transparent)]
    App(#[from] AppError),
    /// No token, or a wrong one.
    #[error("no valid operator token: send 'Authorization: Bearer TOKEN' with what DATA/operator.token holds")]
    Unauthorized,
    /// Nothing lives at the path.
    #[error("nothing is at this path: GET /api/openapi.json lists what there is")]
    NoSuchRoute,
    /// Something lives at the path, and cannot do this.
    #[error("this path does not take the method: GET /api/openapi.json lists what it takes")]
    NoSuchMethod,
    /// What stands in the path is off.
    #[error("the path is off: {0}")]
    BadPath(String),
    /// What stands after `?` is off.
    #[error("the query is off: {0}")]
    BadQuery(String),
    /// The body is off.
    #[error("the body is off: {0}")]
    BadBody(String),
    /// The body is not said to be JSON.
    #[error("the body must be JSON: send it with 'Content-Type: application/json'")]
    NotJson,
    /// The body is larger than is read.
    #[error("the body is larger than {limit} bytes: send less")]
    BodyTooLarge {
        /// In bytes.
        limit: usize,
    },
    /// The bytes are not those that were named.
    #[error(
        "the bytes hash to {actual}, not to the digest in the path: send the component whole, under its own digest"
    )]
    DigestMismatch {
        /// What they hash to.
        actual: String,
    },
    /// An agent's answer to a command is no JSON.
    #[error("the agent answered the command with something that is not JSON: see its logs")]
    AnswerNotJson,
    /// The request took too long.
    #[error("no answer within {} ms: try again, or look at the host's log", .limit_ms)]
    TookTooLong {
        /// In milliseconds.
        limit_ms: u64,
    },
    /// As many as can be are open already.
    #[error("{limit} {what} are open already, and more cannot be: close some or try again later")]
    Busy {
        /// `streams` or `requests`.
        what: &'static str,
        /// How many there can be.
        limit: usize,
    },
    /// A defect of ours.
    #[error("the host failed at this request, and at nothing else: its log says why")]
    Panicked,
}

/// What programs need to know of an error.
struct Facts {
    status: StatusCode,
    code: String,
    limit: Option<u64>,
    actual: Option<u64>,
    retry_after_ms: Option<u64>,
}

impl Facts {
    fn of(status: StatusCode, code: &str) -> Self {
        Self { status, code: code.to_owned(), limit: None, actual: None, retry_after_ms: None }
    }

    fn limit(self, limit: u64) -> Self {
        Self { limit: Some(limit), ..self }
    }

    fn retry_after_ms(self, retry_after_ms: u64) -> Self {
        Self { retry_after_ms: Some(retry_after_ms), ..self }
    }
}

impl ApiError {
    fn facts(&self) -> Facts {
        match self {
            Self::App(error) => of_app(error),
            Self::Unauthorized => Facts::of(StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::NoSuchRoute => Facts::of(StatusCode::NOT_FOUND, "no-such-route"),
            Self::NoSuchMethod => Facts::of(StatusCode::METHOD_NOT_ALLOWED, "no-such-method"),
            Self::BadPath(_) => Facts::of(StatusCode::BAD_REQUEST, "bad-path"),
            Self::BadQuery(_) => Facts::of(StatusCode::BAD_REQUEST, "bad-query"),
            Self::BadBody(_) => Facts::of(StatusCode::BAD_REQUEST, "bad-body"),
            Self::NotJson => Facts::of(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json"),
            Self::BodyTooLarge { limit } => {
                Facts::of(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large").limit(*limit as u64)
            }
            Self::DigestMismatch { .. } => Facts::of(StatusCode::BAD_REQUEST, "digest-mismatch"),
            Self::AnswerNotJson => Facts::of(StatusCode::BAD_GATEWAY, "answer-not-json"),
            Self::TookTooLong { limit_ms } => Facts::of(StatusCode::GATEWAY_TIMEOUT, "timed-out").limit(*limit_ms),
            Self::Busy { what, limit } => Facts::of(StatusCode::SERVICE_UNAVAILABLE, &format!("too-many-{what}"))
                .limit(*limit as u64)
                .retry_after_ms(1_000),
            Self::Panicked => Facts::of(StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }

    /// The problem in JSON.
    pub(crate) fn problem(&self) -> Problem {
        let Facts { status, code, limit, actual, retry_after_ms } = self.facts();
        Problem {
            kind: format!("urn:bailiwick:problem:{code}"),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: self.to_string(),
            code,
            limit,
            actual,
            retry_after_ms,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.facts().status;
        let problem = self.problem();
        let retry_after_secs = problem.retry_after_ms.map(|ms| HeaderValue::from(ms.div_ceil(1_000)));
        let mut response = (status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(secs) = retry_after_secs {
            headers.insert(RETRY_AFTER, secs);
        }
        response
    }
}

fn of_app(_error: &AppError) -> Facts {
    todo!()
}
