//! The demo's host: started on a free port, and stopped on every way out.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::Bus;
use super::client::Client;
use super::nats::Nats;
use super::stop::Stop;
use crate::env;
use crate::repo::{Profile, Repo};

/// Everything of the demo; wiped when the next one starts.
const FOLDER: &str = ".bailiwick/demo";
const READY_TIME_MAX: Duration = Duration::from_secs(30);
const DRAIN_TIME_MAX: Duration = Duration::from_secs(10);
const DRAIN_CHECKED_EVERY: Duration = Duration::from_millis(20);

/// A running host. Dropping it stops it.
pub(crate) struct Host {
    child: Child,
    binary: PathBuf,
    folder: PathBuf,
    url: String,
    /// What carries its messages, if it is not the host itself. Ended after it.
    nats: Option<Nats>,
}

impl Host {
    /// Starts on empty data, after the server that carries its messages, and returns when the API listens.
    pub(crate) fn start(repo: &Repo, bus: Bus) -> Result<Self> {
        let folder = fresh_folder(repo)?;
        let nats = match bus {
            Bus::Embedded => None,
            Bus::Nats => Some(Nats::start(repo, &folder)?),
        };
        let binary = repo.binary(Profile::Dev, "bailiwick")?;
        let log = File::create(folder.join("host.log")).context("cannot write the host's log")?;
        let mut command = Command::new(&binary);
        for name in env::bailiwick_settings() {
            command.env_remove(name);
        }
        command.arg("host").arg("--data").arg(folder.join("data")).args(["--listen", "127.0.0.1:0"]);
        if let Some(nats) = &nats {
            nats.carry_for(&mut command);
        }
        command.current_dir(&folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log.try_clone()?);
        // A group of its own: Ctrl-C is for us, and we drain the host.
        let child = command.process_group(0).spawn().with_context(|| format!("cannot start {}", binary.display()))?;
        let mut host = Self { child, binary, folder, url: String::new(), nats };
        host.url = host.wait_until_ready(log)?;
        Ok(host)
    }

    /// Where the API listens.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The file with the operator's token.
    pub(crate) fn token_path(&self) -> PathBuf {
        self.folder.join("data/operator.token")
    }

    /// The command-line client, as the operator, working in `folder`.
    pub(crate) fn client(&self, folder: &Path) -> Result<Client> {
        let path = self.token_path();
        let token =
            fs::read_to_string(&path).with_context(|| format!("the host wrote no token to {}", path.display()))?;
        Ok(Client::new(&self.binary, folder, &self.url, token.trim()))
    }

    /// Says where to read on when something failed.
    pub(crate) fn point_to_log(&self) {
        eprintln!("the host's log is {}", self.log_path().display());
    }

    /// Waits for a signal to us, or complains when the host ends before.
    pub(crate) fn serve_until(mut self, stop: &Stop) -> Result<()> {
        while !stop.asked() {
            if let Some(status) = self.child.try_wait()? {
                bail!("the host ended by itself ({status}); its log is {}", self.log_path().display());
            }
            thread::sleep(Stop::CHECKED_EVERY);
        }
        self.stop()
    }

    /// Asks the host to drain, and requires a clean exit in time.
    pub(crate) fn stop(mut self) -> Result<()> {
        let start = Instant::now();
        let Some(status) = self.drain()? else {
            bail!(
                "the host did not stop within {} s of SIGTERM; its log is {}",
                DRAIN_TIME_MAX.as_secs(),
                self.log_path().display()
            );
        };
        ensure!(status.success(), "the host stopped with {status}; its log is {}", self.log_path().display());
        println!("The host drained and stopped in {:.1} s.", start.elapsed().as_secs_f64());
        self.nats.take().map_or(Ok(()), Nats::stop)
    }

    fn wait_until_ready(&mut self, log: File) -> Result<String> {
        let stdout = self.child.stdout.take().context("stdout was piped above")?;
        let (ready, url) = mpsc::sync_channel(1);
        thread::spawn(move || keep_log(stdout, log, &ready));
        url.recv_timeout(READY_TIME_MAX).map_err(|_| {
            let log = fs::read_to_string(self.log_path()).unwrap_or_default();
            let last = log.lines().last().unwrap_or("it said nothing").to_owned();
            anyhow::anyhow!("the host is not ready: {last} (its log is {})", self.log_path().display())
        })
    }

    fn drain(&mut self) -> Result<Option<ExitStatus>> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(Some(status));
        }
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let deadline = Instant::now() + DRAIN_TIME_MAX;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            thread::sleep(DRAIN_CHECKED_EVERY);
        }
        Ok(None)
    }

    fn log_path(&self) -> PathBuf {
        self.folder.join("host.log")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if !matches!(self.drain(), Ok(Some(_))) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn fresh_folder(repo: &Repo) -> Result<PathBuf> {
    let folder = repo.path(FOLDER);
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot wipe the last demo in {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

/// Copies the host's stdout to its log and reports the address of the API once.
fn keep_log(stdout: impl Read, mut log: File, ready: &SyncSender<String>) {
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        let _ = writeln!(log, "{line}");
        if let Some(url) = api_url(&line) {
            // Full means that the first listener was reported already.
            let _ = ready.try_send(url.to_owned());
        }
    }
}

/// The address in a line like `listening on http://127.0.0.1:7410 (api)`.
fn api_url(line: &str) -> Option<&str> {
    let (url, kind) = line.strip_prefix("listening on ")?.split_once(' ')?;
    (kind == "(api)" && url.starts_with("http://")).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_api_listener_names_the_url() {
        assert_eq!(api_url("listening on http://127.0.0.1:40123 (api)"), Some("http://127.0.0.1:40123"));
        assert_eq!(api_url("listening on http://127.0.0.1:40124 (operator)"), None);
        assert_eq!(api_url("recovering 3 agents"), None);
    }
}
