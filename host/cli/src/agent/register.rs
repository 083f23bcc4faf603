//! `agent register PATH|ID`, `agent token ID` and `agent credentials ID`: agents that somebody else runs.

use std::path::Path;

use host_component::Manifest;
use host_model::AgentId;
use host_wire::{
    Agent, AgentToken, Lifetime, MintCredentials, MintToken, MintedCredentials, MintedToken, RegisterAgent, Transport,
};

use super::{PATH, Session};
use crate::error::CliError;
use crate::inspect::read_manifest;
use crate::print;

/// What a folder's manifest is called.
const MANIFEST_NAME: &str = "bailiwick.toml";

/// What to do about an agent's tokens.
#[derive(Debug, clap::Args)]
pub(super) struct TokenArgs {
    /// How long the new token is valid: 90s, 10m, 2h, 30d; a minute to 366 days
    #[arg(long, value_name = "TIME", default_value = "30d", conflicts_with_all = ["list", "revoke"])]
    expires_in: Lifetime,
    /// List the tokens: what they are called and until when they are valid
    #[arg(long, conflicts_with = "revoke")]
    list: bool,
    /// End this one, as --list names it
    #[arg(long, value_name = "TOKEN-ID")]
    revoke: Option<String>,
}

pub(super) async fn run(session: &Session<'_>, what: &str) -> Result<(), CliError> {
    let manifest = manifest_of(what)?;
    let agent: Agent =
        session.client.post("/api/external-agents", &session.query(), &RegisterAgent { manifest }).await?;
    let next = |id: &str| format!("next: bailiwick agent token {id} --tenant {}", session.tenant);
    session.connection.output.document(&agent, |agent| agent.agent_id.clone())?;
    print::note(&next(&agent.agent_id));
    Ok(())
}

pub(super) async fn token(session: &Session<'_>, id: &AgentId, args: TokenArgs) -> Result<(), CliError> {
    let path = format!("{PATH}/{id}/tokens");
    match args {
        TokenArgs { list: true, .. } => list(session, &path).await,
        TokenArgs { revoke: Some(token), .. } => revoke(session, &path, &token).await,
        TokenArgs { expires_in, .. } => mint(session, id, &path, &expires_in).await,
    }
}

/// The token alone on standard output, so that a script can take it; what it is called beside it.
async fn mint(session: &Session<'_>, id: &AgentId, path: &str, expires_in: &Lifetime) -> Result<(), CliError> {
    let body = MintToken { expires_in: expires_in.to_string() };
    let minted: MintedToken = session.client.post(path, &session.query(), &body).await?;
    let MintedToken { token_id, expires_at, .. } = &minted;
    print::note(&format!(
        "token {token_id} for {}/{id}, valid until {expires_at}; it is not shown again",
        session.tenant
    ));
    session.connection.output.document(&minted, |minted| minted.token.clone())
}

/// The file alone on standard output; where it leads beside it.
pub(super) async fn credentials(
    session: &Session<'_>,
    id: &AgentId,
    expires_in: &Lifetime,
    transport: Transport,
) -> Result<(), CliError> {
    let body = MintCredentials { expires_in: expires_in.to_string(), transport };
    let path = format!("{PATH}/{id}/credentials");
    let minted: MintedCredentials = session.client.post(&path, &session.query(), &body).await?;
    let MintedCredentials { expires_at, publish, subscribe, inbox_prefix, .. } = &minted;
    print::note(&format!(
        "credentials for {}/{id}, valid until {expires_at}; they are not shown again",
        session.tenant
    ));
    print::note(&match transport {
        Transport::Nats => {
            format!("publish to {publish}, subscribe to {subscribe}.>, set the inbox prefix to {inbox_prefix}")
        }
        Transport::Mqtt => format!("publish to {publish}, subscribe to {subscribe}/+, both with QoS 0"),
    });
    session.connection.output.document(&minted, |minted| minted.credentials.clone())
}

async fn list(session: &Session<'_>, path: &str) -> Result<(), CliError> {
    let tokens: Vec<AgentToken> = session.client.list(path, &session.query()).await?;
    session.connection.output.document(&tokens, |tokens| {
        let row = |token: &AgentToken| [token.token_id.clone(), token.created_at.clone(), token.expires_at.clone()];
        print::table(["TOKEN", "CREATED", "EXPIRES"], tokens.iter().map(row))
    })
}

async fn revoke(session: &Session<'_>, path: &str, token: &str) -> Result<(), CliError> {
    session.client.delete(&format!("{path}/{token}"), &session.query()).await?;
    print::note(&format!("revoked token {token}"));
    Ok(())
}

/// A manifest, a folder with one, or an id that asks for nothing.
fn manifest_of(what: &str) -> Result<String, CliError> {
    let path = Path::new(what);
    if path.is_dir() || path.is_file() || what.contains(['.', '/']) {
        let path = if path.is_dir() { path.join(MANIFEST_NAME) } else { path.to_owned() };
        let (manifest, text) = read_manifest(&path)?;
        manifest.external().map_err(|cause| CliError::Manifest { path, cause })?;
        return Ok(text);
    }
    let id: AgentId = what.parse().map_err(|bad: host_model::BadId| CliError::Usage(bad.to_string()))?;
    Ok(Manifest::minimal_text(&id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_registered_by_its_manifest_or_its_id() {
        assert_eq!(manifest_of("meter").unwrap(), Manifest::minimal_text(&"meter".parse().unwrap()));
        let check = |what: &str, code: u8, problem: &str| {
            let error = manifest_of(what).unwrap_err();
            assert_eq!(error.exit_code(), code, "{error}");
            assert!(error.to_string().contains(problem), "{error}");
        };
        check("METER", 2, "'METER' is not an id");
        check("dlq", 2, "'dlq' is reserved");
        check("no/such/bailiwick.toml", 1, "cannot read no/such/bailiwick.toml");
        let deployed = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/echo");
        check(deployed, 1, "agent.component is of no use to an external agent");
    }
}
