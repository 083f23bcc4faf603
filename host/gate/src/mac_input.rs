//! What is signed: every field behind its length, in one order (docs/envelope.md, "What is signed").

use host_model::{Destination, Envelope, Extension, Header, KeyId, MessageId, Timestamp};

/// Keeps these bytes apart from whatever else is ever signed with the same key, and names version and algorithm.
const DOMAIN: &[u8] = b"bailiwick.envelope.v1.hmac-sha256";
/// Stands where the length of a field would, if the field is absent: an empty one has length 0.
const ABSENT: u32 = u32::MAX;
/// Room for the fixed fields and texts of the usual length, so that the input is allocated once.
const HEAD_LEN_USUAL: usize = 512;

/// How the payload stands in the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// As `payload`: JSON, byte for byte.
    Json,
    /// As `payloadBase64`.
    Base64,
}

/// What is signed for one message. The payload is not copied.
#[derive(Debug)]
pub struct MacInput<'a> {
    head: Vec<u8>,
    payload: &'a [u8],
}

impl<'a> MacInput<'a> {
    /// What a message would be signed as, under a key, as [`Gate::seal`](crate::Gate::seal) does; for vectors and benches.
    pub fn of(envelope: &'a Envelope, key: KeyId) -> Self {
        Self::encoded(envelope, key, crate::frame::encoding_of(envelope))
    }

    pub(crate) fn encoded(envelope: &'a Envelope, key: KeyId, encoding: Encoding) -> Self {
        let mut head = Fields(Vec::with_capacity(HEAD_LEN_USUAL));
        head.envelope(envelope, key);
        head.field(&[match encoding {
            Encoding::Json => 1,
            Encoding::Base64 => 2,
        }]);
        head.len(envelope.payload.len());
        Self { head: head.0, payload: &envelope.payload }
    }

    /// Everything before the payload's own bytes.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// The payload's bytes, the end of the input.
    pub fn payload(&self) -> &[u8] {
        self.payload
    }
}

struct Fields(Vec<u8>);

impl Fields {
    /// The order is the specification's.
    fn envelope(&mut self, envelope: &Envelope, key: KeyId) {
        let extras = envelope.extras.as_deref();
        self.field(DOMAIN);
        self.field(&key.bits().to_be_bytes());
        self.id(Some(envelope.id));
        self.text(envelope.tenant.as_str());
        self.text(envelope.sender.as_str());
        self.field(&envelope.producer.host.to_be_bytes());
        self.field(&envelope.producer.instance.to_be_bytes());
        self.field(&envelope.seq.to_be_bytes());
        self.destination(&envelope.to);
        self.optional(envelope.reply_to.map(host_model::ReplyToken::to_bytes).as_ref().map(<[u8; 16]>::as_slice));
        self.text(&envelope.message_type);
        self.text(&envelope.content_type);
        self.moment(Some(envelope.timestamp));
        self.moment(envelope.expires);
        self.optional(envelope.correlation_id.as_deref().map(str::as_bytes));
        self.id(envelope.causation_id);
        self.field(&envelope.hop.to_be_bytes());
        self.id(Some(envelope.root_id));
        self.optional(extras.and_then(|extras| extras.traceparent.as_ref()).map(|trace| trace.as_str().as_bytes()));
        self.id(extras.and_then(|extras| extras.replay_of));
        self.headers(&envelope.headers);
        self.extensions(extras.map_or(&[], |extras| &extras.ext));
    }

    fn destination(&mut self, to: &Destination) {
        let (kind, name, token) = match to {
            Destination::Topic(topic) => (1, topic.as_str(), None),
            Destination::Queue(queue) => (2, queue.as_str(), None),
            Destination::Reply { agent, token } => (3, agent.as_str(), Some(token.to_bytes())),
        };
        self.field(&[kind]);
        self.text(name);
        self.optional(token.as_ref().map(<[u8; 16]>::as_slice));
    }

    fn headers(&mut self, headers: &[Header]) {
        self.count(headers.len());
        for Header { name, value } in headers {
            self.text(name);
            self.text(value);
        }
    }

    fn extensions(&mut self, extensions: &[Extension]) {
        self.count(extensions.len());
        for Extension { name, critical, value } in extensions {
            self.text(name);
            self.field(&[u8::from(*critical)]);
            self.text(value);
        }
    }

    fn moment(&mut self, moment: Option<Timestamp>) {
        self.optional(moment.map(|moment| moment.as_millis().to_be_bytes()).as_ref().map(<[u8; 8]>::as_slice));
    }

    fn id(&mut self, id: Option<MessageId>) {
        self.optional(id.as_ref().map(|id| id.as_bytes().as_slice()));
    }

    fn text(&mut self, text: &str) {
        self.field(text.as_bytes());
    }

    fn count(&mut self, count: usize) {
        self.field(&short(count).to_be_bytes());
    }

    fn optional(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.field(bytes),
            None => self.0.extend_from_slice(&ABSENT.to_be_bytes()),
        }
    }

    fn field(&mut self, bytes: &[u8]) {
        self.len(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    fn len(&mut self, len: usize) {
        self.0.extend_from_slice(&short(len).to_be_bytes());
    }
}

/// Everything in an envelope was bounded before: by `admit`, or by the frame's length.
fn short(len: usize) -> u32 {
    u32::try_from(len).ok().filter(|len| *len != ABSENT).expect("bounded far below 4 GiB")
}
