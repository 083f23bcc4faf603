//! A second implementation of the envelope, written from `docs/envelope.md` alone and sharing no code with the gate but SHA-256 and
//! base64: where the two disagree, one of them or the page is wrong.

mod json;
mod message;
pub(crate) mod moment;
pub(crate) mod words;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use host_gate::MessageLimits;

use self::json::{Json, Object};
pub(crate) use self::message::{Form, Message, To};
use self::words::{
    is_hex, is_id, is_principal, is_printable, is_queue, is_topic, is_traceparent, is_uuid, is_value, is_word,
};

/// The largest whole number in a frame.
pub(crate) const NUMBER_MAX: u64 = (1 << 53) - 1;
const DEPTH_MAX: usize = 128;
const HEADERS_MAX: usize = 1_024;
const EXT_MAX: usize = 8;

/// A key as its owner knows it.
pub(crate) struct Key {
    pub(crate) tenant: &'static str,
    pub(crate) id: u64,
    pub(crate) bytes: [u8; 32],
    /// The one agent that it signs for; `None` for the host's own.
    pub(crate) agent: Option<&'static str>,
    pub(crate) state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Active,
    /// At this moment.
    Retired(u64),
    Revoked,
}

/// What arrived, where, and, if it enters the system there, when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arrived {
    pub(crate) tenant: String,
    pub(crate) address: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) now: Option<u64>,
}

/// Decides as the page says, in its order. A refusal is the page's word for it.
pub(crate) fn verify(arrived: &Arrived, limits: &MessageLimits, keys: &[Key]) -> Result<Message, &'static str> {
    let len_max = limits.payload_bytes_max.div_ceil(3) * 4 + 262_144;
    need(arrived.bytes.len() <= len_max, "frame-too-large")?;
    let Frame { message, form, key: id, mac } = read(&arrived.bytes, limits)?;
    need(message.tenant == arrived.tenant, "foreign-tenant")?;
    let of_tenant = |key: &&Key| key.tenant == message.tenant && key.id == id;
    let key = keys.iter().find(of_tenant).ok_or("key-unknown")?;
    need(key.state != State::Revoked, "key-revoked")?;
    need(key.agent.is_none_or(|agent| agent == message.sender), "key-not-for-sender")?;
    need(message.mac(form, id, &key.bytes) == mac, "bad-signature")?;
    let retired = if let State::Retired(at) = key.state { at } else { u64::MAX - 300_000 };
    need(message.timestamp <= retired + 300_000, "key-retired")?;
    need(message.to.address() == arrived.address, "wrong-subject")?;
    need(message.hop <= limits.hop_max, "hop-limit")?;
    let Some(now) = arrived.now else { return Ok(message) };
    need(message.timestamp + 300_000 >= now && message.timestamp <= now + 30_000, "clock")?;
    Ok(message)
}

fn need(holds: bool, otherwise: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(otherwise) }
}

struct Frame {
    message: Message,
    form: Form,
    key: u64,
    mac: [u8; 32],
}

fn read(bytes: &[u8], limits: &MessageLimits) -> Result<Frame, &'static str> {
    let mut frame = Object(json::frame(bytes).ok_or("bad-json")?);
    let version = frame.number("v")?;
    let shape = Shape::of(&mut frame)?;
    frame.nothing_more()?;
    need(version == 1, "bad-version")?;
    let (key, mac) = signature(&shape.signature).ok_or("bad-signature-text")?;
    need(shape.headers.len() <= limits.headers_max, "too-many-headers")?;
    let (form, body) = payload(shape.payload, shape.base64.as_deref(), limits.payload_bytes_max)?;
    let message = shape.fields.read(body).ok_or("bad-field")?;
    need(shape.headers.iter().all(|(name, value)| is_word(name, 64, "-_") && is_value(value)), "bad-field")?;
    if let Some(ext) = &shape.ext {
        let is_good = |(name, _, value): &(String, bool, String)| {
            is_word(name, 64, "-.") && !name.bytes().any(|b| b.is_ascii_uppercase()) && is_value(value)
        };
        need(!ext.is_empty() && ext.iter().all(is_good), "bad-field")?;
        need(!ext.iter().any(|(_, critical, _)| *critical), "unknown-extension")?;
    }
    let message = Message { headers: shape.headers, ext: shape.ext.unwrap_or_default(), ..message };
    Ok(Frame { message, form, key, mac })
}

/// The members of a frame, each of its type; nothing is known of their values.
struct Shape<'a> {
    fields: Fields,
    headers: Vec<(String, String)>,
    ext: Option<Vec<(String, bool, String)>>,
    payload: Option<(&'a str, usize)>,
    base64: Option<String>,
    signature: String,
}

struct Fields {
    message: Message,
    timestamp: String,
    expires: Option<String>,
    to: [Option<String>; 3],
}

impl<'a> Shape<'a> {
    fn of(frame: &mut Object<'a>) -> Result<Self, &'static str> {
        let mut producer = frame.object("producer")?;
        let producer_is = [producer.number("host")?, producer.number("instance")?];
        producer.nothing_more()?;
        let mut to = frame.object("to")?;
        let to_is = [to.maybe_text("topic")?, to.maybe_text("agent")?, to.maybe_text("reply")?];
        to.nothing_more()?;
        let message = Message {
            id: frame.text("id")?,
            tenant: frame.text("tenantId")?,
            sender: frame.text("agentId")?,
            producer: producer_is,
            seq: frame.number("seq")?,
            to: To::Topic(String::new()),
            reply_to: frame.maybe_text("replyTo")?,
            kind: frame.text("messageType")?,
            content_type: frame.text("contentType")?,
            timestamp: 0,
            expires: None,
            correlation: frame.maybe_text("correlationId")?,
            causation: frame.maybe_text("causationId")?,
            hop: frame.number("hop")?.try_into().map_err(|_| "bad-json")?,
            root: frame.text("rootId")?,
            traceparent: frame.maybe_text("traceparent")?,
            replay_of: frame.maybe_text("replayOf")?,
            headers: Vec::new(),
            ext: Vec::new(),
            body: Vec::new(),
        };
        Ok(Self {
            fields: Fields {
                message,
                timestamp: frame.text("timestamp")?,
                expires: frame.maybe_text("expires")?,
                to: to_is,
            },
            headers: frame
                .list("headers", HEADERS_MAX)?
                .ok_or("bad-json")?
                .into_iter()
                .map(header)
                .collect::<Result<_, _>>()?,
            ext: match frame.list("ext", EXT_MAX)? {
                Some(list) => Some(list.into_iter().map(extension).collect::<Result<_, _>>()?),
                None => None,
            },
            payload: match frame.take("payload") {
                Some(Json::Payload(json, depth)) => Some((json, depth)),
                _ => None,
            },
            base64: frame.maybe_text("payloadBase64")?,
            signature: frame.text("signature")?,
        })
    }
}

impl Fields {
    /// Each value in its one spelling.
    fn read(self, body: Vec<u8>) -> Option<Message> {
        let Self { message, timestamp, expires, to } = self;
        let timestamp = moment::read(&timestamp)?;
        let expires = match expires {
            Some(text) => Some(moment::read(&text)?),
            None => None,
        };
        let to = match to {
            [Some(topic), None, None] => To::Topic(topic),
            [None, Some(agent), None] => To::Agent(agent),
            [None, Some(agent), Some(reply)] => To::Answer(agent, reply),
            _ => return None,
        };
        let message = Message { to, timestamp, expires, body, ..message };
        message.is_spelled().then_some(message)
    }
}

impl Message {
    fn is_spelled(&self) -> bool {
        let Self { id, root, causation, replay_of, reply_to, correlation, traceparent, .. } = self;
        let to = match &self.to {
            To::Topic(topic) => is_topic(topic),
            To::Agent(queue) => is_queue(queue),
            To::Answer(agent, reply) => is_principal(agent) && is_hex(reply, 32),
        };
        to && [Some(id), Some(root), causation.as_ref(), replay_of.as_ref()].into_iter().flatten().all(|id| is_uuid(id))
            && is_id(&self.tenant)
            && is_principal(&self.sender)
            && self.producer.iter().chain([&self.seq]).all(|number| *number <= NUMBER_MAX)
            && reply_to.as_ref().is_none_or(|token| is_hex(token, 32))
            && is_word(&self.kind, 128, "-_.")
            && is_printable(&self.content_type)
            && correlation.as_ref().is_none_or(|text| !text.is_empty() && is_printable(text))
            && traceparent.as_ref().is_none_or(|text| is_traceparent(text))
    }
}

fn payload(json: Option<(&str, usize)>, base64: Option<&str>, len_max: usize) -> Result<(Form, Vec<u8>), &'static str> {
    let (form, body) = match (json, base64) {
        (Some((json, depth)), None) => {
            need(json.len() <= len_max, "payload-too-large")?;
            need(depth <= DEPTH_MAX, "too-deep")?;
            (Form::Json, json.as_bytes().to_vec())
        }
        // The engine refuses missing padding, stray bits and white space, as RFC 4648 lets it.
        (None, Some(text)) => (Form::Base64, STANDARD.decode(text).map_err(|_| "bad-payload")?),
        _ => return Err("bad-payload"),
    };
    need(body.len() <= len_max, "payload-too-large")?;
    Ok((form, body))
}

fn signature(text: &str) -> Option<(u64, [u8; 32])> {
    let (key, mac) = text.strip_prefix("v1.")?.split_once('.')?;
    let key = is_hex(key, 16).then(|| u64::from_str_radix(key, 16).ok())??;
    Some((key, URL_SAFE_NO_PAD.decode(mac).ok()?.try_into().ok()?))
}

fn header(header: Json<'_>) -> Result<(String, String), &'static str> {
    let mut header = Object::of(header)?;
    let is = (header.text("name")?, header.text("value")?);
    header.nothing_more().map(|()| is)
}

fn extension(ext: Json<'_>) -> Result<(String, bool, String), &'static str> {
    let mut ext = Object::of(ext)?;
    let Some(Json::Flag(critical)) = ext.take("critical") else { return Err("bad-json") };
    let is = (ext.text("name")?, critical, ext.text("value")?);
    ext.nothing_more().map(|()| is)
}
