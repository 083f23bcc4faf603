//! A NATS server in operator mode, run as `bailiwick nats init` leaves it: its configuration is the one that operators get.

#[cfg(test)]
mod tests;

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use host_bus::accounts::{Minter, init};
use host_model::{Clock, Timestamp};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::nats::{binary, free_port, listen};
use crate::process::Process;

/// How long it may take until it has ended.
const STOP_TIME_MAX: Duration = Duration::from_secs(20);

/// A server in a process of its own that knows tenants as accounts. Dropping it kills that process and removes its data.
pub struct AccountsServer {
    url: String,
    /// None while it is ended.
    process: Option<Process>,
    home: TempDir,
}

/// The clock that the server goes by too.
struct Wall(Instant);

impl AccountsServer {
    /// Sets accounts up, starts a server on them, and waits until it listens.
    pub fn start() -> Self {
        Self::with("")
    }

    /// The same with MQTT on this port of loopback, as an operator adds it.
    pub fn with_mqtt(port: u16) -> Self {
        Self::with(&format!("server_name: tests\nmqtt {{ listen: \"127.0.0.1:{port}\" }}\n"))
    }

    fn with(more: &str) -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        let url = format!("nats://127.0.0.1:{}", free_port());
        let listen_at = url.parse().expect("an address");
        let dir = home.path().join("nats");
        init(&dir, &listen_at, wall().now()).expect("a folder that can be set up");
        let mut config = OpenOptions::new().append(true).open(dir.join("nats.conf")).expect("it is there");
        config.write_all(more.as_bytes()).expect("a file of the test's own");
        fs::create_dir_all(home.path().join("ports")).expect("a folder");
        let mut server = Self { url, process: None, home };
        server.start_again();
        server
    }

    /// Starts it where it was, on what it left, and waits until it listens.
    pub fn start_again(&mut self) {
        assert!(self.process.is_none(), "it runs");
        let ports = self.home.path().join("ports");
        self.process = Some(listen(server(&self.dir()).arg("--ports_file_dir").arg(&ports), &ports));
    }

    /// Kills it, as a power cut would, and waits until it has ended.
    pub fn kill(&mut self) {
        let mut process = self.process.take().expect("it was ended");
        process.signal(Signal::KILL);
        process.ended(STOP_TIME_MAX);
    }

    /// Removes all that it was told of accounts. It must not run.
    pub fn forget_accounts(&self) {
        assert!(self.process.is_none(), "it runs");
        fs::remove_dir_all(self.dir().join("server/accounts")).expect("it was told of some");
    }

    /// Where clients reach it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The folder of its accounts.
    pub fn dir(&self) -> PathBuf {
        self.home.path().join("nats")
    }

    /// What makes its accounts and users.
    pub fn minter(&self) -> Minter {
        Minter::open(&self.dir(), wall()).expect("a folder that was set up")
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.running().id()
    }

    /// What it logged so far.
    pub fn log(&self) -> Vec<String> {
        self.running().stderr.all()
    }

    fn running(&self) -> &Process {
        self.process.as_ref().expect("it was ended")
    }
}

/// The server on the configuration as it is.
fn server(dir: &Path) -> Command {
    let mut command = Command::new(binary());
    command.env_clear().arg("--config").arg(dir.join("nats.conf"));
    command
}

fn wall() -> Arc<dyn Clock> {
    Arc::new(Wall(Instant::now()))
}

impl Clock for Wall {
    #[expect(clippy::disallowed_methods, reason = "the server goes by the machine's clock, and so must what it checks")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock that was set");
        Timestamp::from_millis(u64::try_from(since.as_millis()).expect("a clock that was set"))
    }

    fn uptime_millis(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).expect("no test runs that long")
    }
}
