//! `tenant`: create and list tenants, and what belongs to one.

mod key;
mod secret;

use clap::{Args, Subcommand};
use host_model::TenantId;
use host_wire::{CreateTenant, Tenant};

use crate::connect::Connection;
use crate::error::CliError;
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
    /// List all tenants
    #[command(after_help = "Example:\n  bailiwick tenant list -o json")]
    List,
    /// The keys that sign a tenant's messages where they leave the host
    Key(key::KeyArgs),
    /// What the host puts into calls for a tenant's agents
    Secret(secret::SecretArgs),
}

pub(crate) async fn run(args: TenantArgs) -> Result<(), CliError> {
    let TenantArgs { connection, verb } = args;
    match verb {
        TenantVerb::Create { id, name } => create(&connection, &id, name).await,
        TenantVerb::List => list(&connection).await,
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
        let row = |tenant: &Tenant| [tenant.tenant_id.clone(), tenant.name.clone(), tenant.created_at.clone()];
        print::table(["ID", "NAME", "CREATED"], tenants.iter().map(row))
    })
}
