//! A NATS server of a test's own: on a free port of loopback, with its data in a temporary folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use async_nats::{Client, ConnectOptions};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::chance::Chance;
use crate::nats::blocks;
use crate::nats::setup::{HOSTS, Login, Logins, NatsSetup, Node};
use crate::paths;
use crate::process::Process;

/// How long the server may take until it listens, and until it has ended.
const START_TIME_MAX: Duration = Duration::from_secs(20);
const STOP_TIME_MAX: Duration = Duration::from_secs(20);
/// How often is looked whether it listens.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A server in a process of its own, which can be ended and started again on the same port and data.
///
/// Its account `HOSTS` has one user, for hosts; its system account another. Dropping it kills it and removes its data.
pub struct NatsServer {
    url: String,
    setup: NatsSetup,
    node: Node,
    logins: Logins,
    /// None while it is ended.
    process: Option<Process>,
    home: TempDir,
}

impl NatsServer {
    /// Starts one with `JetStream` and waits until it listens. Each acknowledged write is synced to the disk before.
    pub fn start() -> Self {
        NatsSetup::new().start()
    }

    pub(crate) fn started(setup: NatsSetup, node: Node, logins: Logins) -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        let url = format!("nats://127.0.0.1:{}", node.port);
        let mut server = Self { url, setup, node, logins, process: None, home };
        server.logins.hosts.write(&server.credentials());
        server.logins.system.write(&server.system_credentials());
        server.start_again();
        server
    }

    /// Where clients reach it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its name among several.
    pub fn name(&self) -> &str {
        &self.node.name
    }

    /// The process it runs in.
    pub fn id(&self) -> u32 {
        self.running().id()
    }

    /// Whether it was not ended. One that is paused was not.
    pub fn runs(&self) -> bool {
        self.process.is_some()
    }

    /// What it logged since it was started last.
    pub fn log(&self) -> Vec<String> {
        self.running().stderr.all()
    }

    /// The file with what a host needs to connect: `[nats] credentials_file`.
    pub fn credentials(&self) -> PathBuf {
        self.home.path().join("hosts.credentials")
    }

    /// The file with what it needs to ask the system account: `[nats] system_credentials_file`.
    pub fn system_credentials(&self) -> PathBuf {
        self.home.path().join("system.credentials")
    }

    /// A client with a host's rights.
    pub async fn connect(&self) -> Client {
        connected(self.options(), &self.url).await
    }

    /// What lets a client in with a host's rights, also over another address: a proxy's.
    pub fn options(&self) -> ConnectOptions {
        options(&self.logins.hosts)
    }

    /// A client of the system account.
    pub async fn connect_to_system(&self) -> Client {
        connected(options(&self.logins.system), &self.url).await
    }

    /// Ends it in good order and waits until it has.
    pub fn stop(&mut self) {
        self.end(Signal::TERM);
    }

    /// Kills it, as a power cut would, and waits until it has ended.
    pub fn kill(&mut self) {
        self.end(Signal::KILL);
    }

    /// Starts it where it was, on what it left, and waits until it listens.
    pub fn start_again(&mut self) {
        assert!(self.process.is_none(), "it runs");
        self.process = Some(run(self.home.path(), &self.setup.config(self.home.path(), &self.node, &self.logins)));
    }

    /// Starts it where it was, as another setup has it.
    pub fn start_again_as(&mut self, setup: NatsSetup) {
        self.setup = setup;
        self.start_again();
    }

    /// Kills it and starts it again on what it left.
    #[must_use]
    pub fn killed_and_started(mut self) -> Self {
        self.kill();
        self.start_again();
        self
    }

    /// Stops its process where it stands: its connections stay, and nothing answers.
    pub fn pause(&self) {
        self.running().signal(Signal::STOP);
    }

    /// Lets a paused one go on.
    pub fn resume(&self) {
        self.running().signal(Signal::CONT);
    }

    /// Removes all that it stored. It must not run.
    pub fn wipe(&self) {
        assert!(self.process.is_none(), "it runs");
        fs::remove_dir_all(self.store()).expect("it has stored something");
    }

    /// Flips one bit within every copy of a word in a stream's blocks, and says how many there were. It must not run.
    pub fn flip(&self, stream: &str, word: &str, chance: &mut Chance) -> usize {
        assert!(self.process.is_none(), "it runs");
        let blocks = self.store().join("jetstream").join(HOSTS).join("streams").join(stream).join("msgs");
        blocks::flip(&blocks, word.as_bytes(), chance)
    }

    fn store(&self) -> PathBuf {
        self.home.path().join("store")
    }

    fn running(&self) -> &Process {
        self.process.as_ref().expect("it was ended")
    }

    fn end(&mut self, signal: Signal) {
        let mut process = self.process.take().expect("it was ended");
        process.signal(signal);
        process.ended(STOP_TIME_MAX);
    }
}

fn options(login: &Login) -> ConnectOptions {
    ConnectOptions::with_user_and_password(login.user.to_owned(), login.password.clone())
}

async fn connected(options: ConnectOptions, url: &str) -> Client {
    options.connect(url).await.expect("the server lets its own users in")
}

fn run(home: &Path, config: &str) -> Process {
    let (ports, file) = (home.join("ports"), home.join("nats.conf"));
    fs::create_dir_all(&ports).expect("a folder");
    fs::write(&file, config).expect("a file");
    listen(Command::new(binary()).env_clear().arg("--config").arg(&file), &ports)
}

/// Runs a server, and returns once it listens and has written into a folder where.
pub(crate) fn listen(command: &mut Command, ports: &Path) -> Process {
    let mut process = Process::spawn(command);
    // It writes this file once it listens.
    let listens = ports.join(format!("nats-server_{}.ports", process.id()));
    let began = Instant::now();
    while !listens.exists() {
        let said = || process.stderr.all();
        assert!(began.elapsed() < START_TIME_MAX, "the NATS server does not listen; it said {:#?}", said());
        assert!(process.runs(), "the NATS server has ended; it said {:#?}", process.stderr.all());
        thread::sleep(LOOK_EVERY);
    }
    process
}

/// Where `cargo xtask` installs it.
pub(crate) fn binary() -> PathBuf {
    let binary = paths::target().join("nats/bin/nats-server");
    assert!(binary.exists(), "there is no {}: run `cargo xtask test --only nats` first", binary.display());
    binary
}

#[cfg(test)]
mod tests;
