//! `POST /api/messages` over the bus: what an external agent publishes to its ingress subject.
//!
//! The same body, checked in the same way and answered with the same words; who sends it is said by the subject that the bus lets
//! nobody else publish to.

use async_trait::async_trait;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue};
use host_app::{Door, Posted};
use host_model::Envelope;
use host_wire::{PostMessage, Receipt};
use serde::Serialize;

use crate::convert::{message_of, post_of, receipt_of};
use crate::extract::JSON_LEN_MAX;
use crate::headers::idempotency_key;
use crate::problem::ApiError;
use crate::state::ApiState;

#[async_trait]
impl Door for ApiState {
    async fn post(&self, posted: Posted) -> Bytes {
        match take(self, posted).await {
            Ok(receipt) => json(&receipt),
            Err(refused) => json(&refused.logged().problem()),
        }
    }

    fn busy(&self, limit: usize) -> Bytes {
        json(&ApiError::Busy { what: "drafts", limit }.problem())
    }

    fn told(&self, envelope: &Envelope) -> Bytes {
        json(&message_of(envelope))
    }
}

async fn take(state: &ApiState, posted: Posted) -> Result<Receipt, ApiError> {
    let _permit = state.request_permit()?;
    let Posted { tenant, agent, body, key } = posted;
    let post = post_of(posted_of(&body)?, key_of(key)?)?;
    Ok(receipt_of(state.app().post_proven(&tenant, &agent, post).await?))
}

fn posted_of(body: &[u8]) -> Result<PostMessage, ApiError> {
    if body.len() > JSON_LEN_MAX {
        return Err(ApiError::BodyTooLarge { limit: JSON_LEN_MAX });
    }
    serde_json::from_slice(body).map_err(|error| ApiError::BadBody(error.to_string()))
}

/// The key as the header of that name is read.
fn key_of(key: Option<String>) -> Result<Option<String>, ApiError> {
    let mut headers = HeaderMap::new();
    if let Some(key) = key {
        let value = HeaderValue::try_from(key).map_err(|_| ApiError::BadHeader("Idempotency-Key".to_owned()))?;
        headers.insert("idempotency-key", value);
    }
    idempotency_key(&headers)
}

fn json(answer: &impl Serialize) -> Bytes {
    serde_json::to_vec(answer).expect("plain structs with text keys are JSON").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, problem: Option<(u16, &str)>) {
        let refused = posted_of(body.as_bytes()).err().map(|refused| refused.problem());
        let refused = refused.as_ref().map(|problem| (problem.status, problem.code.as_str()));
        assert_eq!(refused, problem, "{body:.80}");
    }

    #[test]
    fn a_draft_is_read_as_over_http_and_a_frame_is_none() {
        check(r#"{"topic":"a.b","messageType":"t"}"#, None);
        check(r#"{"topic":"a.b","messageType":"t","tenantId":"globex"}"#, Some((400, "bad-body")));
        check(r#"{"topic":"a.b","messageType":"t","agentId":"other"}"#, Some((400, "bad-body")));
        check(r#"{"v":1,"topic":"a.b","messageType":"t","signature":"v1.x.y"}"#, Some((400, "bad-body")));
        check("", Some((400, "bad-body")));
        check(&format!("\"{}\"", "x".repeat(JSON_LEN_MAX)), Some((413, "body-too-large")));
    }

    #[test]
    fn a_key_is_read_as_the_header_of_its_name() {
        let check = |key: Option<&str>, ok: bool| assert_eq!(key_of(key.map(str::to_owned)).is_ok(), ok, "{key:?}");
        check(None, true);
        check(Some("8e03978e-40d5"), true);
        check(Some(""), false);
        check(Some("a\nb"), false);
        check(Some(&"k".repeat(129)), false);
    }
}
