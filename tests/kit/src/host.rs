//! A running host.

mod fault;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::api::Api;
use crate::cli::Ran;
use crate::process::{Ended, Process};
use crate::{cli, eventually, paths, template};

/// How long a host may take until it listens, and until it has drained.
const START_TIME_MAX: Duration = Duration::from_secs(20);
const DRAIN_TIME_MAX: Duration = Duration::from_secs(10);

/// The key-encryption key in a data directory.
const KEK: &str = "kek";

/// How a host is to be started.
#[derive(Default)]
pub struct Setup {
    variables: Vec<(String, String)>,
    config: Option<PathBuf>,
    data: Option<PathBuf>,
    listen: Option<String>,
    kek: Option<PathBuf>,
    blank: bool,
    full_log: bool,
}

impl Setup {
    /// On data of its own, with everything at its default.
    pub fn new() -> Self {
        Self::default()
    }

    /// With an environment variable. There are no others.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a configuration file.
    #[must_use]
    pub fn config(self, file: &Path) -> Self {
        Self { config: Some(file.to_owned()), ..self }
    }

    /// On this data, which is not removed afterwards.
    #[must_use]
    pub fn data(self, data: &Path) -> Self {
        Self { data: Some(data.to_owned()), ..self }
    }

    /// Under the key-encryption key of another host, as an operator brings it there before the first start.
    #[must_use]
    pub fn kek_of(self, host: &Host) -> Self {
        Self { kek: Some(host.data.join(KEK)), ..self }
    }

    /// On this address instead of a free port.
    #[must_use]
    pub fn listen(self, address: &str) -> Self {
        Self { listen: Some(address.to_owned()), ..self }
    }

    /// On data that holds nothing, not even compiled components.
    #[must_use]
    pub fn blank(self) -> Self {
        Self { blank: true, ..self }
    }

    /// With a log that takes nothing: its disk is full.
    #[must_use]
    pub fn full_log(self) -> Self {
        Self { full_log: true, ..self }
    }

    /// Starts it and waits until it listens.
    pub fn start(self) -> Host {
        let home = tempfile::tempdir().expect("a temporary folder");
        let data = self.data.clone().unwrap_or_else(|| home.path().join("data"));
        if !self.blank && !data.exists() {
            template::copy_into(&data);
        }
        self.bring_kek(&data);
        let process = Process::spawn(&mut self.command(home.path(), &data));
        let line = process.stdout.first(START_TIME_MAX);
        let url = line.as_deref().and_then(listening_at);
        let url = url.unwrap_or_else(|| unreachable!("it does not listen; it said {:#?}", process.stderr.all()));
        let token = fs::read_to_string(data.join("operator.token")).expect("a started host has written its token");
        let api = Api::new(&url, Some(token.trim()));
        Host { api, url, token: token.trim().to_owned(), data, setup: self, process, home }
    }

    fn bring_kek(&self, data: &Path) {
        if let Some(kek) = self.kek.as_ref().filter(|_| !data.join(KEK).exists()) {
            fs::create_dir_all(data).expect("a temporary folder takes folders");
            fs::copy(kek, data.join(KEK)).expect("the other host has its key");
        }
    }

    /// Starts what is expected to end by itself, and waits until it has.
    pub fn run(self) -> Ended {
        let home = tempfile::tempdir().expect("a temporary folder");
        let data = self.data.clone().unwrap_or_else(|| home.path().join("data"));
        Process::spawn(&mut self.command(home.path(), &data)).ended(START_TIME_MAX)
    }

    fn command(&self, home: &Path, data: &Path) -> Command {
        let mut command = if self.full_log {
            let mut shell = Command::new("/bin/sh");
            shell.args(["-c", "exec \"$0\" \"$@\" 2> /dev/full"]).arg(paths::binary());
            shell
        } else {
            Command::new(paths::binary())
        };
        command.env_clear().current_dir(home).arg("host").arg("--data").arg(data);
        command.args(["--listen", self.listen.as_deref().unwrap_or("127.0.0.1:0")]);
        command.args(self.config.iter().flat_map(|file| [Path::new("--config"), file]));
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// A host in a process of its own. Dropping it kills it and removes its data.
pub struct Host {
    /// Its API, as the operator.
    pub api: Api,
    /// Where the API is.
    pub url: String,
    /// The operator's token.
    pub token: String,
    /// Its data directory.
    pub data: PathBuf,
    setup: Setup,
    process: Process,
    home: TempDir,
}

impl Host {
    /// A host with everything at its default.
    pub fn start() -> Self {
        Setup::new().start()
    }

    /// A host with everything at its default, and these tenants.
    pub async fn with_tenants(tenants: &[&str]) -> Self {
        Self::start().and_tenants(tenants).await
    }

    /// With these tenants too.
    pub async fn and_tenants(self, tenants: &[&str]) -> Self {
        for tenant in tenants {
            self.api.create_tenant(tenant).await;
        }
        self
    }

    /// What it logged so far.
    pub fn log(&self) -> Vec<String> {
        self.process.stderr.all()
    }

    /// What it wrote to standard output so far.
    pub fn output(&self) -> Vec<String> {
        self.process.stdout.all()
    }

    /// A folder for a test's files.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Has [`resident_bytes_max`](Self::resident_bytes_max) count from now on.
    pub fn forget_resident_max(&self) {
        let file = format!("/proc/{}/clear_refs", self.process.id());
        fs::write(file, "5").expect("it runs, and is ours");
    }

    /// The most memory it had resident, in bytes (`VmHWM`), since its start or since it was told to forget.
    pub fn resident_bytes_max(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux counts it");
        let kib: u64 = line.trim().trim_end_matches(" kB").trim().parse().expect("a number of KiB");
        kib << 10
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The processes that it has begun and that have not ended.
    pub fn children(&self) -> Vec<u32> {
        let parent_of = |id: &u32| {
            let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
            // The name, in brackets, may hold anything.
            stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse::<u32>().ok()
        };
        let entries = fs::read_dir("/proc").expect("Linux shows its processes").flatten();
        let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        ids.filter(|id| parent_of(id) == Some(self.id())).collect()
    }

    /// Runs a client verb against it.
    pub fn cli(&self, args: &[&str]) -> Ran {
        cli::run(self.home.path(), &[("BAILIWICK_URL", &self.url), ("BAILIWICK_TOKEN", &self.token)], args)
    }

    /// Returns when it has started every agent that should be up.
    pub async fn ready(&self) {
        eventually("it is ready", async || (self.api.get("/readyz").await.status == 200).then_some(())).await;
    }

    /// Tells it to read its configuration again.
    pub fn hang_up(&self) {
        self.process.signal(Signal::HUP);
    }

    /// Tells it to stop.
    pub fn tell_to_stop(&self) {
        self.process.signal(Signal::TERM);
    }

    /// Waits until it has stopped, for as long as it may take.
    pub fn ended(&mut self) -> Ended {
        self.process.ended(DRAIN_TIME_MAX)
    }

    /// Stops it in good order.
    pub fn terminate(&mut self) -> Ended {
        self.tell_to_stop();
        self.ended()
    }

    /// Kills it.
    pub fn kill(&mut self) -> Ended {
        self.process.signal(Signal::KILL);
        self.ended()
    }

    /// Starts it again, after it has ended: on its data, as it was started before.
    pub fn start_again(&mut self) {
        let setup = std::mem::take(&mut self.setup);
        let Host { api, url, token, process, setup, .. } = setup.data(&self.data).start();
        (self.api, self.url, self.token, self.process, self.setup) = (api, url, token, process, setup);
    }
}

fn listening_at(line: &str) -> Option<String> {
    line.strip_prefix("listening on ")?.split(' ').next().map(str::to_owned)
}
