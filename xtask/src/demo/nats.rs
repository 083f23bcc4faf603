//! The demo's NATS server: on a free port of loopback, with its data in the demo's folder, and stopped on every way out.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;

use crate::nats;
use crate::repo::Repo;

const FOLDER: &str = "nats";
const READY_TIME_MAX: Duration = Duration::from_secs(10);
const STOP_TIME_MAX: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A running server. Dropping it stops it.
pub(crate) struct Nats {
    child: Child,
    folder: PathBuf,
    url: String,
}

/// What the server says of its ports once it listens.
#[derive(Deserialize)]
struct Ports {
    nats: Vec<String>,
}

impl Nats {
    /// Starts one that syncs each write, with an account for hosts and a system account, and returns when it listens.
    pub(crate) fn start(repo: &Repo, demo: &Path) -> Result<Self> {
        let folder = demo.join(FOLDER);
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let config = folder.join("nats.conf");
        write_private(&config, &configured(&folder)?)?;
        let log = File::create(folder.join("nats.log")).context("cannot write the NATS server's log")?;
        let mut command = Command::new(nats::binary(repo));
        command.arg("--config").arg(&config).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        // A group of its own: Ctrl-C is for us, and we stop it after the host.
        let child = command.process_group(0).spawn().context("cannot start the NATS server")?;
        let mut server = Self { child, folder, url: String::new() };
        server.url = server.wait_until_ready()?;
        println!("A NATS server listens on {}; its log is {}", server.url, server.log_path().display());
        Ok(server)
    }

    /// Has a host's messages carried by this server.
    pub(crate) fn carry_for(&self, host: &mut Command) {
        host.args(["--bus", &self.url]);
        host.env("BAILIWICK_NATS__CREDENTIALS_FILE", credentials(&self.folder, "hosts"));
        host.env("BAILIWICK_NATS__SYSTEM_CREDENTIALS_FILE", credentials(&self.folder, "system"));
    }

    /// Asks it to stop, and requires that it does in time.
    pub(crate) fn stop(mut self) -> Result<()> {
        let ended = self.end()?;
        ensure!(ended.is_some(), "the NATS server did not stop within {} s of SIGTERM", STOP_TIME_MAX.as_secs());
        println!("The NATS server stopped.");
        Ok(())
    }

    /// It writes the ports it listens on into a file with its process id.
    fn wait_until_ready(&mut self) -> Result<String> {
        let file = self.folder.join(format!("nats-server_{}.ports", self.child.id()));
        let deadline = Instant::now() + READY_TIME_MAX;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                bail!("the NATS server ended ({status}); its log is {}", self.log_path().display());
            }
            // Half written, it is no JSON yet.
            let ports = fs::read(&file).ok().and_then(|text| serde_json::from_slice::<Ports>(&text).ok());
            if let Some(url) = ports.and_then(|ports| ports.nats.into_iter().next()) {
                return Ok(url);
            }
            thread::sleep(LOOK_EVERY);
        }
        bail!("the NATS server does not listen; its log is {}", self.log_path().display())
    }

    fn end(&mut self) -> Result<Option<ExitStatus>> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(Some(status));
        }
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let deadline = Instant::now() + STOP_TIME_MAX;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            thread::sleep(LOOK_EVERY);
        }
        Ok(None)
    }

    fn log_path(&self) -> PathBuf {
        self.folder.join("nats.log")
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        if !matches!(self.end(), Ok(Some(_))) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// The configuration of the server, whose users have passwords of their own each time.
fn configured(folder: &Path) -> Result<String> {
    let (hosts, system) = (user(folder, "hosts")?, user(folder, "system")?);
    let (ports, store) = (folder.display(), folder.join("store"));
    Ok(format!(
        "listen: \"127.0.0.1:-1\"\nports_file_dir: \"{ports}\"\n\
         accounts {{\n  SYS {{ users: [{system}] }}\n  HOSTS {{ jetstream: enabled, users: [{hosts}] }}\n}}\n\
         system_account: SYS\njetstream {{ store_dir: \"{}\", sync_interval: always }}\n",
        store.display()
    ))
}

/// A user whose credentials lie in a file, as a host reads them.
fn user(folder: &Path, name: &str) -> Result<String> {
    let mut random = [0_u8; 16];
    File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut random)).context("no random bytes")?;
    let password = format!("{:032x}", u128::from_be_bytes(random));
    write_private(&credentials(folder, name), &format!("{name}:{password}\n"))?;
    Ok(format!("{{ user: {name}, password: \"{password}\" }}"))
}

fn credentials(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.credentials"))
}

fn write_private(path: &Path, text: &str) -> Result<()> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = opened.and_then(|mut file| file.write_all(text.as_bytes()));
    written.with_context(|| format!("cannot write {}", path.display()))
}
