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

/// How often a message reaches its receiver, in MQTT's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Qos {
    /// Once, or never: it waits in memory.
    #[default]
    AtMostOnce,
    /// At least once: it is kept until it is done.
    AtLeastOnce,
}

impl Qos {
    /// The option's name.
    const NAME: &str = "qos";
    const AT_MOST_ONCE: &str = "at-most-once";
    const AT_LEAST_ONCE: &str = "at-least-once";

    /// What this option says, if it is one.
    pub fn of_option(option: &Header) -> Option<Self> {
        match (option.name.as_str(), option.value.as_str()) {
            (Self::NAME, Self::AT_MOST_ONCE) => Some(Self::AtMostOnce),
            (Self::NAME, Self::AT_LEAST_ONCE) => Some(Self::AtLeastOnce),
            _ => None,
        }
    }

    /// The option that says it.
    pub fn as_option(self) -> Header {
        let value = match self {
            Self::AtMostOnce => Self::AT_MOST_ONCE,
            Self::AtLeastOnce => Self::AT_LEAST_ONCE,
        };
        Header { name: Self::NAME.to_owned(), value: value.to_owned() }
    }
}

impl Draft {
    /// The stronger of what its options ask for.
    pub fn qos(&self) -> Qos {
        let kept = self.options.iter().filter_map(Qos::of_option).any(|qos| qos == Qos::AtLeastOnce);
        if kept { Qos::AtLeastOnce } else { Qos::AtMostOnce }
    }
}

/// Where a draft is to go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// All who subscribe.
    Topic(Topic),
    /// One queue: an agent's own, or a shared one.
    Queue(Queue),
}
