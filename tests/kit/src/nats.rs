//! A NATS server of a test's own: on a free port of loopback, with its data in a temporary folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::paths;
use crate::process::Process;

/// How long the server may take until it listens.
const START_TIME_MAX: Duration = Duration::from_secs(20);
/// How often is looked whether it does.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A server in a process of its own. Dropping it kills that process and removes its data.
pub struct NatsServer {
    url: String,
    process: Process,
    home: TempDir,
}

impl NatsServer {
    /// Starts one with `JetStream` and waits until it listens. Each acknowledged write is synced to the disk before.
    pub fn start() -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        let (process, url) = run(home.path());
        Self { url, process, home }
    }

    /// Where clients reach it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Kills it, as a power cut would, and starts it again on what it left.
    #[must_use]
    pub fn killed_and_started(self) -> Self {
        let Self { process, home, .. } = self;
        drop(process);
        let (process, url) = run(home.path());
        Self { url, process, home }
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }
}

fn run(home: &Path) -> (Process, String) {
    let ports = home.join("ports");
    fs::create_dir_all(&ports).expect("a folder");
    let config = home.join("nats.conf");
    fs::write(&config, settings(home, &ports)).expect("a file");
    listen(Command::new(binary()).env_clear().arg("--config").arg(&config), &ports)
}

/// Runs a server and waits until it has written into a folder where it listens.
pub(crate) fn listen(command: &mut Command, ports: &Path) -> (Process, String) {
    let mut process = Process::spawn(command);
    let file = ports.join(format!("nats-server_{}.ports", process.id()));
    let began = Instant::now();
    loop {
        if let Some(url) = client_url(&file) {
            return (process, url);
        }
        let said = || process.stderr.all();
        assert!(began.elapsed() < START_TIME_MAX, "the NATS server does not listen; it said {:#?}", said());
        assert!(process.runs(), "the NATS server has ended; it said {:#?}", process.stderr.all());
        thread::sleep(LOOK_EVERY);
    }
}

/// Port -1 is any that is free; the server writes which into a file of `ports_file_dir`.
fn settings(home: &Path, ports: &Path) -> String {
    let (ports, store) = (ports.display(), home.join("store"));
    format!(
        "listen: \"127.0.0.1:-1\"\nports_file_dir: \"{ports}\"\n\
         jetstream {{ store_dir: \"{}\", sync_interval: always }}\n",
        store.display()
    )
}

/// The first client URL in the file of ports, once it is written in full.
fn client_url(file: &Path) -> Option<String> {
    let ports: serde_json::Value = serde_json::from_str(&fs::read_to_string(file).ok()?).ok()?;
    ports["nats"][0].as_str().map(str::to_owned)
}

/// Where `cargo xtask` installs it.
pub(crate) fn binary() -> PathBuf {
    let binary = paths::target().join("nats/bin/nats-server");
    assert!(binary.exists(), "there is no {}: run `cargo xtask test --only nats` first", binary.display());
    binary
}

#[cfg(test)]
mod tests {
    use async_nats::Client;
    use serde_json::{Value, json};

    use super::*;

    async fn asked(client: &Client, subject: &'static str, body: Vec<u8>) -> Value {
        let answer = client.request(subject, body.into()).await.expect("an answer");
        serde_json::from_slice(&answer.payload).expect("JSON")
    }

    #[tokio::test]
    async fn what_the_server_acknowledged_is_there_after_it_was_killed() {
        let server = NatsServer::start();
        let client = async_nats::connect(server.url()).await.unwrap();
        let stream = json!({ "name": "KEPT", "subjects": ["kept.>"], "storage": "file" });
        let made = asked(&client, "$JS.API.STREAM.CREATE.KEPT", stream.to_string().into()).await;
        assert_eq!(made["error"], Value::Null, "{made:#}");
        let kept = asked(&client, "kept.a", b"x".to_vec()).await;
        assert_eq!((&kept["stream"], &kept["seq"]), (&json!("KEPT"), &json!(1)), "{kept:#}");
        let first = server.id();

        let server = server.killed_and_started();
        assert_ne!(server.id(), first);
        let client = async_nats::connect(server.url()).await.unwrap();
        let info = asked(&client, "$JS.API.STREAM.INFO.KEPT", vec![]).await;
        assert_eq!(info["state"]["messages"], 1, "{info:#}");
    }
}
