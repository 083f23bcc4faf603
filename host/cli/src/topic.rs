//! `topic`: publish and watch.

use std::num::NonZeroU64;

use clap::{Args, Subcommand};
use eventsource_stream::Event;
use host_model::TenantId;
use host_wire::{Message, PublishMessage, Receipt};

use crate::connect::{Connection, InTenant};
use crate::data::{Body, MessageArgs};
use crate::error::CliError;
use crate::stream::{self, Then};
use crate::{message, print};

/// `topic …`
#[derive(Debug, Args)]
pub struct TopicArgs {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    tenant: InTenant,
    #[command(subcommand)]
    verb: TopicVerb,
}

#[derive(Debug, Subcommand)]
enum TopicVerb {
    /// Publish a message to all who subscribe to a topic
    #[command(
        after_help = "Example:\n  bailiwick topic pub incident.created --tenant acme --type incident.created --data '{\"severity\":\"high\"}'"
    )]
    Pub {
        /// Where to: incident.created
        topic: String,
        #[command(flatten)]
        message: MessageArgs,
    },
    /// Watch messages as they pass, until Ctrl-C
    #[command(after_help = "Example:\n  bailiwick topic sub 'incident.>' --tenant acme -o json")]
    Sub {
        /// Which topics: '*' stands for one token, a last '>' for one or more
        pattern: String,
        /// Stop after so many messages
        #[arg(long, short = 'n', value_name = "N")]
        count: Option<NonZeroU64>,
    },
}

pub(crate) async fn run(args: TopicArgs) -> Result<(), CliError> {
    let TopicArgs { connection, tenant, verb } = args;
    let tenant = tenant.named()?;
    match verb {
        TopicVerb::Pub { topic, message } => publish(&connection, tenant, topic, message).await,
        TopicVerb::Sub { pattern, count } => subscribe(&connection, tenant, &pattern, count).await,
    }
}

async fn publish(
    connection: &Connection,
    tenant: &TenantId,
    topic: String,
    message: MessageArgs,
) -> Result<(), CliError> {
    let Body { message_type, payload, payload_base64, content_type, correlation_id, headers, qos } = message.read()?;
    let body =
        PublishMessage { topic, message_type, payload, payload_base64, content_type, correlation_id, headers, qos };
    let query = [("tenant", tenant.to_string())];
    let receipt: Receipt = connection.client()?.post("/api/topics/messages", &query, &body).await?;
    connection.output.document(&receipt, |receipt| format!("published {} ({})", receipt.id, receipt.durability))
}

async fn subscribe(
    connection: &Connection,
    tenant: &TenantId,
    pattern: &str,
    count: Option<NonZeroU64>,
) -> Result<(), CliError> {
    let query = [("tenant", tenant.to_string()), ("pattern", pattern.to_owned())];
    let events = connection.client()?.events("/api/topics/stream", &query).await?;
    let mut left = count.map(NonZeroU64::get);
    events.for_each(|event| show(connection, &format!("subscribed to {pattern} in {tenant}"), &mut left, event)).await
}

fn show(connection: &Connection, subscribed: &str, left: &mut Option<u64>, event: &Event) -> Result<Then, CliError> {
    match event.event.as_str() {
        "ready" => print::note(subscribed),
        "lagged" => print::note(&format!("missed {} messages: they came faster than they were read", event.data)),
        "message" => {
            connection.output.item(&stream::data::<Message>(event)?, message::line)?;
            *left = left.map(|left| left.saturating_sub(1));
        }
        _ => {}
    }
    Ok(if *left == Some(0) { Then::Stop } else { Then::GoOn })
}
