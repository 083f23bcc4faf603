//! A frame in any spelling that JSON allows, and in some that it does not.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use tests_kit::chance::Chance;

use crate::outsider::{Form, Message, To, moment};

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
