//! The handle: records what is asked for, counts what was denied.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use host_model::Clock;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, oneshot};

use crate::state::{Job, State};
use crate::writer::Writer;
use crate::{Act, AuditLog, Break, Decision, Denial, Found, LedgerError, Query, Record, Recorded, Summary};

/// Control actions that are recorded and have not ended; one more waits until one has.
const OPEN_MAX: usize = 256;

/// What happened, on its way to the disk. Cheap to clone; the last one dropped closes it.
#[derive(Clone)]
pub struct Ledger(Arc<Owner>);

struct Owner {
    shared: Shared,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// What the handle, the writer and each open action share.
pub(crate) type Shared = Arc<Inner>;

pub(crate) struct Inner {
    pub(crate) state: State,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) log: Arc<dyn AuditLog>,
    /// Whether the last attempt to write succeeded.
    pub(crate) writable: AtomicBool,
    room: Arc<Semaphore>,
}

impl Ledger {
    /// Starts writing to a log, on a thread of its own. What was wrong with the log when it was opened is the first it writes.
    pub fn start(log: Arc<dyn AuditLog>, clock: Arc<dyn Clock>, found: Found) -> Result<Self, LedgerError> {
        let shared = Arc::new(Inner {
            state: State::default(),
            clock,
            log,
            writable: AtomicBool::new(true),
            room: Arc::new(Semaphore::new(OPEN_MAX)),
        });
        let writer = Writer::new(shared.clone(), found);
        let thread = std::thread::Builder::new().name("ledger".to_owned()).spawn(move || writer.run());
        let thread = thread.map_err(LedgerError::Thread)?;
        Ok(Self(Arc::new(Owner { shared, writer: Mutex::new(Some(thread)) })))
    }

    /// Records a control action before it is done: when this returns, the record survives a power loss.
    ///
    /// Waits for room while 256 actions are open, and for the disk. [`LedgerError::Unwritable`] at once while the log
    /// cannot be written.
    pub async fn record(&self, act: Act) -> Result<Recorded, LedgerError> {
        let shared = &self.0.shared;
        if !self.is_writable() {
            return Err(LedgerError::Unwritable);
        }
        let room = shared.room.clone().acquire_owned().await.map_err(|_| LedgerError::Unwritable)?;
        let (asker, written) = oneshot::channel();
        let entry = act.entry(shared.clock.now(), Decision::Allowed);
        shared.state.push(Job { entry, room, asker: Some(asker) }).map_err(|_| LedgerError::Unwritable)?;
        written.await.unwrap_or(Err(LedgerError::Unwritable))
    }

    /// Counts a denial. Never waits for the disk: the first of its kind is written soon, those that follow as one line each second
    /// with their exact count; none is lost while the log cannot be written.
    pub fn denied(&self, denial: &Denial<'_>) {
        let now = self.0.shared.clock.now();
        self.0.shared.state.count(|tallies| tallies.count(denial, now));
    }

    /// Whether the last attempt to write succeeded.
    pub fn is_writable(&self) -> bool {
        self.0.shared.writable.load(Ordering::Acquire)
    }

    /// The last records that match, oldest first.
    pub async fn read(&self, query: Query) -> Result<Vec<Record>, LedgerError> {
        self.on_disk(move |log| log.read(&query)).await?
    }

    /// Checks the whole chain as it stands now.
    pub async fn verify(&self) -> Result<Result<Summary, Break>, LedgerError> {
        self.on_disk(|log| log.verify()).await?
    }

    /// Writes what still waits, and refuses everything from here on. Blocks until it is written.
    pub fn close(&self) {
        self.0.close();
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn AuditLog) -> T + Send + 'static,
    ) -> Result<T, LedgerError> {
        let log = self.0.shared.log.clone();
        tokio::task::spawn_blocking(move || work(log.as_ref())).await.map_err(|_| LedgerError::CutOff)
    }
}

impl Owner {
    fn close(&self) {
        self.shared.state.close();
        let writer = self.writer.lock().take();
        if writer.is_some_and(|writer| writer.join().is_err()) {
            tracing::error!("the ledger's thread panicked");
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.close();
    }
}

impl Inner {
    /// For the outcome of an action whose room was kept. After the close there is nobody to write it, and the log says so.
    pub(crate) fn push_outcome(&self, job: Job) {
        if let Err(job) = self.state.push(job) {
            let entry = &job.entry;
            let (action, decision) = (&entry.action, entry.decision.as_str());
            tracing::error!(%action, decision, of = entry.of, "an action ended after the audit was closed");
        }
    }
}

#[cfg(test)]
mod tests;
