//! Sealed frames: two decoders agree on each, and nothing that was not sealed is ever verified.

use std::sync::atomic::AtomicU64;

use host_gate::{Arrival, Delivery, Gate, MessageLimits, Outgoing, Stamp};
use host_model::{Caller, Draft, Envelope, Grants, Header, Incarnation, Producer, SendGrant, Target, Timestamp};
use tests_kit::chance::Chance;
use tests_kit::gate::CountedIds;

use crate::keys::{KEYS, NOW, Ring};
use crate::messages::{self, body};
use crate::mutate::mutated;
use crate::outsider::{self, Arrived, Form, Message};
use crate::spelling::{garbled, members, written};
use crate::target::{Fault, Verdict};

const LIMITS: MessageLimits =
    MessageLimits { payload_bytes_max: 256, headers_max: 3, hop_max: 3, root_messages_max: 100 };

/// Refusals of a frame's form: which of several faults is found first is an implementation's own matter.
const FORM: [&str; 9] = [
    "bad-json",
    "bad-version",
    "bad-signature-text",
    "too-many-headers",
    "bad-payload",
    "payload-too-large",
    "too-deep",
    "bad-field",
    "unknown-extension",
];

/// The gate and the outsider read the same bytes: both refuse, for the same reason, or both get the same message.
pub(crate) fn decoders_agree(chance: &mut Chance) -> Result<Verdict, Fault> {
    let arrived = arrived(chance);
    let of_gate = gate(&arrived);
    let of_outsider = outsider::verify(&arrived, &LIMITS, &KEYS);
    match (&of_gate, &of_outsider) {
        (Ok(envelope), Ok(message)) if Message::of(envelope) == *message => Ok(Verdict::Took),
        (Err(one), Err(other)) if one == other || (FORM.contains(one) && FORM.contains(other)) => Ok(Verdict::Refused),
        _ => Err(Fault::Forgery(format!(
            "{}\narrived in {} at {:?}\n  gate:     {of_gate:?}\n  outsider: {of_outsider:?}",
            String::from_utf8_lossy(&arrived.bytes),
            arrived.tenant,
            arrived.address,
        ))),
    }
}

/// A frame that is good, or nearly: as its key's owner would write it, or somebody without the key.
fn arrived(chance: &mut Chance) -> Arrived {
    let (form, body) = body(chance);
    let message = Message { body, ..messages::message(chance) };
    let key = chance.pick(&KEYS);
    // Mostly the key of the message's own tenant.
    let key = if key.tenant == message.tenant || chance.one_in(4) {
        key
    } else {
        &KEYS[4 * usize::from(message.tenant == "globex")]
    };
    let secret = if chance.one_in(16) { [9; 32] } else { key.bytes };
    let mac = message.mac(form, key.id, &secret);
    let id = if chance.one_in(16) { 0xff } else { key.id };
    let mut members = members(&message, form, id, &mac);
    if chance.one_in(4) {
        garbled(chance, &mut members);
    }
    let mut bytes = written(chance, members);
    if chance.one_in(6) {
        bytes = mutated(chance, &bytes, b"");
    }
    let tenant = if chance.one_in(12) { "globex".to_owned() } else { message.tenant.clone() };
    // What is no id is never where something arrived.
    let tenant = if outsider::words::is_id(&tenant) { tenant } else { "acme".to_owned() };
    let address = if chance.one_in(12) { "queues.kb".to_owned() } else { message.to.address() };
    let now = if chance.one_in(3) { Some(NOW) } else { None };
    Arrived { tenant, address, bytes, now }
}

fn gate(arrived: &Arrived) -> Result<Envelope, &'static str> {
    thread_local!(static RING: Ring = Ring::new());
    let Arrived { tenant, address, bytes, now } = arrived.clone();
    let tenant = tenant.parse().expect("an id: see arrived()");
    let arrival = now.map_or(Arrival::Kept, |now| Arrival::Ingress { now: Timestamp::from_millis(now) });
    let delivery = Delivery::Sealed { tenant, address, bytes: bytes.into() };
    let verified = RING.with(|ring| Gate::new(LIMITS).verify(delivery, ring, arrival));
    verified.map(|verified| verified.envelope().clone()).map_err(|refused| refused.code())
}

/// Two messages that the real gate sealed, and an attacker who has both, the other tenant's key and one agent's.
pub(crate) fn nothing_forged_is_verified(chance: &mut Chance) -> Result<Verdict, Fault> {
    let (sealed, other) = (sealed(chance)?, sealed(chance)?);
    let forged = attack(chance, &sealed, &other);
    let verified = gate(&forged);
    let is_sealed = |one: &Sealed, envelope: &Envelope| {
        one.envelope == *envelope && one.arrived.tenant == forged.tenant && one.arrived.address == forged.address
    };
    match verified {
        Err(_) => Ok(Verdict::Refused),
        Ok(envelope) if is_sealed(&sealed, &envelope) || is_sealed(&other, &envelope) => Ok(Verdict::Took),
        Ok(envelope) => Err(Fault::Forgery(format!(
            "{}\nbecame {envelope:?}\nin {} at {}; sealed was {:?}",
            String::from_utf8_lossy(&forged.bytes),
            forged.tenant,
            forged.address,
            sealed.envelope
        ))),
    }
}

struct Sealed {
    envelope: Envelope,
    arrived: Arrived,
}

/// What `acme`'s own agents sent.
fn sealed(chance: &mut Chance) -> Result<Sealed, Fault> {
    thread_local!(static RING: Ring = Ring::new());
    let gate = Gate::new(LIMITS);
    let sender = (*chance.pick(&["responder", "kb"])).parse().expect("an id");
    let caller = Caller::born("acme".parse().expect("an id"), sender, "1.0.0".to_owned(), Incarnation(1));
    let grants = Grants { publish: vec![">".parse().expect("a pattern")], send: SendGrant::Any, ..Grants::default() };
    let (form, body) = body(chance);
    let content_type = if form == Form::Json { "application/json" } else { "text/plain" }.to_owned();
    let header = Header { name: "lang".to_owned(), value: "fr é".to_owned() };
    let draft = Draft {
        message_type: "incident.created".to_owned(),
        content_type,
        payload: body.into_iter().take(LIMITS.payload_bytes_max).collect(),
        correlation_id: chance.one_in(2).then(|| "c-1".to_owned()),
        headers: vec![header; chance.below(3)],
        options: Vec::new(),
    };
    let target = if chance.one_in(2) {
        Target::Topic("incident.created".parse().expect("a topic"))
    } else {
        Target::Queue("kb".parse().expect("an id"))
    };
    let (ids, seq, now) = (CountedIds::default(), AtomicU64::new(chance.within(0, 9)), Timestamp::from_millis(NOW));
    let stamp = Stamp {
        now,
        ids: &ids,
        id: None,
        producer: Producer::new(now, Incarnation(1)),
        seq: &seq,
        cause: None,
        fences: &[],
    };
    let stamped =
        gate.admit(&caller, &grants, Outgoing { target, draft, reply_to: None, expires: None, replay_of: None }, stamp);
    let stamped = stamped.map_err(|denied| Fault::Broken(format!("a good draft was denied: {denied}")))?;
    let sealed = RING.with(|ring| gate.seal(&stamped, ring));
    let sealed = sealed.map_err(|refused| Fault::Broken(format!("a stamped message was not sealed: {refused}")))?;
    let arrived = Arrived {
        tenant: sealed.tenant().to_string(),
        address: sealed.address().to_owned(),
        bytes: sealed.bytes().to_vec(),
        now: None,
    };
    Ok(Sealed { envelope: stamped.envelope().clone(), arrived })
}

fn attack(chance: &mut Chance, sealed: &Sealed, other: &Sealed) -> Arrived {
    let mut forged = sealed.arrived.clone();
    match chance.below(8) {
        0 => forged.bytes = mutated(chance, &forged.bytes, &other.arrived.bytes),
        1 => forged.bytes = spliced(&forged.bytes, &other.arrived.bytes),
        2 => "globex".clone_into(&mut forged.tenant),
        3 => forged.address.clone_from(&other.arrived.address),
        4 => forged.bytes = lied(chance, &sealed.envelope),
        5 | 6 => forged.bytes = altered(chance, &sealed.envelope),
        _ => {
            forged.bytes = mutated(chance, &forged.bytes, b"");
            forged.address.clone_from(&other.arrived.address);
        }
    }
    forged
}

/// One frame under the signature of another.
fn spliced(frame: &[u8], other: &[u8]) -> Vec<u8> {
    let at = |frame: &[u8]| frame.windows(11).rposition(|at| at == b"\"signature\"").unwrap_or_default();
    [&frame[..at(frame)], &other[at(other)..]].concat()
}

/// The message with one field of another, under its own signature.
fn altered(chance: &mut Chance, envelope: &Envelope) -> Vec<u8> {
    let mut message = Message::of(envelope);
    let of_json = serde_json::from_slice::<&serde_json::value::RawValue>(&message.body).is_ok();
    let form = if of_json && chance.one_in(2) { Form::Json } else { Form::Base64 };
    let mac = message.mac(form, KEYS[0].id, &KEYS[0].bytes);
    let donor = Message { body: body(chance).1, ..messages::message(chance) };
    exchange(chance.below(19), &mut message, donor);
    let as_said = if of_json && chance.one_in(8) { Form::Json } else { form };
    let members = members(&message, as_said, KEYS[0].id, &mac);
    written(chance, members)
}

/// Gives a message one field of another.
fn exchange(field: usize, message: &mut Message, donor: Message) {
    match field {
        0 => message.id = donor.id,
        1 => message.sender = donor.sender,
        2 => message.producer = donor.producer,
        3 => message.seq = donor.seq,
        4 => message.to = donor.to,
        5 => message.reply_to = donor.reply_to,
        6 => message.kind = donor.kind,
        7 => message.content_type = donor.content_type,
        8 => message.timestamp = donor.timestamp,
        9 => message.expires = donor.expires,
        10 => message.correlation = donor.correlation,
        11 => message.causation = donor.causation,
        12 => message.hop = donor.hop,
        13 => message.root = donor.root,
        14 => message.traceparent = donor.traceparent,
        15 => message.replay_of = donor.replay_of,
        16 => message.headers = donor.headers,
        17 => message.ext = donor.ext,
        _ => message.body = donor.body,
    }
}

/// A message that was never sent, signed with whatever key the attacker has, under any name.
fn lied(chance: &mut Chance, envelope: &Envelope) -> Vec<u8> {
    let mut lie = Message::of(envelope);
    lie.seq += 1 + chance.within(0, 9);
    // The agent's key vouches for that agent alone, so the lie is about another.
    "responder".clone_into(&mut lie.sender);
    let of_attacker = [&KEYS[3], &KEYS[4]];
    let (key, id) = (chance.pick(&of_attacker), chance.pick(&KEYS).id);
    let mut mac = lie.mac(Form::Base64, if chance.one_in(2) { key.id } else { id }, &key.bytes);
    if chance.one_in(4) {
        mac = [*chance.pick(&[0, 0xff]); 32];
    }
    let id = if chance.one_in(2) { key.id } else { id };
    let members = members(&lie, Form::Base64, id, &mac);
    written(chance, members)
}
