//! The faults: what is done to the host, and how it ends up running again.

use std::cell::RefCell;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

use tests_kit::Host;
use tokio::time::sleep;

use super::{Done, LOOK_EVERY, Run, look};
use crate::book::Missing;
use crate::cut::{self, Watched};
use crate::flip;
use crate::plan::{Fault, RECOVERY_TIME_MAX, STOP_TIME_MAX};
use crate::town::start;
use crate::volume::{self, Volume};

/// How long a fault that can be lifted goes on.
const FAULT_LASTS: Duration = Duration::from_millis(1500);
/// Within what time of its start a host is killed while it starts, in milliseconds.
const STARTING_MILLIS: (u64, u64) = (1, 400);
/// How often a host is killed while it starts, at most.
pub(super) const STARTS_KILLED_MAX: u64 = 3;
/// Room on the small disk beside what lies there already: more than the host keeps free for what it must write.
const ROOM_BYTES: u64 = 192 << 20;
const ROOM_INODES: u64 = 64;
/// Descriptors that a host has left when it has few.
const DESCRIPTORS_LEFT: u64 = 2;
/// How often the time of day jumps, how far, and how soon again.
const CLOCK_JUMPS: u32 = 20;
const HOUR_MILLIS: i64 = 3_600_000;
const CLOCK_JUMP_EVERY: Duration = Duration::from_millis(100);

impl Run {
    /// Kills the host under load, and up to so many times while it starts; each time the power is cut too, if told so.
    pub(super) async fn kill(&mut self, starts_max: u64, cuts_power: bool) -> io::Result<Done> {
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

    pub(super) async fn terminate(&mut self) -> Done {
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

    pub(super) async fn pause(&mut self) -> Done {
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

    pub(super) async fn few_descriptors(&mut self) -> Done {
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

    /// The time of day is an hour later and an hour earlier ten times a second, and right at the end.
    pub(super) async fn clock_jumps(&mut self) -> io::Result<Done> {
        self.host.terminate();
        let file = self.town.home.join("clock");
        // Written in place: the host has the file mapped.
        let open = OpenOptions::new().write(true).create(true).truncate(false).open(&file)?;
        let set = |millis: i64| open.write_all_at(&millis.to_ne_bytes(), 0);
        set(0)?;
        self.host =
            start(self.town.setup(None).env("LD_PRELOAD", &cut::shim()).env("SHIM_CLOCK", &file.to_string_lossy()))
                .await
                .0;
        let after = self.some_load();
        let jumped = RefCell::new(Ok(()));
        self.under_load(async |_: &Host| {
            sleep(after).await;
            for jump in 0..CLOCK_JUMPS {
                let jumps = set(if jump % 2 == 0 { HOUR_MILLIS } else { -HOUR_MILLIS });
                *jumped.borrow_mut() = jumps;
                sleep(CLOCK_JUMP_EVERY).await;
            }
        })
        .await;
        jumped.into_inner()?;
        set(0)?;
        Ok(Done::new(format!("{CLOCK_JUMPS} jumps by two hours")))
    }

    /// Moves to a small disk, fills it, makes room again, and moves back.
    pub(super) async fn full(&mut self, fault: Fault) -> io::Result<Done> {
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
        fs::remove_dir_all(self.town.data())?;
        volume::copy(&at.join("data"), &self.town.data())?;
        let mut done = Done::new(format!("full for {} ms", FAULT_LASTS.as_millis()));
        self.start(&mut done).await;
        Ok(done)
    }

    /// One of several messages that wait is changed on the disk.
    pub(super) async fn flipped_bit(&mut self) -> io::Result<Done> {
        self.drain().await;
        let lanes = self.book.borrow().lanes.len();
        // Twice: the first of a lane may be one that came already and whose receipt was not read.
        for lane in (0..lanes).chain(0..lanes) {
            self.load(&self.host).send_one(lane).await;
        }
        let waiting = self.book.borrow().missing();
        let victim = self.chance.pick(&waiting).clone();
        let before = self.host.api.get(&reports_path(&victim.tenant)).await.body;
        self.host.terminate();
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
        done.flipped = (copies > 0).then_some((victim, before));
        Ok(done)
    }

    /// A sync of the messages' log fails once: what the disk holds is not known from then on, and nothing is acknowledged before the
    /// host was started again.
    pub(super) async fn failed_sync(&mut self) -> io::Result<Done> {
        self.host.terminate();
        let due = self.town.home.join("fail-sync");
        let setup = self.town.setup(None).env("LD_PRELOAD", &cut::shim());
        self.host = start(setup.env("SHIM_FAIL_SYNC", &due.to_string_lossy())).await.0;
        let (after, failed) = (self.some_load(), RefCell::new(Ok(false)));
        self.under_load(async |host: &Host| {
            sleep(after).await;
            let made = fs::write(&due, b"");
            let said = look(RECOVERY_TIME_MAX, async || says_that_it_keeps_nothing(host).await).await;
            *failed.borrow_mut() = made.map(|()| said);
        })
        .await;
        if !failed.into_inner()? {
            self.complain("a sync failed and /readyz does not say so".to_owned());
        }
        let before = self.book.borrow().acked;
        self.under_load(async |_: &Host| sleep(FAULT_LASTS).await).await;
        let acked = self.book.borrow().acked - before;
        if acked > 0 {
            self.complain(format!("{acked} messages were acknowledged after a failed sync"));
        }
        self.host.terminate();
        let mut done = Done::new(format!("one failed, and nothing was taken for {} ms", FAULT_LASTS.as_millis()));
        self.start(&mut done).await;
        Ok(done)
    }

    /// The audit says that something kept for a receiver was not accepted.
    pub(super) async fn expect_report(&self, victim: &Missing, before: &[u8]) {
        let path = reports_path(&victim.tenant);
        let reported = look(RECOVERY_TIME_MAX, async || self.host.api.get(&path).await.body != before);
        if !reported.await {
            let Missing { lane, number, id, .. } = victim;
            self.complain(format!("the audit does not say that {lane} {number} ({id}) was changed on the disk"));
        }
    }
}

fn reports_path(tenant: &str) -> String {
    format!("/api/audit?tenant={tenant}&action=message.accept&limit=1000")
}

async fn says_that_it_keeps_nothing(host: &Host) -> bool {
    let ready = host.api.get("/readyz").await.json();
    let checks = ready["checks"].as_array().cloned().unwrap_or_default();
    checks.iter().any(|check| check["name"] == "journal" && check["ok"] == false)
}
