//! A message as people read it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use host_wire::Message;

use crate::json::laid_out;
use crate::text::excerpt;

/// The most characters of a body on a line.
const EXCERPT_LEN_MAX: usize = 160;

/// One line: when, whose, from whom, to where, what, under which correlation, and the body's beginning.
pub(crate) fn line(message: &Message) -> String {
    format!("{} {}", head(message), excerpt(&body(message), EXCERPT_LEN_MAX))
}

/// All of it: the line without the body, and the body laid out below.
pub(crate) fn whole(message: &Message) -> String {
    let body = message.payload.as_ref().map_or_else(|| body(message), |json| laid_out(json.get()));
    format!("{}\n{body}", head(message))
}

fn head(message: &Message) -> String {
    let Message { tenant_id, agent_id, destination, message_type, .. } = message;
    let correlation = message.correlation_id.as_deref().unwrap_or("-");
    format!("{} {tenant_id} {agent_id} → {destination} {message_type} {correlation}", time_of_day(&message.timestamp))
}

/// JSON and text as they are, other bytes by their number.
fn body(message: &Message) -> String {
    if let Some(json) = &message.payload {
        return json.get().to_owned();
    }
    let bytes = STANDARD.decode(message.payload_base64.as_deref().unwrap_or_default()).unwrap_or_default();
    let count = bytes.len();
    let text = message.content_type.starts_with("text/").then(|| String::from_utf8(bytes).ok()).flatten();
    text.unwrap_or_else(|| format!("[{count} bytes of {}]", message.content_type))
}

/// `18:57:39.123` of `2026-11-21T18:57:39.123Z`; what is not of this form stays as it is.
fn time_of_day(timestamp: &str) -> &str {
    let time = timestamp.split_once('T').and_then(|(_, time)| time.strip_suffix('Z'));
    time.unwrap_or(timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: &str) -> Message {
        let text = format!(
            r#"{{"v":1,"id":"1","tenantId":"acme","agentId":"echo","producer":{{"host":1,"instance":1}},"seq":1,"destination":"queues.kb",
            "messageType":"search","contentType":"x/y",{body},"timestamp":"2026-11-21T18:57:39.123Z","hop":0,"rootId":"1","headers":[],"replyExpected":true}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_line_says_who_to_where_what_and_how_it_begins() {
        assert_eq!(
            line(&message(r#""payload":{"q":"x"}"#)),
            r#"18:57:39.123 acme echo → queues.kb search - {"q":"x"}"#
        );
        assert_eq!(
            line(&message(r#""payload":null,"correlationId":"c-1""#)),
            "18:57:39.123 acme echo → queues.kb search c-1 null"
        );
    }

    #[test]
    fn a_body_of_bytes_is_told_by_its_length() {
        assert!(line(&message(r#""payloadBase64":"aGVsbG8=""#)).ends_with("[5 bytes of x/y]"));
        assert!(line(&message(r#""payloadBase64":"""#)).ends_with("[0 bytes of x/y]"));
        let text = Message { content_type: "text/plain".into(), ..message(r#""payloadBase64":"aGVsbG8=""#) };
        assert!(line(&text).ends_with(" - hello"));
    }

    #[test]
    fn a_long_body_is_cut_on_a_line_and_whole_otherwise() {
        let long = message(&format!(r#""payload":"{}""#, "x".repeat(500)));
        assert!(line(&long).chars().count() < 250 && line(&long).ends_with('…'));
        assert!(whole(&long).len() > 500);
    }
}
