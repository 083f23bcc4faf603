//! What an agent asks to send: no tenant, no sender.

use serde::{Deserialize, Serialize};

use crate::{Queue, Topic};

/// A name and a value of the author's choice; inert for the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// `[A-Za-z0-9_-]{1,64}` once admitted.
    pub name: String,
    /// At most 1,024 bytes without control characters once admitted.
    pub value: String,
}

/// What an agent asks to send. Every field is hostile until the gate has admitted it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// What the message is: `incident.created`.
    pub message_type: String,
    /// The media type of the payload.
    pub content_type: String,
    /// The body.
    pub payload: Vec<u8>,
    /// Ties an answer to its question.
    pub correlation_id: Option<String>,
    /// Inert data for the receiver.
    pub headers: Vec<Header>,
    /// Wishes to the host.
    pub options: Vec<Header>,
}

/// Where a draft is to go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// All who subscribe.
    Topic(Topic),
    /// One queue: an agent's own, or a shared one.
    Queue(Queue),
}
