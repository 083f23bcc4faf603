//! `group`: agents that share settings and leases.

use clap::{Args, Subcommand};
use host_model::{GroupId, TenantId};
use host_wire::{Group, SetGroup};

use crate::connect::{Connection, InTenant};
use crate::error::CliError;
use crate::print;

/// `group …`
#[derive(Debug, Args)]
pub struct GroupArgs {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    tenant: InTenant,
    #[command(subcommand)]
    verb: GroupVerb,
}

#[derive(Debug, Subcommand)]
enum GroupVerb {
    /// Set what the members of a group share, in place of all that was; a member reads it from its next start on
    #[command(
        after_help = "Examples:\n  bailiwick group set search model=small depth=3 --tenant acme\n  bailiwick group set search --tenant acme"
    )]
    Set {
        /// Which one
        group: GroupId,
        /// NAME=VALUE; none ends what was set
        #[arg(value_name = "NAME=VALUE", value_parser = parse_setting)]
        settings: Vec<(String, String)>,
    },
    /// Show a group: its settings, its members, who leads it
    #[command(after_help = "Example:\n  bailiwick group show search --tenant acme")]
    Show {
        /// Which one
        group: GroupId,
    },
    /// List the groups of a tenant
    #[command(after_help = "Example:\n  bailiwick group list --tenant acme -o json")]
    List,
}

pub(crate) async fn run(args: GroupArgs) -> Result<(), CliError> {
    let GroupArgs { connection, tenant, verb } = args;
    let tenant = tenant.named()?;
    match verb {
        GroupVerb::Set { group, settings } => set(&connection, tenant, &group, settings).await,
        GroupVerb::Show { group } => show(&connection, tenant, &group).await,
        GroupVerb::List => list(&connection, tenant).await,
    }
}

async fn set(
    connection: &Connection,
    tenant: &TenantId,
    group: &GroupId,
    settings: Vec<(String, String)>,
) -> Result<(), CliError> {
    let body = SetGroup { settings: settings.into_iter().collect() };
    let group: Group = connection.client()?.put_json(&format!("{}/{group}", path(tenant)), &body).await?;
    connection.output.document(&group, whole)
}

async fn show(connection: &Connection, tenant: &TenantId, group: &GroupId) -> Result<(), CliError> {
    let group: Group = connection.client()?.get(&format!("{}/{group}", path(tenant)), &[]).await?;
    connection.output.document(&group, whole)
}

async fn list(connection: &Connection, tenant: &TenantId) -> Result<(), CliError> {
    let groups: Vec<Group> = connection.client()?.list(&path(tenant), &[]).await?;
    connection.output.document(&groups, |groups| {
        let row =
            |group: &Group| [group.group_id.clone(), members(group), leader(group), group.settings.len().to_string()];
        print::table(["GROUP", "MEMBERS", "LEADER", "SETTINGS"], groups.iter().map(row))
    })
}

fn whole(group: &Group) -> String {
    let settings =
        print::table(["SETTING", "VALUE"], group.settings.iter().map(|(name, value)| [name.clone(), value.clone()]));
    format!("{}: members {}, leader {}\n\n{settings}", group.group_id, members(group), leader(group))
}

fn members(group: &Group) -> String {
    if group.members.is_empty() { "-".to_owned() } else { group.members.join(", ") }
}

fn leader(group: &Group) -> String {
    group
        .leader
        .as_ref()
        .map_or_else(|| "-".to_owned(), |leader| format!("{} (token {})", leader.agent_id, leader.token))
}

fn path(tenant: &TenantId) -> String {
    format!("/api/tenants/{tenant}/groups")
}

fn parse_setting(raw: &str) -> Result<(String, String), String> {
    let (name, value) =
        raw.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or("use NAME=VALUE, as in model=small")?;
    Ok((name.to_owned(), value.to_owned()))
}
