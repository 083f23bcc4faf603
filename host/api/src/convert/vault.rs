//! Keys and secrets as JSON.

use host_model::Principal;
use host_vault::{KeyState, KeyView, SecretView};
use host_wire::{Secret, SigningKey};

pub(crate) fn key_of(key: KeyView) -> SigningKey {
    let (state, ended) = match key.state {
        KeyState::Active => ("active", None),
        KeyState::Retired(at) => ("retired", Some(at)),
        KeyState::Revoked(at) => ("revoked", Some(at)),
    };
    let agent_id = match key.principal {
        Principal::Host => None,
        Principal::Agent(agent) => Some(agent.to_string()),
    };
    SigningKey {
        key_id: key.id.to_string(),
        agent_id,
        state: state.to_owned(),
        created_at: key.created.to_string(),
        ended_at: ended.map(|at| at.to_string()),
    }
}

pub(crate) fn secret_of(secret: SecretView) -> Secret {
    Secret { name: secret.name.to_string(), updated_at: secret.updated.to_string() }
}
