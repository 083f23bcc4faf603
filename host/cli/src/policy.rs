//! `tenant policy` and `explain`: what a tenant's agents may do, and why.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use host_component::PolicyDocument;
use host_model::{AgentId, TenantId};
use host_wire::{Explanation, Key, Policy, SetPolicy};

use crate::connect::{Connection, InTenant};
use crate::error::CliError;
use crate::inspect::read_policy;
use crate::json::laid_out;
use crate::print;

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyVerb {
    /// Put a policy in force: what no rule of it allows is denied
    #[command(
        after_help = "Examples:\n  bailiwick tenant policy set acme policy.toml\n  bailiwick tenant policy set acme policy.toml --shadow"
    )]
    Set {
        /// Whose
        id: TenantId,
        /// The policy, as TOML; `bailiwick tenant policy schema` describes it
        file: PathBuf,
        /// Try it beside the one in force: deny nothing by it, count what it would deny
        #[arg(long)]
        shadow: bool,
    },
    /// Show the policy in force, or the one that is tried and what it would have denied
    #[command(after_help = "Example:\n  bailiwick tenant policy show acme --shadow")]
    Show {
        /// Whose
        id: TenantId,
        /// The one that is tried
        #[arg(long)]
        shadow: bool,
    },
    /// End the trial of a policy
    #[command(after_help = "Example:\n  bailiwick tenant policy drop-shadow acme")]
    DropShadow {
        /// Whose
        id: TenantId,
    },
    /// Print the JSON Schema of policies; needs no host
    #[command(after_help = "Example:\n  bailiwick tenant policy schema")]
    Schema,
}

pub(crate) async fn run(connection: &Connection, verb: PolicyVerb) -> Result<(), CliError> {
    match verb {
        PolicyVerb::Set { id, file, shadow } => set(connection, &id, &file, shadow).await,
        PolicyVerb::Show { id, shadow } => show(connection, &id, shadow).await,
        PolicyVerb::DropShadow { id } => drop_shadow(connection, &id).await,
        PolicyVerb::Schema => print::write(&(laid_out(&PolicyDocument::schema().to_string()) + "\n")),
    }
}

/// Read here first, so that what is off is told with its line before anything is sent.
async fn set(connection: &Connection, id: &TenantId, file: &Path, shadow: bool) -> Result<(), CliError> {
    let (document, text) = read_policy(file)?;
    for warning in &document.warnings {
        print::note(&format!("warning: {warning}"));
    }
    let policy: Policy = connection.client()?.put_json(&path(id), &SetPolicy { policy: text, shadow }).await?;
    connection.output.document(&policy, headline)
}

async fn show(connection: &Connection, id: &TenantId, shadow: bool) -> Result<(), CliError> {
    let policy: Policy = connection.client()?.get(&path(id), &[("shadow", shadow.to_string())]).await?;
    connection.output.document(&policy, whole)
}

async fn drop_shadow(connection: &Connection, id: &TenantId) -> Result<(), CliError> {
    connection.client()?.delete(&path(id), &[]).await?;
    print::note(&format!("no policy is tried in {id} any more"));
    Ok(())
}

fn path(id: &TenantId) -> String {
    format!("/api/tenants/{id}/policy")
}

fn headline(policy: &Policy) -> String {
    let Policy { tenant_id, version, since, .. } = policy;
    let since = since.as_deref().unwrap_or("the beginning");
    match version {
        Some(0) => format!("policy of {tenant_id}: the one every tenant starts with"),
        Some(version) => format!("policy of {tenant_id}: version {version}, in force since {since}"),
        None => format!("policy of {tenant_id}: tried, nothing is denied by it, counts since {since}"),
    }
}

fn whole(policy: &Policy) -> String {
    let mut text = format!("# {}\n{}", headline(policy), policy.policy.trim_end());
    if policy.version.is_none() {
        let denied = policy
            .would_deny
            .iter()
            .map(|kind| [kind.agent_id.clone(), kind.verb.clone(), kind.target.clone(), kind.count.to_string()]);
        text = format!("{text}\n\n{}", print::table(["AGENT", "WOULD BE DENIED", "TARGET", "TIMES"], denied));
    }
    if policy.would_deny_more > 0 {
        text = format!("{text}\nand {} times something else", policy.would_deny_more);
    }
    text
}

/// `explain AGENT VERB [TARGET]`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bailiwick explain echo publish incident.created --tenant acme\n  bailiwick explain echo http api.example.com --tenant acme"
)]
pub struct ExplainArgs {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    tenant: InTenant,
    /// Of which agent
    agent: AgentId,
    /// publish, subscribe, send, request, take, discover, state, storage, leases, http or secret
    verb: String,
    /// Which topic, agent, host or name
    #[arg(default_value = "", hide_default_value = true)]
    target: String,
}

pub(crate) async fn explain(args: ExplainArgs) -> Result<(), CliError> {
    let ExplainArgs { connection, tenant, agent, verb, target } = args;
    let query =
        [("tenant", tenant.named()?.to_string()), ("agent", agent.to_string()), ("verb", verb), ("target", target)];
    let explanation: Explanation = connection.client()?.get("/api/explain", &query).await?;
    connection.output.document(&explanation, |explanation| {
        let row = |key: &Key| {
            let turns = if key.allows { "allows" } else { "denies" };
            [key.owner.clone(), turns.to_owned(), key.document.clone(), key.rule.clone()]
        };
        let keys = print::table(["KEY", "SAYS", "DOCUMENT", "RULE"], explanation.keys.iter().map(row));
        format!("{}\n\n{keys}", explanation.decision)
    })
}
