//! `tenant`: create tenants, look at them, stop them, and say what they may use.

mod key;
mod quota;
mod secret;

use clap::{Args, Subcommand};
use host_model::TenantId;
use host_wire::{CreateTenant, Reason, Tenant, TenantDetails};

use crate::agent::confirm;
use crate::connect::Connection;
use crate::error::CliError;
use crate::policy::{self, PolicyVerb};
use crate::print;

const PATH: &str = "/api/tenants";

/// `tenant …`
#[derive(Debug, Args)]
pub struct TenantArgs {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    verb: TenantVerb,
}

#[derive(Debug, Subcommand)]
enum TenantVerb {
    /// Create a tenant
    #[command(after_help = "Example:\n  bailiwick tenant create acme --name 'Acme Inc.'")]
    Create {
        /// 1 to 40 of a-z, 0-9 and '-'; never given again
        id: TenantId,
        /// For people; the id if absent
        #[arg(long)]
        name: Option<String>,
    },
    /// Say what a tenant's agents may do at most
    #[command(subcommand)]
    Policy(PolicyVerb),
    /// List all tenants
    #[command(after_help = "Example:\n  bailiwick tenant list -o json")]
    List,
    /// Show a tenant: its state, its agents, and the quotas it has nearly used up
    #[command(after_help = "Example:\n  bailiwick tenant show acme")]
    Show {
        /// Which tenant
        id: TenantId,
    },
    /// Suspend a tenant: its agents finish what they have begun and stop, and no new work is taken
    #[command(after_help = "Example:\n  bailiwick tenant suspend acme --reason 'invoice overdue'")]
    Suspend {
        /// Which tenant
        id: TenantId,
        /// Why, in one line
        #[arg(long)]
        reason: Option<String>,
    },
    /// Resume a suspended or quarantined tenant, and start its agents that should be up
    #[command(after_help = "Example:\n  bailiwick tenant resume acme")]
    Resume {
        /// Which tenant
        id: TenantId,
    },
    /// Cut everything of a tenant off at once, and refuse everything for it until it is resumed
    #[command(after_help = "Example:\n  bailiwick tenant quarantine acme --reason 'mines coins'")]
    Quarantine {
        /// Which tenant
        id: TenantId,
        /// Why, in one line
        #[arg(long)]
        reason: Option<String>,
    },
    /// Delete a tenant and all it has; its id is never given again
    #[command(after_help = "Example:\n  bailiwick tenant delete acme --yes")]
    Delete {
        /// Which tenant
        id: TenantId,
        /// Do not ask
        #[arg(long, short = 'y')]
        yes: bool,
    },
    /// Show and set what a tenant may use
    #[command(subcommand)]
    Quota(quota::QuotaVerb),
    /// The keys that sign a tenant's messages where they leave the host
    Key(key::KeyArgs),
    /// What the host puts into calls for a tenant's agents
    Secret(secret::SecretArgs),
}

pub(crate) async fn run(args: TenantArgs) -> Result<(), CliError> {
    let TenantArgs { connection, verb } = args;
    match verb {
        TenantVerb::Create { id, name } => create(&connection, &id, name).await,
        TenantVerb::Policy(verb) => policy::run(&connection, verb).await,
        TenantVerb::List => list(&connection).await,
        TenantVerb::Show { id } => show(&connection, &id).await,
        TenantVerb::Suspend { id, reason } => stop(&connection, &id, "suspend", reason).await,
        TenantVerb::Resume { id } => resume(&connection, &id).await,
        TenantVerb::Quarantine { id, reason } => stop(&connection, &id, "quarantine", reason).await,
        TenantVerb::Delete { id, yes } => delete(&connection, &id, yes).await,
        TenantVerb::Quota(verb) => quota::run(&connection, verb).await,
        TenantVerb::Key(args) => key::run(&connection, args).await,
        TenantVerb::Secret(args) => secret::run(&connection, args).await,
    }
}

async fn create(connection: &Connection, id: &TenantId, name: Option<String>) -> Result<(), CliError> {
    let body = CreateTenant { tenant_id: id.to_string(), name };
    let tenant: Tenant = connection.client()?.post(PATH, &[], &body).await?;
    connection.output.document(&tenant, |tenant| format!("created tenant {} ({})", tenant.tenant_id, tenant.name))
}

async fn list(connection: &Connection) -> Result<(), CliError> {
    let tenants: Vec<Tenant> = connection.client()?.list(PATH, &[]).await?;
    connection.output.document(&tenants, |tenants| {
        let row = |tenant: &Tenant| {
            [tenant.tenant_id.clone(), tenant.name.clone(), tenant.state.to_string(), tenant.created_at.clone()]
        };
        print::table(["ID", "NAME", "STATE", "CREATED"], tenants.iter().map(row))
    })
}

async fn show(connection: &Connection, id: &TenantId) -> Result<(), CliError> {
    let tenant: TenantDetails = connection.client()?.get(&format!("{PATH}/{id}"), &[]).await?;
    connection.output.document(&tenant, details)
}

async fn stop(connection: &Connection, id: &TenantId, act: &str, reason: Option<String>) -> Result<(), CliError> {
    let tenant: TenantDetails =
        connection.client()?.post(&format!("{PATH}/{id}/{act}"), &[], &Reason { reason }).await?;
    connection.output.document(&tenant, details)
}

/// A tenant whose agents do not come up again was resumed all the same: `agent list` says which.
async fn resume(connection: &Connection, id: &TenantId) -> Result<(), CliError> {
    let tenant: TenantDetails = connection.client()?.act(&format!("{PATH}/{id}/resume"), &[]).await?;
    connection.output.document(&tenant, details)
}

async fn delete(connection: &Connection, id: &TenantId, yes: bool) -> Result<(), CliError> {
    if !yes {
        confirm(&format!("delete tenant {id} with all its agents and data, never to give this id again?"))?;
    }
    connection.client()?.delete(&format!("{PATH}/{id}"), &[]).await?;
    print::note(&format!("deleted tenant {id}"));
    Ok(())
}

fn details(details: &TenantDetails) -> String {
    let TenantDetails { tenant, agents, ready, quotas } = details;
    let why = match (&tenant.reason, &tenant.since) {
        (Some(reason), Some(since)) => format!(": {reason} (since {since})"),
        _ => String::new(),
    };
    let facts = print::facts(&[
        ("tenant", tenant.tenant_id.clone()),
        ("name", tenant.name.clone()),
        ("created", tenant.created_at.clone()),
        ("state", format!("{}{why}", tenant.state)),
        ("agents", format!("{agents}, {ready} ready")),
        ("quotas", if quotas.is_empty() { "none at 80 % or more".to_owned() } else { "at 80 % or more:".to_owned() }),
    ]);
    if quotas.is_empty() { facts } else { format!("{facts}\n{}", quota::table(quotas)) }
}

#[cfg(test)]
mod tests {
    use host_wire::{QuotaLine, QuotaState, TenantState};

    use super::*;

    fn shown(state: TenantState, quotas: Vec<QuotaLine>) -> String {
        let stopped = state != TenantState::Active;
        let tenant = Tenant {
            tenant_id: "acme".into(),
            name: "Acme".into(),
            state,
            reason: stopped.then(|| "mines".into()),
            since: stopped.then(|| "then".into()),
            created_at: "before".into(),
        };
        details(&TenantDetails { tenant, agents: 3, ready: 2, quotas })
    }

    #[test]
    fn a_tenant_shows_why_it_is_stopped_and_which_quotas_are_pressing() {
        let text = shown(TenantState::Active, Vec::new());
        assert!(text.contains("state    active\nagents   3, 2 ready\nquotas   none at 80 % or more"), "{text}");
        let memory = QuotaLine {
            name: "memory".into(),
            limit: 1 << 20,
            bytes: true,
            set: true,
            in_use: Some(1 << 20),
            state: QuotaState::Exceeded,
            resets_at: None,
        };
        let text = shown(TenantState::Quarantined, vec![memory]);
        assert!(text.contains("state    quarantined: mines (since then)"), "{text}");
        assert!(text.contains("memory  1MiB   1MiB    quota-exceeded  -       operator"), "{text}");
    }
}
