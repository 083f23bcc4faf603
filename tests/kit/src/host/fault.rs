//! What a machine does to a host: kills it at any moment, stops its clock, takes its descriptors.

use std::fs;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};

use super::{Host, Setup};
use crate::process::Process;

impl Setup {
    /// Starts it and kills it after so long, whatever it has come to by then.
    pub fn start_and_kill(self, after: Duration) {
        let home = tempfile::tempdir().expect("a temporary folder");
        let data =
            self.data.clone().expect("a host that is killed is looked at afterwards, so its data lies somewhere");
        let process = Process::spawn(&mut self.command(home.path(), &data));
        // No wait for something to be seen: the moment is what the test has chosen.
        thread::sleep(after);
        drop(process);
    }
}

impl Host {
    /// Kills it, and does not wait until it has ended.
    pub fn strike(&self) {
        self.process.signal(Signal::KILL);
    }

    /// Stops it where it is, until [`resume`](Self::resume).
    pub fn pause(&self) {
        self.process.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.process.signal(Signal::CONT);
    }

    /// Whether it still takes connections.
    pub async fn listens(&self) -> bool {
        self.api.try_call("GET", "/healthz", None).await.is_some()
    }

    /// Whether it has not ended.
    pub fn runs(&mut self) -> bool {
        self.process.runs()
    }

    /// How many descriptors it has open.
    pub fn descriptors(&self) -> u64 {
        fs::read_dir(format!("/proc/{}/fd", self.id())).expect("it runs, and is ours").count() as u64
    }

    /// How many descriptors it may have from now on; none for as many as this process.
    pub fn limit_descriptors(&self, descriptors_max: Option<u64>) {
        let id = i32::try_from(self.id()).ok().and_then(Pid::from_raw).expect("a process id");
        let own = getrlimit(Resource::Nofile);
        let current = descriptors_max.or(own.current);
        prlimit(Some(id), Resource::Nofile, Rlimit { current, maximum: own.maximum }).expect("it runs, and is ours");
    }
}
