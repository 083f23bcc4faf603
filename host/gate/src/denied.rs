//! Why not: at the sender's side ([`Denied`], [`NotSealed`]) and at the receiver's ([`Refused`]).

use host_model::{Destination, KeyId, TenantId, Timestamp};

/// Why a draft was not admitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No grant to publish on this topic.
    #[error("publishing on this topic is not granted")]
    PublishNotGranted,
    /// No grant to send to this agent.
    #[error("sending to this agent is not granted")]
    SendNotGranted,
    /// The topic lies in another agent's own corner.
    #[error("the topic belongs to another agent")]
    ForeignCorner,
    /// A request that would wait on its own instance.
    #[error("the request would wait for itself")]
    WouldDeadlock,
    /// A reply to something that asked for none.
    #[error("no reply is expected")]
    NoReplyExpected,
    /// The message type is empty, too long, or holds other characters than `[A-Za-z0-9._-]`.
    #[error("bad message type")]
    MessageType,
    /// The content type is too long or not printable ASCII.
    #[error("bad content type")]
    ContentType,
    /// The correlation id is empty, too long or not printable ASCII.
    #[error("bad correlation id")]
    CorrelationId,
    /// A header's name or value breaks the grammar.
    #[error("bad header")]
    Header,
    /// An option the host does not know.
    #[error("unknown option")]
    UnknownOption,
    /// The payload is too large.
    #[error("payload of {len} bytes is over {len_max}")]
    PayloadTooLarge {
        /// Bytes.
        len: usize,
        /// Bytes.
        len_max: usize,
    },
    /// There are too many headers.
    #[error("{len} headers are over {len_max}")]
    TooManyHeaders {
        /// How many there are.
        len: usize,
        /// How many there may be.
        len_max: usize,
    },
    /// The chain of causes is too long.
    #[error("hop {hop} is over {hop_max}")]
    HopLimit {
        /// The hop this message would have.
        hop: u16,
        /// The last that is allowed.
        hop_max: u16,
    },
}

/// Why a delivery was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is another tenant's. Never expected: somebody should be told.
    #[error("a message of tenant {sent_in} reached tenant {received_in}")]
    ForeignTenant {
        /// Where it was sent.
        sent_in: TenantId,
        /// Where it arrived.
        received_in: TenantId,
    },
    /// It is addressed to somebody else.
    #[error("a message for {to} reached another receiver")]
    WrongReceiver {
        /// Where it was addressed.
        to: Destination,
    },
    /// The receiver's grant to receive it is gone.
    #[error("receiving from this topic is not granted")]
    SubscribeNotGranted,
    /// The receiver's grant to take from a shared queue is gone.
    #[error("taking from this queue is not granted")]
    QueueNotGranted,
    /// Its time is over.
    #[error("expired")]
    Expired,
    /// The frame is longer than any that this host writes.
    #[error("a frame of {len} bytes is over {len_max}")]
    FrameTooLarge {
        /// Bytes.
        len: usize,
        /// Bytes.
        len_max: usize,
    },
    /// The frame is not one of this version.
    #[error(transparent)]
    Frame(#[from] BadFrame),
    /// The payload is too large.
    #[error("payload of {len} bytes is over {len_max}")]
    PayloadTooLarge {
        /// Bytes.
        len: usize,
        /// Bytes.
        len_max: usize,
    },
    /// There are too many headers.
    #[error("{len} headers are over {len_max}")]
    TooManyHeaders {
        /// How many there are.
        len: usize,
        /// How many there may be.
        len_max: usize,
    },
    /// The tenant has no such key.
    #[error("key {key} is unknown")]
    KeyUnknown {
        /// Which.
        key: KeyId,
    },
    /// The key may not sign for this sender.
    #[error("key {key} does not sign for this sender")]
    KeyNotForSender {
        /// Which.
        key: KeyId,
    },
    /// The key was revoked.
    #[error("key {key} was revoked")]
    KeyRevoked {
        /// Which.
        key: KeyId,
    },
    /// The key had stopped signing when this was signed.
    #[error("key {key} was retired at {retired}, and this was signed at {signed}")]
    KeyRetired {
        /// Which.
        key: KeyId,
        /// When it stopped signing.
        retired: Timestamp,
        /// When this was stamped.
        signed: Timestamp,
    },
    /// The signature is not the key's over these fields.
    #[error("the signature with key {key} is wrong")]
    BadSignature {
        /// Which.
        key: KeyId,
    },
    /// It arrived under another address than the signed one.
    #[error("a message for {to} arrived at '{address}'")]
    WrongSubject {
        /// Where it was addressed.
        to: Destination,
        /// Where it arrived.
        address: String,
    },
    /// The chain of causes is too long.
    #[error("hop {hop} is over {hop_max}")]
    HopLimit {
        /// The hop it has.
        hop: u16,
        /// The last that is allowed.
        hop_max: u16,
    },
    /// It is too old, or from the future, where messages enter the system.
    #[error("stamped at {stamped}, and it is {now}: at most {past_ms_max} ms before or {ahead_ms_max} ms ahead")]
    Clock {
        /// When it was stamped.
        stamped: Timestamp,
        /// When it arrived.
        now: Timestamp,
        /// How old it may be, in milliseconds.
        past_ms_max: u64,
        /// How far ahead it may be, in milliseconds.
        ahead_ms_max: u64,
    },
}

impl Refused {
    /// A stable word for it, the one in docs/envelope.md.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ForeignTenant { .. } => "foreign-tenant",
            Self::WrongReceiver { .. } => "wrong-receiver",
            Self::SubscribeNotGranted => "subscribe-not-granted",
            Self::QueueNotGranted => "queue-not-granted",
            Self::Expired => "expired",
            Self::FrameTooLarge { .. } => "frame-too-large",
            Self::Frame(bad) => bad.code(),
            Self::PayloadTooLarge { .. } => "payload-too-large",
            Self::TooManyHeaders { .. } => "too-many-headers",
            Self::KeyUnknown { .. } => "key-unknown",
            Self::KeyNotForSender { .. } => "key-not-for-sender",
            Self::KeyRevoked { .. } => "key-revoked",
            Self::KeyRetired { .. } => "key-retired",
            Self::BadSignature { .. } => "bad-signature",
            Self::WrongSubject { .. } => "wrong-subject",
            Self::HopLimit { .. } => "hop-limit",
            Self::Clock { .. } => "clock",
        }
    }
}

/// Why bytes are not a frame of this version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadFrame {
    /// They are not the JSON of a frame: no JSON at all, a field missing, unknown, given twice or of another type, or more
    /// behind its end.
    #[error("not the JSON of an envelope, at byte {at}")]
    Json {
        /// Where reading stopped, in bytes from 1.
        at: usize,
    },
    /// It is of another version.
    #[error("version {found} of the envelope is not 1")]
    Version {
        /// Which.
        found: u64,
    },
    /// A field does not have its one spelling.
    #[error("bad {0}")]
    Field(&'static str),
    /// There is not exactly one payload, or it is not strict base64.
    #[error("bad payload")]
    Payload,
    /// The payload is nested too deep.
    #[error("a payload nested {depth} deep is over {depth_max}")]
    Depth {
        /// How deep it is.
        depth: usize,
        /// How deep it may be.
        depth_max: usize,
    },
    /// The signature is not `v1.<key id>.<32 bytes in base64url>`.
    #[error("bad signature text")]
    Signature,
    /// It needs an extension that this version does not know.
    #[error("an unknown extension is critical")]
    Extension,
}

impl BadFrame {
    const fn code(&self) -> &'static str {
        match self {
            Self::Json { .. } => "bad-json",
            Self::Version { .. } => "bad-version",
            Self::Field(_) => "bad-field",
            Self::Payload => "bad-payload",
            Self::Depth { .. } => "too-deep",
            Self::Signature => "bad-signature-text",
            Self::Extension => "unknown-extension",
        }
    }
}

/// Why a stamped message was not sealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSealed {
    /// The tenant has no key that signs.
    #[error("tenant {tenant} has no signing key")]
    NoKey {
        /// Whose message it is.
        tenant: TenantId,
    },
    /// A number has no spelling.
    #[error("{field} is {value}, over {max}")]
    TooLarge {
        /// Which field.
        field: &'static str,
        /// What it is.
        value: u64,
        /// The most that can be written.
        max: u64,
    },
    /// The frame could not be written as JSON.
    #[error("the envelope cannot be written as JSON")]
    NotWritable,
}
