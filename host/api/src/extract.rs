//! Reads requests: what is unknown, malformed or too large is refused with a problem that names it.

use axum::Json;
use axum::body::{Bytes, HttpBody as _};
use axum::extract::rejection::{BytesRejection, FailedToBufferBody, JsonRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use host_model::TenantId;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::problem::ApiError;

/// The largest JSON body, in bytes.
pub(crate) const JSON_LEN_MAX: usize = 2 << 20;
/// The largest component, in bytes.
pub(crate) const COMPONENT_LEN_MAX: usize = 16 << 20;

/// In which tenant.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct InTenant {
    /// Whose things.
    #[param(value_type = String, example = "acme")]
    pub(crate) tenant: TenantId,
}

/// What stands in the path.
pub(crate) struct At<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for At<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let read = Path::from_request_parts(parts, state).await;
        read.map(|Path(value)| Self(value)).map_err(|refused| ApiError::BadPath(refused.body_text()))
    }
}

/// What stands after `?`.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let read = Query::from_request_parts(parts, state).await;
        read.map(|Query(value)| Self(value)).map_err(|refused| ApiError::BadQuery(refused.body_text()))
    }
}

/// A JSON body of at most [`JSON_LEN_MAX`].
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        check_told_len(&request, JSON_LEN_MAX)?;
        let read = Json::from_request(request, state).await;
        read.map(|Json(value)| Self(value)).map_err(json_refused)
    }
}

/// A JSON body that holds a secret: what is off about it is told without a word of it, and nothing of it goes into a log.
pub(crate) struct SecretBody<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for SecretBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        match Body::from_request(request, state).await {
            Ok(Body(value)) => Ok(Self(value)),
            Err(ApiError::BadBody(_)) => Err(ApiError::BadBody(r#"use {"value": "…"}"#.to_owned())),
            Err(refused) => Err(refused),
        }
    }
}

/// A body of bytes, of at most [`COMPONENT_LEN_MAX`]; the router sets the limit.
pub(crate) struct ComponentBytes(pub(crate) Bytes);

impl<S: Send + Sync> FromRequest<S> for ComponentBytes {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        check_told_len(&request, COMPONENT_LEN_MAX)?;
        let read = Bytes::from_request(request, state).await;
        read.map(Self).map_err(|refused| bytes_refused(&refused, COMPONENT_LEN_MAX))
    }
}

/// By `content-length`, where there is one: what will not be taken need not be sent.
fn check_told_len(request: &Request, limit: usize) -> Result<(), ApiError> {
    if request.body().size_hint().lower() > limit as u64 { Err(ApiError::BodyTooLarge { limit }) } else { Ok(()) }
}

fn json_refused(refused: JsonRejection) -> ApiError {
    match refused {
        JsonRejection::MissingJsonContentType(_) => ApiError::NotJson,
        JsonRejection::BytesRejection(refused) => bytes_refused(&refused, JSON_LEN_MAX),
        refused => ApiError::BadBody(refused.body_text()),
    }
}

fn bytes_refused(refused: &BytesRejection, limit: usize) -> ApiError {
    match refused {
        BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => ApiError::BodyTooLarge { limit },
        refused => ApiError::BadBody(refused.body_text()),
    }
}

#[cfg(test)]
mod tests {
    use axum::extract::DefaultBodyLimit;
    use axum::http::{Method, StatusCode};
    use axum::routing::post;
    use axum::{RequestExt as _, Router};
    use host_wire::SendMessage;
    use tower::ServiceExt as _;

    use super::*;

    fn request(uri: &str, content_type: &str, body: impl Into<axum::body::Body>) -> Request {
        Request::builder().method(Method::POST).uri(uri).header("content-type", content_type).body(body.into()).unwrap()
    }

    async fn tenant(uri: &str) -> Result<String, String> {
        let mut request = request(uri, "text/plain", "");
        let read = request.extract_parts::<Params<InTenant>>().await;
        read.map(|Params(InTenant { tenant })| tenant.to_string()).map_err(|refused| refused.problem().detail)
    }

    #[tokio::test]
    async fn a_query_has_what_it_must_and_nothing_else() {
        assert_eq!(tenant("/?tenant=acme").await, Ok("acme".to_owned()));
        assert!(tenant("/").await.unwrap_err().contains("missing field `tenant`"));
        assert!(tenant("/?tenant=acme&tennant=x").await.unwrap_err().contains("unknown field `tennant`"));
        assert!(tenant("/?tenant=ACME").await.unwrap_err().contains("'ACME' is not an id"));
        assert!(tenant("/?tenant=acme&tenant=globex").await.unwrap_err().contains("duplicate field `tenant`"));
    }

    async fn payload(content_type: &str, body: &str) -> Result<Option<String>, (u16, String)> {
        let read = Body::<SendMessage>::from_request(request("/", content_type, body.to_owned()), &()).await;
        let refused = |refused: ApiError| (refused.problem().status, refused.problem().detail);
        read.map(|Body(message)| message.payload.map(|raw| raw.get().to_owned())).map_err(refused)
    }

    #[tokio::test]
    async fn a_body_keeps_its_json_exact_and_unknown_fields_are_refused() {
        let exact = r#"{"n": 1.10, "big": 123456789012345678901234567890}"#;
        let body = format!(r#"{{"type":"t","payload":{exact}}}"#);
        assert_eq!(payload("application/json", &body).await, Ok(Some(exact.to_owned())));
        assert_eq!(payload("application/json; charset=utf-8", r#"{"type":"t"}"#).await, Ok(None));
        let refused =
            |status, part: &'static str| move |(got, detail): (u16, String)| got == status && detail.contains(part);
        assert!(
            payload("application/json", r#"{"type":"t","tenantId":"x"}"#)
                .await
                .is_err_and(refused(400, "unknown field `tenantId`"))
        );
        assert!(payload("application/json", "{").await.is_err_and(refused(400, "EOF")));
        assert!(
            payload("text/plain", r#"{"type":"t"}"#).await.is_err_and(refused(415, "Content-Type: application/json"))
        );
    }

    #[tokio::test]
    async fn a_component_is_read_up_to_the_limit_and_refused_past_it() {
        let route = post(|ComponentBytes(bytes): ComponentBytes| async move { bytes.len().to_string() });
        let router: Router = Router::new().route("/", route).layer(DefaultBodyLimit::max(COMPONENT_LEN_MAX));
        let status =
            async |len| router.clone().oneshot(request("/", "application/wasm", vec![0; len])).await.unwrap().status();
        assert_eq!(status(COMPONENT_LEN_MAX).await, StatusCode::OK);
        assert_eq!(status(COMPONENT_LEN_MAX + 1).await, StatusCode::PAYLOAD_TOO_LARGE);
    }
}
