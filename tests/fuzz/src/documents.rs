//! Manifests and policies: what an author or an operator writes, garbled.

use host_component::{Manifest, PolicyDocument, STARTER_POLICY};
use tests_kit::chance::Chance;

use crate::mutate::mutated_text;
use crate::target::{Fault, Verdict};

const MANIFESTS: [&str; 4] = [
    include_str!("../../guests/zoo.toml"),
    include_str!("../../guests/keeper.toml"),
    include_str!("../../guests/caller.toml"),
    include_str!("../../../examples/incident-responder/bailiwick.toml"),
];
const POLICIES: [&str; 2] = [STARTER_POLICY, include_str!("policy.toml")];

/// The longest refusal, in bytes: it is shown on one line of a terminal.
const REFUSAL_LEN_MAX: usize = 1_000;

/// Either document is read whole, to the same every time, or refused in one line that a terminal can show.
pub(crate) fn read_whole_or_refused(chance: &mut Chance) -> Result<Verdict, Fault> {
    if chance.one_in(2) { manifest(chance) } else { policy(chance) }
}

fn manifest(chance: &mut Chance) -> Result<Verdict, Fault> {
    let text = garbled(chance, &MANIFESTS);
    let manifest = match Manifest::parse(&text) {
        Ok(manifest) => manifest,
        Err(refusal) => return shown(&text, &refusal.to_string()),
    };
    let limits = manifest.limits.checked();
    need(limits == Ok(manifest.limits), &text, "limits that cannot be meant")?;
    need((1..=64).contains(&manifest.run.replicas), &text, "replicas that nobody can start")?;
    need(Manifest::parse(&text) == Ok(manifest), &text, "another manifest when read again")
}

fn policy(chance: &mut Chance) -> Result<Verdict, Fault> {
    let text = garbled(chance, &POLICIES);
    let document = match PolicyDocument::parse(&text) {
        Ok(document) => document,
        Err(refusal) => return shown(&text, &refusal.to_string()),
    };
    let agent = "kb".parse().expect("an id");
    let allowed = document.policy.allows(&agent);
    let rules = || document.policy.rules.iter().filter(|rule| rule.is_for(&agent));
    let wildest = allowed.publish.iter().all(|pattern| rules().any(|rule| rule.allows.publish.contains(pattern)));
    need(wildest, &text, "more allowed than any rule says")?;
    let warned = document.warnings.iter().all(|warning| text.contains(&warning.pattern) || text.contains('\\'));
    need(warned, &text, "a warning of what is not there")?;
    need(PolicyDocument::parse(&text) == Ok(document), &text, "another policy when read again")
}

/// Bytes, lines or both are changed.
fn garbled(chance: &mut Chance, samples: &[&str]) -> String {
    let (sample, other) = (*chance.pick(samples), *chance.pick(samples));
    let mut lines: Vec<&str> = sample.lines().collect();
    let foreign: Vec<&str> = other.lines().collect();
    for _ in 0..chance.below(3) {
        let at = chance.below(lines.len());
        match chance.below(3) {
            0 if !lines.is_empty() => drop(lines.remove(at)),
            1 => lines.insert(at, *chance.pick(&foreign)),
            _ => lines.insert(at, *chance.pick(&LINES)),
        }
    }
    let deep = deep(chance);
    if chance.one_in(50) {
        lines.push(&deep);
    }
    let text = lines.join("\n");
    if chance.one_in(2) { mutated_text(chance, &text, other) } else { text }
}

/// A value, a key or a table that is nested about as deep as a document is long.
fn deep(chance: &mut Chance) -> String {
    let times = chance.below(DEPTH_MAX);
    let nested =
        |open: &str, inmost: &str, close: &str| format!("{}{inmost}{}", open.repeat(times), close.repeat(times));
    match chance.below(4) {
        0 => format!("[config]\nx = {}", nested("[", "1", "]")),
        1 => format!("[config]\nx = {}", nested("{a=", "1", "}")),
        2 => format!("[config]\n{} = 1", nested("a.", "a", "")),
        _ => format!("[config.{}]\na = 1", nested("a.", "a", "")),
    }
}

/// The deepest; a document of 64 KiB has room for it.
const DEPTH_MAX: usize = 16_000;

const LINES: [&str; 14] = [
    "[grants]",
    "[limits]",
    "[run]",
    "replicas = 0",
    "replicas = 65",
    "fuel = 0",
    "memory-mb = 999999999999",
    "publish = [\">\"]",
    "publish = [\"queues.x\"]",
    "http = [\"https://*\"]",
    "send = [\"*\"]",
    "x = 1",
    "[[allow]]",
    "\u{feff}",
];

fn shown(text: &str, refusal: &str) -> Result<Verdict, Fault> {
    let one_line = refusal.len() <= REFUSAL_LEN_MAX && !refusal.chars().any(char::is_control);
    need(one_line, text, &format!("refused as {refusal:?}")).map(|_| Verdict::Refused)
}

fn need(holds: bool, text: &str, what: &str) -> Result<Verdict, Fault> {
    if holds { Ok(Verdict::Took) } else { Err(Fault::Broken(format!("{what}, of {text:?}"))) }
}
