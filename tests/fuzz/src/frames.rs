//! Frames of all kinds: messages that are mostly true, written in any spelling that JSON allows, under keys of several owners.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use host_gate::{KeyRefused, Keys, MacKey, Signing, Verifying};
use host_model::{AgentId, KeyId, TenantId, Timestamp};
use tests_kit::chance::Chance;

use crate::outsider::{Form, Key, Message, NUMBER_MAX, State, To, moment};

/// When all of it happens: 2023-11-14T22:13:20Z.
pub(crate) const NOW: u64 = 1_700_000_000_000;

const RETIRED: u64 = NOW - 3_600_000;

/// Keys of two tenants, of every kind and state.
pub(crate) const KEYS: [Key; 5] = [
    Key { tenant: "acme", id: 0xa1, bytes: [1; 32], agent: None, state: State::Active },
    Key { tenant: "acme", id: 0xa2, bytes: [2; 32], agent: None, state: State::Retired(RETIRED) },
    Key { tenant: "acme", id: 0xa3, bytes: [3; 32], agent: None, state: State::Revoked },
    Key { tenant: "acme", id: 0xa4, bytes: [4; 32], agent: Some("kb"), state: State::Active },
    Key { tenant: "globex", id: 0xb1, bytes: [5; 32], agent: None, state: State::Active },
];

/// The same keys, as a vault answers the gate.
pub(crate) struct Ring(BTreeMap<(TenantId, KeyId), Held>);

struct Held {
    mac: Arc<MacKey>,
    agent: Option<AgentId>,
    state: State,
}

impl Ring {
    pub(crate) fn new() -> Self {
        let held = |key: &Key| {
            let agent = key.agent.map(|agent| agent.parse().expect("an id"));
            let place = (key.tenant.parse().expect("an id"), KeyId::new(key.id));
            (place, Held { mac: Arc::new(MacKey::new(&key.bytes)), agent, state: key.state })
        };
        Self(KEYS.iter().map(held).collect())
    }
}

impl Keys for Ring {
    fn signing(&self, tenant: &TenantId, _sender: &AgentId) -> Option<Signing> {
        let signs = |held: &Held| held.state == State::Active && held.agent.is_none();
        let ((_, key), held) = self.0.iter().find(|((of, _), held)| of == tenant && signs(held))?;
        Some(Signing { key: *key, mac: held.mac.clone() })
    }

    fn verifying(&self, tenant: &TenantId, key: KeyId, sender: &AgentId) -> Result<Verifying, KeyRefused> {
        let held = self.0.get(&(tenant.clone(), key)).ok_or(KeyRefused::Unknown)?;
        let retired = match held.state {
            State::Revoked => return Err(KeyRefused::Revoked),
            State::Retired(at) => Some(Timestamp::from_millis(at)),
            State::Active => None,
        };
        if held.agent.as_ref().is_some_and(|agent| agent != sender) {
            return Err(KeyRefused::NotForSender);
        }
        Ok(Verifying { mac: held.mac.clone(), retired })
    }
}

/// A message, true in every field or wrong in a few.
pub(crate) fn message(chance: &mut Chance) -> Message {
    let mut message = Message {
        id: uuid(chance),
        tenant: (*chance.pick(&["acme", "acme", "acme", "globex"])).to_owned(),
        sender: (*chance.pick(&["kb", "responder", "operator"])).to_owned(),
        producer: [number(chance), number(chance)],
        seq: number(chance),
        to: to(chance),
        reply_to: maybe(chance, token),
        kind: (*chance.pick(&["incident.created", "a", "A_-.9"])).to_owned(),
        content_type: (*chance.pick(&["application/json", "text/plain", "", "a b;~"])).to_owned(),
        timestamp: stamp(chance),
        expires: maybe(chance, stamp),
        correlation: maybe(chance, |chance| (*chance.pick(&["c-1", " ", "~"])).to_owned()),
        causation: maybe(chance, uuid),
        hop: u16::try_from(chance.below(5)).unwrap_or(0),
        root: uuid(chance),
        traceparent: maybe(chance, |_| "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
        replay_of: maybe(chance, uuid),
        headers: (0..chance.below(3)).map(|_| (word(chance), value(chance))).collect(),
        ext: (0..chance.below(6).saturating_sub(3)).map(|_| ("x.9-".to_owned(), false, value(chance))).collect(),
        body: Vec::new(),
    };
    if chance.one_in(4) {
        spoil(chance, &mut message);
    }
    message
}

/// Something that no host would have written.
fn spoil(chance: &mut Chance, message: &mut Message) {
    let odd = (*chance.pick(&ODD)).to_owned();
    match chance.below(16) {
        0 => message.id = odd,
        1 => message.tenant = odd,
        2 => message.sender = odd,
        3 => message.producer[chance.below(2)] = *chance.pick(&[NUMBER_MAX + 1, u64::MAX]),
        4 => message.seq = *chance.pick(&[NUMBER_MAX + 1, u64::MAX]),
        5 => message.to = To::Topic(odd),
        6 => message.to = To::Agent(odd),
        7 => message.to = To::Answer(odd, token(chance)),
        8 => message.to = To::Answer("kb".to_owned(), odd),
        9 => message.reply_to = Some(odd),
        10 => message.kind = odd,
        11 => message.content_type = odd,
        12 => message.correlation = Some(odd),
        13 => message.traceparent = Some(odd),
        14 => message.headers.push((odd, value(chance))),
        _ => message.ext.push((odd, chance.one_in(2), value(chance))),
    }
}

const ODD: [&str; 24] = [
    "",
    "-",
    "a-",
    "agents",
    "dlq",
    "operator",
    "orchestrator",
    "ACME",
    "acme/",
    "a.b",
    "a..b",
    "queues.kb",
    "replies.x",
    "*",
    ">",
    "a\0b",
    "\u{85}",
    "é",
    "a b",
    "../x",
    "00000000-0000-7000-8000-00000000000A",
    "000000000000000000000000000000AB",
    "00000000000070008000000000000001",
    "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
];

fn maybe<T>(chance: &mut Chance, of: impl Fn(&mut Chance) -> T) -> Option<T> {
    if chance.one_in(3) { Some(of(chance)) } else { None }
}

fn uuid(chance: &mut Chance) -> String {
    format!("00000000-0000-7000-8000-{:012x}", chance.below(4))
}

fn token(chance: &mut Chance) -> String {
    format!("{:032x}", chance.below(4))
}

fn number(chance: &mut Chance) -> u64 {
    *chance.pick(&[0, 1, 42, NOW, NUMBER_MAX])
}

fn stamp(chance: &mut Chance) -> u64 {
    let near = NOW - 400_000 + chance.within(0, 500_000);
    *chance.pick(&[
        NOW,
        near,
        near,
        RETIRED,
        RETIRED + 300_000,
        RETIRED + 300_001,
        0,
        951_782_400_000,
        253_402_207_199_999,
    ])
}

fn to(chance: &mut Chance) -> To {
    match chance.below(4) {
        0 => To::Agent((*chance.pick(&["kb", "a-b"])).to_owned()),
        1 => To::Answer((*chance.pick(&["kb", "operator"])).to_owned(), token(chance)),
        _ => To::Topic((*chance.pick(&["incident.created", "agents.kb.status", "A_-", "1"])).to_owned()),
    }
}

fn word(chance: &mut Chance) -> String {
    (*chance.pick(&["lang", "X-1_", "a"])).to_owned()
}

fn value(chance: &mut Chance) -> String {
    (*chance.pick(&["", "fr", "é\u{1f980} \"q\\\"", "a/b", "\u{a0}\u{2028}"])).to_owned()
}

/// A body as it stands in a frame: JSON of any spelling and depth, or bytes in base64, mostly good.
pub(crate) fn body(chance: &mut Chance) -> (Form, Vec<u8>) {
    let nested = |deep: usize| format!("{}{}", "[".repeat(deep), "]".repeat(deep));
    match chance.below(6) {
        0 => (
            Form::Json,
            chance.pick(&["{}", "null", "0", "-1.5E+9", "\"\\ud800\"", "[1, {\"a\":[]} ]"]).as_bytes().to_vec(),
        ),
        1 => (Form::Json, nested(120 + chance.below(16)).into_bytes()),
        2 => (Form::Json, format!("\"{}\"", "x".repeat(100 + chance.below(160))).into_bytes()),
        3 => (
            Form::Json,
            chance.pick(&["", "01", "+1", "NaN", "\"\u{1}\"", "[1,]", "{\"a\"}", "tru", "1 1"]).as_bytes().to_vec(),
        ),
        4 => (Form::Base64, chance.bytes(260)),
        _ => (Form::Json, b"{\"n\": 1.10, \"s\": \"a\\u0062\", \"s\": [true,false,null]}".to_vec()),
    }
}

/// The frame's members as JSON, in the order of the page.
pub(crate) fn members(message: &Message, form: Form, key: u64, mac: &[u8; 32]) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut put = |name: &str, json: String| all.push((name.to_owned(), json));
    let moment = |at: u64| text(&moment::write(at));
    put("v", "1".to_owned());
    put("id", text(&message.id));
    put("tenantId", text(&message.tenant));
    put("agentId", text(&message.sender));
    put("producer", format!("{{\"host\":{},\"instance\":{}}}", message.producer[0], message.producer[1]));
    put("seq", message.seq.to_string());
    put(
        "to",
        match &message.to {
            To::Topic(topic) => format!("{{\"topic\":{}}}", text(topic)),
            To::Agent(agent) => format!("{{\"agent\":{}}}", text(agent)),
            To::Answer(agent, reply) => format!("{{\"agent\":{},\"reply\":{}}}", text(agent), text(reply)),
        },
    );
    put("messageType", text(&message.kind));
    put("contentType", text(&message.content_type));
    put("timestamp", moment(message.timestamp));
    put("hop", message.hop.to_string());
    put("rootId", text(&message.root));
    let optional = [
        ("replyTo", &message.reply_to),
        ("correlationId", &message.correlation),
        ("causationId", &message.causation),
        ("traceparent", &message.traceparent),
        ("replayOf", &message.replay_of),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            put(name, text(value));
        }
    }
    if let Some(at) = message.expires {
        put("expires", moment(at));
    }
    let header = |(name, value): &(String, String)| format!("{{\"name\":{},\"value\":{}}}", text(name), text(value));
    put("headers", format!("[{}]", message.headers.iter().map(header).collect::<Vec<_>>().join(",")));
    let ext = |(name, critical, value): &(String, bool, String)| {
        format!("{{\"name\":{},\"critical\":{critical},\"value\":{}}}", text(name), text(value))
    };
    if !message.ext.is_empty() {
        put("ext", format!("[{}]", message.ext.iter().map(ext).collect::<Vec<_>>().join(",")));
    }
    match form {
        Form::Json => put("payload", String::from_utf8_lossy(&message.body).into_owned()),
        Form::Base64 => put("payloadBase64", text(&STANDARD.encode(&message.body))),
    }
    put("signature", text(&format!("v1.{key:016x}.{}", URL_SAFE_NO_PAD.encode(mac))));
    all
}

/// The members as one object, in any order, with space and escapes that mean nothing.
pub(crate) fn written(chance: &mut Chance, mut members: Vec<(String, String)>) -> Vec<u8> {
    if chance.one_in(2) {
        (1..members.len()).rev().for_each(|last| members.swap(last, chance.below(last + 1)));
    }
    let loose = chance.one_in(3);
    let space = |chance: &mut Chance| if loose { *chance.pick(&["", " ", "\n", "\t\r "]) } else { "" };
    let mut frame = format!("{}{{", space(chance));
    for (at, (name, json)) in members.iter().enumerate() {
        let name = if chance.one_in(20) { escaped(name) } else { text(name) };
        let json = if chance.one_in(20) && json.starts_with('"') && name != "\"payload\"" {
            escaped(json.trim_matches('"'))
        } else {
            json.clone()
        };
        let comma = if at > 0 { "," } else { "" };
        for part in
            [space(chance), comma, space(chance), &name, space(chance), ":", space(chance), &json, space(chance)]
        {
            frame.push_str(part);
        }
    }
    frame.push('}');
    frame.push_str(space(chance));
    frame.into_bytes()
}

/// One or two members are lost, doubled, renamed, exchanged or of another kind.
pub(crate) fn garbled(chance: &mut Chance, members: &mut Vec<(String, String)>) {
    for _ in 0..=chance.below(2) {
        let (one, other) = (chance.below(members.len()), chance.below(members.len()));
        match chance.below(5) {
            0 if members.len() > 1 => drop(members.swap_remove(one)),
            1 => members.push(members[one].clone()),
            2 => (*chance.pick(&NAMES)).clone_into(&mut members[one].0),
            3 => members[one].1 = members[other].1.clone(),
            _ => (*chance.pick(&KINDS)).clone_into(&mut members[one].1),
        }
    }
}

const NAMES: [&str; 6] = ["role", "V", "payload", "payloadBase64", "expires", ""];
const KINDS: [&str; 16] = [
    "null",
    "true",
    "-0",
    "1.0",
    "1e2",
    "65536",
    "18446744073709551616",
    "{}",
    "[]",
    "[[]]",
    "[{\"name\":\"a\"}]",
    "\"\\ud800\"",
    "{\"topic\":\"a\",\"agent\":\"kb\"}",
    "\"\"",
    "[[[[[[]]]]]]",
    "2",
];

/// Text as JSON.
fn text(raw: &str) -> String {
    serde_json::Value::from(raw).to_string()
}

/// Text as JSON with each unit of it as an escape. `raw` may hold escapes itself: then it is another text, which is as good a case.
fn escaped(raw: &str) -> String {
    let mut json = "\"".to_owned();
    for unit in raw.encode_utf16() {
        let _ = write!(json, "\\u{unit:04x}");
    }
    json + "\""
}
