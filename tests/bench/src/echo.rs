//! The guest of every arm: `examples/echo`, and the manifests it is deployed with here.

use std::path::Path;

use anyhow::Context as _;

/// Bytes in each message.
pub(crate) const PAYLOAD_LEN: usize = 256;
/// What `echo` publishes on, and here also what it is subscribed to.
pub(crate) const TOPIC: &str = "echo.heard";
/// The type of the messages, as the host's own echo has it.
pub(crate) const MESSAGE_TYPE: &str = "echo.heard";
/// The media type of the messages.
pub(crate) const CONTENT_TYPE: &str = "application/octet-stream";
/// Fuel for one message, in both arms.
pub(crate) const FUEL: u64 = 5_000_000;

/// How an instance lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    PerMessage,
    Resident,
}

/// The component's bytes.
pub(crate) fn component() -> anyhow::Result<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/target/wasm32-wasip2/release/echo.wasm");
    std::fs::read(&path).with_context(|| format!("no {}: build the examples with `cargo xtask bench`", path.display()))
}

/// The body of each message.
pub(crate) fn payload() -> Vec<u8> {
    vec![b'x'; PAYLOAD_LEN]
}

/// A manifest of `examples/echo` under another id, which hears what it says itself where `chained`.
pub(crate) fn manifest(id: &str, mode: Mode, chained: bool) -> String {
    manifest_of(id, mode, 1, chained)
}

/// The same with so many instances that stay, each with a message of its own.
pub(crate) fn manifest_of(id: &str, mode: Mode, replicas: usize, chained: bool) -> String {
    let instances = if mode == Mode::PerMessage { "per-message" } else { "resident" };
    let concurrency = if mode == Mode::PerMessage { 4 } else { 1 };
    let subscribe = if chained { TOPIC } else { "echo.in" };
    format!(
        r#"
[agent]
id = "{id}"
name = "Echo"
version = "0.1.0"
description = "Answers a request with its own body and passes any other message on to echo.heard"
type = "worker"
capabilities = ["echo"]
component = "echo.wasm"

[[skills]]
id = "echo"
name = "Echo"
description = "Sends back what it was sent"
tags = ["test"]
examples = ["hello"]

[grants]
publish = ["{TOPIC}"]
subscribe = ["{subscribe}"]
send = []
discover = false

[limits]
memory = "4MiB"
fuel = {FUEL}
deadline = "1s"
concurrency = {concurrency}
mailbox = 4096

[run]
instances = "{instances}"
replicas = {replicas}
"#
    )
}
