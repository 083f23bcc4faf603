//! A message as `topic sub -o json` prints it, and as the demo shows it.

use serde::Deserialize;
use serde_json::Value;

const PAYLOAD_LEN_SHOWN: usize = 48;
const CORRELATION_LEN_SHOWN: usize = 8;

/// What the demo reads of a message; the rest is not its business.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Message {
    /// Whose stamp it bears.
    pub(crate) tenant_id: String,
    agent_id: String,
    #[serde(rename = "messageType")]
    pub(crate) kind: String,
    destination: String,
    timestamp: String,
    correlation_id: Option<String>,
    payload: Option<Value>,
}

impl Message {
    /// One line of fixed columns, in the colour of its tenant if that is wanted.
    pub(crate) fn line(&self, colour: Option<Colour>) -> String {
        let (clock, sender) = (clock(&self.timestamp), &self.agent_id);
        let correlation = shortened(self.correlation_id.as_deref().unwrap_or("-"), CORRELATION_LEN_SHOWN);
        let payload = self.payload.as_ref().map_or_else(|| "(binary)".to_owned(), Value::to_string);
        let payload = shortened(&payload, PAYLOAD_LEN_SHOWN);
        let stamp = painted(&format!("{:<8}", self.tenant_id), colour);
        format!("{clock}  {stamp} {sender:<18} {:<34} {correlation:<9} {payload}", self.what())
    }

    /// The type, and where it went if the name of the topic does not say so already.
    fn what(&self) -> String {
        if self.kind == self.destination {
            self.kind.clone()
        } else {
            format!("{} → {}", self.kind, self.destination)
        }
    }
}

/// What sets a tenant's lines apart.
#[derive(Clone, Copy)]
pub(crate) enum Colour {
    Cyan,
    Magenta,
}

fn painted(text: &str, colour: Option<Colour>) -> String {
    match colour {
        Some(Colour::Cyan) => format!("\x1b[36m{text}\x1b[0m"),
        Some(Colour::Magenta) => format!("\x1b[35m{text}\x1b[0m"),
        None => text.to_owned(),
    }
}

/// The time of day, to the millisecond, of an RFC 3339 timestamp.
fn clock(timestamp: &str) -> String {
    let time = timestamp.split_once('T').map_or(timestamp, |(_, time)| time);
    format!("{:<12}", time.trim_end_matches('Z').chars().take(12).collect::<String>())
}

fn shortened(text: &str, len_max: usize) -> String {
    if text.chars().count() <= len_max {
        return text.to_owned();
    }
    text.chars().take(len_max).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escalated() -> Message {
        serde_json::from_value(serde_json::json!({
            "v": 1, "tenantId": "acme", "agentId": "incident-responder", "messageType": "incident.escalated",
            "destination": "incident.escalated", "timestamp": "2026-11-21T19:03:04.123456Z",
            "correlationId": "0199-abcdef", "payload": {"severity": "high"},
        }))
        .unwrap()
    }

    #[test]
    fn a_line_bears_time_tenant_sender_and_what_was_said() {
        let line = escalated().line(None);
        let words: Vec<_> = line.split_whitespace().collect();
        let said = ["incident.escalated", "0199-abc…", "{\"severity\":\"high\"}"];
        assert_eq!(words, [&["19:03:04.123", "acme", "incident-responder"][..], &said[..]].concat());
    }

    #[test]
    fn a_destination_is_shown_where_it_differs_from_the_type() {
        let asked = Message { kind: "search".into(), destination: "knowledge-base".into(), ..escalated() };
        assert!(asked.line(None).contains("search → knowledge-base"));
    }

    #[test]
    fn colour_is_only_there_when_wanted() {
        assert!(escalated().line(Some(Colour::Cyan)).contains("\x1b[36macme"));
        assert!(!escalated().line(None).contains('\x1b'));
    }

    #[test]
    fn a_long_payload_is_cut_with_a_mark() {
        assert_eq!(shortened("abcdef", 3), "abc…");
        assert_eq!(shortened("abc", 3), "abc");
    }
}
