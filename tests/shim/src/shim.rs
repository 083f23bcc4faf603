//! The state of the shim in its process: whether it watches anything, and the logs of what it watches.

use std::collections::HashMap;
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::entries::{self, Entries};
use crate::log::Log;
use crate::raw;
use crate::target::{Identity, Target};

/// The folder whose files are watched, and the one for the logs, which must lie outside of it.
const DIR: &str = "SHIM_DIR";
const LOG: &str = "SHIM_LOG";

/// What is watched, and how far it is.
pub(crate) struct Shim {
    root: PathBuf,
    folder: PathBuf,
    logs: Mutex<Logs>,
}

struct Logs {
    /// The number of the last record of any log: their order over all files.
    sequence: u64,
    files: HashMap<Identity, Log>,
    entries: Entries,
}

/// What is about to be done to a file.
pub(crate) enum Change<'a> {
    Write { offset: u64, bytes: &'a [u8] },
    Length(u64),
}

/// The shim of this process, if it was told what to watch.
pub(crate) fn shim() -> Option<&'static Shim> {
    static SHIM: OnceLock<Option<Shim>> = OnceLock::new();
    SHIM.get_or_init(Shim::from_environment).as_ref()
}

impl Shim {
    #[expect(clippy::disallowed_methods, reason = "nobody hands a preloaded library its settings")]
    fn from_environment() -> Option<Self> {
        let root = std::fs::canonicalize(std::env::var_os(DIR)?).ok()?;
        let folder = PathBuf::from(std::env::var_os(LOG)?);
        let entries = Entries::open(&folder)?;
        Some(Self { root, folder, logs: Mutex::new(Logs { sequence: 0, files: HashMap::new(), entries }) })
    }

    /// What a descriptor stands for, if it is watched.
    pub(crate) fn target(&self, fd: RawFd) -> Option<Target> {
        Target::of(fd, &self.root)
    }

    /// Does something to a watched file, recorded before. The record and the deed are one step to other threads: the order of the log
    /// is the order in the file.
    pub(crate) fn change<'a, T>(
        &self,
        fd: RawFd,
        change: impl FnOnce(&Target) -> Change<'a>,
        act: impl FnOnce() -> T,
    ) -> T {
        let mut logs = self.logs();
        // Its length may have changed while the lock was waited for.
        if let Some(target) = self.target(fd) {
            self.record(&mut logs, fd, &target, change(&target));
        }
        act()
    }

    /// Syncs a watched file or folder. What is written meanwhile may not be covered, and counts as if it were not.
    pub(crate) fn sync(&self, target: &Target, act: impl FnOnce() -> i32) -> i32 {
        let until = self.logs().sequence;
        let on_disk = entries::of(target);
        let answer = act();
        if answer == 0 {
            let mut logs = self.logs();
            let forgotten = logs.files.get_mut(&target.identity).is_none_or(|log| log.synced(until));
            certain(forgotten && logs.entries.synced(on_disk));
        }
        answer
    }

    fn record(&self, logs: &mut Logs, fd: RawFd, target: &Target, change: Change<'_>) {
        logs.sequence += 1;
        let sequence = logs.sequence;
        if !logs.files.contains_key(&target.identity) {
            let log = Log::open(&self.folder, target.identity, fd);
            certain(log.is_some());
            logs.files.extend(log.map(|log| (target.identity, log)));
        }
        let recorded = logs.files.get_mut(&target.identity).is_some_and(|log| match change {
            Change::Write { offset, bytes } => log.write(sequence, target, offset, bytes),
            Change::Length(len) => log.length(sequence, target, len),
        });
        certain(recorded);
    }

    fn logs(&self) -> MutexGuard<'_, Logs> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the process where a record could not be made: what a power cut leaves would be a guess.
fn certain(recorded: bool) {
    if !recorded {
        raw::append(libc::STDERR_FILENO, b"the shim cannot write its log\n");
        std::process::abort();
    }
}
