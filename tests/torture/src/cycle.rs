//! One cycle: load, a fault, the host started again, and everything that was acknowledged looked for.

mod faults;

use std::cell::RefCell;
use std::io;
use std::time::{Duration, Instant};

use serde_json::json;
use tests_kit::Host;
use tests_kit::chance::Chance;
use tokio::time::sleep;

use crate::book::{Book, Missing};
use crate::cut::Struck;
use crate::load::Load;
use crate::plan::{DRAIN_TIME_MAX, Fault, LOAD_MILLIS, READY_TIME_MAX, RECOVERY_TIME_MAX};
use crate::report::Cycle;
use crate::town::{Town, start};

/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// All that goes on from cycle to cycle.
pub(crate) struct Run {
    pub(crate) town: Town,
    pub(crate) book: RefCell<Book>,
    pub(crate) chance: Chance,
    pub(crate) host: Host,
}

/// What a fault did.
#[derive(Default)]
struct Done {
    what: String,
    ready: Option<Duration>,
    struck: Struck,
    /// The message that is another on the disk, and what the audit said of its tenant before that.
    flipped: Option<(Missing, Vec<u8>)>,
}

impl Done {
    fn new(what: String) -> Self {
        Self { what, ..Self::default() }
    }

    fn and(&mut self, more: &str) {
        self.what = format!("{}, {more}", self.what);
    }
}

impl Run {
    /// One fault, and what became of everything.
    pub(crate) async fn cycle(&mut self, fault: Fault) -> io::Result<Cycle> {
        let acked = self.book.borrow().acked;
        let done = match fault {
            Fault::Kill => self.kill(0, false).await?,
            Fault::KillStarting => self.kill(faults::STARTS_KILLED_MAX, false).await?,
            Fault::PowerCut => self.kill(0, true).await?,
            Fault::PowerCutStarting => self.kill(faults::STARTS_KILLED_MAX, true).await?,
            Fault::Terminate => self.terminate().await,
            Fault::Pause => self.pause().await,
            Fault::FewDescriptors => self.few_descriptors().await,
            Fault::ClockJumps => self.clock_jumps().await?,
            Fault::DiskFull | Fault::InodesFull => self.full(fault).await?,
            Fault::FlippedBit => self.flipped_bit().await?,
            Fault::FailedSync => self.failed_sync().await?,
        };
        let lost = self.drain().await;
        if let Some((victim, before)) = &done.flipped {
            self.expect_report(victim, before).await;
        }
        self.look_at_audit().await;
        let acked = self.book.borrow().acked - acked;
        Ok(Cycle { fault: fault.name(), what: done.what, acked, ready: done.ready, struck: done.struck, lost })
    }

    /// The host goes on, takes messages again and is ready.
    async fn recovers(&mut self, what: &str) {
        if !self.host.runs() {
            self.complain(format!("the host ended: {what}"));
            self.host.ended();
            self.start(&mut Done::default()).await;
        }
        let before = self.book.borrow().acked;
        let load = self.load(&self.host);
        let taken = look(RECOVERY_TIME_MAX, async || self.book.borrow().acked > before);
        let taken = tokio::select! { () = load.all() => false, taken = taken => taken };
        if !taken {
            self.complain(format!("no message was taken within {RECOVERY_TIME_MAX:?}: {what}"));
        }
    }

    /// Only receives, until everything that was acknowledged has come. Gives back what has not.
    async fn drain(&mut self) -> Vec<Missing> {
        let load = self.load(&self.host);
        let drained = look(DRAIN_TIME_MAX, async || self.book.borrow().missing().is_empty());
        let drained = tokio::select! { () = load.receivers() => false, drained = drained => drained };
        if drained {
            return Vec::new();
        }
        let missing = self.book.borrow().missing();
        let mut lost = Vec::new();
        for message in missing {
            let letters = self.host.api.get(&format!("/api/dlq?tenant={}&limit=1000", message.tenant)).await;
            // It is looked for once: what is lost in this cycle is not lost in the next one too.
            self.book.borrow_mut().spoil(&message);
            if !String::from_utf8_lossy(&letters.body).contains(&message.id) {
                lost.push(message);
            }
        }
        lost
    }

    /// The chain of records holds, whatever happened to the disk. A key is rotated, so that messages wait under several.
    async fn look_at_audit(&mut self) {
        let tenant = self.chance.below(self.town.tenants.len());
        let complaints =
            [audit_complaint(&self.host).await, rotation_complaint(&self.host, &self.town.tenants[tenant].id).await];
        complaints.into_iter().flatten().for_each(|complaint| self.complain(complaint));
    }

    async fn start(&mut self, done: &mut Done) {
        let (host, ready) = start(self.town.setup(None)).await;
        if ready > READY_TIME_MAX {
            self.complain(format!("it was ready after {ready:?}"));
        }
        self.host = host;
        done.ready = Some(ready);
    }

    /// Does something while all send and receive.
    async fn under_load(&self, act: impl AsyncFnOnce(&Host)) {
        let load = self.load(&self.host);
        tokio::select! { () = load.all() => {}, () = act(&self.host) => {} }
    }

    fn load<'a>(&'a self, host: &'a Host) -> Load<'a> {
        let seed = self.chance.clone().bits();
        Load { url: &host.url, tenants: &self.town.tenants, book: &self.book, oracle: &self.town.oracle, seed }
    }

    fn some_load(&mut self) -> Duration {
        Duration::from_millis(self.chance.within(LOAD_MILLIS.0, LOAD_MILLIS.1))
    }

    fn complain(&self, complaint: String) {
        self.book.borrow_mut().complain(complaint);
    }
}

/// Whether something is seen in time.
pub(crate) async fn look(time_max: Duration, mut seen: impl AsyncFnMut() -> bool) -> bool {
    let began = Instant::now();
    while began.elapsed() < time_max {
        if seen().await {
            return true;
        }
        sleep(LOOK_EVERY).await;
    }
    false
}

/// What is wrong with a host's chain of records.
pub(crate) async fn audit_complaint(host: &Host) -> Option<String> {
    let found = host.api.get("/api/audit/verify").await;
    let holds = found.status == 200 && !found.json()["holds"].is_null();
    (!holds).then(|| format!("the audit does not hold: {}", String::from_utf8_lossy(&found.body)))
}

/// Rotates a tenant's key, or says why that cannot be done.
pub(crate) async fn rotation_complaint(host: &Host, tenant: &str) -> Option<String> {
    let rotated = host.api.post(&format!("/api/tenants/{tenant}/keys/rotate"), json!({})).await;
    (rotated.status >= 300).then(|| format!("no key could be rotated: {}", String::from_utf8_lossy(&rotated.body)))
}
