//! Sealed bytes at the gate: what a host sealed passes, and each lie has its own refusal.

use std::collections::HashMap;
use std::sync::Arc;

use host_model::{AgentId, Destination, Envelope, Header, Principal, Producer, ReplyToken};

use super::*;
use crate::keys::{MacKey, Signing, Verifying};
use crate::samples::{self, NOW, Sender, agent, draft, message_id, topic};
use crate::{MessageLimits, NoKeys, NotSealed, Stamped};

pub(super) const LIMITS: MessageLimits =
    MessageLimits { payload_bytes_max: 1024, headers_max: 2, hop_max: 3, root_messages_max: 100 };

/// One key of a tenant.
pub(super) struct Key {
    pub(super) tenant: &'static str,
    pub(super) id: &'static str,
    pub(super) bytes: [u8; 32],
    pub(super) principal: Principal,
    pub(super) state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Active,
    Retired(Timestamp),
    Revoked,
}

pub(super) const ACTIVE: &str = "00000000000000a1";
pub(super) const RETIRED: &str = "00000000000000a2";
pub(super) const REVOKED: &str = "00000000000000a3";
pub(super) const OF_KB: &str = "00000000000000a4";
pub(super) const OF_GLOBEX: &str = "00000000000000b1";
pub(super) const NOBODYS: &str = "00000000000000ff";

/// When the retired key stopped signing: an hour before all of it happens.
pub(super) const RETIRED_AT: Timestamp = Timestamp::from_millis(NOW.as_millis() - 3_600_000);

pub(super) fn all_keys() -> Vec<Key> {
    let key = |tenant, id, byte, principal, state| Key { tenant, id, bytes: [byte; 32], principal, state };
    let kb = Principal::Agent("kb".parse().unwrap());
    vec![
        key("acme", ACTIVE, 1, Principal::Host, State::Active),
        key("acme", RETIRED, 2, Principal::Host, State::Retired(RETIRED_AT)),
        key("acme", REVOKED, 3, Principal::Host, State::Revoked),
        key("acme", OF_KB, 4, kb, State::Active),
        key("globex", OF_GLOBEX, 5, Principal::Host, State::Active),
    ]
}

/// The keys of [`all_keys`], as a vault answers.
pub(super) struct Ring(HashMap<(TenantId, KeyId), Key>);

impl Ring {
    pub(super) fn new() -> Self {
        let named = |key: Key| ((key.tenant.parse().unwrap(), key.id.parse().unwrap()), key);
        Self(all_keys().into_iter().map(named).collect())
    }
}

impl Keys for Ring {
    fn signing(&self, tenant: &TenantId, sender: &AgentId) -> Option<Signing> {
        let signs = |key: &Key| {
            key.state == State::Active && key.principal.speaks_for(sender) && key.principal == Principal::Host
        };
        let ((_, id), key) = self.0.iter().find(|((of, _), key)| of == tenant && signs(key))?;
        Some(Signing { key: *id, mac: Arc::new(MacKey::new(&key.bytes)) })
    }

    fn verifying(&self, tenant: &TenantId, id: KeyId, sender: &AgentId) -> Result<Verifying, KeyRefused> {
        let key = self.0.get(&(tenant.clone(), id)).ok_or(KeyRefused::Unknown)?;
        let retired = match key.state {
            State::Revoked => return Err(KeyRefused::Revoked),
            State::Retired(at) => Some(at),
            State::Active => None,
        };
        if !key.principal.speaks_for(sender) {
            return Err(KeyRefused::NotForSender);
        }
        Ok(Verifying { mac: Arc::new(MacKey::new(&key.bytes)), retired })
    }
}

/// A message on a topic, with a little of everything.
pub(super) fn envelope() -> Envelope {
    Envelope {
        id: message_id(7),
        tenant: "acme".parse().unwrap(),
        sender: "responder".parse().unwrap(),
        producer: Producer { host: NOW.as_millis(), instance: 3 },
        seq: 42,
        to: Destination::Topic("incident.created".parse().unwrap()),
        reply_to: None,
        message_type: "incident.created".into(),
        content_type: "application/json".into(),
        payload: br#"{"n": 1.10, "s": "a\u0062"}"#.to_vec(),
        timestamp: NOW,
        expires: None,
        correlation_id: Some("c-1".into()),
        causation_id: None,
        hop: 0,
        root_id: message_id(7),
        headers: vec![Header { name: "lang".into(), value: "fr \u{e9}\u{1f980} \"quoted\\\"".into() }],
        extras: None,
    }
}

/// A frame of this envelope under a key, signed by whoever has the key's bytes.
pub(super) fn signed_with(envelope: &Envelope, key: &str) -> Vec<u8> {
    let bytes = all_keys().into_iter().find(|known| known.id == key).map_or([9; 32], |known| known.bytes);
    let (key, encoding) = (key.parse().unwrap(), frame::encoding_of(envelope));
    let signature = MacKey::new(&bytes).sign(&MacInput::encoded(envelope, key, encoding));
    frame::write(envelope, encoding, key, &signature).unwrap()
}

pub(super) fn verify(tenant: &str, address: &str, bytes: &[u8], arrival: Arrival) -> Result<Verified, Refused> {
    let delivery = Delivery::Sealed { tenant: tenant.parse().unwrap(), address: address.into(), bytes: bytes.into() };
    Gate::new(LIMITS).verify(delivery, &Ring::new(), arrival)
}

fn arrived(bytes: &[u8]) -> Result<(), Refused> {
    verify("acme", "incident.created", bytes, Arrival::Kept).map(drop)
}

fn key(id: &str) -> KeyId {
    id.parse().unwrap()
}

/// Seals a message and takes it in again at the other side.
fn there_and_back(stamped: &Stamped) -> Envelope {
    let gate = Gate::new(LIMITS);
    let sealed = gate.seal(stamped, &Ring::new()).unwrap();
    let (tenant, address, bytes) = (sealed.tenant().clone(), sealed.address().to_owned(), sealed.bytes().clone());
    let delivery = Delivery::Sealed { tenant, address, bytes };
    gate.verify(delivery, &Ring::new(), Arrival::Ingress { now: NOW }).unwrap().envelope().clone()
}

#[test]
fn what_was_sealed_arrives_as_it_was_stamped() {
    let sender = Sender::new("acme", "responder");
    for target in [topic("open.a"), agent("kb")] {
        let stamped = sender.admit(target, draft()).unwrap();
        assert_eq!(there_and_back(&stamped), *stamped.envelope());
    }
    let kb = Sender::new("acme", "kb");
    let request = kb.accept(sender.request(draft(), Some(NOW))).unwrap();
    let answer = kb.gate.admit_reply(&kb.caller, &request, draft(), kb.stamp()).unwrap();
    assert_eq!(there_and_back(&answer), *answer.envelope());
}

#[test]
fn a_payload_arrives_byte_for_byte_whether_it_is_json_or_not() {
    let check = |content_type: &str, payload: &[u8], member: &str| {
        let envelope = Envelope { content_type: content_type.into(), payload: payload.to_vec(), ..envelope() };
        let stamped = Stamped::new(envelope);
        let sealed = Gate::new(LIMITS).seal(&stamped, &Ring::new()).unwrap();
        assert!(std::str::from_utf8(sealed.bytes()).unwrap().contains(member), "{sealed:?}");
        assert_eq!(there_and_back(&stamped).payload, payload);
    };
    check("application/json", b"{\"n\": 1.10}", "\"payload\":{\"n\": 1.10}");
    check("application/problem+json; charset=utf-8", b"null", "\"payload\":null");
    check("application/json", b" null", "\"payloadBase64\":\"IG51bGw=\"");
    check("application/json", b"{\"a\":NaN}", "\"payloadBase64\":");
    check("application/json", b"", "\"payloadBase64\":\"\"");
    check("text/plain", b"null", "\"payloadBase64\":\"bnVsbA==\"");
    check("application/json", &[0xff, 0], "\"payloadBase64\":\"/wA=\"");
    check("application/json", "[".repeat(129).as_bytes(), "\"payloadBase64\":");
    check("application/json", nested(128).as_bytes(), "\"payload\":[[");
    check("application/json", nested(129).as_bytes(), "\"payloadBase64\":");
}

pub(super) fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

#[test]
fn a_tenant_without_a_key_seals_nothing() {
    let stamped = Sender::new("acme", "responder").admit(topic("open.a"), draft()).unwrap();
    let refused = Gate::new(LIMITS).seal(&stamped, &NoKeys).unwrap_err();
    assert_eq!(refused, NotSealed::NoKey { tenant: "acme".parse().unwrap() });
}

#[test]
fn a_number_without_a_spelling_is_not_sealed() {
    let check = |change: fn(&mut Envelope), field: Option<&str>| {
        let mut envelope = envelope();
        change(&mut envelope);
        let refused = Gate::new(LIMITS).seal(&Stamped::new(envelope), &Ring::new()).err();
        let named = refused.map(|refused| match refused {
            NotSealed::TooLarge { field, .. } => field,
            other => unreachable!("{other:?}"),
        });
        assert_eq!(named, field);
    };
    check(|envelope| envelope.seq = (1 << 53) - 1, None);
    check(|envelope| envelope.seq = 1 << 53, Some("seq"));
    check(|envelope| envelope.producer.instance = 1 << 53, Some("producer.instance"));
    check(|envelope| envelope.expires = Some(Timestamp::LAST), None);
    check(|envelope| envelope.expires = Some(Timestamp::from_millis(u64::MAX)), Some("expires"));
}

#[test]
fn what_never_left_the_process_passes_without_a_key() {
    let stamped = Arc::new(Sender::new("acme", "responder").admit(topic("open.a"), draft()).unwrap());
    Gate::new(samples::LIMITS).verify(Delivery::Local(stamped), &NoKeys, Arrival::Kept).unwrap();
}

#[test]
fn without_keys_nothing_sealed_passes() {
    let bytes: Arc<[u8]> = signed_with(&envelope(), ACTIVE).into();
    let delivery = Delivery::Sealed { tenant: "acme".parse().unwrap(), address: "incident.created".into(), bytes };
    let refused = Gate::new(LIMITS).verify(delivery, &NoKeys, Arrival::Kept).unwrap_err();
    assert_eq!(refused, Refused::KeyUnknown { key: key(ACTIVE) });
}

#[test]
fn only_the_tenants_own_living_key_vouches_for_a_message() {
    let check =
        |with: &str, expected: Result<(), Refused>| assert_eq!(arrived(&signed_with(&envelope(), with)), expected);
    check(ACTIVE, Ok(()));
    check(NOBODYS, Err(Refused::KeyUnknown { key: key(NOBODYS) }));
    check(OF_GLOBEX, Err(Refused::KeyUnknown { key: key(OF_GLOBEX) }));
    check(OF_KB, Err(Refused::KeyNotForSender { key: key(OF_KB) }));
    check(REVOKED, Err(Refused::KeyRevoked { key: key(REVOKED) }));
    let by_kb = Envelope { sender: "kb".parse().unwrap(), ..envelope() };
    assert_eq!(arrived(&signed_with(&by_kb, OF_KB)), Ok(()));
}

#[test]
fn a_retired_key_verifies_what_it_signed_and_nothing_newer() {
    let check = |after_ms: u64, ok: bool| {
        let timestamp = Timestamp::from_millis(RETIRED_AT.as_millis() + after_ms);
        let expected = Refused::KeyRetired { key: key(RETIRED), retired: RETIRED_AT, signed: timestamp };
        let expected = if ok { Ok(()) } else { Err(expected) };
        assert_eq!(arrived(&signed_with(&Envelope { timestamp, ..envelope() }, RETIRED)), expected);
    };
    check(0, true);
    check(OVERLAP_MILLIS_MAX, true);
    check(OVERLAP_MILLIS_MAX + 1, false);
}

#[test]
fn a_message_is_taken_in_only_where_it_was_sent() {
    let bytes = signed_with(&envelope(), ACTIVE);
    let check = |tenant: &str, address: &str, expected: Result<(), Refused>| {
        assert_eq!(verify(tenant, address, &bytes, Arrival::Kept).map(drop), expected);
    };
    let elsewhere = |address: &str| Err(Refused::WrongSubject { to: envelope().to, address: address.into() });
    check("acme", "incident.created", Ok(()));
    check("acme", "incident.closed", elsewhere("incident.closed"));
    check("acme", "queues.kb", elsewhere("queues.kb"));
    check("acme", "", elsewhere(""));
    let foreign = Refused::ForeignTenant { sent_in: "acme".parse().unwrap(), received_in: "globex".parse().unwrap() };
    check("globex", "incident.created", Err(foreign));
}

#[test]
fn a_message_enters_while_it_is_fresh_and_is_kept_for_any_time() {
    let now = NOW.as_millis();
    let check = |stamped_ms: u64, ok: bool| {
        let bytes = signed_with(&Envelope { timestamp: Timestamp::from_millis(stamped_ms), ..envelope() }, ACTIVE);
        let entered = verify("acme", "incident.created", &bytes, Arrival::Ingress { now: NOW });
        assert_eq!(entered.is_ok(), ok, "{stamped_ms}");
        assert!(entered.is_ok() || matches!(entered, Err(Refused::Clock { now: NOW, .. })));
        assert_eq!(arrived(&bytes), Ok(()));
    };
    check(now, true);
    check(now - PAST_MILLIS_MAX, true);
    check(now - PAST_MILLIS_MAX - 1, false);
    check(now + AHEAD_MILLIS_MAX, true);
    check(now + AHEAD_MILLIS_MAX + 1, false);
    check(now / 1000, false);
    check(0, false);
}

#[test]
fn the_limits_of_admission_hold_on_arrival_too() {
    let check = |change: &dyn Fn(&mut Envelope), expected: Result<(), Refused>| {
        let mut envelope = envelope();
        change(&mut envelope);
        assert_eq!(arrived(&signed_with(&envelope, ACTIVE)), expected);
    };
    let text = |len: usize| {
        move |envelope: &mut Envelope| {
            envelope.content_type = "text/plain".into();
            envelope.payload = vec![b'a'; len];
        }
    };
    let json =
        |len: usize| move |envelope: &mut Envelope| envelope.payload = format!("\"{}\"", "a".repeat(len - 2)).into();
    let headers = |len: usize| {
        move |envelope: &mut Envelope| {
            envelope.headers = vec![Header { name: "a".into(), value: String::new() }; len];
        }
    };
    let too_large = |len| Err(Refused::PayloadTooLarge { len, len_max: 1024 });
    for len in [1022, 1023, 1024] {
        check(&text(len), Ok(()));
    }
    check(&text(1025), too_large(1025));
    check(&json(1024), Ok(()));
    check(&json(1025), too_large(1025));
    check(&headers(2), Ok(()));
    check(&headers(3), Err(Refused::TooManyHeaders { len: 3, len_max: 2 }));
    check(&|envelope| envelope.hop = 3, Ok(()));
    check(&|envelope| envelope.hop = 4, Err(Refused::HopLimit { hop: 4, hop_max: 3 }));
}

#[test]
fn a_frame_is_read_up_to_its_longest_and_refused_past_it() {
    let len_max = frame::frame_bytes_max(1024);
    let mut bytes = signed_with(&envelope(), ACTIVE);
    bytes.resize(len_max, b' ');
    assert_eq!(arrived(&bytes), Ok(()));
    bytes.push(b' ');
    assert_eq!(arrived(&bytes), Err(Refused::FrameTooLarge { len: len_max + 1, len_max }));
}

#[test]
fn a_reply_token_is_read_back_and_bound_to_its_address() {
    let to = Destination::Reply { agent: AgentId::operator(), token: ReplyToken::new(77) };
    let bytes = signed_with(&Envelope { to, ..envelope() }, ACTIVE);
    let address = |token: u128| format!("replies.{}", ReplyToken::new(token));
    assert!(verify("acme", &address(77), &bytes, Arrival::Kept).is_ok());
    assert!(matches!(verify("acme", &address(78), &bytes, Arrival::Kept), Err(Refused::WrongSubject { .. })));
}

#[test]
fn a_verified_message_is_still_compared_with_its_receiver() {
    let bytes = signed_with(&envelope(), ACTIVE);
    let check = |tenant: &str, code: Option<&str>| {
        let verified = verify("acme", "incident.created", &bytes, Arrival::Kept).unwrap();
        let (caller, grants) = (samples::caller(tenant, "kb"), samples::grants(&[], &["incident.*"], &[]));
        let receiver = crate::Receiver::Agent { caller: &caller, grants: &grants };
        let accepted = Gate::new(LIMITS).accept(verified, crate::Novelty::Redelivery { attempt: 2 }, receiver, NOW);
        assert_eq!(accepted.as_ref().err().map(Refused::code), code);
        assert!(accepted.is_err() || accepted.is_ok_and(|accepted| accepted.novelty().attempt() == 2));
    };
    check("acme", None);
    check("globex", Some("foreign-tenant"));
}

#[test]
fn nothing_that_is_shown_holds_a_key_or_a_payload() {
    let stamped = Stamped::new(Envelope { payload: b"\"canary\"".to_vec(), ..envelope() });
    let sealed = Gate::new(LIMITS).seal(&stamped, &Ring::new()).unwrap();
    let delivery = Delivery::Sealed {
        tenant: sealed.tenant().clone(),
        address: sealed.address().to_owned(),
        bytes: sealed.bytes().clone(),
    };
    let signing = Ring::new().signing(sealed.tenant(), &"kb".parse().unwrap());
    let shown = format!("{sealed:?} {delivery:?} {signing:?}");
    assert!(!shown.contains("canary") && !shown.contains("1, 1, 1") && !shown.contains("0101"), "{shown}");
}
