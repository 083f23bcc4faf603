//! Errors as HTTP (RFC 9457): the one place where a refusal becomes a status.

mod app;

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
    #[error("{}", app::detail_of(.0))]
    App(#[from] AppError),
    /// No token, or a wrong one.
    #[error("no valid operator token: send 'Authorization: Bearer TOKEN' with what DATA/operator.token holds")]
    Unauthorized,
    /// No token of an external agent, or one that proves nothing.
    #[error("no valid agent token: send 'Authorization: Bearer TOKEN' with what `bailiwick agent token` printed")]
    NoAgentToken,
    /// A header is off.
    #[error("a header is off: {0}")]
    BadHeader(String),
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
            Self::App(error) => app::facts_of(error),
            Self::Unauthorized | Self::NoAgentToken => Facts::of(StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::BadHeader(_) => Facts::of(StatusCode::BAD_REQUEST, "bad-header"),
            Self::NoSuchRoute => Facts::of(StatusCode::NOT_FOUND, "no-such-route"),
            Self::NoSuchMethod => Facts::of(StatusCode::METHOD_NOT_ALLOWED, "no-such-method"),
            Self::BadPath(_) => Facts::of(StatusCode::BAD_REQUEST, "bad-path"),
            Self::BadQuery(_) => Facts::of(StatusCode::BAD_REQUEST, "bad-query"),
            Self::BadBody(_) => Facts::of(StatusCode::BAD_REQUEST, "bad-body"),
            Self::NotJson => Facts::of(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json"),
            Self::BodyTooLarge { limit } => {
                Facts::of(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large").limit(*limit as u64)
            }
            Self::AnswerNotJson => Facts::of(StatusCode::BAD_GATEWAY, "answer-not-json"),
            Self::TookTooLong { limit_ms } => Facts::of(StatusCode::GATEWAY_TIMEOUT, "timed-out").limit(*limit_ms),
            Self::Busy { what, limit } => Facts::of(StatusCode::SERVICE_UNAVAILABLE, &format!("too-many-{what}"))
                .limit(*limit as u64)
                .retry_after_ms(1_000),
            Self::Panicked => Facts::of(StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }

    /// Itself, once the log says what went wrong here.
    pub(crate) fn logged(self) -> Self {
        if let Self::App(error) = &self {
            app::log_failure(error);
        }
        self
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
        let refused = self.logged();
        let status = refused.facts().status;
        let problem = refused.problem();
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

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use host_calls::{Refusal, RefusalNumbers};
    use host_fleet::FleetError;

    use super::*;

    fn check(error: impl Into<ApiError>, status: u16, code: &str, next_step: &str) {
        let problem = error.into().problem();
        assert_eq!((problem.status, problem.code.as_str()), (status, code));
        assert!(problem.detail.contains(next_step), "{problem:?}");
        assert_eq!(problem.kind, format!("urn:bailiwick:problem:{code}"));
    }

    fn refused(refusal: Refusal) -> ApiError {
        AppError::Refused(refusal).into()
    }

    fn of(code: &str) -> RefusalNumbers {
        RefusalNumbers::of(code)
    }

    #[test]
    fn each_kind_of_refusal_has_its_status() {
        check(AppError::NotFound, 404, "not-found", "list the tenants");
        check(AppError::BadPattern, 400, "bad-pattern", "use tokens");
        check(AppError::from(FleetError::Taken("acme".to_owned())), 409, "taken", "choose another");
        check(AppError::HostFailed, 500, "internal", "log");
        check(refused(Refusal::NotFound), 404, "not-found", "list the tenants");
        check(refused(Refusal::Invalid(of("bad-topic"))), 400, "bad-topic", "correct");
        check(refused(Refusal::NotGranted(of("topic"))), 422, "topic", "grant");
        check(refused(Refusal::TooLarge(of("payload"))), 413, "payload", "send less");
        check(refused(Refusal::OverQuota(of("rate"))), 429, "rate", "later");
        check(refused(Refusal::Backpressure(of("mailbox-full"))), 503, "mailbox-full", "later");
        check(refused(Refusal::TimedOut(of("no-answer"))), 504, "no-answer", "logs");
        check(ApiError::Busy { what: "streams", limit: 4 }, 503, "too-many-streams", "close some");
        check(ApiError::Unauthorized, 401, "unauthorized", "Authorization: Bearer");
    }

    #[test]
    fn what_is_unknown_and_what_is_foreign_read_the_same() {
        let problem = |error: AppError| ApiError::from(error).problem();
        let unknown = problem(FleetError::NoAgent("echo".parse().unwrap()).into());
        assert_eq!(unknown, problem(FleetError::NoTenant("acme".parse().unwrap()).into()));
        assert_eq!(unknown, problem(AppError::NotFound));
        assert_eq!(unknown, problem(Refusal::NotFound.into()));
    }

    #[tokio::test]
    async fn numbers_travel_in_the_problem_and_in_the_header() {
        let refusal = Refusal::Backpressure(of("mailbox-full").past(256, 257).retry_after_ms(1_001));
        let response = refused(refusal).into_response();
        let header = |name| response.headers().get(name).unwrap().to_str().unwrap().to_owned();
        assert_eq!(header(CONTENT_TYPE), "application/problem+json");
        assert_eq!(header(RETRY_AFTER), "2");
        let body = to_bytes(response.into_body(), 10_000).await.unwrap();
        let problem: Problem = serde_json::from_slice(&body).unwrap();
        assert_eq!((problem.limit, problem.actual, problem.retry_after_ms), (Some(256), Some(257), Some(1_001)));
    }

    #[test]
    fn a_missing_token_says_how_to_come_back() {
        let response = ApiError::Unauthorized.into_response();
        assert_eq!(response.status(), 401);
        assert_eq!(response.headers().get(WWW_AUTHENTICATE).unwrap(), "Bearer");
    }
}
