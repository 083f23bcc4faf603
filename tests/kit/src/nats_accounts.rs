//! A NATS server in operator mode, run as `bailiwick nats init` leaves it: its configuration is the one that operators get.

#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use host_bus::accounts::{Minter, init};
use host_model::{Clock, Timestamp};
use tempfile::TempDir;

use crate::nats::{binary, client_url, listen};
use crate::process::Process;

/// A server in a process of its own that knows tenants as accounts. Dropping it kills that process and removes its data.
pub struct AccountsServer {
    url: String,
    process: Process,
    home: TempDir,
}

/// The clock that the server goes by too.
struct Wall(Instant);

impl AccountsServer {
    /// Sets accounts up, starts a server on them, and waits until it listens.
    pub fn start() -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        let (dir, ports) = (home.path().join("nats"), home.path().join("ports"));
        let listen_at = "nats://127.0.0.1:4222".parse().expect("an address");
        init(&dir, &listen_at, wall().now()).expect("a folder that can be set up");
        fs::create_dir_all(&ports).expect("a folder");
        let process = listen(server(&dir).arg("--ports_file_dir").arg(&ports), &ports);
        let url = client_url(&process, &ports);
        Self { url, process, home }
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
        self.process.id()
    }

    /// What it logged so far.
    pub fn log(&self) -> Vec<String> {
        self.process.stderr.all()
    }
}

/// The server on the configuration as it is, but on a free port.
fn server(dir: &Path) -> Command {
    let mut command = Command::new(binary());
    command.env_clear().arg("--config").arg(dir.join("nats.conf")).args(["--port", "-1"]);
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
