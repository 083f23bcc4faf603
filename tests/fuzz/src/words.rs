//! Names that strangers write: ids, topics, subjects, patterns, paths and keys, against second implementations of their grammars.

use std::fmt::{Debug, Display};
use std::path::{Component, Path};
use std::str::FromStr;

use host_bus::Subject;
use host_component::Digest;
use host_model::{
    AgentId, BadTopic, Destination, FilePath, HostPattern, KeyId, SecretName, StateKey, TenantId, Timestamp, Topic,
    TopicPattern, TraceParent,
};
use tests_kit::chance::Chance;

use crate::mutate::mutated_text;
use crate::outsider::moment;
use crate::outsider::words::{is_agent, is_hex, is_id, is_topic, is_traceparent, is_word};
use crate::target::{Fault, Verdict};

/// What names are made of, near to the grammars and to what a broker, a shell or a file system acts on.
const PARTS: [&str; 40] = [
    "a",
    "b",
    "acme",
    "globex",
    "tenants",
    "queues",
    "replies",
    "dlq",
    "agents",
    "operator",
    "orchestrator",
    "status",
    ".",
    ".",
    ".",
    "/",
    "/",
    "-",
    "_",
    "*",
    ">",
    "..",
    "%2e",
    "$JS",
    "$SYS",
    "_INBOX",
    "é",
    "e\u{301}",
    " ",
    "\0",
    "\n",
    "\u{7f}",
    "\u{85}",
    "\\",
    ":",
    "https://",
    "*.",
    "0",
    "ffffffffffffffff",
    "A",
];

/// Names that are good, for changes to begin at.
const GOOD: [&str; 10] = [
    "incident.created",
    "tenants.acme.data.input",
    "tenants/acme/data/input",
    "agents.b.status",
    "a.*.>",
    "a/b/c.txt",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "2026-11-21T18:57:39.123Z",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "https://api.example.com:8443",
];

/// Whatever is taken is what the grammar says, as it was written, and inside the tenant or the directory it belongs to.
pub(crate) fn names_stay_where_they_belong(chance: &mut Chance) -> Result<Verdict, Fault> {
    let raw = name(chance);
    let tenant: TenantId = (*chance.pick(&["acme", "a", "a-b"])).parse().expect("an id");
    let took = [
        agrees::<TenantId>(&raw, is_id(&raw))?,
        agrees::<AgentId>(&raw, is_agent(&raw))?,
        agrees::<Topic>(&raw, is_topic(&raw))?,
        agrees::<KeyId>(&raw, is_hex(&raw, 16))?,
        agrees::<TraceParent>(&raw, is_traceparent(&raw))?,
        agrees::<Timestamp>(&raw, moment::read(&raw).is_some())?,
        same_again::<HostPattern>(&raw)?,
        same_again::<SecretName>(&raw)?,
        same_again::<Digest>(&raw)?,
        topic_in(&tenant, &raw)?,
        pattern(&raw, &name(chance))?,
        path(&raw)?,
    ];
    let key = StateKey::new(raw.clone());
    need(key.is_ok() == (1..=256).contains(&raw.len()), &raw, key)?;
    Ok(if took.contains(&true) { Verdict::Took } else { Verdict::Refused })
}

fn name(chance: &mut Chance) -> String {
    if chance.one_in(3) {
        let (good, other) = (*chance.pick(&GOOD), *chance.pick(&GOOD));
        return if chance.one_in(4) { good.to_owned() } else { mutated_text(chance, good, other) };
    }
    let long = if chance.one_in(20) { 80 } else { 8 };
    (0..chance.below(long)).map(|_| *chance.pick(&PARTS)).collect()
}

fn need(holds: bool, raw: &str, what: impl Debug) -> Result<bool, Fault> {
    if holds { Ok(true) } else { Err(Fault::Broken(format!("{raw:?}: {what:?}"))) }
}

/// Taken exactly where the second grammar takes it, and shown as it was written.
fn agrees<T: FromStr<Err: Debug> + Display>(raw: &str, is_good: bool) -> Result<bool, Fault> {
    let parsed = raw.parse::<T>();
    need(parsed.is_ok() == is_good, raw, format!("{} takes it: {}", std::any::type_name::<T>(), parsed.is_ok()))?;
    let Ok(value) = parsed else { return Ok(false) };
    need(value.to_string() == raw, raw, format!("is shown as {value}"))
}

/// What is taken is shown as something that is taken for the same.
fn same_again<T: FromStr<Err: Debug> + Display + PartialEq + Debug>(raw: &str) -> Result<bool, Fault> {
    let Ok(value) = raw.parse::<T>() else { return Ok(false) };
    let again = value.to_string().parse::<T>();
    need(again.as_ref().is_ok_and(|again| *again == value), raw, (&value, &again))
}

/// A topic in either form lies in its author's tenant: so does its subject, which has no wildcard and no second reading.
fn topic_in(tenant: &TenantId, raw: &str) -> Result<bool, Fault> {
    let means = dotted(tenant.as_str(), raw).filter(|topic| is_topic(topic));
    let topic = Topic::parse_in(tenant, raw);
    need(topic.as_ref().ok().map(Topic::as_str) == means.as_deref(), raw, (&topic, &means))?;
    let named = raw.split(['.', '/']).nth(1).filter(|_| raw.starts_with("tenants.") || raw.starts_with("tenants/"));
    if let Some(other) = named.filter(|other| *other != tenant.as_str()) {
        need(topic.is_err(), raw, format!("names {other} from {tenant}"))?;
    }
    need(topic != Err(BadTopic::Foreign) || named.is_some(), raw, "is called foreign and names nobody")?;
    let Ok(topic) = topic else { return Ok(false) };
    let subject = Subject::of(tenant, &Destination::Topic(topic)).to_string();
    let mut tokens = subject.split('.');
    let inside = tokens.next() == Some("tenants") && tokens.next() == Some(tenant.as_str());
    need(inside && tokens.all(|token| is_word(token, 64, "-_")), raw, subject)
}

/// The dotted form of what a member of a tenant wrote.
fn dotted(tenant: &str, raw: &str) -> Option<String> {
    if !raw.contains('/') && !raw.starts_with("tenants.") {
        return Some(raw.to_owned());
    }
    let separator = if raw.contains('/') { '/' } else { '.' };
    if separator == '/' && raw.contains('.') {
        return None;
    }
    let tokens: Vec<&str> = raw.split(separator).collect();
    let own = match tokens.as_slice() {
        ["tenants", named, rest @ ..] => (*named == tenant && !rest.is_empty()).then_some(rest)?,
        all => all,
    };
    Some(own.join("."))
}

/// A pattern stands for what NATS would say it stands for, and never for more than the two it was made of.
fn pattern(one: &str, other: &str) -> Result<bool, Fault> {
    let (Ok(one), Ok(other)) = (one.parse::<TopicPattern>(), other.parse::<TopicPattern>()) else { return Ok(false) };
    let both = one.and(&other);
    for raw in ["a", "b", "a.b", "b.a", "a.b.a", "incident.created", "agents.b.status", "acme"] {
        let topic: Topic = raw.parse().expect("a topic");
        let stands = [&one, &other].map(|pattern| stands_for(pattern.as_str(), raw));
        need([one.matches(&topic), other.matches(&topic)] == stands, raw, (&one, &other))?;
        let both_stand = both.as_ref().is_some_and(|both| both.matches(&topic));
        need(both_stand == (stands[0] && stands[1]), raw, (&one, &other, &both))?;
        need(!(one.covers(&other) && stands[1]) || stands[0], raw, (&one, &other))?;
    }
    Ok(true)
}

fn stands_for(pattern: &str, topic: &str) -> bool {
    let (wanted, patterns) = pattern.split_once('.').unwrap_or((pattern, ""));
    let (token, topics) = topic.split_once('.').unwrap_or((topic, ""));
    match (wanted, patterns.is_empty(), topics.is_empty()) {
        (">", ..) => true,
        _ if wanted != "*" && wanted != token => false,
        (_, true, true) => true,
        (_, false, false) => stands_for(patterns, topics),
        _ => false,
    }
}

/// A path that is taken leads downwards from wherever it starts, in as many steps as it has parts.
fn path(raw: &str) -> Result<bool, Fault> {
    let part = |part: &str| {
        (1..=128).contains(&part.len())
            && ![".", ".."].contains(&part)
            && !part.chars().any(|c| c < ' ' || ('\u{7f}'..='\u{9f}').contains(&c))
    };
    let parts: Vec<&str> = raw.split('/').collect();
    let is_good = parts.len() <= 16 && parts.iter().all(|text| part(text));
    let path = raw.parse::<FilePath>();
    need(path.is_ok() == is_good, raw, &path)?;
    let Ok(path) = path else { return Ok(false) };
    let steps: Vec<Component<'_>> = Path::new(path.as_str()).components().collect();
    let downwards = steps.iter().all(|step| matches!(step, Component::Normal(_)));
    need(downwards && steps.len() == parts.len() && path.depth() == parts.len(), raw, steps)
}
