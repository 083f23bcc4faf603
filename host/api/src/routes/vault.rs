//! `/api/tenants/{tenant}/keys`, `/api/tenants/{tenant}/secrets` and `/api/vault`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use host_model::{BadKeyId, KeyId, SecretName, TenantId};
use host_vault::Zeroizing;
use host_wire::{Page, Secret, SetSecret, SigningKey, VaultRotation};

use crate::convert::{key_of, secret_of};
use crate::extract::{At, Params, SecretBody};
use crate::page::PageParams;
use crate::problem::ApiError;
use crate::state::ApiState;

/// List a tenant's signing keys
#[utoipa::path(
    get,
    path = "/api/tenants/{tenant}/keys",
    tag = "tenants",
    params(("tenant" = String, Path, description = "Whose keys"), PageParams),
    responses((status = 200, body = Page<SigningKey>))
)]
pub(crate) async fn list_keys(
    State(state): State<ApiState>,
    At(tenant): At<TenantId>,
    Params(page): Params<PageParams>,
) -> Result<Json<Page<SigningKey>>, ApiError> {
    let mut keys: Vec<SigningKey> = state.app().signing_keys(&tenant)?.into_iter().map(key_of).collect();
    keys.sort_by(|one, other| one.key_id.cmp(&other.key_id));
    page.cut(keys, |key: &SigningKey| &key.key_id).map(Json)
}

/// Make a new signing key
///
/// It signs from now on. The one before it verifies what it signed, for 30 days.
#[utoipa::path(
    post,
    path = "/api/tenants/{tenant}/keys/rotate",
    tag = "tenants",
    params(("tenant" = String, Path, description = "Whose key")),
    responses((status = 200, body = SigningKey))
)]
pub(crate) async fn rotate_key(
    State(state): State<ApiState>,
    At(tenant): At<TenantId>,
) -> Result<Json<SigningKey>, ApiError> {
    Ok(Json(key_of(state.app().rotate_key(&tenant).await?)))
}

/// Revoke a signing key
///
/// Nothing it signed is believed any more. If it signed, a new one does from now on.
#[utoipa::path(
    post,
    path = "/api/tenants/{tenant}/keys/{key}/revoke",
    tag = "tenants",
    params(
        ("tenant" = String, Path, description = "Whose key"),
        ("key" = String, Path, description = "Which key")
    ),
    responses((status = 200, body = SigningKey))
)]
pub(crate) async fn revoke_key(
    State(state): State<ApiState>,
    At((tenant, key)): At<(TenantId, String)>,
) -> Result<Json<SigningKey>, ApiError> {
    let key: KeyId = key.parse().map_err(|bad: BadKeyId| ApiError::BadPath(bad.to_string()))?;
    Ok(Json(key_of(state.app().revoke_key(&tenant, key).await?)))
}

/// Seal everything under a new key-encryption key
///
/// Every key and secret of all tenants; the old key-encryption key is destroyed then. Messages go on meanwhile, changes of keys and
/// secrets are refused with `busy`. A rotation that was cut off is finished instead.
#[utoipa::path(
    post,
    path = "/api/vault/rotate",
    tag = "vault",
    responses((status = 200, body = VaultRotation))
)]
pub(crate) async fn rotate_vault(State(state): State<ApiState>) -> Result<Json<VaultRotation>, ApiError> {
    Ok(Json(VaultRotation { resealed: state.app().rotate_vault().await? as u64 }))
}

/// List a tenant's secrets
///
/// What they are called and when they were set, never what they are.
#[utoipa::path(
    get,
    path = "/api/tenants/{tenant}/secrets",
    tag = "tenants",
    params(("tenant" = String, Path, description = "Whose secrets"), PageParams),
    responses((status = 200, body = Page<Secret>))
)]
pub(crate) async fn list_secrets(
    State(state): State<ApiState>,
    At(tenant): At<TenantId>,
    Params(page): Params<PageParams>,
) -> Result<Json<Page<Secret>>, ApiError> {
    let secrets = state.app().secrets(&tenant)?.into_iter().map(secret_of).collect();
    page.cut(secrets, |secret: &Secret| &secret.name).map(Json)
}

/// Set a secret
///
/// Over whatever has its name.
#[utoipa::path(
    put,
    path = "/api/tenants/{tenant}/secrets/{name}",
    tag = "tenants",
    params(
        ("tenant" = String, Path, description = "Whose secret"),
        ("name" = String, Path, description = "Which secret: 1 to 64 of `a-z`, `0-9`, `_` and `-`")
    ),
    request_body = SetSecret,
    responses((status = 200, body = Secret))
)]
pub(crate) async fn set_secret(
    State(state): State<ApiState>,
    At((tenant, name)): At<(TenantId, SecretName)>,
    SecretBody(SetSecret { value }): SecretBody<SetSecret>,
) -> Result<Json<Secret>, ApiError> {
    Ok(Json(secret_of(state.app().set_secret(&tenant, name, Zeroizing::new(value)).await?)))
}

/// Remove a secret
#[utoipa::path(
    delete,
    path = "/api/tenants/{tenant}/secrets/{name}",
    tag = "tenants",
    params(
        ("tenant" = String, Path, description = "Whose secret"),
        ("name" = String, Path, description = "Which secret")
    ),
    responses((status = 204))
)]
pub(crate) async fn remove_secret(
    State(state): State<ApiState>,
    At((tenant, name)): At<(TenantId, SecretName)>,
) -> Result<StatusCode, ApiError> {
    state.app().remove_secret(&tenant, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
