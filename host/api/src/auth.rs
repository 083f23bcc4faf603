//! Who calls: the holder of the operator's token, or of an external agent's. Real identity has an issue of its own.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::Response;
use host_app::Bearer;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::problem::ApiError;
use crate::state::ApiState;

/// The digest of the operator's token; the token itself is not kept.
#[derive(Clone)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// The digest of a token. White space around it is no part of it.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.trim().as_bytes()).into())
    }

    /// Whether the headers carry this token. Takes the same time for every wrong one.
    fn admits(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let given = bearer(headers).ok_or(ApiError::Unauthorized)?;
        let same: bool = Self::of(given).0.ct_eq(&self.0).into();
        if same { Ok(()) } else { Err(ApiError::Unauthorized) }
    }
}

/// Lets a request pass that carries the operator's token, and has every other one in the audit.
pub(crate) async fn require_operator(
    State(state): State<ApiState>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    state.operator().admits(request.headers()).inspect_err(|_| state.app().count_unauthorized())?;
    Ok(next.run(request).await)
}

/// The external agent whose token a request carries.
#[derive(Clone)]
pub(crate) struct Agent(pub(crate) Arc<Bearer>);

/// Lets a request pass that carries an external agent's token, and has every other one in the audit, the operator's too: what
/// agents do, only they do.
pub(crate) async fn require_agent(
    State(state): State<ApiState>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let found = state.app().bearer(bearer(request.headers())).ok_or(ApiError::NoAgentToken)?;
    request.extensions_mut().insert(Agent(found));
    Ok(next.run(request).await)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let (scheme, token) = given.next()?.to_str().ok()?.split_once(' ')?;
    let alone = given.next().is_none() && scheme.eq_ignore_ascii_case("bearer");
    alone.then_some(token.trim())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn check(headers: &[&str], ok: bool) {
        let mut map = HeaderMap::new();
        for header in headers {
            map.append(AUTHORIZATION, HeaderValue::from_str(header).unwrap());
        }
        assert_eq!(TokenDigest::of("s3cret\n").admits(&map).is_ok(), ok, "{headers:?}");
    }

    #[test]
    fn only_the_operators_token_passes_and_it_stands_alone() {
        check(&["Bearer s3cret"], true);
        check(&["bearer s3cret"], true);
        for bad in
            ["", "s3cret", "Bearer", "Bearer ", "Bearer s3cre", "Bearer s3crets", "Basic s3cret", "Bearer S3CRET"]
        {
            check(&[bad], false);
        }
        check(&[], false);
        check(&["Bearer s3cret", "Bearer s3cret"], false);
    }
}
