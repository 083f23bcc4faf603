//! `usage`: what tenants used.

use clap::Args;
use host_model::TenantId;
use host_wire::Usage;

use crate::connect::Connection;
use crate::error::CliError;
use crate::print;

/// `usage`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bailiwick usage --tenant acme -o json")]
pub struct UsageArgs {
    #[command(flatten)]
    connection: Connection,
    /// This tenant's; all tenants' without it
    #[arg(long, env = "BAILIWICK_TENANT", hide_env_values = true)]
    tenant: Option<TenantId>,
}

pub(crate) async fn run(args: UsageArgs) -> Result<(), CliError> {
    let UsageArgs { connection, tenant } = args;
    let query: Vec<_> = tenant.into_iter().map(|tenant| ("tenant", tenant.to_string())).collect();
    let usages: Vec<Usage> = connection.client()?.list("/api/usage", &query).await?;
    connection.output.document(&usages, |usages| {
        let header = ["TENANT", "HANDLED", "FAILED", "PUBLISHED", "REQUESTED", "REFUSED", "DROPPED", "FUEL", "SECONDS"];
        print::table(header, usages.iter().map(row))
    })
}

fn row(usage: &Usage) -> [String; 9] {
    let counts =
        [usage.handled, usage.failed, usage.published, usage.requested, usage.refused, usage.dropped, usage.fuel];
    let [handled, failed, published, requested, refused, dropped, fuel] = counts.map(|count| count.to_string());
    let seconds = format!("{}.{:03}", usage.handle_micros / 1_000_000, usage.handle_micros / 1_000 % 1_000);
    [usage.tenant_id.clone(), handled, failed, published, requested, refused, dropped, fuel, seconds]
}
