//! What the host answered, as JSON for a test to read.

use std::time::Duration;

use bailiwick_sdk::{Card, Denied, Header, Message, Receipt};
use serde_json::{Map, Value, json};

/// `{"ok": {...}}` or `{"denied": {...}}`.
pub(crate) fn receipt(result: &Result<Receipt, Denied>) -> Value {
    match result {
        Ok(receipt) => json!({ "ok": { "id": receipt.id, "durability": receipt.durability } }),
        Err(denied) => refused(denied),
    }
}

/// `{"ok": {...}}` or `{"denied": {...}}`.
pub(crate) fn answer(result: &Result<Message, Denied>) -> Value {
    match result {
        Ok(answer) => json!({ "ok": message(answer) }),
        Err(denied) => refused(denied),
    }
}

/// A message as it arrived. A body that is not JSON is shown as text.
pub(crate) fn message(message: &Message) -> Value {
    let text = || Value::String(String::from_utf8_lossy(&message.payload).into_owned());
    json!({
        "id": message.id,
        "sender": message.sender,
        "destination": message.destination,
        "type": message.message_type,
        "content_type": message.content_type,
        "payload": message.json::<Value>().unwrap_or_else(|_| text()),
        "payload_bytes": message.payload.len(),
        "sent_at_ms": message.sent_at_ms,
        "expires_at_ms": message.expires_at_ms,
        "correlation_id": message.correlation_id,
        "causation_id": message.causation_id,
        "attempt": message.attempt,
        "headers": pairs(&message.headers),
        "attributes": pairs(&message.attributes),
    })
}

/// A card, with its A2A card parsed where it parses.
pub(crate) fn card(card: &Card) -> Value {
    let skills: Vec<&str> = card.skills.iter().map(|skill| skill.id.as_str()).collect();
    json!({
        "id": card.id,
        "name": card.name,
        "description": card.description,
        "version": card.version,
        "skills": skills,
        "card": serde_json::from_str::<Value>(&card.card_json).ok(),
    })
}

/// The refusal's case, and its numbers where it has any.
fn refused(denied: &Denied) -> Value {
    let mut words = Map::from_iter([("kind".to_owned(), json!(kind(denied)))]);
    if let Some(refusal) = denied.refusal() {
        let retry_after_ms = refusal.retry_after.as_ref().map(Duration::as_millis);
        words.insert("code".to_owned(), json!(refusal.code));
        words.insert("limit".to_owned(), json!(refusal.limit));
        words.insert("actual".to_owned(), json!(refusal.actual));
        words.insert("retry_after_ms".to_owned(), json!(retry_after_ms));
    }
    json!({ "denied": words })
}

/// The name of the case in the WIT.
fn kind(denied: &Denied) -> &'static str {
    match denied {
        Denied::NotGranted(_) => "not-granted",
        Denied::NotFound => "not-found",
        Denied::Invalid(_) => "invalid",
        Denied::TooLarge(_) => "too-large",
        Denied::OverQuota(_) => "over-quota",
        Denied::Backpressure(_) => "backpressure",
        Denied::TimedOut(_) => "timed-out",
        Denied::Unavailable(_) => "unavailable",
        Denied::Other(_) => "other",
    }
}

fn pairs(headers: &[Header]) -> Vec<(&str, &str)> {
    headers.iter().map(|header| (header.name.as_str(), header.value.as_str())).collect()
}
