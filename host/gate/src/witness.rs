//! The proofs: private fields, one birthplace each, and no other way to get one.

use std::sync::Arc;

use host_model::{Caller, Envelope, ReplyToken};

/// A message that was admitted: its tenant and sender are the host's word. A bus takes only these.
///
/// ```compile_fail,E0423
/// fn forge(envelope: host_model::Envelope) -> host_gate::Stamped {
///     host_gate::Stamped(envelope)
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
pub struct Stamped(Envelope);

impl Stamped {
    /// Called at the end of `admit` and nowhere else.
    pub(crate) fn new(envelope: Envelope) -> Self {
        Self(envelope)
    }

    /// What was stamped.
    pub fn envelope(&self) -> &Envelope {
        &self.0
    }
}

/// A message as it arrives at the receiving side, not yet checked against its receiver.
#[derive(Debug)]
#[non_exhaustive]
pub enum Delivery {
    /// It never left the process: the stamp is still the one `admit` made, so that only signature and replay look-up are skipped.
    Local(Arc<Stamped>),
}

/// A message that one receiver may handle. A mailbox takes only these, and compares the receiver.
///
/// ```compile_fail,E0451
/// fn forge(stamped: std::sync::Arc<host_gate::Stamped>, receiver: std::sync::Arc<host_model::Caller>) -> host_gate::Accepted {
///     host_gate::Accepted { stamped, receiver, reply_to: None }
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
    stamped: Arc<Stamped>,
    receiver: Arc<Caller>,
    /// Where its receiver may send an answer: nowhere, for one that merely watches.
    reply_to: Option<ReplyToken>,
}

impl Accepted {
    /// Called at the end of `accept` and nowhere else.
    pub(crate) fn new(stamped: Arc<Stamped>, receiver: Arc<Caller>, may_answer: bool) -> Self {
        let reply_to = stamped.envelope().reply_to.filter(|_| may_answer);
        Self { stamped, receiver, reply_to }
    }

    /// What was accepted.
    pub fn envelope(&self) -> &Envelope {
        self.stamped.envelope()
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
