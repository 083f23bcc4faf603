//! What an agent asks the host to send: a [`Draft`], and where to.

use serde::Serialize;

use crate::PayloadError;

/// The content type of [`Draft::json`].
pub const JSON: &str = "application/json";

/// The content type of [`Draft::text`].
pub const TEXT: &str = "text/plain; charset=utf-8";

/// A message to be. It has no tenant and no sender: the host knows both and stamps them.
///
/// Sizes and alphabets are checked by the host, which answers [`Denied::Invalid`](crate::Denied::Invalid) or
/// [`Denied::TooLarge`](crate::Denied::TooLarge) with the limit in force.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Draft {
    /// What the message is: `incident.created` for an event, `knowledge.search` for a request. One to 128 bytes of
    /// `[A-Za-z0-9._-]`.
    pub message_type: String,
    /// The media type of `payload`, at most 128 bytes.
    pub content_type: String,
    /// The body, at most 1 MiB by default.
    pub payload: Vec<u8>,
    /// Ties an answer to its question. At most 128 bytes of printable ASCII. The host gives a request without one its message's
    /// id.
    pub correlation_id: Option<String>,
    /// Inert data for the receiver, at most 32.
    pub headers: Vec<Header>,
    /// Wishes to the host by name. An unknown name is refused.
    pub options: Vec<Header>,
}

impl Draft {
    /// A draft with a body of any kind.
    pub fn new(message_type: impl Into<String>, content_type: impl Into<String>, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            message_type: message_type.into(),
            content_type: content_type.into(),
            payload: payload.into(),
            ..Self::default()
        }
    }

    /// A draft whose body is `value` as JSON. Fails only where `value` has no JSON form, such as a map with keys that are not
    /// text.
    pub fn json(message_type: impl Into<String>, value: &(impl Serialize + ?Sized)) -> Result<Self, PayloadError> {
        let payload = serde_json::to_vec(value).map_err(|cause| PayloadError::Encode { cause })?;
        Ok(Self::new(message_type, JSON, payload))
    }

    /// A draft whose body is plain text.
    pub fn text(message_type: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(message_type, TEXT, text.into().into_bytes())
    }

    /// With this correlation id.
    #[must_use]
    pub fn correlation_id(mut self, id: impl Into<String>) -> Self {
        self.correlation_id = Some(id.into());
        self
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push(Header::new(name, value));
        self
    }

    /// With one more wish to the host, such as `qos`.
    #[must_use]
    pub fn option(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.push(Header::new(name, value));
        self
    }

    /// With `id`, unless it has a correlation id already.
    pub(crate) fn correlated(mut self, id: Option<String>) -> Self {
        self.correlation_id = self.correlation_id.or(id);
        self
    }
}

/// A name and a value.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Header {
    /// `[A-Za-z0-9_-]{1,64}`.
    pub name: String,
    /// At most 1,024 bytes, no control characters.
    pub value: String,
}

impl Header {
    /// Pairs a name with a value.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

/// Where a draft of a batch goes.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Target {
    /// To all who subscribe to this topic.
    Topic(String),
    /// To this agent's own queue.
    Agent(String),
}

impl Target {
    /// A topic's subscribers.
    pub fn topic(topic: impl Into<String>) -> Self {
        Self::Topic(topic.into())
    }

    /// One agent.
    pub fn agent(agent: impl Into<String>) -> Self {
        Self::Agent(agent.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_correlation_id_of_its_own_stays() {
        let check = |draft: Draft, expected: &str| {
            assert_eq!(draft.correlated(Some("question's".to_owned())).correlation_id.as_deref(), Some(expected));
        };
        check(Draft::text("answer", ""), "question's");
        check(Draft::text("answer", "").correlation_id("own"), "own");
    }

    #[test]
    fn the_builder_adds_headers_and_options_in_order() {
        let draft = Draft::text("note", "hi").header("a", "1").header("b", "2").option("qos", "at-most-once");
        assert_eq!(draft.headers, [Header::new("a", "1"), Header::new("b", "2")]);
        assert_eq!(draft.options, [Header::new("qos", "at-most-once")]);
    }

    #[test]
    fn a_value_without_a_json_form_is_an_error() {
        let keyed_by_lists = std::collections::BTreeMap::from([(vec![1], 1)]);
        assert!(matches!(Draft::json("map", &keyed_by_lists), Err(PayloadError::Encode { .. })));
    }
}
