//! Handling messages in the two run modes, and what it tells about an agent's health.

use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use futures_util::FutureExt as _;
use host_courier::{Courier, Party};
use host_engine::{Birth, CutOff, Handled, Incoming, Program, Resident};
use host_gate::Accepted;
use host_model::{Clock, Outcome, TrapCause};
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::LastFailure;
use crate::health::Health;
use crate::shards::{Runner, Work, panic_text};

/// What both run modes need to handle a message.
pub(crate) struct Desk {
    pub(crate) program: Arc<Program>,
    pub(crate) birth: Arc<Birth>,
    pub(crate) courier: Courier,
    pub(crate) party: Arc<Party>,
    pub(crate) health: Arc<Health>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Told after each message, for who waits until the last is handled.
    pub(crate) idle: Notify,
    /// Set when the agent is stopped: nothing starts again.
    pub(crate) stopping: CancellationToken,
    /// Set when the agent is cut off: what it runs ends.
    pub(crate) cut: CancellationToken,
}

/// A message that nobody has begun to handle. Dropped so, it goes back to whoever keeps it, and who asked is told.
struct Unbegun {
    desk: Arc<Desk>,
    accepted: Option<Accepted>,
}

impl Unbegun {
    fn new(desk: &Arc<Desk>, accepted: Accepted) -> Self {
        Self { desk: desk.clone(), accepted: Some(accepted) }
    }
}

impl Drop for Unbegun {
    fn drop(&mut self) {
        if let Some(accepted) = self.accepted.take() {
            self.desk.courier.drop_waiting(&self.desk.party, &accepted);
        }
    }
}

/// A message that somebody has begun to handle. However that ends, whoever asked is told: dropping it says that the host gave up.
struct InHand<'a> {
    desk: &'a Desk,
    accepted: Accepted,
    began: Instant,
    finished: bool,
}

impl<'a> InHand<'a> {
    /// `None` if the message waited past its expiry: who asked has stopped waiting.
    fn begin(desk: &'a Desk, mut unbegun: Unbegun, began: Instant) -> Option<Self> {
        let accepted = unbegun.accepted.take()?;
        if accepted.envelope().expires.is_some_and(|expires| expires < desk.clock.now()) {
            desk.courier.expire(&desk.party, &accepted);
            return None;
        }
        Some(Self { desk, accepted, began, finished: false })
    }

    fn incoming(&self) -> Incoming<'_> {
        Incoming { envelope: self.accepted.envelope(), attempt: self.accepted.novelty().attempt() }
    }

    fn finish(mut self, handled: Handled) {
        self.end(handled);
    }

    fn end(&mut self, handled: Handled) {
        self.finished = true;
        let counters = &self.desk.party.counters;
        let micros = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        counters.fuel_total.fetch_add(handled.fuel_used, Ordering::Relaxed);
        counters.handle_micros_total.fetch_add(micros, Ordering::Relaxed);
        self.desk.note(&self.accepted, &handled.outcome);
        self.desk.courier.settle(&self.desk.party, &self.accepted, handled.outcome);
        self.desk.idle.notify_waiters();
    }
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        let Desk { courier, party, stopping, cut, idle, .. } = self.desk;
        if self.finished {
            return;
        }
        // What is kept was not tried because its agent was stopped meanwhile.
        if self.accepted.was_sealed() && (stopping.is_cancelled() || cut.is_cancelled()) {
            courier.drop_waiting(party, &self.accepted);
            return idle.notify_waiters();
        }
        self.end(host_failure("the agent was stopped, or the host failed"));
    }
}

fn host_failure(detail: &str) -> Handled {
    Handled { outcome: Outcome::Trapped { cause: TrapCause::Host, detail: detail.to_owned() }, fuel_used: 0 }
}

impl Desk {
    fn note(&self, accepted: &Accepted, outcome: &Outcome) {
        self.judge(outcome);
        let (cause, detail) = match outcome {
            Outcome::Done(_) => return,
            Outcome::Retry { reason, .. } | Outcome::Rejected { reason } => (None, reason),
            Outcome::Trapped { cause, detail } => (Some(*cause), detail),
        };
        let (caller, message) = (&self.party.caller, accepted.envelope().id);
        let word = cause.map_or("refused by the agent", TrapCause::as_str);
        tracing::warn!(tenant = %caller.tenant(), agent = %caller.agent(), %message, cause = word, detail, "message failed");
        let detail = detail.clone();
        self.health.note(LastFailure { cause, detail, at: self.clock.now(), message });
    }

    /// Whether it goes well with the agent. A success after a success asks for no lock.
    fn judge(&self, outcome: &Outcome) {
        match outcome {
            Outcome::Trapped { cause: TrapCause::Host, .. } => {}
            Outcome::Trapped { cause, detail } => self.health.failed(*cause, detail),
            Outcome::Done(_) | Outcome::Retry { .. } | Outcome::Rejected { .. } => self.health.forgive(),
        }
    }
}

/// Whether a run was cut off for what the guest did.
fn blames_guest(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Trapped { cause, .. } if *cause != TrapCause::Host)
}

/// A host that panics while a guest runs fails that message, not the agent.
///
/// Takes the handling pinned: by value it would be copied, kilobytes of it, into this future and into each within.
async fn without_panic(handling: Pin<&mut impl Future<Output = Handled>>) -> Handled {
    AssertUnwindSafe(handling).catch_unwind().await.unwrap_or_else(|panic| {
        tracing::error!(panic = panic_text(&*panic), "the host panicked while a guest ran");
        host_failure("the host failed; its log says more")
    })
}

/// A fresh instance for each message. One that fails again and again is slowed: each failure keeps its place in the mailbox's count
/// for a while, as that of a resident instance does until it is started again.
pub(crate) struct PerMessage {
    pub(crate) desk: Arc<Desk>,
}

impl Runner for PerMessage {
    fn begin(self: Arc<Self>, accepted: Accepted) -> Work {
        let unbegun = Unbegun::new(&self.desk, accepted);
        Box::pin(async move {
            let desk = &self.desk;
            let Some(hand) = InHand::begin(desk, unbegun, Instant::now()) else { return };
            let handled = without_panic(pin!(desk.program.handle_fresh(&desk.birth, hand.incoming()))).await;
            let failed = blames_guest(&handled.outcome);
            hand.finish(handled);
            if failed {
                desk.health.back_off(&desk.stopping).await;
            }
        })
    }
}

/// Instances that stay. Each does one thing at a time: whoever wants one waits for its turn and takes it out.
pub(crate) struct Residents {
    desk: Arc<Desk>,
    turns: Semaphore,
    idle: Mutex<Vec<Resident>>,
    /// Instances that were cut off and have not started again.
    down: AtomicUsize,
}

impl Residents {
    pub(crate) fn new(desk: Arc<Desk>, started: Vec<Resident>) -> Self {
        Self { desk, turns: Semaphore::new(started.len()), idle: Mutex::new(started), down: AtomicUsize::new(0) }
    }

    /// Passes an operator's order to one instance. `None` if none is up, or the component takes no orders.
    pub(crate) async fn command(&self, name: &str, data: &str) -> Option<Result<Result<String, String>, CutOff>> {
        let _turn = self.turns.acquire().await.expect("never closed");
        let mut resident = self.take()?;
        let answer = resident.command(name, data).await;
        match &answer {
            None => {}
            Some(Ok(_)) => self.desk.health.forgive(),
            Some(Err(cut_off)) => self.desk.health.failed(cut_off.cause, &cut_off.detail),
        }
        self.put_back(resident, matches!(answer, Some(Err(_)))).await;
        answer
    }

    /// Whether an instance was cut off and has not started again.
    pub(crate) fn is_down(&self) -> bool {
        self.down.load(Ordering::Relaxed) > 0
    }

    /// Tells all instances that they will be stopped, and drops them. Those whose turn has not come by then are not told.
    pub(crate) async fn stop(&self, by: tokio::time::Instant) {
        let told = async {
            while let Some(mut resident) = self.take() {
                if let Err(cut_off) = resident.stop().await {
                    self.report("did not stop in good order", &cut_off);
                }
            }
        };
        if tokio::time::timeout_at(by, told).await.is_err() {
            let caller = &self.desk.party.caller;
            let untold = self.idle.lock().len();
            tracing::warn!(tenant = %caller.tenant(), agent = %caller.agent(), untold, "resident instances took too long to stop");
        }
    }

    /// In a statement of its own: the lock is not held while the guest runs.
    fn take(&self) -> Option<Resident> {
        self.idle.lock().pop()
    }

    async fn put_back(&self, resident: Resident, cut_off: bool) {
        if cut_off {
            drop(resident);
            // Boxed: it is rare, and its room would be copied with each message that goes well.
            Box::pin(self.replace()).await;
        } else {
            self.idle.lock().push(resident);
        }
    }

    /// Starts an instance in place of one that was cut off, after a wait that doubles while that keeps happening.
    ///
    /// Whoever used the instance waits for this: its turn, and its place in the mailbox's count, stay taken meanwhile.
    async fn replace(&self) {
        let Desk { health, stopping, program, birth, party, .. } = &*self.desk;
        let _counted = health.count_backing_off();
        self.down.fetch_add(1, Ordering::Relaxed);
        while stopping.run_until_cancelled(tokio::time::sleep(health.instance_wait())).await.is_some() {
            match program.start(birth).await {
                Ok(resident) => {
                    party.counters.restarts.fetch_add(1, Ordering::Relaxed);
                    self.idle.lock().push(resident);
                    self.down.fetch_sub(1, Ordering::Relaxed);
                    break;
                }
                Err(cut_off) => {
                    self.report("did not start again", &cut_off);
                    health.failed(cut_off.cause, &cut_off.detail);
                }
            }
        }
    }

    fn report(&self, what: &str, cut_off: &CutOff) {
        let caller = &self.desk.party.caller;
        tracing::warn!(tenant = %caller.tenant(), agent = %caller.agent(), %cut_off, "a resident instance {what}");
    }
}

impl Runner for Residents {
    fn begin(self: Arc<Self>, accepted: Accepted) -> Work {
        let unbegun = Unbegun::new(&self.desk, accepted);
        Box::pin(async move {
            let began = Instant::now();
            let _turn = self.turns.acquire().await.expect("never closed");
            let Some(hand) = InHand::begin(&self.desk, unbegun, began) else { return };
            let Some(mut resident) = self.take() else { return hand.finish(host_failure("no instance is up")) };
            let handled = without_panic(pin!(resident.handle(hand.incoming()))).await;
            let cut_off = matches!(handled.outcome, Outcome::Trapped { .. });
            hand.finish(handled);
            self.put_back(resident, cut_off).await;
        })
    }
}
