//! Reads a frame: borrowed, one spelling for each value, and every length is checked before anything of that length is made.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use host_model::{AgentId, Destination, Envelope, Extension, Extras, Header, KeyId, MessageId, Producer, ReplyToken};
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{DEPTH_MAX, EXTENSIONS_MAX, Frame, HEADERS_MAX, NUMBER_MAX, SIGNATURE_PREFIX, VERSION, depth_of};
use crate::admit::MessageLimits;
use crate::denied::{BadFrame, Refused};
use crate::keys::MAC_LEN;
use crate::mac_input::Encoding;
use crate::words::{is_content_type, is_correlation_id, is_extension, is_header, is_message_type};

/// The length of an id in its one spelling, in bytes.
const ID_TEXT_LEN: usize = 36;
/// The length of a token in its one spelling, in bytes.
const TOKEN_TEXT_LEN: usize = 32;

/// Reads a frame of at most [`super::frame_bytes_max`] bytes. Nothing is known to be true yet.
pub(crate) fn read(bytes: &[u8], limits: &MessageLimits) -> Result<Frame, Refused> {
    let len_max = super::frame_bytes_max(limits.payload_bytes_max);
    if bytes.len() > len_max {
        return Err(Refused::FrameTooLarge { len: bytes.len(), len_max });
    }
    let wire: Wire<'_> = serde_json::from_slice(bytes).map_err(|cause| BadFrame::Json { at: cause.column() })?;
    if wire.v != VERSION {
        return Err(BadFrame::Version { found: wire.v }.into());
    }
    frame(wire, limits)
}

/// Every value in its one spelling.
fn frame(wire: Wire<'_>, limits: &MessageLimits) -> Result<Frame, Refused> {
    let (key, signature) = signature(&wire.signature.0)?;
    let (len, len_max) = (wire.headers.0.len(), limits.headers_max);
    if len > len_max {
        return Err(Refused::TooManyHeaders { len, len_max });
    }
    let (encoding, payload) = payload(&wire, limits.payload_bytes_max)?;
    let RawProducer { host, instance } = wire.producer;
    let numbers = [("producer", host), ("producer", instance), ("seq", wire.seq)];
    if let Some((field, _)) = numbers.into_iter().find(|(_, number)| *number > NUMBER_MAX) {
        return Err(BadFrame::Field(field).into());
    }
    let extras = extras(&wire)?;
    let envelope = Envelope {
        id: id("id", &wire.id)?,
        tenant: parsed("tenantId", &wire.tenant_id)?,
        sender: principal("agentId", &wire.agent_id)?,
        producer: Producer { host, instance },
        seq: wire.seq,
        to: destination(&wire.to)?,
        reply_to: wire.reply_to.as_ref().map(|text| token("replyTo", text)).transpose()?,
        message_type: text("messageType", wire.message_type, is_message_type)?,
        content_type: text("contentType", wire.content_type, is_content_type)?,
        payload,
        timestamp: parsed("timestamp", &wire.timestamp)?,
        expires: wire.expires.as_ref().map(|text| parsed("expires", text)).transpose()?,
        correlation_id: wire.correlation_id.map(|raw| text("correlationId", raw, is_correlation_id)).transpose()?,
        causation_id: wire.causation_id.as_ref().map(|text| id("causationId", text)).transpose()?,
        hop: wire.hop,
        root_id: id("rootId", &wire.root_id)?,
        headers: headers(wire.headers)?,
        extras,
    };
    Ok(Frame { envelope, encoding, key, signature })
}

fn payload(wire: &Wire<'_>, len_max: usize) -> Result<(Encoding, Vec<u8>), Refused> {
    match (wire.payload, &wire.payload_base64) {
        (Some(json), None) => json_payload(json.get().as_bytes(), len_max).map(|payload| (Encoding::Json, payload)),
        (None, Some(Text(base64))) => base64_payload(base64, len_max).map(|payload| (Encoding::Base64, payload)),
        _ => Err(BadFrame::Payload.into()),
    }
}

fn json_payload(json: &[u8], len_max: usize) -> Result<Vec<u8>, Refused> {
    check_len(json.len(), len_max)?;
    let depth = depth_of(json);
    if depth > DEPTH_MAX {
        return Err(BadFrame::Depth { depth, depth_max: DEPTH_MAX }.into());
    }
    Ok(json.to_vec())
}

fn base64_payload(base64: &str, len_max: usize) -> Result<Vec<u8>, Refused> {
    let padding = base64.bytes().rev().take_while(|b| *b == b'=').count();
    check_len((base64.len() / 4 * 3).saturating_sub(padding), len_max)?;
    // Strict: padded, and the bits behind the last byte are zero (RFC 4648, section 3.5).
    STANDARD.decode(base64).map_err(|_| BadFrame::Payload.into())
}

fn check_len(len: usize, len_max: usize) -> Result<(), Refused> {
    if len <= len_max { Ok(()) } else { Err(Refused::PayloadTooLarge { len, len_max }) }
}

/// `v1.`, the key's id, `.`, and 32 bytes in base64 for URLs without padding.
fn signature(text: &str) -> Result<(KeyId, [u8; MAC_LEN]), BadFrame> {
    let parts = text.strip_prefix(SIGNATURE_PREFIX).and_then(|rest| rest.split_once('.'));
    let (key, mac) = parts.ok_or(BadFrame::Signature)?;
    let key = key.parse().map_err(|_| BadFrame::Signature)?;
    let mut signature = [0; MAC_LEN];
    // Into 32 bytes and no more: whatever is longer is refused before it is decoded.
    match URL_SAFE_NO_PAD.decode_slice(mac, &mut signature) {
        Ok(MAC_LEN) => Ok((key, signature)),
        _ => Err(BadFrame::Signature),
    }
}

fn destination(to: &To<'_>) -> Result<Destination, BadFrame> {
    match to {
        To { topic: Some(topic), agent: None, reply: None } => Ok(Destination::Topic(parsed("to", topic)?)),
        To { topic: None, agent: Some(agent), reply: None } => Ok(Destination::Queue(parsed("to", agent)?)),
        To { topic: None, agent: Some(agent), reply: Some(reply) } => {
            Ok(Destination::Reply { agent: principal("to", agent)?, token: token("to", reply)? })
        }
        _ => Err(BadFrame::Field("to")),
    }
}

fn headers(headers: List<RawHeader<'_>, HEADERS_MAX>) -> Result<Vec<Header>, BadFrame> {
    let owned = |header: RawHeader<'_>| Header { name: header.name.into(), value: header.value.into() };
    let headers: Vec<Header> = headers.0.into_iter().map(owned).collect();
    if headers.iter().all(is_header) { Ok(headers) } else { Err(BadFrame::Field("headers")) }
}

fn extras(wire: &Wire<'_>) -> Result<Option<Box<Extras>>, BadFrame> {
    let Wire { traceparent, replay_of, ext, .. } = wire;
    if traceparent.is_none() && replay_of.is_none() && ext.is_none() {
        return Ok(None);
    }
    Ok(Some(Box::new(Extras {
        traceparent: traceparent.as_ref().map(|text| parsed("traceparent", text)).transpose()?,
        replay_of: replay_of.as_ref().map(|text| id("replayOf", text)).transpose()?,
        ext: ext.as_ref().map(extensions).transpose()?.unwrap_or_default(),
    })))
}

/// An empty list is left out, so that there is one way to say that there are none.
fn extensions(list: &List<RawExtension<'_>, EXTENSIONS_MAX>) -> Result<Vec<Extension>, BadFrame> {
    let owned = |ext: &RawExtension<'_>| Extension {
        name: ext.name.0.as_ref().to_owned(),
        critical: ext.critical,
        value: ext.value.0.as_ref().to_owned(),
    };
    let extensions: Vec<Extension> = list.0.iter().map(owned).collect();
    if extensions.is_empty() || !extensions.iter().all(is_extension) {
        return Err(BadFrame::Field("ext"));
    }
    // This version knows none.
    if extensions.iter().any(|extension| extension.critical) { Err(BadFrame::Extension) } else { Ok(extensions) }
}

fn parsed<T: FromStr>(field: &'static str, text: &Text<'_>) -> Result<T, BadFrame> {
    text.0.parse().map_err(|_| BadFrame::Field(field))
}

/// An agent, or the operator.
fn principal(field: &'static str, text: &Text<'_>) -> Result<AgentId, BadFrame> {
    AgentId::principal(&text.0).map_err(|_| BadFrame::Field(field))
}

/// Of the spellings of a UUID, the one with hyphens and lower case alone.
fn id(field: &'static str, text: &Text<'_>) -> Result<MessageId, BadFrame> {
    let one_spelling = text.0.len() == ID_TEXT_LEN && !text.0.bytes().any(|b| b.is_ascii_uppercase());
    if one_spelling { parsed(field, text) } else { Err(BadFrame::Field(field)) }
}

fn token(field: &'static str, text: &Text<'_>) -> Result<ReplyToken, BadFrame> {
    let lower_hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    let one_spelling = text.0.len() == TOKEN_TEXT_LEN && text.0.bytes().all(lower_hex);
    let secret = one_spelling.then(|| u128::from_str_radix(&text.0, 16).ok()).flatten();
    secret.map(ReplyToken::new).ok_or(BadFrame::Field(field))
}

fn text(field: &'static str, text: Text<'_>, is_good: fn(&str) -> bool) -> Result<String, BadFrame> {
    if is_good(&text.0) { Ok(text.into()) } else { Err(BadFrame::Field(field)) }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wire<'a> {
    v: u64,
    #[serde(borrow)]
    id: Text<'a>,
    tenant_id: Text<'a>,
    agent_id: Text<'a>,
    producer: RawProducer,
    seq: u64,
    to: To<'a>,
    #[serde(default, deserialize_with = "present")]
    reply_to: Option<Text<'a>>,
    message_type: Text<'a>,
    content_type: Text<'a>,
    timestamp: Text<'a>,
    #[serde(default, deserialize_with = "present")]
    expires: Option<Text<'a>>,
    #[serde(default, deserialize_with = "present")]
    correlation_id: Option<Text<'a>>,
    #[serde(default, deserialize_with = "present")]
    causation_id: Option<Text<'a>>,
    hop: u16,
    root_id: Text<'a>,
    #[serde(default, deserialize_with = "present")]
    traceparent: Option<Text<'a>>,
    #[serde(default, deserialize_with = "present")]
    replay_of: Option<Text<'a>>,
    headers: List<RawHeader<'a>, HEADERS_MAX>,
    #[serde(default, deserialize_with = "present")]
    ext: Option<List<RawExtension<'a>, EXTENSIONS_MAX>>,
    #[serde(default, deserialize_with = "present")]
    payload: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "present")]
    payload_base64: Option<Text<'a>>,
    signature: Text<'a>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawProducer {
    host: u64,
    instance: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct To<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    topic: Option<Text<'a>>,
    #[serde(default, deserialize_with = "present")]
    agent: Option<Text<'a>>,
    #[serde(default, deserialize_with = "present")]
    reply: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHeader<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    value: Text<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawExtension<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    critical: bool,
    value: Text<'a>,
}

/// What is there has a value: `null` would be a second way to leave it out.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(value: D) -> Result<Option<T>, D::Error> {
    T::deserialize(value).map(Some)
}

/// Text that is copied only if it holds escapes.
struct Text<'a>(Cow<'a, str>);

impl From<Text<'_>> for String {
    fn from(text: Text<'_>) -> Self {
        text.0.into_owned()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(text: D) -> Result<Self, D::Error> {
        text.deserialize_str(TextVisitor).map(Self)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// A list that is refused at its first item too many.
struct List<T, const LEN_MAX: usize>(Vec<T>);

impl<'de, T: Deserialize<'de>, const LEN_MAX: usize> Deserialize<'de> for List<T, LEN_MAX> {
    fn deserialize<D: Deserializer<'de>>(list: D) -> Result<Self, D::Error> {
        list.deserialize_seq(ListVisitor(PhantomData))
    }
}

struct ListVisitor<T, const LEN_MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const LEN_MAX: usize> Visitor<'de> for ListVisitor<T, LEN_MAX> {
    type Value = List<T, LEN_MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {LEN_MAX} items")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            if list.len() == LEN_MAX {
                return Err(A::Error::invalid_length(LEN_MAX + 1, &self));
            }
            list.push(item);
        }
        Ok(List(list))
    }
}
