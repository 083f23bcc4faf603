//! What external agents send and acknowledge.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::message::present;
use crate::{Content, Header};

/// A message of an external agent. Its tenant and its sender are the token's.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PostMessage {
    /// To all who subscribe to this topic. Give this or `agent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "meter.read")]
    pub topic: Option<String>,
    /// To this agent of the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// What it is.
    #[schema(example = "meter.read")]
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
    /// `at-least-once` (the default here) or `at-most-once`.
    #[serde(default)]
    pub qos: Qos,
}

/// How sure a message is to arrive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Qos {
    /// Kept on the disk before the receipt, and handed out until it is handled.
    #[default]
    AtLeastOnce,
    /// Held in memory alone.
    AtMostOnce,
}

/// Why a text is no such word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("use at-least-once or at-most-once")]
pub struct BadQos;

/// Where a message goes, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PostTo {
    /// A topic.
    Topic(String),
    /// An agent.
    Agent(String),
}

/// Why a message names no place to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("give either topic or agent")]
pub struct BadPost;

impl Qos {
    /// The word in JSON and in a draft's options.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AtLeastOnce => "at-least-once",
            Self::AtMostOnce => "at-most-once",
        }
    }

    /// What operators' messages are unless they say otherwise.
    pub(crate) const fn at_most_once() -> Self {
        Self::AtMostOnce
    }
}

impl fmt::Display for Qos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Qos {
    type Err = BadQos;

    fn from_str(raw: &str) -> Result<Self, BadQos> {
        [Self::AtLeastOnce, Self::AtMostOnce].into_iter().find(|qos| qos.as_str() == raw).ok_or(BadQos)
    }
}

impl PostMessage {
    /// Where it goes, what is sent, and how surely.
    pub fn into_parts(self) -> Result<(PostTo, Content, Qos), BadPost> {
        let Self { topic, agent, message_type, payload, payload_base64, content_type, correlation_id, headers, qos } =
            self;
        let to = match (topic, agent) {
            (Some(topic), None) => PostTo::Topic(topic),
            (None, Some(agent)) => PostTo::Agent(agent),
            _ => return Err(BadPost),
        };
        Ok((to, Content { message_type, payload, payload_base64, content_type, correlation_id, headers }, qos))
    }
}

/// What an external agent has received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Acknowledge {
    /// The `id` of an event of the stream: it and all before it will not be sent again.
    pub last_event_id: String,
}

/// What was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Acknowledged {
    /// How many messages; 0 if all were before, or the id is of an earlier start of the host.
    pub messages: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(fields: &str, expected: Result<PostTo, &str>) {
        let read = serde_json::from_str::<PostMessage>(&format!(r#"{{"messageType":"t",{fields}}}"#));
        let parts = read.map_err(|error| error.to_string());
        let parts = parts.and_then(|post| post.into_parts().map_err(|bad| bad.to_string()));
        match (parts, expected) {
            (Ok((to, ..)), Ok(expected)) => assert_eq!(to, expected),
            (Err(refused), Err(part)) => assert!(refused.contains(part), "{refused}"),
            (parts, expected) => unreachable!("{fields}: {parts:?} {expected:?}"),
        }
    }

    #[test]
    fn a_message_goes_to_one_place_and_says_nothing_of_whose_it_is() {
        check(r#""topic":"a.b""#, Ok(PostTo::Topic("a.b".to_owned())));
        check(r#""agent":"echo","qos":"at-most-once""#, Ok(PostTo::Agent("echo".to_owned())));
        check(r#""topic":"a.b","agent":"echo""#, Err("either topic or agent"));
        check(r#""payload":1"#, Err("either topic or agent"));
        check(r#""topic":"a","qos":"exactly-once""#, Err("unknown variant `exactly-once`"));
        for field in ["tenantId", "agentId", "sender", "id", "replyTo"] {
            check(&format!(r#""topic":"a","{field}":"x""#), Err(&format!("unknown field `{field}`")));
        }
    }

    #[test]
    fn what_an_external_agent_sends_is_kept_unless_it_says_otherwise() {
        let read = |fields: &str| serde_json::from_str::<PostMessage>(fields).unwrap().qos;
        assert_eq!(read(r#"{"messageType":"t"}"#), Qos::AtLeastOnce);
        for qos in [Qos::AtLeastOnce, Qos::AtMostOnce] {
            assert_eq!(read(&format!(r#"{{"messageType":"t","qos":"{}"}}"#, qos.as_str())), qos);
        }
    }
}
