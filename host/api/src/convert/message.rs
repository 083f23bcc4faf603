//! Messages, in the seeds' words.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use host_model::{Destination, Envelope, Receipt};
use host_wire::{Header, Message, Producer};
use serde_json::Value;
use serde_json::value::RawValue;

/// The version of the shape.
const VERSION: u32 = 1;

/// A message as clients see it.
pub(crate) fn message_of(envelope: &Envelope) -> Message {
    let payload = json_of(envelope);
    let payload_base64 = payload.is_none().then(|| STANDARD.encode(&envelope.payload));
    Message {
        v: VERSION,
        id: envelope.id.to_string(),
        tenant_id: envelope.tenant.to_string(),
        agent_id: envelope.sender.to_string(),
        producer: Producer { host: envelope.producer.host, instance: envelope.producer.instance },
        seq: envelope.seq,
        destination: address_of(&envelope.to),
        message_type: envelope.message_type.clone(),
        content_type: envelope.content_type.clone(),
        payload,
        payload_base64,
        timestamp: envelope.timestamp.to_string(),
        expires: envelope.expires.map(|expires| expires.to_string()),
        correlation_id: envelope.correlation_id.clone(),
        causation_id: envelope.causation_id.map(|id| id.to_string()),
        hop: envelope.hop,
        root_id: envelope.root_id.to_string(),
        headers: envelope
            .headers
            .iter()
            .map(|header| Header { name: header.name.clone(), value: header.value.clone() })
            .collect(),
        reply_expected: envelope.reply_to.is_some(),
    }
}

/// A receipt as clients see it.
pub(crate) fn receipt_of(receipt: Receipt) -> host_wire::Receipt {
    host_wire::Receipt { id: receipt.id.to_string(), durability: receipt.durability.as_str().to_owned() }
}

/// Whether a media type says JSON (RFC 6839: `+json` too), whatever its parameters.
pub(crate) fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || essence.ends_with("+json")
}

/// The address. An answer's token lets its holder answer, so who asked stands in its place.
fn address_of(to: &Destination) -> String {
    match to {
        Destination::Reply { agent, .. } => format!("replies.{agent}"),
        to => to.to_string(),
    }
}

/// The payload's own JSON text, on one line, when it is JSON that common readers take: not too deep, no number out of range.
fn json_of(envelope: &Envelope) -> Option<Box<RawValue>> {
    if !is_json(&envelope.content_type) || serde_json::from_slice::<Value>(&envelope.payload).is_err() {
        return None;
    }
    // A line break in JSON text stands between tokens, never in a string.
    let text = std::str::from_utf8(&envelope.payload).ok()?.trim().replace(['\n', '\r'], " ");
    RawValue::from_string(text).ok()
}

#[cfg(test)]
mod tests {
    use host_model::{AgentId, MessageId, Producer as ModelProducer, ReplyToken, Timestamp};

    use super::*;

    fn envelope(content_type: &str, payload: &[u8]) -> Envelope {
        let id: MessageId = "01980000-0000-7000-8000-000000000001".parse().unwrap();
        Envelope {
            id,
            tenant: "acme".parse().unwrap(),
            sender: "incident-responder".parse().unwrap(),
            producer: ModelProducer { host: 7, instance: 2 },
            seq: 3,
            to: Destination::Topic("incident.escalated".parse().unwrap()),
            reply_to: None,
            message_type: "incident.escalated".into(),
            content_type: content_type.into(),
            payload: payload.to_vec(),
            timestamp: Timestamp::from_millis(1_000_000_000_123),
            expires: None,
            correlation_id: Some("c-1".into()),
            causation_id: Some(id),
            hop: 1,
            root_id: id,
            headers: vec![host_model::Header { name: "n".into(), value: "v".into() }],
            extras: None,
        }
    }

    fn body(content_type: &str, payload: &[u8]) -> (Option<String>, Option<String>) {
        let message = message_of(&envelope(content_type, payload));
        (message.payload.map(|raw| raw.get().to_owned()), message.payload_base64)
    }

    #[test]
    fn a_message_speaks_the_seeds_words() {
        let text =
            serde_json::to_string(&message_of(&envelope("application/json", br#"{"severity":"high"}"#))).unwrap();
        let expected = concat!(
            r#"{"v":1,"id":"01980000-0000-7000-8000-000000000001","tenantId":"acme","agentId":"incident-responder","producer":{"host":7,"instance":2},"seq":3,"#,
            r#""destination":"incident.escalated","messageType":"incident.escalated","contentType":"application/json","payload":{"severity":"high"},"#,
            r#""timestamp":"2001-09-09T01:46:40.123Z","correlationId":"c-1","causationId":"01980000-0000-7000-8000-000000000001","hop":1,"#,
            r#""rootId":"01980000-0000-7000-8000-000000000001","headers":[{"name":"n","value":"v"}],"replyExpected":false}"#
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn json_travels_exact_and_on_one_line() {
        let check = |payload: &str, expected: &str| {
            assert_eq!(body("application/json", payload.as_bytes()), (Some(expected.to_owned()), None));
        };
        check("null", "null");
        check(
            "{\"n\": 1.10,\r\n\"big\": 123456789012345678901234567890}\n",
            "{\"n\": 1.10,  \"big\": 123456789012345678901234567890}",
        );
        assert!(body("application/problem+json; charset=utf-8", b"1").0.is_some());
    }

    #[test]
    fn what_is_not_json_or_not_for_every_reader_travels_as_base64() {
        let check = |content_type: &str, payload: &[u8]| {
            assert_eq!(body(content_type, payload), (None, Some(STANDARD.encode(payload))));
        };
        check("text/plain", b"1");
        check("application/json", b"{oops");
        check("application/json", b"");
        check("application/json", b"\"\xff\"");
        check("application/json", b"1e999");
        check("application/json", "[".repeat(200).as_bytes());
        check("application/json", ("[".repeat(200) + &"]".repeat(200)).as_bytes());
    }

    #[test]
    fn an_answers_token_is_not_shown() {
        let to = |to| address_of(&to);
        let agent = || "echo".parse::<AgentId>().unwrap();
        assert_eq!(to(Destination::Queue(agent().into())), "queues.echo");
        assert_eq!(to(Destination::Reply { agent: agent(), token: ReplyToken::new(42) }), "replies.echo");
    }
}
