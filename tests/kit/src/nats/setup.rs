//! How a NATS server is to be, and who may connect to it.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::hash::{BuildHasher as _, RandomState};
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::chance::Chance;
use crate::nats::NatsServer;
use crate::paths::canary;

/// Below what Linux gives to connections that ask for any port (`ip_local_port_range`): a server that was stopped finds its own
/// port free again.
const PORTS: (u64, u64) = (20_000, 29_999);
const TAKES_TEXT: &str = "a string takes any text";
/// How many ports are tried.
const TRIES: usize = 100;
/// The account that hosts use.
pub(crate) const HOSTS: &str = "HOSTS";

/// How a server is to be started.
#[derive(Debug, Clone, Default)]
pub struct NatsSetup {
    jet_stream: JetStream,
    more: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum JetStream {
    #[default]
    Synced,
    Unsynced,
    Off,
}

impl NatsSetup {
    /// With `JetStream`, and each write synced to the disk before it is acknowledged.
    pub fn new() -> Self {
        Self::default()
    }

    /// Without `JetStream`.
    #[must_use]
    pub fn without_jet_stream(self) -> Self {
        Self { jet_stream: JetStream::Off, ..self }
    }

    /// Synced every two minutes, as a server is that nobody told otherwise.
    #[must_use]
    pub fn unsynced(self) -> Self {
        Self { jet_stream: JetStream::Unsynced, ..self }
    }

    /// With more lines of configuration, at its end.
    #[must_use]
    pub fn and(mut self, lines: &str) -> Self {
        self.more.push_str(lines);
        self
    }

    /// Starts one and waits until it listens.
    pub fn start(self) -> NatsServer {
        NatsServer::started(self, Node::alone(), Logins::default())
    }

    /// The configuration of one server whose things lie in `home`.
    pub(crate) fn config(&self, home: &Path, node: &Node, logins: &Logins) -> String {
        let Node { name, port, cluster } = node;
        let enabled = if self.jet_stream == JetStream::Off { "" } else { "jetstream: enabled, " };
        let mut config = format!(
            "server_name: {name}\nlisten: \"127.0.0.1:{port}\"\nports_file_dir: \"{}\"\n\
             accounts {{\n  SYS {{ users: [{}] }}\n  {HOSTS} {{ {enabled}users: [{}] }}\n}}\nsystem_account: SYS\n",
            home.join("ports").display(),
            logins.system.as_user(),
            logins.hosts.as_user(),
        );
        let synced = if self.jet_stream == JetStream::Synced { ", sync_interval: always" } else { "" };
        if self.jet_stream != JetStream::Off {
            let store = home.join("store");
            writeln!(config, "jetstream {{ store_dir: \"{}\"{synced} }}", store.display()).expect(TAKES_TEXT);
        }
        if let Some(Cluster { port, routes }) = cluster {
            let routes: Vec<String> = routes.iter().map(|port| format!("\"nats-route://127.0.0.1:{port}\"")).collect();
            let routes = routes.join(", ");
            let cluster = format_args!("name: tests, listen: \"127.0.0.1:{port}\", routes: [{routes}]");
            writeln!(config, "cluster {{ {cluster} }}").expect(TAKES_TEXT);
        }
        config + &self.more
    }
}

/// One of several servers, or the only one.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    /// Where clients reach it.
    pub(crate) port: u16,
    pub(crate) cluster: Option<Cluster>,
}

/// Where servers reach it, and where it reaches them.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) port: u16,
    pub(crate) routes: Vec<u16>,
}

impl Node {
    fn alone() -> Self {
        Self { name: "node-0".to_owned(), port: free_port(), cluster: None }
    }
}

/// Who may connect. Nobody else may.
#[derive(Debug, Clone)]
pub(crate) struct Logins {
    pub(crate) system: Login,
    pub(crate) hosts: Login,
}

impl Default for Logins {
    fn default() -> Self {
        Self { system: Login::new("system"), hosts: Login::new("hosts") }
    }
}

/// A user with a password of 128 random bits.
#[derive(Debug, Clone)]
pub(crate) struct Login {
    pub(crate) user: &'static str,
    pub(crate) password: String,
}

impl Login {
    fn new(user: &'static str) -> Self {
        Self { user, password: canary() }
    }

    fn as_user(&self) -> String {
        format!("{{ user: \"{}\", password: \"{}\" }}", self.user, self.password)
    }

    /// Writes it as a host reads it: a line `user:password` that only its owner reads.
    pub(crate) fn write(&self, file: &Path) {
        let opened = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(file);
        let written = opened.and_then(|mut file| writeln!(file, "{}:{}", self.user, self.password));
        written.expect("a file of the test's own");
    }
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    let mut chance = Chance::new(RandomState::new().hash_one("port"));
    let mut ports = (0..TRIES).map(|_| u16::try_from(chance.within(PORTS.0, PORTS.1)).expect("it is below 65536"));
    ports.find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()).expect("a free port")
}
