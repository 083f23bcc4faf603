//! One cycle: load, a fault, the host started again, and everything that was acknowledged looked for.

use std::cell::RefCell;
use std::io;
use std::time::{Duration, Instant};

use serde_json::json;
use tests_kit::Host;
use tests_kit::chance::Chance;
use tokio::time::sleep;

use crate::book::{Book, Missing};
use crate::cut::{Struck, Watched};
use crate::flip;
use crate::load::Load;
use crate::plan::{DRAIN_TIME_MAX, Fault, LOAD_MILLIS, READY_TIME_MAX, RECOVERY_TIME_MAX, STOP_TIME_MAX};
use crate::report::Cycle;
use crate::town::{Town, start};
use crate::volume::{self, Volume};

/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long a fault that can be lifted goes on.
const FAULT_LASTS: Duration = Duration::from_millis(1500);
/// Within what time of its start a host is killed while it starts, in milliseconds.
const STARTING_MILLIS: (u64, u64) = (1, 400);
/// How often a host is killed while it starts, at most.
const STARTS_KILLED_MAX: u64 = 3;
/// Room on the small disk beside what lies there already.
const ROOM_BYTES: u64 = 16 << 20;
const ROOM_INODES: u64 = 64;
/// Descriptors that a host has left when it has few.
const DESCRIPTORS_LEFT: u64 = 2;
/// Messages that wait while one of them is changed.
const WAITING: usize = 8;

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
            Fault::KillStarting => self.kill(STARTS_KILLED_MAX, false).await?,
            Fault::PowerCut => self.kill(0, true).await?,
            Fault::PowerCutStarting => self.kill(STARTS_KILLED_MAX, true).await?,
            Fault::Terminate => self.terminate().await,
            Fault::Pause => self.pause().await,
            Fault::FewDescriptors => self.few_descriptors().await,
            Fault::DiskFull | Fault::InodesFull => self.full(fault).await?,
            Fault::FlippedBit => self.flipped_bit().await?,
        };
        let lost = self.drain().await;
        self.look_at_audit().await;
        let acked = self.book.borrow().acked - acked;
        Ok(Cycle { fault, what: done.what, acked, ready: done.ready, struck: done.struck, lost })
    }

    /// Kills the host under load, and up to so many times while it starts; each time the power is cut too, if told so.
    async fn kill(&mut self, starts_max: u64, cuts_power: bool) -> io::Result<Done> {
        let log = self.town.home.join("shim");
        let mut watched = None;
        if cuts_power {
            self.host.terminate();
            watched = Some(Watched::begin(&self.town.data(), &log)?);
            self.host = start(self.town.setup(watched.as_ref())).await.0;
        }
        let after = self.some_load();
        self.under_load(async |host: &Host| {
            sleep(after).await;
            host.strike();
        })
        .await;
        self.host.ended();
        let mut done = Done::new(format!("killed after {} ms of load", after.as_millis()));
        self.strike(watched.as_ref(), &mut done)?;
        for _ in 0..self.chance.within(starts_max.min(1), starts_max) {
            let after = Duration::from_millis(self.chance.within(STARTING_MILLIS.0, STARTING_MILLIS.1));
            watched = if cuts_power { Some(Watched::begin(&self.town.data(), &log)?) } else { None };
            self.town.setup(watched.as_ref()).start_and_kill(after);
            self.strike(watched.as_ref(), &mut done)?;
            done.and(&format!("and {} ms into a start", after.as_millis()));
        }
        self.start(&mut done).await;
        Ok(done)
    }

    fn strike(&mut self, watched: Option<&Watched>, done: &mut Done) -> io::Result<()> {
        if let Some(watched) = watched {
            let struck = watched.strike(&mut self.chance)?;
            done.struck = done.struck.plus(struck);
            done.and(&struck.to_string());
        }
        Ok(())
    }

    async fn terminate(&mut self) -> Done {
        let after = self.some_load();
        let began = RefCell::new(Instant::now());
        self.under_load(async |host: &Host| {
            sleep(after).await;
            *began.borrow_mut() = Instant::now();
            host.tell_to_stop();
            while host.listens().await {
                sleep(LOOK_EVERY).await;
            }
        })
        .await;
        let ended = self.host.ended();
        let took = began.borrow().elapsed();
        if ended.code != Some(0) || took > STOP_TIME_MAX {
            self.complain(format!("told to stop, it ended with {:?} after {took:?}", ended.code));
        }
        let mut done = Done::new(format!("stopped within {} ms", took.as_millis()));
        self.start(&mut done).await;
        done
    }

    async fn pause(&mut self) -> Done {
        let (after, lasts) = (self.some_load(), Duration::from_millis(self.chance.within(1000, 4000)));
        self.under_load(async |host: &Host| {
            sleep(after).await;
            host.pause();
            sleep(lasts).await;
            host.resume();
            sleep(after).await;
        })
        .await;
        Done::new(format!("stood still for {} ms", lasts.as_millis()))
    }

    async fn few_descriptors(&mut self) -> Done {
        let after = self.some_load();
        let open = self.host.descriptors();
        self.under_load(async |host: &Host| {
            sleep(after).await;
            host.limit_descriptors(Some(host.descriptors() + DESCRIPTORS_LEFT));
            sleep(FAULT_LASTS).await;
            host.limit_descriptors(None);
        })
        .await;
        let what = format!("{open} descriptors and {DESCRIPTORS_LEFT} more for a while");
        self.recovers(&what).await;
        Done::new(what)
    }

    /// Moves to a small disk, fills it, makes room again, and moves back.
    async fn full(&mut self, fault: Fault) -> io::Result<Done> {
        self.host.terminate();
        let (bytes, files) = volume::size(&self.town.data())?;
        let at = self.town.home.join("volume");
        let small = match Volume::mount(&at, bytes + ROOM_BYTES, files + ROOM_INODES) {
            Ok(small) => small,
            Err(error) => {
                let mut done = Done::new(format!("not done, nothing can be mounted: {error}"));
                self.start(&mut done).await;
                return Ok(done);
            }
        };
        volume::copy(&self.town.data(), &at.join("data"))?;
        self.host = start(self.town.setup(None).data(&at.join("data"))).await.0;
        let (after, filled) = (self.some_load(), RefCell::new(Ok(())));
        self.under_load(async |_| {
            sleep(after).await;
            *filled.borrow_mut() = if fault == Fault::DiskFull { small.fill() } else { small.fill_inodes() };
            sleep(FAULT_LASTS).await;
        })
        .await;
        filled.into_inner()?;
        small.free()?;
        self.recovers("the disk has room again").await;
        self.host.terminate();
        std::fs::remove_dir_all(self.town.data())?;
        volume::copy(&at.join("data"), &self.town.data())?;
        let mut done = Done::new(format!("full for {} ms", FAULT_LASTS.as_millis()));
        self.start(&mut done).await;
        Ok(done)
    }

    /// One of several messages that wait is changed on the disk.
    async fn flipped_bit(&mut self) -> io::Result<Done> {
        self.drain().await;
        let lanes = self.book.borrow().lanes.len();
        for lane in (0..lanes).cycle().take(WAITING) {
            self.load(&self.host).send_one(lane).await;
        }
        self.host.terminate();
        let waiting = self.book.borrow().missing();
        let victim = self.chance.pick(&waiting).clone();
        let mark = {
            let book = self.book.borrow();
            let lane = book.lanes.iter().find(|lane| lane.name == victim.lane).expect("it is one of the book's");
            lane.mark(victim.number)
        };
        let copies = flip::flip(&self.town.data(), &mark, &mut self.chance)?;
        let mut done = Done::new(format!("a bit of {} {} flipped", victim.lane, victim.number));
        if copies > 0 {
            self.book.borrow_mut().spoil(&victim);
        } else {
            done = Done::new("nothing flipped: the message is not in the journal's file".to_owned());
        }
        self.start(&mut done).await;
        if copies > 0 {
            self.expect_report(&victim).await;
        }
        Ok(done)
    }

    /// The audit says which message was not what was kept.
    async fn expect_report(&self, victim: &Missing) {
        let path = format!("/api/audit?tenant={}&limit=1000", victim.tenant);
        let reported = self.look(RECOVERY_TIME_MAX, async || {
            let audit = self.host.api.get(&path).await;
            String::from_utf8_lossy(&audit.body).contains(&victim.id)
        });
        if !reported.await {
            self.complain(format!(
                "the audit does not say that {} ({}) was changed on the disk",
                victim.id, victim.lane
            ));
        }
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
        let taken = self.look(RECOVERY_TIME_MAX, async || self.book.borrow().acked > before);
        let taken = tokio::select! { () = load.all() => false, taken = taken => taken };
        if !taken {
            self.complain(format!("no message was taken within {RECOVERY_TIME_MAX:?}: {what}"));
        }
    }

    /// Only receives, until everything that was acknowledged has come. Gives back what has not.
    async fn drain(&mut self) -> Vec<Missing> {
        let load = self.load(&self.host);
        let drained = self.look(DRAIN_TIME_MAX, async || self.book.borrow().missing().is_empty());
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
        let found = self.host.api.get("/api/audit/verify").await;
        let holds = found.status == 200 && !found.json()["holds"].is_null();
        if !holds {
            self.complain(format!("the audit does not hold: {}", String::from_utf8_lossy(&found.body)));
        }
        let tenant = self.chance.below(self.town.tenants.len());
        let path = format!("/api/tenants/{}/keys/rotate", self.town.tenants[tenant].id);
        let rotated = self.host.api.post(&path, json!({})).await;
        if rotated.status >= 300 {
            self.complain(format!("no key could be rotated: {}", String::from_utf8_lossy(&rotated.body)));
        }
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

    async fn look(&self, time_max: Duration, mut seen: impl AsyncFnMut() -> bool) -> bool {
        let began = Instant::now();
        while began.elapsed() < time_max {
            if seen().await {
                return true;
            }
            sleep(LOOK_EVERY).await;
        }
        false
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
