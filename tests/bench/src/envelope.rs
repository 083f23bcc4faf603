//! M5–M7: what a signature costs, what not signing saves, and JSON signed as sent beside JSON made canonical.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{anyhow, ensure};
use hmac::{Hmac, KeyInit as _, Mac as _};
use host_fleet::RandomIds;
use host_gate::{
    Arrival, Delivery, Gate, KeyRefused, Keys, MacInput, MacKey, MessageLimits, Novelty, Outgoing, Receiver, Signing,
    Stamp, Stamped, Verifying,
};
use host_model::{
    AgentId, Caller, Draft, Grants, Incarnation, KeyId, Producer, SendGrant, Target, TenantId, Timestamp,
};
use serde_json::Value;
use sha2::Sha256;

use crate::harness::{Batch, Plan, rounds};
use crate::metric::{Better, Metric, Question, Tell, Wanted, typical};

const NOW: Timestamp = Timestamp::from_millis(1_763_000_000_000);
const KEY: [u8; 32] = [7; 32];

/// M5 by payload length.
const SIGNED: [(&str, usize); 3] = [("M5", 256), ("M5-1k", 1 << 10), ("M5-16k", 16 << 10)];
/// M7 by payload length, with its floor.
const CANONICAL: [(&str, usize, f64); 2] = [("M7", 256, 3.0), ("M7-16k", 16 << 10, 6.0)];

/// Measures what is wanted of this file.
pub(crate) fn measure(plan: &Plan, wanted: Wanted<'_>, tell: Tell<'_>) -> anyhow::Result<()> {
    for (name, len) in SIGNED.into_iter().filter(|(name, _)| wanted(name)) {
        tell(signing(plan, name, len)?)?;
    }
    if wanted("M6") {
        tell(in_process(plan)?)?;
    }
    for (name, len, floor) in CANONICAL.into_iter().filter(|(name, ..)| wanted(name)) {
        tell(canonical(plan, name, len, floor)?)?;
    }
    Ok(())
}

/// The input and its MAC, beside the MAC of the same bytes and one copy of them.
fn signing(plan: &Plan, name: &'static str, len: usize) -> anyhow::Result<Metric> {
    let way = Way::new("application/octet-stream", vec![b'x'; len])?;
    let stamped = way.stamp()?;
    let (key, mac) = (way.keys.key, way.keys.mac.clone());
    let input = MacInput::of(stamped.envelope(), key);
    let bytes = [input.head(), input.payload()].concat();
    let keyed = Hmac::<Sha256>::new_from_slice(&KEY)?;
    let rounds = rounds(
        plan,
        [
            &mut |size| {
                timed(size, || {
                    black_box(mac.sign(&MacInput::of(black_box(stamped.envelope()), key)));
                    Ok(())
                })
            },
            &mut |size| {
                timed(size, || {
                    let mut mac = keyed.clone();
                    mac.update(&black_box(&bytes).clone());
                    black_box(mac.finalize());
                    Ok(())
                })
            },
        ],
    )?;
    let [ours, reference] = micros(&rounds);
    let question = Question {
        name,
        floor: Some(1.6),
        better: Better::Lower,
        ours: format!("build the input of a {len} B payload and sign it: {ours:.2} µs"),
        reference: format!("copy the same {} bytes and sign them: {reference:.2} µs", bytes.len()),
    };
    Ok(question.answer(rounds.iter().map(|[ours, reference]| reference / ours).collect()))
}

/// One hop within the process, beside the same hop sealed and verified.
fn in_process(plan: &Plan) -> anyhow::Result<Metric> {
    let way = Way::new("application/json", json_of(256))?;
    let signed_before = way.keys.asked.load(Ordering::Relaxed);
    way.local()?;
    ensure!(way.keys.asked.load(Ordering::Relaxed) == signed_before, "a delivery within the process asked for a key");
    let rounds = rounds(plan, [&mut |size| timed(size, || way.local()), &mut |size| timed(size, || way.sealed())])?;
    let [ours, reference] = micros(&rounds);
    let question = Question {
        name: "M6",
        floor: Some(2.0),
        better: Better::Higher,
        ours: format!("admit, hand over, accept; no key is asked for: {ours:.2} µs"),
        reference: format!("admit, seal, verify, accept, 256 B of JSON: {reference:.2} µs"),
    };
    Ok(question.answer(rounds.iter().map(|[ours, reference]| ours / reference).collect()))
}

/// Seal and verify, beside the same over a canonical form of `serde_json::Value`.
fn canonical(plan: &Plan, name: &'static str, len: usize, floor: f64) -> anyhow::Result<Metric> {
    let way = Way::new("application/json", json_of(len))?;
    let stamped = way.stamp()?;
    let sealed = way.gate.seal(&stamped, &way.keys).map_err(|error| anyhow!("{error}"))?;
    let mut value: Value = serde_json::from_slice(sealed.bytes())?;
    without_signature(&mut value)?;
    let keyed = Hmac::<Sha256>::new_from_slice(&KEY)?;
    let rounds = rounds(
        plan,
        [&mut |size| timed(size, || way.round_trip(&stamped)), &mut |size| timed(size, || by_value(&value, &keyed))],
    )?;
    let [ours, reference] = micros(&rounds);
    let question = Question {
        name,
        floor: Some(floor),
        better: Better::Higher,
        ours: format!("sign, write, read, verify {len} B of JSON as sent: {ours:.2} µs"),
        reference: format!("the same with a sorted serde_json::Value made twice: {reference:.2} µs"),
    };
    Ok(question.answer(rounds.iter().map(|[ours, reference]| ours / reference).collect()))
}

/// What a host does that signs a canonical form: sort and write it to sign, write the frame, read it, sort and write it to verify.
fn by_value(value: &Value, keyed: &Hmac<Sha256>) -> anyhow::Result<()> {
    let mac = |value: &Value| -> anyhow::Result<String> {
        let mut mac = keyed.clone();
        mac.update(&serde_json::to_vec(value)?);
        let signature: [u8; 32] = mac.finalize().into_bytes().into();
        let (halves, _) = signature.as_chunks::<16>();
        Ok(halves.iter().fold(String::new(), |hex, half| format!("{hex}{:032x}", u128::from_be_bytes(*half))))
    };
    let mut frame = value.clone();
    let signature = mac(&frame)?;
    frame.as_object_mut().ok_or_else(|| anyhow!("no object"))?.insert("signature".to_owned(), signature.into());
    let bytes = serde_json::to_vec(&frame)?;
    let mut read: Value = serde_json::from_slice(&bytes)?;
    let signature = without_signature(&mut read)?;
    ensure!(signature == mac(&read)?, "the signature is wrong");
    Ok(())
}

fn without_signature(value: &mut Value) -> anyhow::Result<Value> {
    value.as_object_mut().and_then(|object| object.remove("signature")).ok_or_else(|| anyhow!("no signature"))
}

/// JSON of about this length: small objects in a list.
fn json_of(len: usize) -> Vec<u8> {
    let item = r#"{"id":"INC-4711","severity":"high","count":12},"#;
    format!("[{}{{}}]", item.repeat(len / item.len())).into_bytes()
}

/// A sender, a receiver and the gate between them.
struct Way {
    gate: Gate,
    keys: OneKey,
    sender: Arc<Caller>,
    receiver: Arc<Caller>,
    grants: Grants,
    ids: RandomIds,
    seq: AtomicU64,
    content_type: &'static str,
    payload: Vec<u8>,
}

impl Way {
    fn new(content_type: &'static str, payload: Vec<u8>) -> anyhow::Result<Self> {
        let born = |agent: &str, number| -> anyhow::Result<Arc<Caller>> {
            Ok(Arc::new(Caller::born("acme".parse()?, agent.parse()?, "1.0.0".to_owned(), Incarnation(number))))
        };
        Ok(Self {
            gate: Gate::new(MessageLimits::default()),
            keys: OneKey { key: KeyId::new(1), mac: Arc::new(MacKey::new(&KEY)), asked: AtomicU64::new(0) },
            sender: born("responder", 1)?,
            receiver: born("kb", 2)?,
            grants: Grants { send: SendGrant::Any, ..Grants::default() },
            ids: RandomIds::new()?,
            seq: AtomicU64::new(0),
            content_type,
            payload,
        })
    }

    fn stamp(&self) -> anyhow::Result<Stamped> {
        let draft = Draft {
            message_type: "incident.created".to_owned(),
            content_type: self.content_type.to_owned(),
            payload: self.payload.clone(),
            correlation_id: None,
            headers: Vec::new(),
            options: Vec::new(),
        };
        let target = Target::Queue(self.receiver.agent().clone().into());
        let producer = Producer::new(NOW, self.sender.incarnation());
        let stamp = Stamp { now: NOW, ids: &self.ids, id: None, producer, seq: &self.seq, cause: None, fences: &[] };
        Ok(self.gate.admit(
            &self.sender,
            &self.grants,
            Outgoing { target, draft, reply_to: None, expires: None, replay_of: None },
            stamp,
        )?)
    }

    fn local(&self) -> anyhow::Result<()> {
        self.take(Delivery::Local(Arc::new(self.stamp()?)))
    }

    fn sealed(&self) -> anyhow::Result<()> {
        self.take(self.seal(&self.stamp()?)?)
    }

    fn round_trip(&self, stamped: &Stamped) -> anyhow::Result<()> {
        black_box(self.gate.verify(self.seal(stamped)?, &self.keys, Arrival::Kept)?);
        Ok(())
    }

    fn seal(&self, stamped: &Stamped) -> anyhow::Result<Delivery> {
        let sealed = self.gate.seal(stamped, &self.keys)?;
        let (tenant, address, bytes) = (sealed.tenant().clone(), sealed.address().to_owned(), sealed.bytes().clone());
        Ok(Delivery::Sealed { tenant, address, bytes })
    }

    fn take(&self, delivery: Delivery) -> anyhow::Result<()> {
        let verified = self.gate.verify(delivery, &self.keys, Arrival::Kept)?;
        let receiver = Receiver::Agent { caller: &self.receiver, grants: &self.grants };
        black_box(self.gate.accept(verified, Novelty::First, receiver, NOW)?);
        Ok(())
    }
}

/// One key for everybody, which counts how often it is asked for.
struct OneKey {
    key: KeyId,
    mac: Arc<MacKey>,
    asked: AtomicU64,
}

impl Keys for OneKey {
    fn signing(&self, _tenant: &TenantId, _sender: &AgentId) -> Option<Signing> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Some(Signing { key: self.key, mac: self.mac.clone() })
    }

    fn verifying(&self, _tenant: &TenantId, _key: KeyId, _sender: &AgentId) -> Result<Verifying, KeyRefused> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Ok(Verifying { mac: self.mac.clone(), retired: None })
    }
}

fn timed(size: u64, mut once: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<Batch> {
    Batch::of(size, || (0..size).try_for_each(|_| once()))
}

fn micros(rounds: &[[f64; 2]]) -> [f64; 2] {
    [1e6 / typical(rounds, |[ours, _]| *ours), 1e6 / typical(rounds, |[_, reference]| *reference)]
}
