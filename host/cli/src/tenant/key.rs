//! `tenant key`: the keys that sign a tenant's messages.

use clap::{Args, Subcommand};
use host_model::{KeyId, TenantId};
use host_wire::SigningKey;

use crate::connect::{Connection, InTenant};
use crate::error::CliError;
use crate::print;

/// `tenant key …`
#[derive(Debug, Args)]
pub(crate) struct KeyArgs {
    #[command(flatten)]
    tenant: InTenant,
    #[command(subcommand)]
    verb: KeyVerb,
}

#[derive(Debug, Subcommand)]
enum KeyVerb {
    /// List the keys: which one signs, and which only verify
    #[command(after_help = "Example:\n  bailiwick tenant key list --tenant acme")]
    List,
    /// Make a new key that signs from now on; the one before it goes on verifying what it signed
    #[command(after_help = "Example:\n  bailiwick tenant key rotate --tenant acme")]
    Rotate,
    /// End a key at once: nothing it signed is believed any more
    #[command(after_help = "Example:\n  bailiwick tenant key revoke 4be0643f1d98573b --tenant acme")]
    Revoke {
        /// Which key: 16 hexadecimal digits
        key: KeyId,
    },
}

pub(crate) async fn run(connection: &Connection, args: KeyArgs) -> Result<(), CliError> {
    let KeyArgs { tenant, verb } = args;
    let tenant = tenant.named()?;
    match verb {
        KeyVerb::List => list(connection, tenant).await,
        KeyVerb::Rotate => act(connection, &format!("{}/rotate", path(tenant)), "new key").await,
        KeyVerb::Revoke { key } => act(connection, &format!("{}/{key}/revoke", path(tenant)), "revoked key").await,
    }
}

async fn list(connection: &Connection, tenant: &TenantId) -> Result<(), CliError> {
    let mut keys: Vec<SigningKey> = connection.client()?.list(&path(tenant), &[]).await?;
    keys.sort_by(|one, other| one.created_at.cmp(&other.created_at));
    connection.output.document(&keys, |keys| {
        let row = |key: &SigningKey| {
            let signs_for = key.agent_id.clone().unwrap_or_else(|| "all agents".to_owned());
            [
                key.key_id.clone(),
                key.state.clone(),
                signs_for,
                key.created_at.clone(),
                key.ended_at.clone().unwrap_or_default(),
            ]
        };
        print::table(["KEY", "STATE", "SIGNS FOR", "CREATED", "ENDED"], keys.iter().map(row))
    })
}

async fn act(connection: &Connection, path: &str, what: &str) -> Result<(), CliError> {
    let key: SigningKey = connection.client()?.act(path, &[]).await?;
    connection.output.document(&key, |key| format!("{what} {}", key.key_id))
}

fn path(tenant: &TenantId) -> String {
    format!("/api/tenants/{tenant}/keys")
}
