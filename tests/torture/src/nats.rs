//! Two hosts on one NATS server, each over a way of its own: any of the three is killed, stopped or cut off, and what one of the
//! hosts acknowledged is looked for at both.

mod faults;
mod plan;
mod site;

use std::cell::RefCell;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use tests_kit::NatsServer;
use tests_kit::chance::Chance;

use self::plan::{DRAIN_TIME_MAX, Fault, ROUND, WHOLE_TIME_MAX};
use self::site::Site;
use crate::book::{Book, Missing};
use crate::cycle::{audit_complaint, look, rotation_complaint};
use crate::plan::LOAD_MILLIS;
use crate::report::{self, Cycle, End};
use crate::{Scene, town};

/// All that goes on from cycle to cycle.
struct Run {
    server: RefCell<NatsServer>,
    sites: [Site; 2],
    book: RefCell<Book>,
    chance: Chance,
}

/// What a fault did.
struct Done {
    what: String,
    /// Until the hosts that ended were ready again.
    ready: Option<Duration>,
}

/// So many faults, and what became of everything.
pub(crate) async fn run(seed: u64, cycles: usize, mut chance: Chance) -> io::Result<ExitCode> {
    let faults = crate::plan::faults(&ROUND, cycles, &mut chance);
    let (server, oracle, mut lanes) = (NatsServer::start(), town::oracle(), Vec::new());
    let first = Site::open("a-", &server, oracle.clone(), None, &mut lanes).await;
    let second = Site::open("b-", &server, oracle.clone(), Some(&first.host), &mut lanes).await;
    let mut scene = Scene { seed, cycle: 0, home: first.town.home.clone() };
    let mut book = Book::new(lanes);
    book.unordered = true;
    let book = RefCell::new(book);
    let mut run = Run { server: RefCell::new(server), sites: [first, second], book, chance };
    let mut cycles = Vec::new();
    for fault in faults {
        scene.cycle += 1;
        let cycle = run.cycle(fault).await;
        report::cycle(scene.cycle, &cycle);
        cycles.push(cycle);
    }
    for site in &run.sites {
        oracle.scan(&site.host).await;
    }
    let Run { sites, book, .. } = run;
    let homes = sites.map(|site| site.town.home);
    report::end(&End { seed, cycles: &cycles, book: &book.into_inner(), oracle: &oracle.report(), homes: &homes })
}

impl Run {
    async fn cycle(&mut self, fault: Fault) -> Cycle {
        let acked = self.book.borrow().acked;
        let Done { what, ready } = self.strike(fault).await;
        self.becomes_whole(&what).await;
        let lost = self.drain().await;
        self.look_at_audits().await;
        let acked = self.book.borrow().acked - acked;
        Cycle { fault: fault.name(), what, acked, ready, struck: crate::cut::Struck::default(), lost }
    }

    /// Both hosts run, are ready and take messages.
    async fn becomes_whole(&mut self, what: &str) {
        for at in 0..self.sites.len() {
            if !self.sites[at].host.runs() {
                self.complain(format!("host {at} ended: {what}"));
                self.sites[at].start_again().await;
            }
        }
        let before = self.book.borrow().acked;
        let whole = async || {
            let [first, second] = self.sites.each_ref().map(Site::is_ready);
            let (first, second) = tokio::join!(first, second);
            first && second && self.book.borrow().acked > before
        };
        let mut became = false;
        self.under_load(async || became = look(WHOLE_TIME_MAX, whole).await).await;
        if !became {
            self.complain(format!("not both hosts were ready and took messages within {WHOLE_TIME_MAX:?}: {what}"));
        }
    }

    /// Only receives, until everything that was acknowledged has come. Gives back what has not and is no dead letter either.
    async fn drain(&mut self) -> Vec<Missing> {
        let [first, second] = self.sites.each_ref().map(|site| site.load(&self.book, 0));
        let drained = look(DRAIN_TIME_MAX, async || self.book.borrow().missing().is_empty());
        tokio::select! { _ = async { tokio::join!(first.receivers(), second.receivers()) } => {}, _ = drained => {} }
        let missing = self.book.borrow().missing();
        let mut lost = Vec::new();
        for message in missing {
            // It is looked for once: what is lost in this cycle is not lost in the next one too.
            self.book.borrow_mut().spoil(&message);
            let [first, second] = self.sites.each_ref().map(|site| site.has_letter(&message));
            if !first.await && !second.await {
                lost.push(message);
            }
        }
        lost
    }

    /// The chains of records hold. A key is rotated at one host, so that the other verifies under several.
    async fn look_at_audits(&mut self) {
        let (rotates, tenant) = (self.chance.below(self.sites.len()), self.chance.below(crate::plan::TENANTS));
        for (at, site) in self.sites.iter().enumerate() {
            let mut complaint = audit_complaint(&site.host).await;
            if at == rotates {
                complaint = complaint.or(rotation_complaint(&site.host, &site.town.tenants[tenant].id).await);
            }
            if let Some(complaint) = complaint {
                self.complain(format!("host {at}: {complaint}"));
            }
        }
    }

    /// Does something while all send and receive at both hosts.
    async fn under_load(&self, act: impl AsyncFnOnce()) {
        let seed = self.chance.clone().bits();
        let [first, second] = self.sites.each_ref().map(|site| site.load(&self.book, seed));
        tokio::select! { _ = async { tokio::join!(first.all(), second.all()) } => {}, () = act() => {} }
    }

    fn some_load(&mut self) -> Duration {
        Duration::from_millis(self.chance.within(LOAD_MILLIS.0, LOAD_MILLIS.1))
    }

    fn complain(&self, complaint: String) {
        self.book.borrow_mut().complain(complaint);
    }
}
