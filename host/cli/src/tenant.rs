//! `tenant`: create and list tenants.

use clap::{Args, Subcommand};
use host_model::TenantId;
use host_wire::{CreateTenant, Tenant};

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
}

pub(crate) async fn run(args: TenantArgs) -> Result<(), CliError> {
    let TenantArgs { connection, verb } = args;
    match verb {
        TenantVerb::Create { id, name } => create(&connection, &id, name).await,
        TenantVerb::Policy(verb) => policy::run(&connection, verb).await,
        TenantVerb::List => list(&connection).await,
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
