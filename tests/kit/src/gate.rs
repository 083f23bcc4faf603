//! Callers and messages made at the real gate, for tests of the rooms behind it: a time that stands still, ids that count.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use host_gate::{
    Accepted, Arrival, Delivery, Gate, KeyRefused, Keys, MacKey, MessageLimits, Novelty, Outgoing, Receiver, Refused,
    Signing, Stamp, Stamped, Verifying,
};
use host_model::{
    AgentId, Caller, Clock, Draft, Envelope, Extension, Grants, Header, Ids, Incarnation, KeyId, MessageId, Producer,
    ReplyToken, SendGrant, Target, TenantId, Timestamp,
};

/// When a [`FixedClock`] starts.
pub const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// A clock that stands still until it is moved.
pub struct FixedClock(AtomicU64);

impl FixedClock {
    /// Stands at [`NOW`].
    pub fn new() -> Self {
        Self(AtomicU64::new(NOW.as_millis()))
    }

    /// Moves on.
    pub fn advance_ms(&self, millis: u64) {
        self.0.fetch_add(millis, Ordering::Relaxed);
    }
}

impl Default for FixedClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }

    fn uptime_millis(&self) -> u64 {
        self.0.load(Ordering::Relaxed) - NOW.as_millis()
    }
}

/// Ids and secrets that count from 1, each on its own.
#[derive(Default)]
pub struct CountedIds {
    ids: AtomicU64,
    secrets: AtomicU64,
}

impl Ids for CountedIds {
    fn message_id(&self, _now: Timestamp) -> MessageId {
        let number = self.ids.fetch_add(1, Ordering::Relaxed) + 1;
        format!("00000000-0000-7000-8000-{number:012x}").parse().expect("the form of a UUID")
    }

    fn secret(&self) -> u128 {
        u128::from(self.secrets.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// A caller that no other birth of this test has made.
pub fn born(tenant: &str, agent: &str) -> Arc<Caller> {
    static BIRTHS: AtomicU64 = AtomicU64::new(1);
    let incarnation = Incarnation(BIRTHS.fetch_add(1, Ordering::Relaxed));
    let tenant = tenant.parse().expect("a tenant id");
    Arc::new(Caller::born(tenant, agent.parse().expect("an agent id"), "1.0.0".to_owned(), incarnation))
}

/// A draft with text as its body.
pub fn draft(body: &str) -> Draft {
    Draft {
        message_type: "said".to_owned(),
        content_type: "text/plain".to_owned(),
        payload: body.into(),
        correlation_id: None,
        headers: Vec::new(),
        options: Vec::new(),
    }
}

/// A draft that belongs to a key.
fn keyed(key: &str, body: &str) -> Draft {
    let key = Header { name: Extension::KEY.to_owned(), value: key.to_owned() };
    Draft { options: vec![key], ..draft(body) }
}

/// The body as text.
pub fn body(envelope: &Envelope) -> String {
    String::from_utf8_lossy(&envelope.payload).into_owned()
}

/// Grants to publish everywhere, to send to anybody, to find peers, and to receive from these topics.
pub fn grants(subscribe: &[&str]) -> Grants {
    let patterns = |raw: &[&str]| raw.iter().map(|raw| raw.parse().expect("a pattern")).collect();
    Grants {
        publish: patterns(&[">"]),
        subscribe: patterns(subscribe),
        send: SendGrant::Any,
        discover: true,
        ..Grants::default()
    }
}

/// One that may send everything, at a gate of its own.
pub struct Sender {
    /// Who it is.
    pub caller: Arc<Caller>,
    gate: Gate,
    ids: CountedIds,
    seq: AtomicU64,
}

impl Sender {
    /// The agent `sender` of a tenant.
    pub fn in_tenant(tenant: &str) -> Self {
        Self::of(born(tenant, "sender"))
    }

    /// A caller as a sender.
    pub fn of(caller: Arc<Caller>) -> Self {
        Self { caller, gate: Gate::new(MessageLimits::default()), ids: CountedIds::default(), seq: AtomicU64::new(0) }
    }

    /// A message on a topic.
    pub fn on_topic(&self, raw: &str, body: &str) -> Stamped {
        self.admit(Target::Topic(raw.parse().expect("a topic")), body, None)
    }

    /// A message to an agent.
    pub fn to_agent(&self, raw: &str, body: &str) -> Stamped {
        self.admit(Target::Queue(raw.parse().expect("a queue")), body, None)
    }

    /// A message on a topic that belongs to a key.
    pub fn on_topic_by_key(&self, raw: &str, key: &str, body: &str) -> Stamped {
        self.admit_draft(Target::Topic(raw.parse().expect("a topic")), keyed(key, body), None)
    }

    /// A message to an agent that belongs to a key.
    pub fn to_agent_by_key(&self, raw: &str, key: &str, body: &str) -> Stamped {
        self.admit_draft(Target::Queue(raw.parse().expect("a queue")), keyed(key, body), None)
    }

    /// A draft of the test's own.
    pub fn says(&self, target: Target, draft: Draft) -> Stamped {
        self.admit_draft(target, draft, None)
    }

    /// A request to an agent, whose answer is awaited under a token.
    pub fn ask(&self, raw: &str, body: &str, token: ReplyToken) -> Stamped {
        self.admit(Target::Queue(raw.parse().expect("a queue")), body, Some(token))
    }

    /// This sender's answer to a request that was accepted for it.
    pub fn answer(&self, request: &Accepted, body: &str) -> Stamped {
        let answer = self.gate.admit_reply(&self.caller, request, draft(body), self.stamp());
        answer.expect("the request was accepted for this caller")
    }

    fn admit(&self, target: Target, body: &str, reply_to: Option<ReplyToken>) -> Stamped {
        self.admit_draft(target, draft(body), reply_to)
    }

    fn admit_draft(&self, target: Target, draft: Draft, reply_to: Option<ReplyToken>) -> Stamped {
        let outgoing = Outgoing { target, draft, reply_to, expires: None, replay_of: None };
        self.gate.admit(&self.caller, &grants(&[]), outgoing, self.stamp()).expect("it may send everything")
    }

    fn stamp(&self) -> Stamp<'_> {
        let producer = Producer::new(NOW, self.caller.incarnation());
        Stamp { now: NOW, ids: &self.ids, id: None, producer, seq: &self.seq, cause: None, fences: &[] }
    }
}

/// One key that signs for everybody, the same wherever it is asked for.
pub fn one_key() -> Arc<dyn Keys> {
    Arc::new(OneKey(Arc::new(MacKey::new(&[7; 32]))))
}

struct OneKey(Arc<MacKey>);

impl Keys for OneKey {
    fn signing(&self, _tenant: &TenantId, _sender: &AgentId) -> Option<Signing> {
        Some(Signing { key: KeyId::new(0xaa), mac: self.0.clone() })
    }

    fn verifying(&self, _tenant: &TenantId, _key: KeyId, _sender: &AgentId) -> Result<Verifying, KeyRefused> {
        Ok(Verifying { mac: self.0.clone(), retired: None })
    }
}

/// Takes a message in as an agent that may receive from all topics.
pub fn accept(receiver: &Arc<Caller>, stamped: Stamped) -> Accepted {
    let grants = grants(&[">"]);
    let receiver = Receiver::Agent { caller: receiver, grants: &grants };
    let accepted = take(Delivery::Local(Arc::new(stamped)), receiver);
    accepted.expect("a message of the receiver's own tenant, to it or to a topic")
}

/// Takes in what never left the process, or was signed with the [`one_key`].
pub fn take(delivery: Delivery, receiver: Receiver<'_>) -> Result<Accepted, Refused> {
    let gate = Gate::new(MessageLimits::default());
    let verified = gate.verify(delivery, &*one_key(), Arrival::Kept)?;
    gate.accept(verified, Novelty::First, receiver, NOW)
}

/// A message from `sender` that was accepted for this receiver.
pub fn accepted(receiver: &Arc<Caller>, body: &str) -> Accepted {
    let sender = Sender::in_tenant(receiver.tenant().as_str());
    accept(receiver, sender.to_agent(receiver.agent().as_str(), body))
}
