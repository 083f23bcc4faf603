//! `/api/components`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use host_component::Digest;
use host_wire::StoredComponent;

use crate::extract::{At, ComponentBytes};
use crate::problem::ApiError;
use crate::state::ApiState;

/// A component's bytes, for the description alone.
#[derive(utoipa::ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "a name for the bytes in the description of the API")]
struct ComponentFile(Vec<u8>);

/// Keep a component under its digest
#[utoipa::path(
    put,
    path = "/api/components/{digest}",
    tag = "components",
    params(("digest" = String, Path, description = "`sha256:` and 64 hexadecimal digits")),
    request_body(content = ComponentFile, content_type = "application/wasm", description = "The component, at most 16 MiB"),
    responses((status = 201, body = StoredComponent))
)]
pub(crate) async fn put_component(
    State(state): State<ApiState>,
    At(digest): At<Digest>,
    ComponentBytes(bytes): ComponentBytes,
) -> Result<(StatusCode, Json<StoredComponent>), ApiError> {
    let size = bytes.len() as u64;
    state.app().save_component(digest, bytes.into()).await?;
    Ok((StatusCode::CREATED, Json(StoredComponent { digest: digest.to_string(), size })))
}
