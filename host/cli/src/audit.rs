//! `audit`: what happened, and whether its record still holds.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use host_ledger::{LedgerError, SealKey, verify_files};
use host_model::TenantId;
use host_wire::{AuditCheck, AuditRecord, AuditSummary, Page, Since};

use crate::connect::Connection;
use crate::error::CliError;
use crate::print;

const PATH: &str = "/api/audit";

/// `audit …`
#[derive(Debug, Args)]
pub struct AuditArgs {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    verb: AuditVerb,
}

#[derive(Debug, Subcommand)]
enum AuditVerb {
    /// List what happened, oldest first
    #[command(after_help = "Example:\n  bailiwick audit list --tenant acme --decision denied --since 1h")]
    List(ListArgs),
    /// Check that no record was changed, removed, moved or added
    #[command(
        after_help = "Example:\n  bailiwick audit verify\n  bailiwick audit verify --data ./data\n\nExits with 1 when the audit does \
        not hold, and names the first record that does not."
    )]
    Verify {
        /// Read the files of this data directory; needs no host
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Of this tenant
    #[arg(long, env = "BAILIWICK_TENANT", hide_env_values = true)]
    tenant: Option<TenantId>,
    /// From when on: so long ago (90s, 10m, 2h, 7d), or a time as in RFC 3339
    #[arg(long, value_parser = since)]
    since: Option<String>,
    /// With this action (agent.deploy), or with any below it (agent)
    #[arg(long)]
    action: Option<String>,
    /// With this decision
    #[arg(long, value_parser = ["allowed", "denied", "done", "failed"])]
    decision: Option<String>,
    /// The last so many records [default: 100]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    limit: Option<u64>,
}

pub(crate) async fn run(args: AuditArgs) -> Result<(), CliError> {
    let AuditArgs { connection, verb } = args;
    match verb {
        AuditVerb::List(args) => list(&connection, args).await,
        AuditVerb::Verify { data: None } => {
            let check = connection.client()?.get(&format!("{PATH}/verify"), &[]).await?;
            tell(&connection, check)
        }
        AuditVerb::Verify { data: Some(data) } => tell(&connection, check_files(&data)?),
    }
}

async fn list(connection: &Connection, args: ListArgs) -> Result<(), CliError> {
    let page: Page<AuditRecord> = connection.client()?.get(PATH, &args.query()).await?;
    connection.output.document(&page.items, |records| {
        let header = ["RECORD", "AT", "TENANT", "ACTOR", "ACTION", "TARGET", "DECISION", "CODE", "COUNT"];
        print::table(header, records.iter().map(row))
    })
}

impl ListArgs {
    fn query(self) -> Vec<(&'static str, String)> {
        let given = [
            ("tenant", self.tenant.map(String::from)),
            ("since", self.since),
            ("action", self.action),
            ("decision", self.decision),
            ("limit", self.limit.map(|limit| limit.to_string())),
        ];
        given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

fn row(record: &AuditRecord) -> [String; 9] {
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    [
        record.seq.to_string(),
        record.at.clone(),
        or_dash(&record.tenant_id),
        record.actor.clone(),
        record.action.clone(),
        or_dash(&record.target),
        record.decision.as_str().to_owned(),
        or_dash(&record.code),
        record.count.to_string(),
    ]
}

/// Prints what holds; what does not is the error.
fn tell(connection: &Connection, check: AuditCheck) -> Result<(), CliError> {
    match (check.holds, check.broken) {
        (Some(summary), _) => connection.output.document(&summary, report),
        (None, Some(broken)) => Err(CliError::Unmet(format!(
            "the audit does not hold: {}; keep the directory as evidence, and see docs/operate.md",
            broken.message
        ))),
        (None, None) => {
            Err(CliError::Unmet("the host did not say whether the audit holds: use its own version".to_owned()))
        }
    }
}

fn report(summary: &AuditSummary) -> String {
    let AuditSummary { records, files, hash, unsealed, torn_bytes } = summary;
    let in_files = if *files == 1 { "1 file".to_owned() } else { format!("{files} files") };
    let mut lines = vec![format!("the audit holds: {records} records in {in_files}, the last with hash {hash}")];
    if *unsealed > 0 {
        lines.push(format!(
            "{unsealed} records stand after the sealed head: written as a host was killed, or added since"
        ));
    }
    if *torn_bytes > 0 {
        lines.push(format!("{torn_bytes} bytes of a record that is not whole follow: the next start cuts them off"));
    }
    lines.join("\n")
}

/// What a host would say of these files.
fn check_files(data: &Path) -> Result<AuditCheck, CliError> {
    let (key, dir) = (data.join("audit.key"), data.join("audit"));
    let bytes = fs::read(&key).map_err(|cause| CliError::File { path: key.clone(), cause })?;
    let bytes: [u8; 32] = bytes
        .try_into()
        .map_err(|_| CliError::Unmet(format!("{} does not hold 32 bytes: restore it from a backup", key.display())))?;
    // The head is read first: what a host writes meanwhile is after it.
    let sealed = SealKey(bytes).open_file(&dir.join("head")).map_err(unreadable)?;
    Ok(match verify_files(&dir, sealed, None).map_err(unreadable)? {
        Ok(summary) => AuditCheck {
            holds: Some(AuditSummary {
                records: summary.records,
                files: summary.files,
                hash: summary.hash.to_string(),
                unsealed: summary.unsealed,
                torn_bytes: summary.torn_bytes,
            }),
            broken: None,
        },
        Err(broken) => AuditCheck {
            holds: None,
            broken: Some(host_wire::AuditBreak {
                message: broken.to_string(),
                file: broken.file,
                line: broken.line,
                seq: broken.seq,
            }),
        },
    })
}

fn unreadable(error: LedgerError) -> CliError {
    match error {
        LedgerError::File { path, source, .. } => CliError::File { path, cause: source },
        error => CliError::Unmet(error.to_string()),
    }
}

/// Sent as it was written: "ten minutes ago" is for the host's clock to say.
fn since(raw: &str) -> Result<String, host_wire::BadSince> {
    raw.parse::<Since>().map(|_| raw.to_owned())
}
