//! Callers, drafts and a gate for the tests of this crate.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use host_model::{
    AgentId, Caller, Cause, Draft, Grants, Header, Ids, Incarnation, MessageId, Producer, ReplyToken, SendGrant,
    Target, Timestamp,
};

use crate::{
    Accepted, Arrival, Delivery, Denied, Gate, MessageLimits, NoKeys, Novelty, Outgoing, Receiver, Refused, Stamp,
    Stamped,
};

/// When all of it happens.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// Small, so that both sides of each limit are cheap to reach.
pub(crate) const LIMITS: MessageLimits =
    MessageLimits { payload_bytes_max: 8, headers_max: 2, hop_max: 3, root_messages_max: 9 };

/// Ids that count from 1.
#[derive(Default)]
pub(crate) struct Counted(AtomicU64);

impl Ids for Counted {
    fn message_id(&self, _now: Timestamp) -> MessageId {
        message_id(self.0.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn secret(&self) -> u128 {
        self.0.fetch_add(1, Ordering::Relaxed).into()
    }
}

pub(crate) fn message_id(number: u64) -> MessageId {
    format!("00000000-0000-7000-8000-{number:012x}").parse().unwrap()
}

pub(crate) fn caller(tenant: &str, agent: &str) -> Arc<Caller> {
    caller_of(tenant, agent.parse().unwrap(), 1)
}

pub(crate) fn caller_of(tenant: &str, agent: AgentId, incarnation: u64) -> Arc<Caller> {
    Arc::new(Caller::born(tenant.parse().unwrap(), agent, "1.0.0".into(), Incarnation(incarnation)))
}

/// Grants to publish, to receive and to send.
pub(crate) fn grants(publish: &[&str], subscribe: &[&str], send: &[&str]) -> Grants {
    let patterns = |raw: &[&str]| raw.iter().map(|raw| raw.parse().unwrap()).collect();
    let send = SendGrant::These(send.iter().map(|raw| raw.parse().unwrap()).collect());
    Grants { publish: patterns(publish), subscribe: patterns(subscribe), send, ..Grants::default() }
}

/// A draft that passes.
pub(crate) fn draft() -> Draft {
    Draft {
        message_type: "incident.created".into(),
        content_type: "application/json".into(),
        payload: b"{}".to_vec(),
        correlation_id: None,
        headers: Vec::new(),
        options: Vec::new(),
    }
}

pub(crate) fn header(name: &str, value: &str) -> Header {
    Header { name: name.into(), value: value.into() }
}

pub(crate) fn topic(raw: &str) -> Target {
    Target::Topic(raw.parse().unwrap())
}

pub(crate) fn agent(raw: &str) -> Target {
    Target::Queue(raw.parse().unwrap())
}

/// One sender at the gate.
pub(crate) struct Sender {
    pub(crate) gate: Gate,
    pub(crate) caller: Arc<Caller>,
    pub(crate) grants: Grants,
    pub(crate) cause: Option<Cause>,
    ids: Counted,
    seq: AtomicU64,
}

impl Sender {
    /// May publish on `open.>` and on `agents.>`, and send to `kb`.
    pub(crate) fn new(tenant: &str, agent: &str) -> Self {
        Self {
            gate: Gate::new(LIMITS),
            caller: caller(tenant, agent),
            grants: grants(&["open.>", "agents.>"], &[], &["kb"]),
            cause: None,
            ids: Counted::default(),
            seq: AtomicU64::new(0),
        }
    }

    pub(crate) fn stamp(&self) -> Stamp<'_> {
        let producer = Producer::new(NOW, self.caller.incarnation());
        Stamp { now: NOW, ids: &self.ids, id: None, producer, seq: &self.seq, cause: self.cause, fences: &[] }
    }

    pub(crate) fn admit(&self, target: Target, draft: Draft) -> Result<Stamped, Denied> {
        self.admit_as(Outgoing { target, draft, reply_to: None, expires: None, replay_of: None })
    }

    pub(crate) fn admit_as(&self, outgoing: Outgoing) -> Result<Stamped, Denied> {
        self.gate.admit(&self.caller, &self.grants, outgoing, self.stamp())
    }

    /// A request to `kb` that was admitted.
    pub(crate) fn request(&self, draft: Draft, expires: Option<Timestamp>) -> Stamped {
        let reply_to = Some(ReplyToken::new(77));
        self.admit_as(Outgoing { target: agent("kb"), draft, reply_to, expires, replay_of: None }).unwrap()
    }

    /// Takes a delivery in as the agent that this sender is, with its grants.
    pub(crate) fn accept(&self, stamped: Stamped) -> Result<Accepted, Refused> {
        let receiver = Receiver::Agent { caller: &self.caller, grants: &self.grants };
        accept_local(&self.gate, stamped, receiver)
    }
}

/// Takes in what never left the process.
pub(crate) fn accept_local(gate: &Gate, stamped: Stamped, receiver: Receiver<'_>) -> Result<Accepted, Refused> {
    let verified = gate.verify(Delivery::Local(Arc::new(stamped)), &NoKeys, Arrival::Kept)?;
    gate.accept(verified, Novelty::First, receiver, NOW)
}
