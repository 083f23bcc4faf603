//! The key of a sealed message, for whoever shares a queue out: read without a look at the signature, and so good for nothing but
//! that. The receiver verifies the whole frame.

use host_model::Extension;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Keyed {
    agent_id: String,
    #[serde(default)]
    correlation_id: Option<String>,
    #[serde(default)]
    ext: Vec<Ext>,
}

#[derive(Deserialize)]
struct Ext {
    name: String,
    value: String,
}

/// What [`Envelope::shard_key`](host_model::Envelope::shard_key) says of the message in a frame; nothing for what is no frame.
pub fn shard_key_of(frame: &[u8]) -> String {
    let Ok(Keyed { agent_id, correlation_id, ext }) = serde_json::from_slice(frame) else { return String::new() };
    let key = ext.into_iter().find(|ext| ext.name == Extension::KEY).map(|ext| ext.value);
    key.or(correlation_id).unwrap_or(agent_id)
}
