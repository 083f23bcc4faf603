//! The host's door to agents outside: publish, receive, acknowledge. None of it fails a test: the host may be gone at any moment.

use serde_json::{Value, json};
use tests_kit::{Answer, Api, Stream};

use crate::book::Way;

/// The agent of each tenant that receives, the topic that it subscribes to, and the guest that passes on to it.
pub(crate) const RECEIVER: &str = "sink";
pub(crate) const TOPIC: &str = "torture.news";
pub(crate) const GUEST: &str = "relay";

/// Publishes a message that must not be lost. The same key twice is one message.
pub(crate) async fn publish(api: &Api, way: Way, key: &str, payload: &Value) -> Option<Answer> {
    let mut body = json!({ "messageType": "carry", "payload": payload, "qos": "at-least-once" });
    match way {
        Way::Direct => body["agent"] = json!(RECEIVER),
        Way::Topic => body["topic"] = json!(TOPIC),
        Way::Chain => body["agent"] = json!(GUEST),
    }
    api.try_call_with("POST", "/api/messages", &[("idempotency-key", key)], Some(&body)).await
}

/// Opens the receiver's stream: from what it has not acknowledged.
pub(crate) async fn receive(api: &Api) -> Option<Stream> {
    api.try_stream("/api/messages/stream").await
}

/// Acknowledges everything up to an event.
pub(crate) async fn acknowledge(api: &Api, until: &str) -> Option<Answer> {
    api.try_call("POST", "/api/messages/ack", Some(&json!({ "lastEventId": until }))).await
}
