//! A message in plain words, and what is signed of it.

use hmac::{Hmac, KeyInit as _, Mac as _};
use host_model::{Destination, Envelope};
use sha2::Sha256;

/// All fields of an envelope, as text and numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) tenant: String,
    pub(crate) sender: String,
    pub(crate) producer: [u64; 2],
    pub(crate) seq: u64,
    pub(crate) to: To,
    pub(crate) reply_to: Option<String>,
    pub(crate) kind: String,
    pub(crate) content_type: String,
    pub(crate) timestamp: u64,
    pub(crate) expires: Option<u64>,
    pub(crate) correlation: Option<String>,
    pub(crate) causation: Option<String>,
    pub(crate) hop: u16,
    pub(crate) root: String,
    pub(crate) traceparent: Option<String>,
    pub(crate) replay_of: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) ext: Vec<(String, bool, String)>,
    pub(crate) body: Vec<u8>,
}

/// Where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum To {
    Topic(String),
    Agent(String),
    Answer(String, String),
}

impl To {
    /// Under which address it arrives.
    pub(crate) fn address(&self) -> String {
        match self {
            Self::Topic(topic) => topic.clone(),
            Self::Agent(agent) => format!("queues.{agent}"),
            Self::Answer(_, reply) => format!("replies.{reply}"),
        }
    }
}

/// How the body stands in the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Json = 1,
    Base64 = 2,
}

impl Message {
    /// The host's envelope in the same words.
    pub(crate) fn of(envelope: &Envelope) -> Self {
        let text = |id: &host_model::MessageId| id.to_string();
        let extras = envelope.extras.as_deref();
        Self {
            id: text(&envelope.id),
            tenant: envelope.tenant.to_string(),
            sender: envelope.sender.to_string(),
            producer: [envelope.producer.host, envelope.producer.instance],
            seq: envelope.seq,
            to: match &envelope.to {
                Destination::Topic(topic) => To::Topic(topic.to_string()),
                Destination::Queue(queue) => To::Agent(queue.to_string()),
                Destination::Reply { agent, token } => To::Answer(agent.to_string(), token.to_string()),
            },
            reply_to: envelope.reply_to.as_ref().map(ToString::to_string),
            kind: envelope.message_type.clone(),
            content_type: envelope.content_type.clone(),
            timestamp: envelope.timestamp.as_millis(),
            expires: envelope.expires.map(host_model::Timestamp::as_millis),
            correlation: envelope.correlation_id.clone(),
            causation: envelope.causation_id.as_ref().map(text),
            hop: envelope.hop,
            root: text(&envelope.root_id),
            traceparent: extras.and_then(|extras| extras.traceparent.as_ref()).map(ToString::to_string),
            replay_of: extras.and_then(|extras| extras.replay_of.as_ref()).map(text),
            headers: envelope.headers.iter().map(|header| (header.name.clone(), header.value.clone())).collect(),
            ext: extras.map_or(&[][..], |extras| &extras.ext).iter().map(extension).collect(),
            body: envelope.payload.clone(),
        }
    }

    /// The signature under a key of 32 bytes.
    pub(crate) fn mac(&self, form: Form, id: u64, key: &[u8; 32]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
        mac.update(&self.signed(form, id));
        mac.finalize().into_bytes().into()
    }

    /// What is signed, field by field as the page numbers them.
    fn signed(&self, form: Form, key: u64) -> Vec<u8> {
        let mut all = Fields::default();
        all.put(b"bailiwick.envelope.v1.hmac-sha256").put(&key.to_be_bytes()).put(&hex(&self.id));
        all.put(self.tenant.as_bytes()).put(self.sender.as_bytes());
        all.put(&self.producer[0].to_be_bytes()).put(&self.producer[1].to_be_bytes()).put(&self.seq.to_be_bytes());
        match &self.to {
            To::Topic(topic) => all.put(&[1]).put(topic.as_bytes()).absent(),
            To::Agent(agent) => all.put(&[2]).put(agent.as_bytes()).absent(),
            To::Answer(agent, reply) => all.put(&[3]).put(agent.as_bytes()).put(&hex(reply)),
        };
        all.maybe(self.reply_to.as_deref().map(hex).as_deref());
        all.put(self.kind.as_bytes()).put(self.content_type.as_bytes()).put(&self.timestamp.to_be_bytes());
        all.maybe(self.expires.map(u64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice));
        all.maybe(self.correlation.as_deref().map(str::as_bytes));
        all.maybe(self.causation.as_deref().map(hex).as_deref());
        all.put(&self.hop.to_be_bytes()).put(&hex(&self.root));
        all.maybe(self.traceparent.as_deref().map(str::as_bytes));
        all.maybe(self.replay_of.as_deref().map(hex).as_deref());
        all.put(&count(self.headers.len()));
        for (name, value) in &self.headers {
            all.put(name.as_bytes()).put(value.as_bytes());
        }
        all.put(&count(self.ext.len()));
        for (name, critical, value) in &self.ext {
            all.put(name.as_bytes()).put(&[u8::from(*critical)]).put(value.as_bytes());
        }
        all.put(&[form as u8]).put(&self.body);
        all.0
    }
}

#[derive(Default)]
struct Fields(Vec<u8>);

impl Fields {
    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend(count(bytes.len()));
        self.0.extend(bytes);
        self
    }

    fn absent(&mut self) -> &mut Self {
        self.0.extend([0xff; 4]);
        self
    }

    fn maybe(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.put(bytes),
            None => self.absent(),
        };
    }
}

fn count(len: usize) -> [u8; 4] {
    u32::try_from(len).expect("a frame is shorter").to_be_bytes()
}

/// The bytes of hexadecimal digits with or without hyphens. Whatever is no digit is refused before anybody asks for its signature.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter_map(|c| c.to_digit(16)).filter_map(|digit| digit.try_into().ok()).collect();
    digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect()
}

fn extension(extension: &host_model::Extension) -> (String, bool, String) {
    (extension.name.clone(), extension.critical, extension.value.clone())
}
