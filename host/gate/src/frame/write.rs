//! Writes a frame, once.

use std::fmt::Display;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use host_model::{Destination, Envelope, Extras, KeyId, Producer, Timestamp};
use serde::{Serialize, Serializer};

use super::{NUMBER_MAX, SIGNATURE_PREFIX, VERSION};
use crate::denied::NotSealed;
use crate::keys::MAC_LEN;
use crate::mac_input::Encoding;

/// The frame of a message with its signature.
pub(crate) fn write(
    envelope: &Envelope,
    encoding: Encoding,
    key: KeyId,
    signature: &[u8; MAC_LEN],
) -> Result<Vec<u8>, NotSealed> {
    check(envelope)?;
    let mut frame = Vec::with_capacity(envelope.payload.len() / 3 * 4 + 1_024);
    serde_json::to_writer(&mut frame, &Wire::of(envelope)).map_err(|_| NotSealed::NotWritable)?;
    // The object stays open for the payload, which goes in byte for byte, and for the signature.
    frame.pop();
    match encoding {
        Encoding::Json => parts(&mut frame, &[b",\"payload\":", &envelope.payload]),
        Encoding::Base64 => {
            parts(&mut frame, &[b",\"payloadBase64\":\"", STANDARD.encode(&envelope.payload).as_bytes(), b"\""]);
        }
    }
    let mac = URL_SAFE_NO_PAD.encode(signature);
    parts(
        &mut frame,
        &[b",\"signature\":\"", SIGNATURE_PREFIX.as_bytes(), key.to_string().as_bytes(), b".", mac.as_bytes(), b"\"}"],
    );
    Ok(frame)
}

fn parts(frame: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        frame.extend_from_slice(part);
    }
}

/// What has no spelling is not sealed: nobody could read it back.
fn check(envelope: &Envelope) -> Result<(), NotSealed> {
    let Producer { host, instance } = envelope.producer;
    for (field, value) in [("seq", envelope.seq), ("producer.host", host), ("producer.instance", instance)] {
        check_number(field, value, NUMBER_MAX)?;
    }
    check_number("timestamp", envelope.timestamp.as_millis(), Timestamp::LAST.as_millis())?;
    check_number("expires", envelope.expires.map_or(0, Timestamp::as_millis), Timestamp::LAST.as_millis())
}

fn check_number(field: &'static str, value: u64, max: u64) -> Result<(), NotSealed> {
    if value <= max { Ok(()) } else { Err(NotSealed::TooLarge { field, value, max }) }
}

/// All but the payload and the signature, which come last.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    v: u64,
    id: Shown<'a>,
    tenant_id: &'a str,
    agent_id: &'a str,
    producer: Producer,
    seq: u64,
    to: To<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<Shown<'a>>,
    message_type: &'a str,
    content_type: &'a str,
    timestamp: Shown<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<Shown<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    causation_id: Option<Shown<'a>>,
    hop: u16,
    root_id: Shown<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<Shown<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replay_of: Option<Shown<'a>>,
    headers: &'a [host_model::Header],
    #[serde(skip_serializing_if = "<[host_model::Extension]>::is_empty")]
    ext: &'a [host_model::Extension],
}

impl<'a> Wire<'a> {
    fn of(envelope: &'a Envelope) -> Self {
        let extras: Option<&Extras> = envelope.extras.as_deref();
        Self {
            v: VERSION,
            id: Shown(&envelope.id),
            tenant_id: envelope.tenant.as_str(),
            agent_id: envelope.sender.as_str(),
            producer: envelope.producer,
            seq: envelope.seq,
            to: To::of(&envelope.to),
            reply_to: shown(envelope.reply_to.as_ref()),
            message_type: &envelope.message_type,
            content_type: &envelope.content_type,
            timestamp: Shown(&envelope.timestamp),
            expires: shown(envelope.expires.as_ref()),
            correlation_id: envelope.correlation_id.as_deref(),
            causation_id: shown(envelope.causation_id.as_ref()),
            hop: envelope.hop,
            root_id: Shown(&envelope.root_id),
            traceparent: shown(extras.and_then(|extras| extras.traceparent.as_ref())),
            replay_of: shown(extras.and_then(|extras| extras.replay_of.as_ref())),
            headers: &envelope.headers,
            ext: extras.map_or(&[], |extras| &extras.ext),
        }
    }
}

#[derive(Serialize)]
struct To<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<Shown<'a>>,
}

impl<'a> To<'a> {
    fn of(to: &'a Destination) -> Self {
        match to {
            Destination::Topic(topic) => Self { topic: Some(topic.as_str()), agent: None, reply: None },
            Destination::Queue(queue) => Self { topic: None, agent: Some(queue.as_str()), reply: None },
            Destination::Reply { agent, token } => {
                Self { topic: None, agent: Some(agent.as_str()), reply: Some(Shown(token)) }
            }
        }
    }
}

/// Written as text, straight into the frame.
struct Shown<'a>(&'a dyn Display);

fn shown<T: Display>(value: Option<&T>) -> Option<Shown<'_>> {
    value.map(|value| Shown(value))
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}
