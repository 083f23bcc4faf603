//! Queues, and the messages that were given up.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Message;

/// A queue of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QueueLine {
    /// For people: joined so, two different queues may read the same.
    #[schema(example = "acme-agents")]
    pub name: String,
    /// Its address, which is its own.
    #[schema(example = "tenants.acme.queues.agents")]
    pub address: String,
    /// Messages that wait or are being handled; of the dead letters, all.
    pub messages: u64,
    /// Bytes of their frames; not counted for dead letters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Messages that are being handled.
    pub in_flight: u64,
    /// Messages that were not what was kept: they stay for people to look at, and are never handed out.
    pub quarantined: u64,
    /// When the oldest that is known was taken (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<String>,
    /// Receivers.
    pub consumers: u64,
}

/// A message that was given up.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// Its number on this host.
    #[schema(example = "17")]
    pub id: String,
    /// Whose it is.
    pub tenant_id: String,
    /// The queue it waited in.
    #[schema(example = "echo")]
    pub queue: String,
    /// The message's own id.
    pub message_id: String,
    /// Who sent it.
    pub agent_id: String,
    /// Where it was sent to, within the tenant.
    #[schema(example = "incident.created")]
    pub destination: String,
    /// Why it was given up: `trap`, `fuel`, `memory`, `timeout`, `host`, `retried`, `rejected`, `denied`, `expired`, `key-revoked`.
    #[schema(example = "trap")]
    pub cause: String,
    /// In more words.
    pub detail: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was taken (RFC 3339).
    pub kept_at: String,
    /// When it was given up (RFC 3339).
    pub died_at: String,
    /// When it was sent again (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replayed_at: Option<String>,
    /// As which message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replayed_as: Option<String>,
}

/// A dead letter, with as much of its message as may be told.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetterDetails {
    /// What lists tell of it.
    #[serde(flatten)]
    pub letter: DeadLetter,
    /// What the message is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<LetterContent>,
    /// Why its content cannot be told: it is not what was kept, or its key was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
    /// The whole message, if it was asked for with a reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Message>,
}

/// What may be told of a payload that was not asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LetterContent {
    /// What the message is.
    pub message_type: String,
    /// The media type of the payload.
    pub content_type: String,
    /// Bytes of the payload.
    pub payload_bytes: u64,
    /// Its SHA-256.
    #[schema(example = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    pub payload_digest: String,
}

/// Which dead letters are sent again. Without either, all that were not sent again before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReplayLetters {
    /// Those given up for this cause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Those that waited in this queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Why, for the audit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How sending dead letters again went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Replayed {
    /// How many were sent again.
    pub replayed: u64,
    /// How many were refused and stay: their senders are gone or may not send them any more, or they cannot be verified.
    pub refused: u64,
    /// The code of the last refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// Why it stopped: `end`, all were looked at; `limit`, as many as one call sends; or the code of what held it up.
    #[schema(example = "end")]
    pub stopped: String,
}

/// Which dead letters are deleted. One of the two.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PurgeLetters {
    /// Those given up until this moment (RFC 3339), or so long ago (`7d`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// All.
    #[serde(default)]
    pub all: bool,
    /// Why, for the audit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How many dead letters were deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Purged {
    /// How many.
    pub purged: u64,
}
