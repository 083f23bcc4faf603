//! Queues and dead letters as JSON.

use host_app::{Letter, LetterFilter, Opened, QueueView, ReplayReport};
use host_component::Digest;
use host_model::{BadDeathCause, BadId, Envelope, TenantId};
use host_wire::{DeadLetter, DeadLetterDetails, LetterContent, QueueLine, ReplayLetters, Replayed};

use super::message_of;
use crate::problem::ApiError;

/// The queue that dead letters are shown as.
const DLQ: &str = "dlq";

/// A tenant's queues, and its dead letters as one of them.
pub(crate) fn queues_of(tenant: &TenantId, queues: Vec<QueueView>, letters: u64) -> Vec<QueueLine> {
    let lines = queues.into_iter().map(|queue| line_of(tenant, queue));
    lines.chain([dead_letters_of(tenant, letters)]).collect()
}

fn line_of(tenant: &TenantId, view: QueueView) -> QueueLine {
    let QueueView { queue, messages, bytes, in_flight, quarantined, oldest, consumers } = view;
    QueueLine {
        name: queue.display_name(tenant),
        address: format!("tenants.{tenant}.queues.{queue}"),
        messages,
        bytes: Some(bytes),
        in_flight,
        quarantined,
        oldest: oldest.map(|oldest| oldest.to_string()),
        consumers,
    }
}

fn dead_letters_of(tenant: &TenantId, letters: u64) -> QueueLine {
    QueueLine {
        name: format!("{tenant}-{DLQ}"),
        address: format!("tenants.{tenant}.{DLQ}"),
        messages: letters,
        bytes: None,
        in_flight: 0,
        quarantined: 0,
        oldest: None,
        consumers: 0,
    }
}

/// A dead letter without what it says.
pub(crate) fn letter_of(letter: Letter) -> DeadLetter {
    let Letter { id, tenant, queue, message, sender, address, frame: _, death, kept, replayed } = letter;
    let (when, new) = replayed.unzip();
    DeadLetter {
        id: id.0.to_string(),
        tenant_id: tenant.to_string(),
        queue: queue.to_string(),
        message_id: message.to_string(),
        agent_id: sender.to_string(),
        destination: address,
        cause: death.cause.as_str().to_owned(),
        detail: death.detail,
        attempts: death.attempts,
        kept_at: kept.to_string(),
        died_at: death.at.to_string(),
        replayed_at: when.map(|when| when.to_string()),
        replayed_as: new.map(|new| new.to_string()),
    }
}

/// A dead letter with what may be told of its message: all of it only if it was asked for with a reason.
pub(crate) fn opened_of(opened: Opened, whole: bool) -> DeadLetterDetails {
    let Opened { letter, message } = opened;
    let letter = letter_of(letter);
    match message {
        Ok(envelope) => DeadLetterDetails {
            letter,
            content: Some(content_of(&envelope)),
            unreadable: None,
            message: whole.then(|| message_of(&envelope)),
        },
        Err(refused) => {
            DeadLetterDetails { letter, content: None, unreadable: Some(refused.code().to_owned()), message: None }
        }
    }
}

fn content_of(envelope: &Envelope) -> LetterContent {
    LetterContent {
        message_type: envelope.message_type.clone(),
        content_type: envelope.content_type.clone(),
        payload_bytes: envelope.payload.len() as u64,
        payload_digest: Digest::of(&envelope.payload).to_string(),
    }
}

/// Which letters a client means, and why it wants them sent again.
pub(crate) fn filter_of(body: ReplayLetters) -> Result<(LetterFilter, Option<String>), ApiError> {
    let ReplayLetters { cause, queue, reason } = body;
    let cause = cause.map(|cause| cause.parse()).transpose();
    let cause = cause.map_err(|bad: BadDeathCause| ApiError::BadBody(format!("cause: {bad}")))?;
    let queue = queue.map(|queue| queue.parse()).transpose();
    let queue = queue.map_err(|bad: BadId| ApiError::BadBody(format!("queue: {bad}")))?;
    Ok((LetterFilter { cause, queue }, reason))
}

/// How it went.
pub(crate) fn replayed_of(report: ReplayReport) -> Replayed {
    let ReplayReport { replayed, refused, refusal, stopped } = report;
    Replayed { replayed, refused, refusal, stopped }
}
