//! `agent send` and `agent command`: talk to an agent.

use host_model::AgentId;
use host_wire::{Command, CommandResult, Message, Receipt, SendMessage};

use super::{PATH, Session};
use crate::data::{self, Body, MessageArgs};
use crate::error::CliError;
use crate::json::laid_out;
use crate::message::whole;

pub(super) async fn message(
    session: &Session<'_>,
    id: &AgentId,
    message: MessageArgs,
    wait_secs: Option<u64>,
) -> Result<(), CliError> {
    let Body { message_type, payload, payload_base64, content_type, correlation_id, headers, qos } = message.read()?;
    let wait_millis = wait_secs.map(|secs| secs * 1_000);
    let body =
        SendMessage { message_type, payload, payload_base64, content_type, correlation_id, headers, qos, wait_millis };
    let path = format!("{PATH}/{id}/messages");
    if wait_secs.is_some() {
        let answer: Message = session.client.post(&path, &session.query(), &body).await?;
        return session.connection.output.document(&answer, whole);
    }
    let receipt: Receipt = session.client.post(&path, &session.query(), &body).await?;
    session.connection.output.document(&receipt, |receipt| format!("sent {} ({})", receipt.id, receipt.durability))
}

pub(super) async fn command(session: &Session<'_>, id: &AgentId, name: String, data: &str) -> Result<(), CliError> {
    let body = Command { name, data: data::read_json(data)? };
    let answer: CommandResult = session.client.post(&format!("{PATH}/{id}/commands"), &session.query(), &body).await?;
    session.connection.output.document(&answer.result, |result| laid_out(result.get()))
}
