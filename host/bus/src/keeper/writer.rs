//! The one task that writes: what is asked at the same time is synced together, whoever asks.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::pump::Pump;
use super::tenant::Reserved;
use crate::{BusError, Change, Changed, Journal, JournalError, Keep, KeepHealth, LetterId};

/// Messages that may wait to be kept, of all tenants.
const KEEPING_MAX: usize = 2_048;
/// Messages kept in one step.
const KEEP_BATCH_MAX: usize = 256;
/// Bytes of frames kept in one step, but for the last.
const KEEP_BATCH_BYTES_MAX: usize = 8 << 20;
/// Decisions written in one step.
const SETTLE_BATCH_MAX: usize = 1_024;
/// How long to wait before a full disk is tried again.
const FULL_WAIT: Duration = Duration::from_millis(250);

/// A message to be kept, and who waits for it.
pub(super) struct Keeping {
    pub(super) keep: Keep,
    pub(super) replay: Option<LetterId>,
    pub(super) reserved: Reserved,
    /// Its queues, in the order in which `keep` names them.
    pub(super) pumps: Vec<Arc<Pump>>,
    pub(super) reply: oneshot::Sender<Result<(), BusError>>,
}

impl Keeping {
    fn len(&self) -> usize {
        self.keep.sealed.bytes().len()
    }
}

/// A decision to be written.
pub(super) struct Settling {
    pub(super) change: Change,
    pub(super) pump: Arc<Pump>,
}

/// Where to ask it.
pub(crate) struct Writer {
    keeps: mpsc::Sender<Keeping>,
    settles: Arc<Settles>,
    health: Arc<AtomicU8>,
    closing: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// Decisions that wait to be written. Bounded by what each queue may have that is not on the disk (`pump::SETTLING_MAX`).
#[derive(Default)]
struct Settles {
    waiting: Mutex<VecDeque<Settling>>,
    more: Notify,
}

struct Task {
    journal: Arc<dyn Journal>,
    keeps: mpsc::Receiver<Keeping>,
    settles: Arc<Settles>,
    health: Arc<AtomicU8>,
    closing: CancellationToken,
}

impl Writer {
    pub(super) fn start(journal: Arc<dyn Journal>) -> Self {
        let (keeps, to_keep) = mpsc::channel(KEEPING_MAX);
        let settles = Arc::new(Settles::default());
        let (health, closing) = (Arc::new(AtomicU8::new(GOOD)), CancellationToken::new());
        let (health_of_task, closing_of_task) = (health.clone(), closing.clone());
        let task = Task {
            journal,
            keeps: to_keep,
            settles: settles.clone(),
            health: health_of_task,
            closing: closing_of_task,
        };
        let task = Mutex::new(Some(Handle::current().spawn(task.run())));
        Self { keeps, settles, health, closing, task }
    }

    /// Asks for a message to be kept. Never waits: with too many asked for already it is refused.
    pub(super) fn keep(&self, keeping: Keeping) -> Result<(), BusError> {
        if self.health() == KeepHealth::Broken {
            return Err(BusError::Unkept(KeepHealth::Broken));
        }
        self.keeps.try_send(keeping).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => BusError::KeepingFull { len_max: KEEPING_MAX },
            mpsc::error::TrySendError::Closed(_) => BusError::Unkept(KeepHealth::Absent),
        })
    }

    /// Asks for a decision to be written. What is not written before the host ends is decided anew after it starts.
    pub(super) fn settle(&self, settling: Settling) {
        self.settles.waiting.lock().push_back(settling);
        self.settles.more.notify_one();
    }

    pub(super) fn health(&self) -> KeepHealth {
        match self.health.load(Ordering::Acquire) {
            GOOD => KeepHealth::Good,
            FULL => KeepHealth::Full,
            _ => KeepHealth::Broken,
        }
    }

    pub(super) async fn close(&self) {
        self.closing.cancel();
        let task = self.task.lock().take();
        if let Some(task) = task {
            // It ends with its last write, or has failed and said so.
            let _ = task.await;
        }
    }
}

const GOOD: u8 = 0;
const FULL: u8 = 1;
const BROKEN: u8 = 2;

impl Task {
    async fn run(mut self) {
        let mut settles = Vec::new();
        while let Some(keeps) = self.next(&mut settles).await {
            settles = self.write(settles, keeps).await;
        }
    }

    /// What is to be written next; `None` when nothing comes any more. With decisions left over from a full disk it waits, but not
    /// for long.
    async fn next(&mut self, settles: &mut Vec<Settling>) -> Option<Vec<Keeping>> {
        let mut keeps = Vec::new();
        let left_over = !settles.is_empty();
        if !self.keeps.is_closed() {
            tokio::select! {
                biased;
                () = self.closing.cancelled() => self.keeps.close(),
                () = tokio::time::sleep(FULL_WAIT), if left_over => {}
                () = self.settles.more.notified(), if !left_over => {}
                keeping = self.keeps.recv() => keeps.extend(keeping),
            }
        }
        let more = self.settles.take(settles, SETTLE_BATCH_MAX);
        let mut bytes: usize = keeps.iter().map(Keeping::len).sum();
        while keeps.len() < KEEP_BATCH_MAX
            && bytes < KEEP_BATCH_BYTES_MAX
            && let Ok(keeping) = self.keeps.try_recv()
        {
            bytes += keeping.len();
            keeps.push(keeping);
        }
        if more {
            self.settles.more.notify_one();
        }
        let over = self.keeps.is_closed() && keeps.is_empty() && settles.is_empty();
        let gave_up = self.keeps.is_closed() && left_over && self.health.load(Ordering::Acquire) != GOOD;
        if over || gave_up { None } else { Some(keeps) }
    }

    /// Writes all of it in one step. What could not be decided for want of room comes back.
    async fn write(&self, settles: Vec<Settling>, keeps: Vec<Keeping>) -> Vec<Settling> {
        let asked_to_keep = !keeps.is_empty();
        let group = Group::of(settles, keeps);
        match self.journal.commit(&group.changes).await {
            Ok(answers) => self.written(group, answers),
            Err(error) => {
                let health = self.failed(&error);
                let left = group.refuse(health);
                // There may be room left for decisions where there is none for new messages.
                if asked_to_keep && !left.is_empty() && health == KeepHealth::Full {
                    self.write_decisions(left).await
                } else {
                    left
                }
            }
        }
    }

    async fn write_decisions(&self, settles: Vec<Settling>) -> Vec<Settling> {
        let group = Group::of(settles, Vec::new());
        match self.journal.commit(&group.changes).await {
            Ok(answers) => self.written(group, answers),
            Err(error) => {
                let health = self.failed(&error);
                group.refuse(health)
            }
        }
    }

    fn written(&self, group: Group, answers: Vec<Changed>) -> Vec<Settling> {
        // Decisions find room where messages do not: they say nothing of a disk that is full.
        if !group.asked.is_empty() {
            self.health.store(GOOD, Ordering::Release);
        }
        group.hand_on(answers);
        Vec::new()
    }

    fn failed(&self, error: &JournalError) -> KeepHealth {
        let (code, health) = match error {
            JournalError::Full => (FULL, KeepHealth::Full),
            JournalError::Broken { .. } => (BROKEN, KeepHealth::Broken),
        };
        if self.health.swap(code, Ordering::AcqRel) != code {
            let source = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
            tracing::error!(%error, source, "messages cannot be kept");
        }
        health
    }
}

/// What is written in one step: decisions first, then what is kept.
struct Group {
    changes: Vec<Change>,
    /// Whose the decisions are.
    settled: Vec<Arc<Pump>>,
    /// Who waits for what is kept.
    asked: Vec<Asked>,
}

struct Asked {
    reserved: Reserved,
    pumps: Vec<Arc<Pump>>,
    reply: oneshot::Sender<Result<(), BusError>>,
}

impl Group {
    fn of(settles: Vec<Settling>, keeps: Vec<Keeping>) -> Self {
        let (mut changes, settled): (Vec<Change>, Vec<Arc<Pump>>) =
            settles.into_iter().map(|settling| (settling.change, settling.pump)).unzip();
        let mut asked = Vec::with_capacity(keeps.len());
        for Keeping { keep, replay, reserved, pumps, reply } in keeps {
            let at = keep.kept;
            changes.push(match replay {
                Some(letter) => Change::Replay { letter, at, keep },
                None => Change::Keep(keep),
            });
            asked.push(Asked { reserved, pumps, reply });
        }
        Self { changes, settled, asked }
    }

    /// It is on the disk.
    fn hand_on(self, answers: Vec<Changed>) {
        let Self { changes, settled, asked } = self;
        let kept = changes.iter().zip(answers).skip(settled.len());
        for pump in settled {
            pump.settled();
        }
        for ((change, answer), Asked { reserved, pumps, reply }) in kept.zip(asked) {
            // Whoever asked may have stopped waiting; the message is kept all the same.
            let _ = reply.send(hand_on(change, answer, reserved, &pumps));
        }
    }

    /// It is not on the disk. Whoever wants something kept is told; decisions come back.
    fn refuse(self, health: KeepHealth) -> Vec<Settling> {
        for Asked { reply, .. } in self.asked {
            // Whoever asked may have stopped waiting.
            let _ = reply.send(Err(BusError::Unkept(health)));
        }
        self.changes.into_iter().zip(self.settled).map(|(change, pump)| Settling { change, pump }).collect()
    }
}

/// A kept message goes into the windows of its queues, in the order of the journal. A letter that is gone meanwhile is not sent
/// again.
fn hand_on(change: &Change, answer: Changed, reserved: Reserved, pumps: &[Arc<Pump>]) -> Result<(), BusError> {
    match (change, answer) {
        (Change::Keep(keep) | Change::Replay { keep, .. }, Changed::Kept(position)) => {
            reserved.keep();
            for pump in pumps {
                pump.kept(keep, position);
            }
            Ok(())
        }
        (_, Changed::Known(_)) => Ok(()),
        _ => Err(BusError::NoReceiver),
    }
}

impl Settles {
    /// Takes so many, in their order; says whether there are more.
    fn take(&self, into: &mut Vec<Settling>, len_max: usize) -> bool {
        let mut waiting = self.waiting.lock();
        let count = waiting.len().min(len_max.saturating_sub(into.len()));
        into.extend(waiting.drain(..count));
        !waiting.is_empty()
    }
}
