//! `vault`: the key that seals all tenants' keys and secrets.

use clap::{Args, Subcommand};
use host_wire::VaultRotation;

use crate::connect::Connection;
use crate::error::CliError;

/// `vault …`
#[derive(Debug, Args)]
pub struct VaultArgs {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    verb: VaultVerb,
}

#[derive(Debug, Subcommand)]
enum VaultVerb {
    /// Seal every key and secret under a new key-encryption key, and destroy the old one
    #[command(
        after_help = "Example:\n  bailiwick vault rotate\n\nThe host goes on working meanwhile. Back up DATA/kek afterwards: backups of \
        the database from before open with the old one alone."
    )]
    Rotate,
}

pub(crate) async fn run(args: VaultArgs) -> Result<(), CliError> {
    let VaultArgs { connection, verb: VaultVerb::Rotate } = args;
    let rotation: VaultRotation = connection.client()?.act("/api/vault/rotate", &[]).await?;
    connection.output.document(&rotation, |rotation| {
        format!("{} keys and secrets are sealed under a new key-encryption key: back up DATA/kek", rotation.resealed)
    })
}
