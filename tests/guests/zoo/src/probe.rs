//! Behaviours that look at what WASI shows of the machine.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs, io, thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

/// Blocks in the host's clock.
pub(crate) fn sleep(duration: Duration) -> Value {
    let before = Instant::now();
    thread::sleep(duration);
    let elapsed_ms = u64::try_from(before.elapsed().as_millis()).unwrap_or(u64::MAX);
    json!({ "elapsed_ms": elapsed_ms })
}

/// All environment variables.
#[expect(clippy::disallowed_methods, reason = "the environment itself is what is looked at")]
pub(crate) fn environment() -> Value {
    json!(env::vars().collect::<BTreeMap<_, _>>())
}

/// How many different times a tight loop sees: few on a coarse clock.
pub(crate) fn clock(readings: u64) -> Value {
    let distinct: BTreeSet<Instant> = (0..readings).map(|_| Instant::now()).collect();
    json!({ "readings": readings, "distinct": distinct.len() })
}

/// Asks the host for this many random bytes at once. The first 64 come back in hexadecimal.
pub(crate) fn random(len: u64) -> Value {
    let bytes = random_bytes(len);
    let hex = bytes.iter().take(64).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    json!({ "len": bytes.len(), "hex": hex })
}

#[cfg(target_arch = "wasm32")]
fn random_bytes(len: u64) -> Vec<u8> {
    wasip2::random::random::get_random_bytes(len)
}

/// The machine that builds has no business here.
#[cfg(not(target_arch = "wasm32"))]
fn random_bytes(_len: u64) -> Vec<u8> {
    Vec::new()
}

/// Reaches for files; each attempt with `ok` or its error.
pub(crate) fn files() -> Value {
    json!({
        "list /": outcome(fs::read_dir("/")),
        "list .": outcome(fs::read_dir(".")),
        "read /etc/passwd": outcome(fs::read("/etc/passwd")),
        "read ../secret": outcome(fs::read("../secret")),
        "write /zoo.txt": outcome(fs::write("/zoo.txt", "zoo")),
        "write zoo.txt": outcome(fs::write("zoo.txt", "zoo")),
    })
}

fn outcome<T>(result: io::Result<T>) -> String {
    result.map_or_else(|error| error.to_string(), |_| "ok".to_owned())
}

/// Writes to both standard streams.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "that is the point")]
pub(crate) fn print(text: &str) -> Value {
    println!("stdout: {text}");
    eprintln!("stderr: {text}");
    json!(text.len())
}
