//! What waits to be written.

use std::time::Instant;

use parking_lot::{Condvar, Mutex};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::denials::{Taken, Tallies};
use crate::{Entry, LedgerError, Recorded};

/// Who waits for a record to be on the disk.
pub(crate) type Asker = oneshot::Sender<Result<Recorded, LedgerError>>;

/// One record to be written. There are never more than there is room for.
pub(crate) struct Job {
    pub(crate) entry: Entry,
    pub(crate) room: OwnedSemaphorePermit,
    /// None for an outcome, for which nobody waits.
    pub(crate) asker: Option<Asker>,
}

/// What is written together.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) jobs: Vec<Job>,
    pub(crate) denials: Vec<Taken>,
    /// The last: the ledger is closed.
    pub(crate) closing: bool,
}

#[derive(Default)]
struct Waiting {
    jobs: Vec<Job>,
    tallies: Tallies,
    urgent: bool,
    closing: bool,
}

/// What waits to be written, between those who say it and the one who writes.
#[derive(Default)]
pub(crate) struct State {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

impl State {
    /// Gives the job back if the ledger is closed.
    pub(crate) fn push(&self, job: Job) -> Result<(), Box<Job>> {
        let mut waiting = self.waiting.lock();
        if waiting.closing {
            return Err(Box::new(job));
        }
        waiting.jobs.push(job);
        drop(waiting);
        self.changed.notify_one();
        Ok(())
    }

    /// Changes what is counted; `count` says whether to write at once.
    pub(crate) fn count(&self, count: impl FnOnce(&mut Tallies) -> bool) {
        let mut waiting = self.waiting.lock();
        // Only the first wakes the writer: under a flood it has the rest of the batch's time to itself.
        let wake = count(&mut waiting.tallies) && !waiting.urgent;
        waiting.urgent |= wake;
        drop(waiting);
        if wake {
            self.changed.notify_one();
        }
    }

    pub(crate) fn close(&self) {
        self.waiting.lock().closing = true;
        self.changed.notify_one();
    }

    /// Waits until there is something to write, or `tick` has come, when all that was counted is taken.
    pub(crate) fn next_batch(&self, tick: Instant) -> Batch {
        let mut waiting = self.waiting.lock();
        while waiting.jobs.is_empty() && !waiting.urgent && !waiting.closing {
            if self.changed.wait_until(&mut waiting, tick).timed_out() {
                break;
            }
        }
        waiting.take(Instant::now() >= tick)
    }

    /// Waits for `until`, or until the ledger is closed, then takes everything: the log could not be written before.
    pub(crate) fn batch_after(&self, until: Instant) -> Batch {
        let mut waiting = self.waiting.lock();
        while !waiting.closing && !self.changed.wait_until(&mut waiting, until).timed_out() {}
        waiting.take(true)
    }

    /// Takes back what could not be written.
    pub(crate) fn give_back(&self, jobs: Vec<Job>, denials: Vec<Taken>) {
        let mut waiting = self.waiting.lock();
        waiting.tallies.give_back(denials);
        let later = std::mem::replace(&mut waiting.jobs, jobs);
        waiting.jobs.extend(later);
    }
}

impl Waiting {
    fn take(&mut self, all: bool) -> Batch {
        self.urgent = false;
        let denials = self.tallies.take(all || self.closing);
        Batch { jobs: std::mem::take(&mut self.jobs), denials, closing: self.closing }
    }
}
