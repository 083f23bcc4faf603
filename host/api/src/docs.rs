//! `/api/openapi.json` and a page that shows it: ours, self-contained, and open, for it says nothing of any tenant.

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::openapi::openapi_json;
use crate::state::ApiState;

const PAGE: &str = include_str!("../assets/docs.html");
const SCRIPT: &str = include_str!("../assets/docs.js");
const STYLE: &str = include_str!("../assets/docs.css");

/// The page runs its own script, and asks this host alone.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(crate) fn routes() -> Router<ApiState> {
    let described: axum::body::Bytes = openapi_json().into();
    Router::new()
        .route("/api/openapi.json", get(async move || file("application/json", described.clone())))
        .route("/api/docs", get(async || file("text/html; charset=utf-8", PAGE)))
        .route("/api/docs/docs.js", get(async || file("text/javascript; charset=utf-8", SCRIPT)))
        .route("/api/docs/docs.css", get(async || file("text/css; charset=utf-8", STYLE)))
}

fn file(content_type: &'static str, body: impl IntoResponse) -> Response {
    let header = |name: HeaderName, value: &'static str| (name, HeaderValue::from_static(value));
    let headers = [
        header(CONTENT_TYPE, content_type),
        header(CONTENT_SECURITY_POLICY, POLICY),
        header(CACHE_CONTROL, "no-cache"),
    ];
    (headers, body).into_response()
}
