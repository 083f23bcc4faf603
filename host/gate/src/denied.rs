//! Why not: at the sender's side ([`Denied`]) and at the receiver's ([`Refused`]).

use host_model::{Destination, TenantId};

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
    /// It is too old.
    #[error("expired")]
    Expired,
}
