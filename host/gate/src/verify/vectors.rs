//! `docs/envelope-vectors.json`: frames that must be read and frames that must be refused, for implementations in any language.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use host_model::{Destination, Envelope, Extension, Extras, Header, Principal, Queue, ReplyToken};
use serde_json::{Value, json};

use super::tests::{
    ACTIVE, LIMITS, NOBODYS, OF_GLOBEX, OF_KB, RETIRED, RETIRED_AT, REVOKED, State, all_keys, envelope, nested,
    signed_with, verify,
};
use super::*;
use crate::samples::{NOW, message_id};

/// One frame, where it arrives, and what becomes of it.
struct Vector {
    name: &'static str,
    subject: &'static str,
    /// At the door of the system at this moment; otherwise from where it was kept.
    now: Option<Timestamp>,
    frame: Vec<u8>,
    /// Spaces behind the frame, for frames that would fill a page.
    padding: usize,
    reason: Option<&'static str>,
    input: Option<Vec<u8>>,
}

const SUBJECT: &str = "tenants.acme.incident.created";

impl Vector {
    fn valid(name: &'static str, subject: &'static str, envelope: &Envelope, key: &str) -> Self {
        let input = MacInput::of(envelope, key.parse().unwrap());
        let input = Some([input.head(), input.payload()].concat());
        Self { name, subject, now: None, frame: signed_with(envelope, key), padding: 0, reason: None, input }
    }

    fn bad(name: &'static str, reason: &'static str, frame: impl Into<Vec<u8>>) -> Self {
        Self { name, subject: SUBJECT, now: None, frame: frame.into(), padding: 0, reason: Some(reason), input: None }
    }

    fn json(&self) -> Value {
        let mut vector = json!({ "name": self.name, "subject": self.subject });
        match std::str::from_utf8(&self.frame) {
            Ok(text) => vector["frame"] = text.into(),
            Err(_) => vector["frameBase64"] = STANDARD.encode(&self.frame).into(),
        }
        if let Some(now) = self.now {
            vector["ingressAt"] = now.as_millis().into();
        }
        if self.padding > 0 {
            vector["padding"] = self.padding.into();
        }
        if let Some(reason) = self.reason {
            vector["reason"] = reason.into();
        }
        if let Some(input) = &self.input {
            vector["macInput"] = hex(input).into();
        }
        vector
    }

    fn outcome(&self) -> Option<&'static str> {
        let (tenant, address) = self.subject.strip_prefix("tenants.").unwrap().split_once('.').unwrap();
        let arrival = self.now.map_or(Arrival::Kept, |now| Arrival::Ingress { now });
        let mut bytes = self.frame.clone();
        bytes.resize(self.frame.len() + self.padding, b' ');
        verify(tenant, address, &bytes, arrival).err().map(|refused| refused.code())
    }
}

/// `docs/envelope-vectors.json` is what was reviewed. To change it, change this and copy what the test wrote.
#[test]
fn the_vectors_are_as_reviewed_and_the_gate_agrees_with_them() {
    let (valid, invalid) = (valid(), invalid());
    for vector in valid.iter().chain(&invalid) {
        assert_eq!(vector.outcome(), vector.reason, "{}: {}", vector.name, String::from_utf8_lossy(&vector.frame));
    }
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let reviewed = std::fs::read_to_string(format!("{root}/docs/envelope-vectors.json")).unwrap_or_default();
    let made = serde_json::to_string_pretty(&document(&valid, &invalid)).unwrap() + "\n";
    if reviewed != made {
        std::fs::create_dir_all(format!("{root}/target")).unwrap();
        std::fs::write(format!("{root}/target/envelope-vectors.json"), made).unwrap();
        panic!("the vectors changed: if it is meant, copy target/envelope-vectors.json to docs/envelope-vectors.json");
    }
}

fn document(valid: &[Vector], invalid: &[Vector]) -> Value {
    let vectors = |vectors: &[Vector]| vectors.iter().map(Vector::json).collect::<Vec<_>>();
    json!({
        "about": "Envelope v1 of Bailiwick, specified in docs/envelope.md. The keys are for these vectors alone.",
        "limits": { "payloadBytesMax": LIMITS.payload_bytes_max, "headersMax": LIMITS.headers_max, "hopMax": LIMITS.hop_max },
        "keys": all_keys().iter().map(key).collect::<Vec<_>>(),
        "valid": vectors(valid),
        "invalid": vectors(invalid),
    })
}

fn key(key: &tests::Key) -> Value {
    let mut json = json!({ "tenantId": key.tenant, "keyId": key.id, "key": hex(&key.bytes) });
    if let Principal::Agent(agent) = &key.principal {
        json["agentId"] = agent.as_str().into();
    }
    match key.state {
        State::Active => json["state"] = "active".into(),
        State::Revoked => json["state"] = "revoked".into(),
        State::Retired(at) => {
            json["state"] = "retired".into();
            json["retiredAt"] = at.as_millis().into();
        }
    }
    json
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

fn valid() -> Vec<Vector> {
    let payload = |content_type: &str, payload: &[u8]| Envelope {
        content_type: content_type.into(),
        payload: payload.to_vec(),
        ..envelope()
    };
    let to = |to: Destination| Envelope { to, ..envelope() };
    let reply = Destination::Reply { agent: host_model::AgentId::operator(), token: ReplyToken::new(77) };
    let asks = Envelope { reply_to: Some(ReplyToken::new(u128::MAX)), expires: Some(NOW), ..to(agent_kb()) };
    let extras = Extras {
        traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().ok(),
        replay_of: Some(message_id(5)),
        ext: vec![Extension { name: "x.later".into(), critical: false, value: "ignored, and signed".into() }],
    };
    let full = Envelope {
        causation_id: Some(message_id(6)),
        root_id: message_id(5),
        hop: 3,
        extras: Some(Box::new(extras)),
        ..envelope()
    };
    let bare = Envelope { correlation_id: None, headers: vec![], ..payload("", b"") };
    let old = Envelope { timestamp: RETIRED_AT, ..envelope() };
    let by_kb = Envelope { sender: "kb".parse().unwrap(), ..envelope() };
    let plain = signed_with(&envelope(), ACTIVE);
    let spaced = String::from_utf8(plain).unwrap().replacen("{\"v\":1,", " {\n\t\"v\" : 1 , ", 1) + "\r\n";
    vec![
        Vector::valid("JSON on a topic, with an escaped header", SUBJECT, &envelope(), ACTIVE),
        Vector { frame: spaced.into(), ..Vector::valid("white space between members", SUBJECT, &envelope(), ACTIVE) },
        Vector { now: Some(NOW), ..Vector::valid("fresh at the door", SUBJECT, &envelope(), ACTIVE) },
        Vector::valid("a payload that is null", SUBJECT, &payload("application/json", b"null"), ACTIVE),
        Vector::valid(
            "a payload nested 128 deep",
            SUBJECT,
            &payload("application/json", nested(128).as_bytes()),
            ACTIVE,
        ),
        Vector::valid("bytes that are no JSON", SUBJECT, &payload("application/octet-stream", &[0, 255, 128]), ACTIVE),
        Vector::valid("JSON with white space around it", SUBJECT, &payload("application/json", b" {}\n"), ACTIVE),
        Vector::valid("nothing that can be left out", SUBJECT, &bare, ACTIVE),
        Vector::valid("everything that can be there", SUBJECT, &full, ACTIVE),
        Vector::valid("a request to an agent", "tenants.acme.queues.kb", &asks, ACTIVE),
        Vector::valid(
            "a message to a shared queue",
            "tenants.acme.queues.agents",
            &to(Destination::Queue(Queue::Agents)),
            ACTIVE,
        ),
        Vector::valid(
            "an answer to the operator",
            "tenants.acme.replies.0000000000000000000000000000004d",
            &to(reply),
            ACTIVE,
        ),
        Vector::valid("the key of one agent, for that agent", SUBJECT, &by_kb, OF_KB),
        Vector::valid("a retired key, for what it signed", SUBJECT, &old, RETIRED),
    ]
}

fn agent_kb() -> Destination {
    Destination::Queue("kb".parse().unwrap())
}

fn invalid() -> Vec<Vector> {
    let good = String::from_utf8(signed_with(&envelope(), ACTIVE)).unwrap();
    let changed = |from: &str, to: &str| {
        assert!(good.contains(from), "{from} in {good}");
        good.replacen(from, to, 1)
    };
    let mut all = forms(&good, &changed);
    all.extend(spellings(&good, &changed));
    all.extend(signatures(&good, &changed));
    all.extend(lies());
    all
}

/// What is no frame.
fn forms(good: &str, changed: &dyn Fn(&str, &str) -> String) -> Vec<Vector> {
    let mut not_utf8 = good.as_bytes().to_vec();
    let at = good.find("fr ").unwrap();
    not_utf8[at] = 0xff;
    let three = "{\"name\":\"a\",\"value\":\"\"},".repeat(2);
    let too_long = Vector::bad("a frame that is too long", "frame-too-large", good);
    let headers = good.find("\"headers\":[").unwrap() + "\"headers\":[".len();
    let (before, after) = good.split_at(headers);
    vec![
        Vector::bad("nothing", "bad-json", ""),
        Vector::bad("no object", "bad-json", "[]"),
        Vector::bad("half a frame", "bad-json", good.split_at(good.len() / 2).0),
        Vector::bad("bytes behind the end", "bad-json", format!("{good}x")),
        Vector::bad("a second frame behind the end", "bad-json", format!("{good}{good}")),
        Vector::bad("text that is not UTF-8", "bad-json", not_utf8),
        Vector::bad("a byte order mark", "bad-json", format!("\u{feff}{good}")),
        Vector::bad("a field twice", "bad-json", changed("\"hop\":0", "\"hop\":0,\"hop\":0")),
        Vector::bad("a field twice, once in escapes", "bad-json", changed("\"hop\":0", "\"hop\":0,\"\\u0068op\":0")),
        Vector::bad(
            "a field twice in an inner object",
            "bad-json",
            changed("\"instance\":3", "\"instance\":3,\"instance\":3"),
        ),
        Vector::bad("an unknown field", "bad-json", changed("\"hop\":0", "\"hop\":0,\"role\":\"admin\"")),
        Vector::bad(
            "an unknown field in an inner object",
            "bad-json",
            changed("\"instance\":3", "\"instance\":3,\"x\":1"),
        ),
        Vector::bad("a field missing", "bad-json", changed("\"hop\":0,", "")),
        Vector::bad("no signature", "bad-json", format!("{}}}", good.split(",\"signature\"").next().unwrap())),
        Vector::bad("null for absent", "bad-json", changed("\"hop\":0", "\"hop\":0,\"expires\":null")),
        Vector::bad("a payload that is no JSON", "bad-json", changed("1.10", "NaN")),
        Vector::bad("a control character in text", "bad-json", changed("fr ", "fr\n")),
        Vector::bad("half a surrogate pair in text", "bad-json", changed("fr ", "\\ud83e ")),
        Vector { padding: frame::frame_bytes_max(LIMITS.payload_bytes_max) - good.len() + 1, ..too_long },
        Vector::bad("version 0", "bad-version", changed("\"v\":1", "\"v\":0")),
        Vector::bad("version 2", "bad-version", changed("\"v\":1", "\"v\":2")),
        Vector::bad("a version that is no whole number", "bad-json", changed("\"v\":1", "\"v\":1.0")),
        Vector::bad("too many headers", "too-many-headers", format!("{before}{three}{after}")),
    ]
}

/// Values that have another spelling, or none.
fn spellings(good: &str, changed: &dyn Fn(&str, &str) -> String) -> Vec<Vector> {
    let payload = "\"payload\":{\"n\": 1.10, \"s\": \"a\\u0062\"}";
    let to = |with: &str| changed("{\"topic\":\"incident.created\"}", with);
    let without = |with: &str| changed(payload, with);
    let ext = |ext: &str| changed("\"hop\":0", &format!("\"hop\":0,\"ext\":[{ext}]"));
    let stamp = "\"timestamp\":\"2023-11-14T22:13:20.000Z\"";
    let moment = |text: &str| changed(stamp, &format!("\"timestamp\":{text}"));
    let long_json = format!("\"payload\":\"{}\"", "a".repeat(1023));
    let long_base64 = format!("\"payloadBase64\":\"{}\"", STANDARD.encode([0; 1025]));
    vec![
        Vector::bad(
            "an id in capitals",
            "bad-field",
            changed("\"id\":\"00000000-0000-7000-8", "\"id\":\"00000000-0000-7000-A"),
        ),
        Vector::bad("an id without hyphens", "bad-field", changed("00000000-0000-7000-8000-", "00000000000070008000")),
        Vector::bad("a tenant in capitals", "bad-field", changed("\"acme\"", "\"ACME\"")),
        Vector::bad("a reserved sender", "bad-field", changed("\"responder\"", "\"orchestrator\"")),
        Vector::bad("a number over 2^53 - 1", "bad-field", changed("\"seq\":42", "\"seq\":9007199254740992")),
        Vector::bad("a negative number", "bad-json", changed("\"seq\":42", "\"seq\":-42")),
        Vector::bad("a number as text", "bad-json", changed("\"seq\":42", "\"seq\":\"42\"")),
        Vector::bad("a number with a fraction", "bad-json", changed("\"seq\":42", "\"seq\":42.0")),
        Vector::bad("a hop over 65535", "bad-json", changed("\"hop\":0", "\"hop\":65536")),
        Vector::bad("a topic with a wildcard", "bad-field", to("{\"topic\":\"incident.*\"}")),
        Vector::bad("a reserved topic", "bad-field", to("{\"topic\":\"queues.kb\"}")),
        Vector::bad("the operator's queue, which is none", "bad-field", to("{\"agent\":\"operator\"}")),
        Vector::bad(
            "an answer to a shared queue",
            "bad-field",
            to("{\"agent\":\"agents\",\"reply\":\"0000000000000000000000000000004d\"}"),
        ),
        Vector::bad("two destinations", "bad-field", changed("\"to\":{", "\"to\":{\"agent\":\"kb\",")),
        Vector::bad("no destination", "bad-field", to("{}")),
        Vector::bad("a token that is too short", "bad-field", changed("\"hop\":0", "\"hop\":0,\"replyTo\":\"4d\"")),
        Vector::bad("a moment in seconds", "bad-json", moment("1700000000")),
        Vector::bad("a moment with an offset", "bad-field", moment("\"2023-11-14T22:13:20.000+00:00\"")),
        Vector::bad("a moment without milliseconds", "bad-field", moment("\"2023-11-14T22:13:20Z\"")),
        Vector::bad("a day that never was", "bad-field", moment("\"2023-02-29T22:13:20.000Z\"")),
        Vector::bad("a leap second", "bad-field", moment("\"2016-12-31T23:59:60.000Z\"")),
        Vector::bad("a moment before 1970", "bad-field", moment("\"1969-12-31T23:59:59.999Z\"")),
        Vector::bad(
            "a message type with a space",
            "bad-field",
            changed("\"messageType\":\"incident.", "\"messageType\":\"incident "),
        ),
        Vector::bad(
            "an empty message type",
            "bad-field",
            changed("\"messageType\":\"incident.created\"", "\"messageType\":\"\""),
        ),
        Vector::bad(
            "a content type that is not ASCII",
            "bad-field",
            changed("application/json", "application/j\u{e9}"),
        ),
        Vector::bad("an empty correlation id", "bad-field", changed("\"c-1\"", "\"\"")),
        Vector::bad("a header name with a colon", "bad-field", changed("\"lang\"", "\"la:ng\"")),
        Vector::bad("a control character in a header", "bad-field", changed("fr ", "fr\\r")),
        Vector::bad(
            "a traceparent of zeros",
            "bad-field",
            changed(
                "\"hop\":0",
                "\"hop\":0,\"traceparent\":\"00-00000000000000000000000000000000-00f067aa0ba902b7-01\"",
            ),
        ),
        Vector::bad("an empty list of extensions", "bad-field", ext("")),
        Vector::bad(
            "an extension's name in capitals",
            "bad-field",
            ext("{\"name\":\"X\",\"critical\":false,\"value\":\"\"}"),
        ),
        Vector::bad(
            "a critical extension",
            "unknown-extension",
            ext("{\"name\":\"x\",\"critical\":true,\"value\":\"\"}"),
        ),
        Vector::bad("no payload", "bad-payload", changed(&format!("{payload},"), "")),
        Vector::bad("two payloads", "bad-payload", without(&format!("{payload},\"payloadBase64\":\"\""))),
        Vector::bad("base64 without padding", "bad-payload", without("\"payloadBase64\":\"AA\"")),
        Vector::bad("base64 with stray bits", "bad-payload", without("\"payloadBase64\":\"AB==\"")),
        Vector::bad("base64 for URLs", "bad-payload", without("\"payloadBase64\":\"_-8=\"")),
        Vector::bad("base64 with white space", "bad-payload", without("\"payloadBase64\":\"AA ==\"")),
        Vector::bad("a payload that is too large", "payload-too-large", without(&long_json)),
        Vector::bad("a payload that is too large, in base64", "payload-too-large", without(&long_base64)),
        Vector::bad("a payload nested 129 deep", "too-deep", without(&format!("\"payload\":{}", nested(129)))),
        Vector::bad("a payload laid out anew", "bad-signature", good.replacen("{\"n\": 1.10, ", "{\"n\":1.10,", 1)),
        Vector::bad("a payload with an escape resolved", "bad-signature", good.replacen("a\\u0062", "ab", 1)),
    ]
}

/// Signatures that are none.
fn signatures(good: &str, changed: &dyn Fn(&str, &str) -> String) -> Vec<Vector> {
    let start = good.find("\"signature\":\"").unwrap() + "\"signature\":\"".len();
    let (before, signature) = good.split_at(start);
    let mac = signature.trim_end_matches("\"}").rsplit('.').next().unwrap();
    let with = |signature: &str| format!("{before}{signature}\"}}");
    let short = mac.split_at(42).0;
    let stray = if mac.ends_with('A') { "B" } else { "" };
    vec![
        Vector::bad("an empty signature", "bad-signature-text", with("")),
        Vector::bad("no algorithm", "bad-signature-text", with(&format!("none.{ACTIVE}."))),
        Vector::bad("version 0 of the signature", "bad-signature-text", with(&format!("v0.{ACTIVE}.{mac}"))),
        Vector::bad("an empty MAC", "bad-signature-text", with(&format!("v1.{ACTIVE}."))),
        Vector::bad("a MAC cut short", "bad-signature-text", with(&format!("v1.{ACTIVE}.{short}"))),
        Vector::bad("half a MAC", "bad-signature-text", with(&format!("v1.{ACTIVE}.{}", "A".repeat(22)))),
        Vector::bad("a MAC with padding", "bad-signature-text", with(&format!("v1.{ACTIVE}.{mac}={stray}"))),
        Vector::bad("a MAC with stray bits", "bad-signature-text", with(&format!("v1.{ACTIVE}.{}B", "A".repeat(42)))),
        Vector::bad("a key id that is a path", "bad-signature-text", with(&format!("v1.../../etc/passwd.{mac}"))),
        Vector::bad("a key id in capitals", "bad-signature-text", with(&format!("v1.{}.{mac}", ACTIVE.to_uppercase()))),
        Vector::bad("a key id of 64 KiB", "bad-signature-text", with(&format!("v1.{}.{mac}", "a".repeat(65_536)))),
        Vector::bad("a MAC of zeros", "bad-signature", with(&format!("v1.{ACTIVE}.{}", "A".repeat(43)))),
        Vector::bad("another key of the tenant named", "key-revoked", changed(ACTIVE, REVOKED)),
        Vector::bad("another sender", "bad-signature", changed("\"responder\"", "\"respond\"")),
        Vector::bad("another number", "bad-signature", changed("\"seq\":42", "\"seq\":43")),
        Vector::bad("another header value", "bad-signature", changed("fr ", "en ")),
        Vector::bad(
            "an extension added",
            "bad-signature",
            changed("\"hop\":0", "\"hop\":0,\"ext\":[{\"name\":\"x\",\"critical\":false,\"value\":\"\"}]"),
        ),
    ]
}

/// What is well signed, and not true here.
fn lies() -> Vec<Vector> {
    let signed = |name, reason, key: &str| Vector::bad(name, reason, signed_with(&envelope(), key));
    let stamped =
        |millis: u64| signed_with(&Envelope { timestamp: Timestamp::from_millis(millis), ..envelope() }, ACTIVE);
    let now = NOW.as_millis();
    let at_the_door = |name, millis| Vector { now: Some(NOW), ..Vector::bad(name, "clock", stamped(millis)) };
    let hops = Envelope { hop: 4, ..envelope() };
    let headers = vec![Header { name: "a".into(), value: String::new() }; 3];
    let many = Envelope { headers, ..envelope() };
    vec![
        signed("a key that nobody has", "key-unknown", NOBODYS),
        signed("another tenant's key", "key-unknown", OF_GLOBEX),
        signed("a revoked key", "key-revoked", REVOKED),
        signed("the key of one agent, for another", "key-not-for-sender", OF_KB),
        signed("a retired key, for what came after", "key-retired", RETIRED),
        Vector {
            subject: "tenants.globex.incident.created",
            ..signed("another tenant's subject", "foreign-tenant", ACTIVE)
        },
        Vector {
            subject: "tenants.acme.incident.closed",
            ..signed("another topic's subject", "wrong-subject", ACTIVE)
        },
        Vector { subject: "tenants.acme.queues.kb", ..signed("an agent's queue", "wrong-subject", ACTIVE) },
        Vector::bad("a hop over the limit", "hop-limit", signed_with(&hops, ACTIVE)),
        Vector::bad("more headers than the limit, signed", "too-many-headers", signed_with(&many, ACTIVE)),
        at_the_door("too old at the door", now - 300_001),
        at_the_door("from the future at the door", now + 30_001),
        at_the_door("an hour ahead at the door", now + 3_600_000),
    ]
}
