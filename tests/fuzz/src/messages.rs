//! Messages that are mostly true, and what stands in them.

use tests_kit::chance::Chance;

use crate::keys::{NOW, RETIRED};
use crate::outsider::{Form, Message, NUMBER_MAX, To};

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
        0 => To::Agent((*chance.pick(&["kb", "a-b", "agents"])).to_owned()),
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
