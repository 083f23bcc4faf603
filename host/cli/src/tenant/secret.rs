//! `tenant secret`: what the host puts into calls for a tenant, and gives nobody back.

use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::{fs, io};

use clap::{Args, Subcommand};
use host_model::{SecretName, TenantId};
use host_wire::{Secret, SetSecret};

use crate::connect::{Connection, InTenant};
use crate::error::CliError;
use crate::print;

/// `tenant secret …`
#[derive(Debug, Args)]
pub(crate) struct SecretArgs {
    #[command(flatten)]
    tenant: InTenant,
    #[command(subcommand)]
    verb: SecretVerb,
}

#[derive(Debug, Subcommand)]
enum SecretVerb {
    /// Set a secret from standard input or a file; never from the command line, which others can see
    #[command(after_help = "Example:\n  bailiwick tenant secret set pagerduty-token --tenant acme < token.txt")]
    Set {
        /// 1 to 64 of a-z, 0-9, '_' and '-'
        name: SecretName,
        /// Read it from this file; one line end behind it is left out
        #[arg(long, value_name = "FILE")]
        from_file: Option<PathBuf>,
    },
    /// List the secrets: their names, never what they are
    #[command(after_help = "Example:\n  bailiwick tenant secret list --tenant acme -o json")]
    List,
    /// Remove a secret
    #[command(after_help = "Example:\n  bailiwick tenant secret remove pagerduty-token --tenant acme")]
    Remove {
        /// Which one
        name: SecretName,
    },
}

pub(crate) async fn run(connection: &Connection, args: SecretArgs) -> Result<(), CliError> {
    let SecretArgs { tenant, verb } = args;
    let tenant = tenant.named()?;
    match verb {
        SecretVerb::Set { name, from_file } => set(connection, tenant, &name, from_file.as_deref()).await,
        SecretVerb::List => list(connection, tenant).await,
        SecretVerb::Remove { name } => remove(connection, tenant, &name).await,
    }
}

async fn set(
    connection: &Connection,
    tenant: &TenantId,
    name: &SecretName,
    file: Option<&Path>,
) -> Result<(), CliError> {
    let body = SetSecret { value: read(file)? };
    let path = format!("{}/{name}", path(tenant));
    let secret: Secret = connection.client()?.put_json(&path, &body).await?;
    connection.output.document(&secret, |secret| format!("set secret {}", secret.name))
}

async fn list(connection: &Connection, tenant: &TenantId) -> Result<(), CliError> {
    let secrets: Vec<Secret> = connection.client()?.list(&path(tenant), &[]).await?;
    connection.output.document(&secrets, |secrets| {
        let row = |secret: &Secret| [secret.name.clone(), secret.updated_at.clone()];
        print::table(["NAME", "SET"], secrets.iter().map(row))
    })
}

async fn remove(connection: &Connection, tenant: &TenantId, name: &SecretName) -> Result<(), CliError> {
    connection.client()?.delete(&format!("{}/{name}", path(tenant)), &[]).await?;
    print::note(&format!("removed secret {name}"));
    Ok(())
}

fn read(file: Option<&Path>) -> Result<String, CliError> {
    let text = match file {
        Some(path) => fs::read_to_string(path).map_err(|cause| CliError::File { path: path.to_owned(), cause })?,
        None => read_stdin()?,
    };
    Ok(without_line_end(text))
}

fn read_stdin() -> Result<String, CliError> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return Err(CliError::Usage("no secret given: pipe it in, or name its file with --from-file".to_owned()));
    }
    let mut text = String::new();
    let read = stdin.lock().read_to_string(&mut text);
    read.map(|_| text).map_err(|cause| CliError::File { path: PathBuf::from("standard input"), cause })
}

/// Editors and `echo` end a file with one; a secret has none.
fn without_line_end(mut text: String) -> String {
    if text.ends_with('\n') {
        text.pop();
    }
    if text.ends_with('\r') {
        text.pop();
    }
    text
}

fn path(tenant: &TenantId) -> String {
    format!("/api/tenants/{tenant}/secrets")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_end_behind_a_secret_is_left_out() {
        for (text, expected) in [("s", "s"), ("s\n", "s"), ("s\r\n", "s"), ("s\n\n", "s\n"), (" s ", " s "), ("", "")] {
            assert_eq!(without_line_end(text.to_owned()), expected);
        }
    }
}
