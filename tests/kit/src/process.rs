//! A child process whose output is kept, and which does not outlive its test.

use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How often is looked whether it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// How a process ended, and what it said.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// What it wrote to standard output, line by line.
    pub stdout: Vec<String>,
    /// What it wrote to standard error, line by line.
    pub stderr: Vec<String>,
    /// How long it took to end, from when it was waited for.
    pub took: Duration,
}

/// A child that is killed when this is dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) stdout: Lines,
    pub(crate) stderr: Lines,
}

impl Process {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.expect("the binary can be run");
        let stdout = Lines::read(child.stdout.take().expect("it is piped"));
        let stderr = Lines::read(child.stderr.take().expect("it is piped"));
        Self { child, stdout, stderr }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(id, signal).expect("the child is there until it is waited for");
    }

    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().expect("the child is ours").is_none()
    }

    /// Waits for the end, which must come within `time_max`.
    pub(crate) fn ended(&mut self, time_max: Duration) -> Ended {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the child is ours") {
                break status;
            }
            assert!(began.elapsed() < time_max, "it did not end within {time_max:?}; it said {:#?}", self.stderr.all());
            thread::sleep(LOOK_EVERY);
        };
        let took = began.elapsed();
        let (stdout, stderr) = (self.stdout.to_the_end(), self.stderr.to_the_end());
        Ended { code: status.code(), signal: status.signal(), stdout, stderr, took }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines that came through a pipe so far.
pub(crate) struct Lines(Arc<(Mutex<Heard>, Condvar)>);

#[derive(Default)]
struct Heard {
    lines: Vec<String>,
    ended: bool,
}

impl Lines {
    fn read(pipe: impl Read + Send + 'static) -> Self {
        let shared = Arc::new((Mutex::new(Heard::default()), Condvar::new()));
        let writer = shared.clone();
        thread::spawn(move || {
            let (heard, changed) = &*writer;
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                heard.lock().expect("nobody panics with it").lines.push(String::from_utf8_lossy(&line).into_owned());
                changed.notify_all();
            }
            heard.lock().expect("nobody panics with it").ended = true;
            changed.notify_all();
        });
        Self(shared)
    }

    /// What came so far.
    pub(crate) fn all(&self) -> Vec<String> {
        self.0.0.lock().expect("nobody panics with it").lines.clone()
    }

    /// The first line, or none if the pipe was closed without one.
    pub(crate) fn first(&self, time_max: Duration) -> Option<String> {
        let (heard, changed) = &*self.0;
        let heard = heard.lock().expect("nobody panics with it");
        let nothing = |heard: &mut Heard| heard.lines.is_empty() && !heard.ended;
        let (heard, _) = changed.wait_timeout_while(heard, time_max, nothing).expect("nobody panics with it");
        heard.lines.first().cloned()
    }

    fn to_the_end(&self) -> Vec<String> {
        let (heard, changed) = &*self.0;
        let heard = heard.lock().expect("nobody panics with it");
        changed.wait_while(heard, |heard| !heard.ended).expect("nobody panics with it").lines.clone()
    }
}
