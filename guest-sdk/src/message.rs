//! What an agent receives: a [`Message`], stamped by the host.

use serde::Deserialize;

use crate::{Header, PayloadError};

/// A delivered message. The author wrote `message_type`, `content_type`, `payload`, `correlation_id` and `headers`; the host
/// wrote the rest, and that can be relied on.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Message {
    /// The message's own id, a UUID. A redelivery carries the same one.
    pub id: String,
    /// The id of the agent that sent it, in your own tenant; `operator` for a person at the controls.
    pub sender: String,
    /// Where it was addressed: a topic, your own queue (`queues.{agent}`), or a reply.
    pub destination: String,
    /// What it is, such as `incident.created`.
    pub message_type: String,
    /// The media type of `payload`.
    pub content_type: String,
    /// The body.
    pub payload: Vec<u8>,
    /// When the host stamped it, in milliseconds since the Unix epoch.
    pub sent_at_ms: u64,
    /// After this moment it is dropped instead of delivered, in milliseconds since the Unix epoch.
    pub expires_at_ms: Option<u64>,
    /// Ties an answer to its question.
    pub correlation_id: Option<String>,
    /// The id of the message that was being handled when this one was sent.
    pub causation_id: Option<String>,
    /// 1 at the first delivery, one more at each redelivery.
    pub attempt: u32,
    /// Inert data from the author.
    pub headers: Vec<Header>,
    /// What the host adds, by name.
    pub attributes: Vec<Header>,
}

impl Message {
    /// The body read as JSON, whatever its content type claims. `T` may borrow from the message.
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, PayloadError> {
        serde_json::from_slice(&self.payload).map_err(|cause| PayloadError::Decode { cause })
    }

    /// The body read as UTF-8 text.
    pub fn text(&self) -> Result<&str, PayloadError> {
        str::from_utf8(&self.payload).map_err(|cause| PayloadError::NotText { cause })
    }

    /// Whether the sender waits for an answer.
    pub fn expects_answer(&self) -> bool {
        self.attribute("reply-expected") == Some("true")
    }

    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// The first host attribute of this name.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        find(&self.attributes, name)
    }
}

fn find<'a>(headers: &'a [Header], name: &str) -> Option<&'a str> {
    headers.iter().find(|header| header.name == name).map(|header| header.value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_body(payload: &[u8]) -> Message {
        Message { payload: payload.to_vec(), ..Message::default() }
    }

    #[test]
    fn json_may_borrow_from_the_message() {
        let message = with_body(br#"["disk", "full"]"#);
        assert_eq!(message.json::<Vec<&str>>().expect("valid JSON"), ["disk", "full"]);
    }

    #[test]
    fn a_body_of_another_shape_is_an_error() {
        assert!(matches!(with_body(b"{").json::<u8>(), Err(PayloadError::Decode { .. })));
        assert!(matches!(with_body(&[0xff]).text(), Err(PayloadError::NotText { .. })));
    }

    #[test]
    fn only_the_hosts_attribute_marks_a_request() {
        let mark = vec![Header::new("reply-expected", "true")];
        let claimed = Message { headers: mark.clone(), ..Message::default() };
        let stamped = Message { attributes: mark, ..Message::default() };
        assert!(!claimed.expects_answer());
        assert!(stamped.expects_answer());
    }
}
