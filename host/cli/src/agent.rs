//! `agent`: deploy agents, watch them, talk to them.

mod deploy;
mod logs;
mod register;
mod send;
mod show;

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use host_model::{AgentId, TenantId};
use host_wire::{Agent, AgentState, DecideVersion, Lifetime, Reason, Transport};

use crate::client::Client;
use crate::connect::{Connection, InTenant};
use crate::data::MessageArgs;
use crate::error::CliError;
use crate::print;

const PATH: &str = "/api/agents";

/// `agent …`
#[derive(Debug, Args)]
pub struct AgentArgs {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    tenant: InTenant,
    #[command(subcommand)]
    verb: AgentVerb,
}

#[derive(Debug, Subcommand)]
enum AgentVerb {
    /// Deploy an agent, or a new revision of one, and start it
    #[command(
        after_help = "Examples:\n  bailiwick agent deploy examples/echo/bailiwick.toml --tenant acme\n  bailiwick agent deploy echo.wasm --tenant acme --no-start"
    )]
    Deploy {
        /// A manifest (its component lies relative to it), a folder with a bailiwick.toml, or a component that needs no grant
        path: PathBuf,
        /// Leave it stopped
        #[arg(long)]
        no_start: bool,
    },
    /// Register an agent that somebody else runs, or a new revision of one, and print its id
    #[command(
        after_help = "Examples:\n  bailiwick agent register meter --tenant acme\n  bailiwick agent register meters/bailiwick.toml --tenant acme"
    )]
    Register {
        /// A manifest without a component, a folder with one (bailiwick.toml), or an id: then it may receive and nothing else
        #[arg(value_name = "PATH|ID")]
        what: String,
    },
    /// Mint a token for an external agent and print it, this once; list or revoke its tokens
    #[command(
        after_help = "Examples:\n  bailiwick agent token meter --tenant acme --expires-in 30d > meter.token\n  bailiwick agent token meter --tenant acme --list\n  bailiwick agent token meter --tenant acme --revoke 4be0643f1d98573b"
    )]
    Token {
        /// For which agent
        id: AgentId,
        #[command(flatten)]
        token: register::TokenArgs,
    },
    /// Mint credentials for NATS for an external agent and print them, this once; the host must run with --nats-accounts
    #[command(
        after_help = "Example:\n  bailiwick agent credentials meter --tenant acme > meter.creds\n\nWith them the agent publishes what POST /api/messages takes, and receives what is its own: how, is told beside."
    )]
    Credentials {
        /// For which agent
        id: AgentId,
        /// How long they are valid: 90s, 10m; one minute to fifteen
        #[arg(long, value_name = "TIME", default_value = "15m")]
        expires_in: Lifetime,
        /// Print a password for MQTT instead, with which any user name will do
        #[arg(long)]
        mqtt: bool,
    },
    /// List a tenant's agents
    #[command(after_help = "Example:\n  bailiwick agent list --tenant acme")]
    List,
    /// Show an agent: its state, the step its start reached, its limits, what it did
    #[command(after_help = "Example:\n  bailiwick agent show echo --tenant acme -o yaml")]
    Show {
        /// Which agent
        id: AgentId,
    },
    /// Start an agent
    #[command(after_help = "Example:\n  bailiwick agent start echo --tenant acme")]
    Start {
        /// Which agent
        id: AgentId,
    },
    /// Stop an agent: it finishes what it has begun
    #[command(after_help = "Example:\n  bailiwick agent stop echo --tenant acme")]
    Stop {
        /// Which agent
        id: AgentId,
    },
    /// Stop an agent and start it again
    #[command(after_help = "Example:\n  bailiwick agent restart echo --tenant acme")]
    Restart {
        /// Which agent
        id: AgentId,
    },
    /// Approve a version that asks for more than the one before it: it is deployed as it was looked at
    #[command(after_help = "Example:\n  bailiwick agent approve echo 1.1.0 --tenant acme")]
    Approve {
        /// Which agent
        id: AgentId,
        #[command(flatten)]
        decide: DecideArgs,
    },
    /// Reject a version that asks for more than the one before it
    #[command(after_help = "Example:\n  bailiwick agent reject echo 1.1.0 --tenant acme")]
    Reject {
        /// Which agent
        id: AgentId,
        #[command(flatten)]
        decide: DecideArgs,
    },
    /// Cut an agent off at once, drop what waits for it, and refuse to start it until it is released
    #[command(after_help = "Example:\n  bailiwick agent quarantine echo --tenant acme --reason 'mines coins'")]
    Quarantine {
        /// Which agent
        id: AgentId,
        /// Why, in one line
        #[arg(long)]
        reason: Option<String>,
    },
    /// Release an agent from quarantine; it stays stopped until it is started
    #[command(after_help = "Example:\n  bailiwick agent release echo --tenant acme")]
    Release {
        /// Which agent
        id: AgentId,
    },
    /// Delete an agent; its id is never given again
    #[command(after_help = "Example:\n  bailiwick agent delete echo --tenant acme --yes")]
    Delete {
        /// Which agent
        id: AgentId,
        /// Do not ask
        #[arg(long, short = 'y')]
        yes: bool,
    },
    /// Send a message to an agent, and wait for its answer if asked to
    #[command(
        after_help = "Example:\n  bailiwick agent send echo --tenant acme --type greeting --data '{\"text\":\"hello\"}' --wait"
    )]
    Send {
        /// To which agent
        id: AgentId,
        #[command(flatten)]
        message: MessageArgs,
        /// Wait so long for the answer, 1 to 60; 10 if no number is given
        #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "10", value_parser = clap::value_parser!(u64).range(1..=60))]
        wait: Option<u64>,
    },
    /// Show what an agent logged
    #[command(after_help = "Example:\n  bailiwick agent logs echo --tenant acme --since 10m --level warn -f")]
    Logs {
        /// Of which agent
        id: AgentId,
        #[command(flatten)]
        logs: logs::LogsArgs,
    },
    /// Give a resident agent a command and print its answer
    #[command(after_help = "Example:\n  bailiwick agent command counter reset --tenant acme --data '{\"to\":0}'")]
    Command {
        /// Which agent
        id: AgentId,
        /// What the agent calls it
        name: String,
        /// Any JSON, or @FILE, or @- for standard input
        #[arg(long, value_name = "JSON|@FILE|@-", default_value = "null")]
        data: String,
    },
}

/// Which version is decided on.
#[derive(Debug, Args)]
struct DecideArgs {
    /// The version that waits, or the revision it will be
    version: String,
    /// Its component, as `agent show` tells it: another one is refused
    #[arg(long, value_name = "sha256:HEX")]
    digest: Option<String>,
    /// The digest of its manifest, as `agent show` tells it: another one is refused
    #[arg(long, value_name = "sha256:HEX")]
    manifest_digest: Option<String>,
}

/// One client, in one tenant, printing in one format.
pub(super) struct Session<'a> {
    client: Client,
    connection: &'a Connection,
    tenant: &'a TenantId,
}

pub(crate) async fn run(args: AgentArgs) -> Result<(), CliError> {
    let AgentArgs { connection, tenant, verb } = args;
    let session = Session { client: connection.client()?, connection: &connection, tenant: tenant.named()? };
    match verb {
        AgentVerb::Deploy { path, no_start } => deploy::run(&session, &path, !no_start).await,
        AgentVerb::Register { what } => register::run(&session, &what).await,
        AgentVerb::Token { id, token } => register::token(&session, &id, token).await,
        AgentVerb::Credentials { id, expires_in, mqtt } => {
            let transport = if mqtt { Transport::Mqtt } else { Transport::Nats };
            register::credentials(&session, &id, &expires_in, transport).await
        }
        AgentVerb::List => show::list(&session).await,
        AgentVerb::Show { id } => show::one(&session, &id).await,
        AgentVerb::Start { id } => session.steer(&id, "start").await,
        AgentVerb::Stop { id } => session.steer(&id, "stop").await,
        AgentVerb::Restart { id } => session.steer(&id, "restart").await,
        AgentVerb::Approve { id, decide } => session.decide(&id, "approve", decide).await,
        AgentVerb::Reject { id, decide } => session.decide(&id, "reject", decide).await,
        AgentVerb::Quarantine { id, reason } => session.quarantine(&id, reason).await,
        AgentVerb::Release { id } => session.release(&id).await,
        AgentVerb::Delete { id, yes } => session.delete(&id, yes).await,
        AgentVerb::Send { id, message, wait } => send::message(&session, &id, message, wait).await,
        AgentVerb::Logs { id, logs } => logs::run(&session, &id, logs).await,
        AgentVerb::Command { id, name, data } => send::command(&session, &id, name, &data).await,
    }
}

impl Session<'_> {
    /// What is put after `?` of every request about this tenant's agents.
    fn query(&self) -> [(&'static str, String); 1] {
        [("tenant", self.tenant.to_string())]
    }

    async fn steer(&self, id: &AgentId, act: &str) -> Result<(), CliError> {
        let agent: Agent = self.client.act(&format!("{PATH}/{id}/{act}"), &self.query()).await?;
        self.connection.output.document(&agent, show::progress)?;
        check_up(&agent)
    }

    async fn decide(&self, id: &AgentId, act: &str, decide: DecideArgs) -> Result<(), CliError> {
        let path = format!("{PATH}/{id}/{act}");
        let DecideArgs { version, digest, manifest_digest } = decide;
        let body = DecideVersion { version, digest, manifest_digest };
        let agent: Agent = self.client.post(&path, &self.query(), &body).await?;
        self.connection.output.document(&agent, show::progress)?;
        check_up(&agent)
    }

    async fn quarantine(&self, id: &AgentId, reason: Option<String>) -> Result<(), CliError> {
        let path = format!("{PATH}/{id}/quarantine");
        let agent: Agent = self.client.post(&path, &self.query(), &Reason { reason }).await?;
        self.connection.output.document(&agent, show::held)
    }

    async fn release(&self, id: &AgentId) -> Result<(), CliError> {
        let agent: Agent = self.client.act(&format!("{PATH}/{id}/release"), &self.query()).await?;
        self.connection.output.document(&agent, show::held)
    }

    async fn delete(&self, id: &AgentId, yes: bool) -> Result<(), CliError> {
        if !yes {
            confirm(&format!("delete {}/{id}, never to give this id again?", self.tenant))?;
        }
        self.client.delete(&format!("{PATH}/{id}"), &self.query()).await?;
        print::note(&format!("deleted {}/{id}", self.tenant));
        Ok(())
    }
}

/// An agent that should be up and is not is a failure, whatever else went well.
fn check_up(agent: &Agent) -> Result<(), CliError> {
    if !matches!(agent.state, AgentState::Failed | AgentState::BackingOff) {
        return Ok(());
    }
    let Agent { tenant_id, agent_id, step, .. } = agent;
    let reason = agent.reason.as_deref().unwrap_or("no reason given");
    let next = format!("see `bailiwick agent logs {agent_id} --tenant {tenant_id}`");
    Err(CliError::Unmet(format!("{tenant_id}/{agent_id} is not up, after step '{step}': {reason}: {next}")))
}

/// Asks on a terminal; elsewhere nobody could answer.
pub(crate) fn confirm(question: &str) -> Result<(), CliError> {
    if !io::stdin().is_terminal() {
        return Err(CliError::Usage("nobody to ask here: add --yes to delete without asking".to_owned()));
    }
    let mut ask = io::stderr().lock();
    write!(ask, "{question} [y/N] ").and_then(|()| ask.flush())?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    let yes = matches!(answer.trim(), "y" | "Y" | "yes");
    if yes { Ok(()) } else { Err(CliError::Unmet("not deleted: you did not say yes".to_owned())) }
}
