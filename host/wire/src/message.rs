//! Messages, in the seeds' words.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::Qos;

/// A message with everything the host stamped on it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// The version of this shape: 1.
    pub v: u32,
    /// The message's own id.
    pub id: String,
    /// Whose it is.
    pub tenant_id: String,
    /// Who sent it.
    pub agent_id: String,
    /// Which run of numbers `seq` counts in.
    pub producer: Producer,
    /// Counts from 1 within `producer`.
    pub seq: u64,
    /// Its address within the tenant: a topic, `queues.{agent}`, or `replies.{agent}` for an answer to who asked.
    #[schema(example = "incident.created")]
    pub destination: String,
    /// What it is.
    pub message_type: String,
    /// The media type of the payload.
    pub content_type: String,
    /// The body, when its media type is JSON and it is JSON.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub payload: Option<Box<RawValue>>,
    /// The body otherwise, in standard base64 with padding (RFC 4648 §4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload_base64: Option<String>,
    /// When it was stamped (RFC 3339, milliseconds).
    pub timestamp: String,
    /// After this moment it is dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// Ties an answer to its question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// The message that was being handled when this one was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation_id: Option<String>,
    /// 0 for a message from outside, one more for each handler it came through.
    pub hop: u16,
    /// The message at the root of the chain of causes.
    pub root_id: String,
    /// Inert data for the receiver.
    pub headers: Vec<Header>,
    /// Whether the sender waits for an answer.
    pub reply_expected: bool,
}

/// The source of a run of sequence numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Producer {
    /// Which start of the host, in milliseconds since the Unix epoch.
    pub host: u64,
    /// Which start of the agent on it.
    pub instance: u64,
}

/// A name and a value, inert for the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
}

/// A message to one agent.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SendMessage {
    /// What it is.
    #[serde(rename = "type")]
    #[schema(example = "incident.created")]
    pub message_type: String,
    /// The body as any JSON. Give this or `payloadBase64`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub payload: Option<Box<RawValue>>,
    /// The body as any bytes, in standard base64 (RFC 4648 §4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload_base64: Option<String>,
    /// The media type of the body: `application/json` for `payload`, `application/octet-stream` for `payloadBase64` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Ties an answer to its question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// Inert data for the receiver.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Header>,
    /// `at-most-once` (the default here) or `at-least-once`: kept on the disk, and handed out until it is handled.
    #[serde(default = "Qos::at_most_once")]
    pub qos: Qos,
    /// Wait so long for the agent's answer, in milliseconds (1 to 60,000), and get it instead of a receipt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_millis: Option<u64>,
}

/// A message to all who subscribe to a topic.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PublishMessage {
    /// Where to: `incident.created`.
    #[schema(example = "incident.created")]
    pub topic: String,
    /// What it is.
    #[serde(rename = "type")]
    #[schema(example = "incident.created")]
    pub message_type: String,
    /// The body as any JSON. Give this or `payloadBase64`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub payload: Option<Box<RawValue>>,
    /// The body as any bytes, in standard base64 (RFC 4648 §4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload_base64: Option<String>,
    /// The media type of the body: `application/json` for `payload`, `application/octet-stream` for `payloadBase64` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Ties an answer to its question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// Inert data for the receivers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Header>,
    /// `at-most-once` (the default here) or `at-least-once`: kept on the disk, and handed out until it is handled.
    #[serde(default = "Qos::at_most_once")]
    pub qos: Qos,
}

/// What both ways of sending carry.
#[derive(Debug, Clone)]
pub struct Content {
    /// What the message is.
    pub message_type: String,
    /// The body as JSON.
    pub payload: Option<Box<RawValue>>,
    /// The body as base64.
    pub payload_base64: Option<String>,
    /// The media type of the body.
    pub content_type: Option<String>,
    /// Ties an answer to its question.
    pub correlation_id: Option<String>,
    /// Inert data.
    pub headers: Vec<Header>,
}

impl SendMessage {
    /// What is sent, how surely, and how long to wait for an answer, in milliseconds.
    pub fn into_parts(self) -> (Content, Qos, Option<u64>) {
        let Self { message_type, payload, payload_base64, content_type, correlation_id, headers, qos, wait_millis } =
            self;
        (Content { message_type, payload, payload_base64, content_type, correlation_id, headers }, qos, wait_millis)
    }
}

impl PublishMessage {
    /// The topic, what is sent there, and how surely.
    pub fn into_parts(self) -> (String, Content, Qos) {
        let Self { topic, message_type, payload, payload_base64, content_type, correlation_id, headers, qos } = self;
        (topic, Content { message_type, payload, payload_base64, content_type, correlation_id, headers }, qos)
    }
}

/// The host took the message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Receipt {
    /// The id the receiver will see.
    pub id: String,
    /// What this acknowledgement promises: `volatile` or `durable`.
    pub durability: String,
}

/// Keeps `null` apart from absence: it is a body like any other.
pub(crate) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(body: &str) -> Option<String> {
        serde_json::from_str::<SendMessage>(body).unwrap().payload.map(|raw| raw.get().to_owned())
    }

    #[test]
    fn null_is_a_body_and_absence_is_none() {
        assert_eq!(payload(r#"{"type":"t","payload":null}"#).as_deref(), Some("null"));
        assert_eq!(payload(r#"{"type":"t"}"#), None);
    }

    #[test]
    fn a_body_keeps_its_digits() {
        let exact = r#"{"n":123456789012345678901234567890.10}"#;
        assert_eq!(payload(&format!(r#"{{"type":"t","payload":{exact}}}"#)).as_deref(), Some(exact));
    }

    #[test]
    fn unknown_fields_are_refused_by_name() {
        let refused =
            serde_json::from_str::<PublishMessage>(r#"{"topic":"t","type":"t","tenantId":"globex"}"#).unwrap_err();
        assert!(refused.to_string().contains("unknown field `tenantId`"), "{refused}");
    }
}
