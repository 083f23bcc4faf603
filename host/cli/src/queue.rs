//! `queue list` and `dlq`: what waits, and what was given up.

use clap::{Args, Subcommand};
use host_model::{DeathCause, Queue, TenantId};
use host_wire::{
    DeadLetter, DeadLetterDetails, PurgeLetters, Purged, QueueLine, Reason, Receipt, ReplayLetters, Replayed,
};

use crate::agent::confirm;
use crate::connect::{Connection, InTenant};
use crate::error::CliError;
use crate::{message, print};

const DLQ: &str = "/api/dlq";

/// `queue …`
#[derive(Debug, Args)]
pub struct QueueArgs {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    tenant: InTenant,
    #[command(subcommand)]
    verb: QueueVerb,
}

#[derive(Debug, Subcommand)]
enum QueueVerb {
    /// List a tenant's queues: what waits in each, who receives from it, and the dead letters
    #[command(after_help = "Example:\n  bailiwick queue list --tenant acme")]
    List,
}

/// `dlq …`
#[derive(Debug, Args)]
pub struct DlqArgs {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    tenant: InTenant,
    #[command(subcommand)]
    verb: DlqVerb,
}

#[derive(Debug, Subcommand)]
enum DlqVerb {
    /// List a tenant's dead letters, oldest first, without what they say
    #[command(after_help = "Example:\n  bailiwick dlq list --tenant acme")]
    List,
    /// Show a dead letter: why it was given up, and the length and digest of what it says
    #[command(
        after_help = "Examples:\n  bailiwick dlq show 17 --tenant acme\n  bailiwick dlq show 17 --tenant acme --payload --reason 'ticket 4711'"
    )]
    Show {
        /// Which letter
        id: u64,
        /// Show what it says; needs a reason
        #[arg(long, requires = "reason")]
        payload: bool,
        /// Why it is looked at: recorded in the audit
        #[arg(long, requires = "payload")]
        reason: Option<String>,
    },
    /// Send a dead letter again, or many: as their senders, with what those may do now
    #[command(
        after_help = "Examples:\n  bailiwick dlq replay 17 --tenant acme --reason 'fixed in 1.2'\n  bailiwick dlq replay --all --tenant acme\n  bailiwick dlq replay --queue echo --cause trap --tenant acme"
    )]
    Replay {
        /// Which letter
        #[arg(required_unless_present_any = ["all", "cause", "queue"], conflicts_with_all = ["all", "cause", "queue"])]
        id: Option<u64>,
        /// All that were not sent again before
        #[arg(long)]
        all: bool,
        /// Those that were given up for this
        #[arg(long, conflicts_with = "all")]
        cause: Option<DeathCause>,
        /// Those that waited in this queue
        #[arg(long, conflicts_with = "all")]
        queue: Option<Queue>,
        /// Why, in one line
        #[arg(long)]
        reason: Option<String>,
    },
    /// Delete a dead letter, or many
    #[command(
        after_help = "Examples:\n  bailiwick dlq purge 17 --tenant acme --yes\n  bailiwick dlq purge --until 7d --tenant acme --yes\n  bailiwick dlq purge --all --tenant acme --yes --reason 'load test'"
    )]
    Purge {
        /// Which letter
        #[arg(required_unless_present_any = ["all", "until"], conflicts_with_all = ["all", "until", "reason"])]
        id: Option<u64>,
        /// All
        #[arg(long)]
        all: bool,
        /// Those given up until then: a time as in RFC 3339, or how long ago (7d)
        #[arg(long, value_name = "WHEN", conflicts_with = "all")]
        until: Option<String>,
        /// Why, in one line
        #[arg(long)]
        reason: Option<String>,
        /// Do not ask
        #[arg(long, short = 'y')]
        yes: bool,
    },
}

pub(crate) async fn run(args: QueueArgs) -> Result<(), CliError> {
    let QueueArgs { connection, tenant, verb: QueueVerb::List } = args;
    let queues: Vec<QueueLine> = connection.client()?.list("/api/queues", &query(tenant.named()?)).await?;
    connection.output.document(&queues, |queues| {
        print::table(
            ["QUEUE", "ADDRESS", "MESSAGES", "BYTES", "IN FLIGHT", "QUARANTINED", "OLDEST", "CONSUMERS"],
            queues.iter().map(row),
        )
    })
}

pub(crate) async fn dlq(args: DlqArgs) -> Result<(), CliError> {
    let DlqArgs { connection, tenant, verb } = args;
    let tenant = tenant.named()?;
    match verb {
        DlqVerb::List => list(&connection, tenant).await,
        DlqVerb::Show { id, payload: _, reason } => show(&connection, tenant, id, reason).await,
        DlqVerb::Replay { id: Some(id), reason, .. } => replay(&connection, tenant, id, reason).await,
        DlqVerb::Replay { id: None, all: _, cause, queue, reason } => {
            let cause = cause.map(|cause| cause.as_str().to_owned());
            let body = ReplayLetters { cause, queue: queue.map(|queue| queue.to_string()), reason };
            replay_many(&connection, tenant, body).await
        }
        DlqVerb::Purge { id: Some(id), yes, .. } => purge(&connection, tenant, id, yes).await,
        DlqVerb::Purge { id: None, all, until, reason, yes } => {
            purge_many(&connection, tenant, PurgeLetters { until, all, reason }, yes).await
        }
    }
}

async fn list(connection: &Connection, tenant: &TenantId) -> Result<(), CliError> {
    let letters: Vec<DeadLetter> = connection.client()?.list(DLQ, &query(tenant)).await?;
    connection.output.document(&letters, |letters| {
        print::table(
            ["ID", "QUEUE", "CAUSE", "TRIED", "SENDER", "DESTINATION", "DIED", "REPLAYED"],
            letters.iter().map(letter_row),
        )
    })
}

async fn show(connection: &Connection, tenant: &TenantId, id: u64, reason: Option<String>) -> Result<(), CliError> {
    let mut query = query(tenant).to_vec();
    if let Some(reason) = reason {
        query.extend([("payload", "true".to_owned()), ("reason", reason)]);
    }
    let letter: DeadLetterDetails = connection.client()?.get(&format!("{DLQ}/{id}"), &query).await?;
    connection.output.document(&letter, details)
}

async fn replay(connection: &Connection, tenant: &TenantId, id: u64, reason: Option<String>) -> Result<(), CliError> {
    let path = format!("{DLQ}/{id}/replay");
    let receipt: Receipt = connection.client()?.post(&path, &query(tenant), &Reason { reason }).await?;
    connection
        .output
        .document(&receipt, |receipt| format!("sent {id} again as {} ({})", receipt.id, receipt.durability))
}

async fn replay_many(connection: &Connection, tenant: &TenantId, body: ReplayLetters) -> Result<(), CliError> {
    let report: Replayed = connection.client()?.post(&format!("{DLQ}/replay"), &query(tenant), &body).await?;
    connection.output.document(&report, replayed)?;
    if report.stopped == "end" || report.stopped == "limit" {
        return Ok(());
    }
    Err(CliError::Unmet(format!("it stopped before the end ({}): mend that and replay again", report.stopped)))
}

async fn purge(connection: &Connection, tenant: &TenantId, id: u64, yes: bool) -> Result<(), CliError> {
    if !yes {
        confirm(&format!("delete dead letter {id} of {tenant}?"))?;
    }
    connection.client()?.delete(&format!("{DLQ}/{id}"), &query(tenant)).await?;
    print::note(&format!("deleted dead letter {id}"));
    Ok(())
}

async fn purge_many(connection: &Connection, tenant: &TenantId, body: PurgeLetters, yes: bool) -> Result<(), CliError> {
    if !yes {
        confirm(&format!("delete dead letters of {tenant}?"))?;
    }
    let purged: Purged = connection.client()?.post(&format!("{DLQ}/purge"), &query(tenant), &body).await?;
    connection.output.document(&purged, |purged| format!("deleted {} dead letters", purged.purged))
}

fn query(tenant: &TenantId) -> [(&'static str, String); 1] {
    [("tenant", tenant.to_string())]
}

fn row(queue: &QueueLine) -> [String; 8] {
    [
        queue.name.clone(),
        queue.address.clone(),
        queue.messages.to_string(),
        queue.bytes.map_or_else(|| "-".to_owned(), |bytes| bytes.to_string()),
        queue.in_flight.to_string(),
        queue.quarantined.to_string(),
        queue.oldest.clone().unwrap_or_else(|| "-".to_owned()),
        queue.consumers.to_string(),
    ]
}

fn letter_row(letter: &DeadLetter) -> [String; 8] {
    [
        letter.id.clone(),
        letter.queue.clone(),
        letter.cause.clone(),
        letter.attempts.to_string(),
        letter.agent_id.clone(),
        letter.destination.clone(),
        letter.died_at.clone(),
        letter.replayed_at.clone().unwrap_or_else(|| "-".to_owned()),
    ]
}

fn details(shown: &DeadLetterDetails) -> String {
    let DeadLetterDetails { letter, content, unreadable, message } = shown;
    let mut facts = vec![
        ("letter", format!("{} of {}", letter.id, letter.tenant_id)),
        ("queue", letter.queue.clone()),
        ("message", format!("{} from {} to {}", letter.message_id, letter.agent_id, letter.destination)),
        ("cause", format!("{}: {}", letter.cause, letter.detail)),
        ("tried", format!("{} times, from {} to {}", letter.attempts, letter.kept_at, letter.died_at)),
    ];
    if let (Some(at), Some(message)) = (&letter.replayed_at, &letter.replayed_as) {
        facts.push(("replayed", format!("{at} as {message}")));
    }
    if let Some(content) = content {
        facts.push(("type", format!("{}, {}", content.message_type, content.content_type)));
        facts.push(("payload", format!("{} bytes, {}", content.payload_bytes, content.payload_digest)));
    }
    facts.extend(unreadable.iter().map(|code| ("unreadable", code.clone())));
    let told = print::facts(&facts);
    message.as_ref().map_or_else(|| told.clone(), |message| format!("{told}\n\n{}", message::whole(message)))
}

fn replayed(report: &Replayed) -> String {
    let why = report.refusal.as_ref().map(|code| format!(" (the last: {code})")).unwrap_or_default();
    format!("{} sent again, {} refused{why}; stopped: {}", report.replayed, report.refused, report.stopped)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(rest: &str) -> DeadLetterDetails {
        let text = format!(
            r#"{{"id":"17","tenantId":"acme","queue":"echo","messageId":"m","agentId":"kb","destination":"a.b","cause":"trap",
            "detail":"unreachable","attempts":5,"keptAt":"then","diedAt":"now"{rest}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_letter_is_shown_with_why_it_died_and_no_more_of_what_it_says_than_came() {
        let text = details(&letter(
            r#","content":{"messageType":"t","contentType":"x/y","payloadBytes":5,"payloadDigest":"sha256:00"}"#,
        ));
        assert!(text.contains("cause    trap: unreachable\ntried    5 times, from then to now\n"), "{text}");
        assert!(text.contains("payload  5 bytes, sha256:00"), "{text}");
        assert!(details(&letter(r#","unreadable":"signature""#)).contains("unreadable  signature"));
        assert!(details(&letter(r#","replayedAt":"later","replayedAs":"n""#)).contains("replayed  later as n"));
    }

    #[test]
    fn a_replay_says_how_far_it_came_and_why_it_stopped() {
        let report = Replayed { replayed: 3, refused: 1, refusal: Some("not-found".into()), stopped: "limit".into() };
        assert_eq!(replayed(&report), "3 sent again, 1 refused (the last: not-found); stopped: limit");
    }
}
