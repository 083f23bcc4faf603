//! The proofs: private fields, one birthplace each, and no other way to get one.

use std::fmt;
use std::sync::{Arc, OnceLock};

use host_model::{Caller, Envelope, ReplyToken, TenantId};

use crate::Novelty;
use crate::frame::encoding_of;
use crate::mac_input::Encoding;

/// A message that was admitted: its tenant and sender are the host's word. A bus takes only these.
///
/// ```compile_fail,E0451
/// fn forge(envelope: host_model::Envelope) -> host_gate::Stamped {
///     host_gate::Stamped { envelope, encoding: std::sync::OnceLock::new() }
/// }
/// ```
/// ```compile_fail,E0277
/// fn must_deserialise<T: for<'a> serde::Deserialize<'a>>() {}
/// must_deserialise::<host_gate::Stamped>();
/// ```
/// ```compile_fail,E0277
/// fn must_clone<T: Clone>() {}
/// must_clone::<host_gate::Stamped>();
/// ```
/// ```compile_fail,E0277
/// fn must_default<T: Default>() {}
/// must_default::<host_gate::Stamped>();
/// ```
#[derive(Debug)]
pub struct Stamped {
    envelope: Envelope,
    /// Looked for when it is first sealed, once however often that happens; within the process nobody asks.
    encoding: OnceLock<Encoding>,
}

impl Stamped {
    /// Called at the end of `admit` and nowhere else.
    pub(crate) fn new(envelope: Envelope) -> Self {
        Self { envelope, encoding: OnceLock::new() }
    }

    /// What was stamped.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// How its payload stands in a frame.
    pub(crate) fn encoding(&self) -> Encoding {
        *self.encoding.get_or_init(|| encoding_of(&self.envelope))
    }
}

/// A stamped message as bytes under a signature: what may leave the process or reach a disk.
///
/// ```compile_fail,E0451
/// fn forge(tenant: host_model::TenantId, bytes: std::sync::Arc<[u8]>) -> host_gate::Sealed {
///     host_gate::Sealed { tenant, address: String::new(), bytes }
/// }
/// ```
/// ```compile_fail,E0277
/// fn must_clone<T: Clone>() {}
/// must_clone::<host_gate::Sealed>();
/// ```
/// ```compile_fail,E0277
/// fn must_deserialise<T: for<'a> serde::Deserialize<'a>>() {}
/// must_deserialise::<host_gate::Sealed>();
/// ```
pub struct Sealed {
    tenant: TenantId,
    address: String,
    bytes: Arc<[u8]>,
}

impl Sealed {
    /// Called at the end of `seal` and nowhere else.
    pub(crate) fn new(tenant: TenantId, address: String, bytes: Arc<[u8]>) -> Self {
        Self { tenant, address, bytes }
    }

    /// Whose it is.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Where it goes, within its tenant.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The frame.
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }
}

/// Whose and how long, never what.
impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tenant, address, bytes } = self;
        write!(f, "Sealed({tenant}/{address}, {} bytes)", bytes.len())
    }
}

/// A message as it arrives at the receiving side, not yet checked.
#[non_exhaustive]
pub enum Delivery {
    /// It never left the process: the stamp is still the one `admit` made, so that only signature and replay look-up are skipped.
    Local(Arc<Stamped>),
    /// It comes from a disk or a wire, and may be anything.
    Sealed {
        /// In which tenant it arrived, as the subject or the place it was kept at says.
        tenant: TenantId,
        /// At which address within the tenant, as the same says.
        address: String,
        /// What is said to be a frame.
        bytes: Arc<[u8]>,
    },
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(stamped) => f.debug_tuple("Local").field(stamped).finish(),
            Self::Sealed { tenant, address, bytes } => write!(f, "Sealed({tenant}/{address}, {} bytes)", bytes.len()),
        }
    }
}

/// A message that is what a host sealed, and arrived where it was sent; not yet compared with its receiver.
///
/// ```compile_fail,E0423
/// fn forge(stamped: std::sync::Arc<host_gate::Stamped>) -> host_gate::Verified {
///     host_gate::Verified(stamped)
/// }
/// ```
/// ```compile_fail,E0277
/// fn must_clone<T: Clone>() {}
/// must_clone::<host_gate::Verified>();
/// ```
/// ```compile_fail,E0277
/// fn must_deserialise<T: for<'a> serde::Deserialize<'a>>() {}
/// must_deserialise::<host_gate::Verified>();
/// ```
#[derive(Debug)]
pub struct Verified(Carried);

#[derive(Debug)]
enum Carried {
    Local(Arc<Stamped>),
    Opened(Arc<Envelope>),
}

impl Verified {
    /// Called in `verify` and nowhere else.
    pub(crate) fn local(stamped: Arc<Stamped>) -> Self {
        Self(Carried::Local(stamped))
    }

    /// Called at the end of `verify` and nowhere else.
    pub(crate) fn opened(envelope: Arc<Envelope>) -> Self {
        Self(Carried::Opened(envelope))
    }

    fn was_sealed(&self) -> bool {
        matches!(self.0, Carried::Opened(_))
    }

    /// What was verified: by its id the memory of replays is asked.
    pub fn envelope(&self) -> &Envelope {
        match &self.0 {
            Carried::Local(stamped) => stamped.envelope(),
            Carried::Opened(envelope) => envelope,
        }
    }
}

/// A message that one receiver may handle. A mailbox takes only these, and compares the receiver.
///
/// ```compile_fail,E0451
/// fn forge(verified: host_gate::Verified, receiver: std::sync::Arc<host_model::Caller>) -> host_gate::Accepted {
///     host_gate::Accepted { verified, novelty: host_gate::Novelty::First, receiver, reply_to: None }
/// }
/// ```
/// ```compile_fail,E0277
/// fn must_clone<T: Clone>() {}
/// must_clone::<host_gate::Accepted>();
/// ```
/// ```compile_fail,E0277
/// fn must_deserialise<T: for<'a> serde::Deserialize<'a>>() {}
/// must_deserialise::<host_gate::Accepted>();
/// ```
#[derive(Debug)]
pub struct Accepted {
    verified: Verified,
    novelty: Novelty,
    receiver: Arc<Caller>,
    /// Where its receiver may send an answer: nowhere, for one that merely watches.
    reply_to: Option<ReplyToken>,
}

impl Accepted {
    /// Called at the end of `accept` and nowhere else.
    pub(crate) fn new(verified: Verified, novelty: Novelty, receiver: Arc<Caller>, may_answer: bool) -> Self {
        let reply_to = verified.envelope().reply_to.filter(|_| may_answer);
        Self { verified, novelty, receiver, reply_to }
    }

    /// What was accepted.
    pub fn envelope(&self) -> &Envelope {
        self.verified.envelope()
    }

    /// Whether it came as bytes from a disk or a wire, which whoever carries it wants to be told the end of.
    pub fn was_sealed(&self) -> bool {
        self.verified.was_sealed()
    }

    /// Whether it was handed over before.
    pub fn novelty(&self) -> Novelty {
        self.novelty
    }

    /// Where its receiver may send an answer.
    pub fn reply_to(&self) -> Option<ReplyToken> {
        self.reply_to
    }

    /// Who may handle it.
    pub fn receiver(&self) -> &Arc<Caller> {
        &self.receiver
    }
}
