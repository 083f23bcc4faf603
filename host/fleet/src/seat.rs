//! Where messages are handled: a principal of its own, its instances, and its mailbox. Most agents have one; replicas that share by
//! key, lead in turn, or hold leases have one each.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use host_bus::{Bus, Interest, Member, Subscribe, SubscriptionId};
use host_courier::{Courier, Mail, Party};
use host_engine::{CutOff, Resident};
use host_gate::Accepted;
use host_mailbox::{Address, Open, Push};
use host_model::{Queue, RunMode, TrapCause};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::FleetError;
use crate::agent::Spec;
use crate::runner::{Desk, PerMessage, Residents};
use crate::shards::{Runner, Shard, Work};

/// One of the places of an agent.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// Counts an agent's places from 0.
    pub(crate) number: u32,
    /// Messages that are handled there at once.
    pub(crate) at_once: u32,
    /// Messages that wait there.
    mailbox_len_max: u32,
    member: Option<Member>,
}

/// A mailbox and the shard it is on.
#[derive(Clone)]
pub(crate) struct MailboxAt {
    shard: Arc<Shard>,
    address: Address,
    pub(crate) party: Arc<Party>,
}

/// A place where somebody sits.
pub(crate) struct Seat {
    pub(crate) place: Place,
    pub(crate) desk: Arc<Desk>,
    pub(crate) mailbox: MailboxAt,
    residents: Option<Arc<Residents>>,
    subscriptions: Mutex<Vec<SubscriptionId>>,
}

/// The places of an agent. What its mailbox may hold is shared out among them.
pub(crate) fn places(spec: &Spec) -> Vec<Place> {
    let (run, limits) = (&spec.manifest.run, &spec.manifest.limits);
    let mailbox_len_max = limits.mailbox_len_max;
    let one = |at_once| Place { number: 0, at_once, mailbox_len_max, member: None };
    match run.instances {
        RunMode::PerMessage => vec![one(limits.concurrency_max)],
        RunMode::Resident if !sit_apart(spec) => vec![one(run.replicas)],
        RunMode::Resident => (0..run.replicas).map(|number| replica(spec, number)).collect(),
    }
}

/// Whether it matters which replica does something.
fn sit_apart(spec: &Spec) -> bool {
    let run = &spec.manifest.run;
    run.leader || run.shard.is_some() || spec.manifest.grants.leases
}

fn replica(spec: &Spec, number: u32) -> Place {
    let (run, limits) = (&spec.manifest.run, &spec.manifest.limits);
    // Of replicas that lead in turn one alone has messages.
    let sharers = if run.leader { 1 } else { run.replicas };
    let member = run.shard.map(|_| Member::replica(&spec.deployment.agent, number));
    Place { number, at_once: 1, mailbox_len_max: limits.mailbox_len_max.div_ceil(sharers), member }
}

impl MailboxAt {
    /// Messages that wait, and messages that are being handled.
    pub(crate) fn load(&self) -> (usize, u32) {
        self.shard.load(self.address)
    }

    /// Lets it deliver.
    pub(crate) fn release(&self) {
        self.shard.release(self.address);
    }

    /// Closes it, once or again. Calls under way are dropped at the shard's next turn, and what waited is counted as dropped.
    pub(crate) fn empty(&self, courier: &Courier) {
        for left in self.shard.close(self.address) {
            courier.drop_waiting(&self.party, &left);
        }
    }
}

impl Mail for MailboxAt {
    fn push(&self, accepted: Accepted) -> Result<(), Push> {
        self.shard.push(self.address, accepted)
    }
}

impl Seat {
    /// Starts what is resident there, within a time, and opens the mailbox, held.
    pub(crate) async fn take(
        shard: &Arc<Shard>,
        desk: Arc<Desk>,
        place: Place,
        run: RunMode,
        within: Duration,
    ) -> Result<Self, FleetError> {
        let residents = match run {
            RunMode::PerMessage => None,
            RunMode::Resident => Some(Arc::new(start_residents(shard, &desk, place.at_once, within).await?)),
        };
        let mailbox = open_mailbox(shard.clone(), &desk, &place, residents.clone());
        Ok(Self { place, desk, mailbox, residents, subscriptions: Mutex::default() })
    }

    /// Its own queue, those it shares, and each topic it is granted; the agent id is the queue group, so that replicas share.
    pub(crate) fn subscribe(&self, bus: &dyn Bus, courier: &Courier, spec: &Spec) {
        let caller = &self.desk.party.caller;
        let inbound = courier.inbound(self.desk.party.clone(), Arc::new(self.mailbox.clone()));
        // What the policy does not allow now is refused at the door, and comes back with the policy.
        let topics = spec.manifest.grants.subscribe.iter().cloned().map(Interest::Topics);
        let in_flight_max = self.place.at_once;
        let own = std::iter::once(Queue::Agent(caller.agent().clone()));
        let queues = own.chain(spec.manifest.grants.queues.iter().cloned());
        let interests = queues.map(|queue| Interest::Queue { queue, in_flight_max }).chain(topics);
        let subscribed = interests.map(|interest| {
            let (tenant, queue) = (caller.tenant().clone(), Some(caller.agent().clone()));
            bus.subscribe(Subscribe { tenant, interest, queue, member: self.place.member.clone() }, inbound.clone())
        });
        self.subscriptions.lock().extend(subscribed);
    }

    pub(crate) fn unsubscribe(&self, bus: &dyn Bus) {
        for subscription in self.subscriptions.lock().drain(..) {
            bus.unsubscribe(self.desk.party.caller.tenant(), subscription);
        }
    }

    /// Whether its instance was cut off and has not started again.
    pub(crate) fn is_down(&self) -> bool {
        self.residents.as_ref().is_some_and(|residents| residents.is_down())
    }

    /// What its instances read of in their settings.
    pub(crate) fn set_leads(&self, leads: bool) {
        if let Some(flag) = &self.desk.birth.leads {
            flag.store(leads, Ordering::Relaxed);
        }
    }

    /// Lets what waits be handled, and tells the resident instances that they will be stopped.
    pub(crate) async fn drain(&self, stop_by: Instant, last_word_max: Duration) {
        let until = if self.residents.is_some() { stop_by - last_word_max } else { stop_by };
        drain(&self.desk, &self.mailbox, until).await;
        self.desk.stopping.cancel();
        if let Some(residents) = self.residents.clone() {
            on_shard(&self.mailbox.shard, &self.desk, async move { residents.stop(stop_by).await }).await;
        }
    }

    /// Passes an operator's order on. `None` if this agent takes none.
    pub(crate) async fn command(&self, name: String, data: String) -> Option<Result<Result<String, String>, CutOff>> {
        let residents = self.residents.clone()?;
        on_shard(&self.mailbox.shard, &self.desk, async move { residents.command(&name, &data).await }).await.flatten()
    }
}

fn open_mailbox(shard: Arc<Shard>, desk: &Arc<Desk>, place: &Place, residents: Option<Arc<Residents>>) -> MailboxAt {
    let runner: Arc<dyn Runner> = match residents {
        Some(residents) => residents,
        None => Arc::new(PerMessage { desk: desk.clone() }),
    };
    let (receiver, party) = (desk.party.caller.clone(), desk.party.clone());
    let address = shard.open(Open { receiver, len_max: place.mailbox_len_max, in_flight_max: place.at_once }, runner);
    MailboxAt { shard, address, party }
}

async fn start_residents(
    shard: &Shard,
    desk: &Arc<Desk>,
    replicas: u32,
    within: Duration,
) -> Result<Residents, FleetError> {
    let (program, birth) = (desk.program.clone(), desk.birth.clone());
    let all_up = async move {
        let mut started: Vec<Resident> = Vec::new();
        let starting = async {
            for _ in 0..replicas {
                started.push(program.start(&birth).await?);
            }
            Ok(())
        };
        let ended = tokio::time::timeout(within, starting).await;
        ended.unwrap_or_else(|_| Err(too_slow(started.len(), replicas, within))).map(|()| started)
    };
    let started = on_shard(shard, desk, all_up).await.ok_or(FleetError::HostPanicked)?;
    started.map(|started| Residents::new(desk.clone(), started)).map_err(FleetError::DidNotStart)
}

fn too_slow(started: usize, replicas: u32, within: Duration) -> CutOff {
    let detail = format!("{started} of {replicas} instances started within {} s", within.as_secs());
    CutOff { cause: TrapCause::Timeout, detail }
}

/// Runs guest work in its tenant's turn and waits for it. `None` if the agent was cut off, or the host panicked.
async fn on_shard<T: Send + 'static>(
    shard: &Shard,
    desk: &Desk,
    work: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    let (sender, result) = oneshot::channel();
    let cut = desk.cut.clone();
    let work: Work = Box::pin(async move {
        // Biased: once it is cut off, not one more instruction of the guest runs.
        let done = tokio::select! {
            biased;
            () = cut.cancelled() => return,
            done = work => done,
        };
        // Nobody waits any more if the request that asked for it was dropped; the work is done all the same.
        let _ = sender.send(done);
    });
    shard.spawn(desk.party.caller.tenant(), work);
    result.await.ok()
}

/// Waits until nothing waits and nothing is being handled, but no longer than this.
async fn drain(desk: &Desk, mailbox: &MailboxAt, until: Instant) {
    let empty = async {
        loop {
            let handled = desk.idle.notified();
            let (waiting, in_flight) = mailbox.load();
            // Instances that wait to be started again hold their place; nobody waits for them.
            if waiting == 0 && in_flight <= desk.health.backing_off() {
                return;
            }
            // `finish` tells before the mailbox's count is down, so the count is looked at again shortly after.
            let _ = tokio::time::timeout(Duration::from_millis(10), handled).await;
        }
    };
    if tokio::time::timeout_at(until, empty).await.is_err() {
        let caller = &desk.party.caller;
        tracing::warn!(tenant = %caller.tenant(), agent = %caller.agent(), "messages still waited when it was stopped");
    }
}
