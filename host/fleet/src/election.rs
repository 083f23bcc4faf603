//! Which seat leads: the one that holds the lease. It alone is given messages; the others stand by.
//!
//! The lease decides, not this task: what a deposed leader still does is refused where it would take effect, and who is found
//! deposed is closed and replaced by a fresh one, so that nothing it remembers is taken for true.

use std::sync::Arc;
use std::time::Duration;

use host_bus::{Acquired, Lease, LeaseError, LeaseTtl, Leases};
use host_engine::Program;
use host_model::{LeaseId, LeaseName, LeaseScope};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::agent::{Agent, Spec};
use crate::fleet::Fleet;
use crate::seat::{Place, Seat, places};
use crate::seats::Seats;

/// For how long a leader has the lease without renewing it, in milliseconds: a dead one is followed after that and one round.
const LEADER_TTL_MS: u64 = 3_000;
/// How often a leader renews, and the others ask.
const ROUND_EVERY: Duration = Duration::from_secs(1);
/// How long a new seat has to start.
const SEAT_START_MAX: Duration = Duration::from_mins(1);

/// The search for a leader, for as long as its agent runs.
pub(crate) struct Election {
    ballot: Arc<tokio::sync::Mutex<Ballot>>,
    stop: CancellationToken,
    rounds: TaskTracker,
}

/// What a round works on.
struct Ballot {
    fleet: Fleet,
    agent: Arc<Agent>,
    spec: Arc<Spec>,
    program: Arc<Program>,
    seats: Arc<Seats>,
    leading: Option<Leading>,
    /// Told that it cannot be known who leads.
    troubled: bool,
    tasks: TaskTracker,
    /// Fills places that nobody has: a start may take longer than a lease lasts.
    refilling: Option<JoinHandle<()>>,
}

/// What a place is filled with.
struct Places {
    fleet: Fleet,
    agent: Arc<Agent>,
    spec: Arc<Spec>,
    program: Arc<Program>,
    seats: Arc<Seats>,
}

struct Leading {
    seat: Arc<Seat>,
    lease: Lease,
    /// From then on somebody else may lead, whatever is known here.
    until: Instant,
}

impl Election {
    pub(crate) fn of(
        fleet: &Fleet,
        agent: &Arc<Agent>,
        spec: &Arc<Spec>,
        program: &Arc<Program>,
        seats: &Arc<Seats>,
    ) -> Self {
        let (fleet, agent, spec) = (fleet.clone(), agent.clone(), spec.clone());
        let (program, seats) = (program.clone(), seats.clone());
        let rounds = TaskTracker::new();
        let tasks = rounds.clone();
        let ballot =
            Ballot { fleet, agent, spec, program, seats, leading: None, troubled: false, tasks, refilling: None };
        Self { ballot: Arc::new(tokio::sync::Mutex::new(ballot)), stop: CancellationToken::new(), rounds }
    }

    /// Holds the first round, and the others by and by.
    pub(crate) async fn begin(&self) {
        let mut next = self.ballot.lock().await.round().await;
        let (ballot, stop) = (self.ballot.clone(), self.stop.clone());
        self.rounds.spawn(async move {
            while stop.run_until_cancelled(tokio::time::sleep_until(next)).await.is_some() {
                next = ballot.lock().await.round().await;
            }
        });
    }

    /// Gives the lease back, so that another host need not wait for its end.
    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.rounds.close();
        self.rounds.wait().await;
        self.ballot.lock().await.step_down().await;
    }
}

impl Ballot {
    /// Says when the next one is due: at the end of the lease at the latest.
    async fn round(&mut self) -> Instant {
        let next = Instant::now() + ROUND_EVERY;
        match self.fleet.parts().courier.leases().cloned() {
            Some(leases) => self.vote(leases).await,
            None => self.trouble(&"this host has no leases"),
        }
        self.leading.as_ref().map_or(next, |leading| next.min(leading.until))
    }

    async fn vote(&mut self, leases: Arc<dyn Leases>) {
        if let Some(leading) = self.leading.take() {
            self.leading = self.stay(&*leases, leading).await;
        }
        if self.leading.is_none() {
            self.leading = self.elect(&*leases).await;
        }
        self.refill();
    }

    /// Whether the leader goes on: with an instance that is up, and the lease renewed, or not run out yet.
    async fn stay(&mut self, leases: &dyn Leases, leading: Leading) -> Option<Leading> {
        if leading.seat.is_down() {
            self.give_back(leases, &leading.lease).await;
            return self.depose(&leading.seat, "its instance was cut off");
        }
        // Counted from before the question: the lease may run from then.
        let asked = Instant::now();
        let renewed = tokio::time::timeout_at(leading.until, leases.renew(&leading.lease, ttl())).await;
        match renewed.unwrap_or_else(|late| Err(LeaseError::Store(Box::new(late)))) {
            Ok(Some(lease)) => Some(Leading { lease, until: asked + ttl().as_duration(), ..leading }),
            Ok(None) => self.depose(&leading.seat, "it did not renew in time"),
            Err(error) => {
                self.trouble(&error);
                if Instant::now() < leading.until { Some(leading) } else { self.depose(&leading.seat, "nobody knows") }
            }
        }
    }

    fn depose(&self, seat: &Arc<Seat>, why: &str) -> Option<Leading> {
        tracing::warn!(tenant = %self.agent.tenant, agent = %self.agent.id, replica = seat.place.number, why, "leads no more");
        self.fleet.vacate(&self.agent, seat);
        self.seats.remove(seat);
        None
    }

    /// Has a fresh one start in each place that nobody has, one round at a time.
    fn refill(&mut self) {
        if self.refilling.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        let (fleet, agent, spec) = (self.fleet.clone(), self.agent.clone(), self.spec.clone());
        let places = Places { fleet, agent, spec, program: self.program.clone(), seats: self.seats.clone() };
        let free = places.free();
        if !free.is_empty() {
            self.refilling = Some(self.tasks.spawn(async move { places.fill(free).await }));
        }
    }

    /// The first that is up and gets the lease. Where another agent of the group has it, none does.
    async fn elect(&mut self, leases: &dyn Leases) -> Option<Leading> {
        let seat = self.seats.all().into_iter().find(|seat| !seat.is_down())?;
        let holder = self.fleet.parts().courier.holder(&seat.desk.party);
        let asked = Instant::now();
        match leases.acquire(&self.lease(), &holder, ttl()).await {
            Ok(Acquired::Held(lease)) => {
                self.troubled = false;
                self.lead(&seat, &lease);
                Some(Leading { seat, lease, until: asked + ttl().as_duration() })
            }
            Ok(Acquired::Taken(_)) => None,
            Err(error) => {
                self.trouble(&error);
                None
            }
        }
    }

    /// Under the lease before the first message is given.
    fn lead(&self, seat: &Seat, lease: &Lease) {
        tracing::info!(tenant = %self.agent.tenant, agent = %self.agent.id, replica = seat.place.number, token = lease.token.0, "leads");
        seat.desk.party.hold(lease.clone());
        seat.set_leads(true);
        let parts = self.fleet.parts();
        seat.subscribe(&*parts.bus, &parts.courier, &self.spec);
    }

    async fn step_down(&mut self) {
        let Some(leading) = self.leading.take() else { return };
        leading.seat.unsubscribe(&*self.fleet.parts().bus);
        if let Some(leases) = self.fleet.parts().courier.leases().cloned() {
            self.give_back(&*leases, &leading.lease).await;
        }
        leading.seat.set_leads(false);
    }

    async fn give_back(&mut self, leases: &dyn Leases, lease: &Lease) {
        if let Err(error) = leases.release(lease).await {
            self.trouble(&error);
        }
    }

    fn lease(&self) -> LeaseName {
        let scope = LeaseScope::of(&self.agent.id, self.spec.manifest.run.group.as_ref());
        LeaseName { tenant: self.agent.tenant.clone(), scope, id: LeaseId::leader() }
    }

    /// Said once, until somebody leads again.
    fn trouble(&mut self, why: &dyn std::fmt::Display) {
        if !std::mem::replace(&mut self.troubled, true) {
            self.note(why);
        }
    }

    fn note(&self, why: &dyn std::fmt::Display) {
        tracing::error!(tenant = %self.agent.tenant, agent = %self.agent.id, %why, "nobody may lead");
    }
}

impl Places {
    fn free(&self) -> Vec<Place> {
        let taken: Vec<u32> = self.seats.all().iter().map(|seat| seat.place.number).collect();
        places(&self.spec).into_iter().filter(|place| !taken.contains(&place.number)).collect()
    }

    async fn fill(&self, free: Vec<Place>) {
        for place in free {
            let Ok(tenant) = self.fleet.tenant(&self.agent.tenant) else { return };
            let seat = self.fleet.take_place(&tenant, &self.agent, &self.spec, &self.program, place, SEAT_START_MAX);
            match seat.await {
                Ok(seat) => {
                    seat.mailbox.release();
                    self.seats.add(Arc::new(seat));
                }
                Err(why) => {
                    tracing::error!(tenant = %self.agent.tenant, agent = %self.agent.id, %why, "a place stays empty");
                    return;
                }
            }
        }
    }
}

fn ttl() -> LeaseTtl {
    LeaseTtl::from_millis(LEADER_TTL_MS).expect("within the bounds")
}
