//! From stopped to ready and back, in the seeds' order.

use std::sync::Arc;
use std::time::Duration;

use host_bus::{Interest, Subscribe, SubscriptionId};
use host_component::{Capability, Component, Digest, Manifest, review};
use host_courier::{Courier, Mail, Party};
use host_engine::{Birth, CutOff, Program, Resident};
use host_gate::Accepted;
use host_mailbox::{Address, Open, Push};
use host_model::{Caller, CardQuery, Policy, Queue, RunMode, TrapCause};
use host_registry::card_of;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::agent::{Agent, Spec};
use crate::fleet::{Fleet, Tenant};
use crate::runner::{Desk, PerMessage, Residents};
use crate::shards::{Runner, Shard, Work};
use crate::{FleetError, FleetParts, Phase, Step};

/// How long a stop takes: it waits for messages that are being handled or wait, and tells resident instances.
const STOP_MAX: Duration = Duration::from_secs(5);
/// What of it is left to resident instances for what they do when they are told.
const LAST_WORD_MAX: Duration = Duration::from_secs(1);
/// How long all resident instances of an agent have to start, together; or as long as one alone may take, if that is longer.
const START_ALL_MAX: Duration = Duration::from_mins(1);

/// A start that went all the way.
pub(crate) struct Running {
    desk: Arc<Desk>,
    residents: Option<Arc<Residents>>,
    mailbox: MailboxAt,
    subscriptions: Vec<SubscriptionId>,
}

/// A mailbox and the shard it is on.
#[derive(Clone)]
pub(crate) struct MailboxAt {
    shard: Arc<Shard>,
    address: Address,
    party: Arc<Party>,
}

impl MailboxAt {
    /// Messages that wait, and messages that are being handled.
    pub(crate) fn load(&self) -> (usize, u32) {
        self.shard.load(self.address)
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

/// What load and validate prove: the component of a deployment may run under its manifest.
pub(crate) struct Checked {
    program: Arc<Program>,
    /// The version of the policy it was held against.
    policy: u32,
}

impl Fleet {
    /// Whether a version may be deployed: both keys must turn for all it asks for.
    pub(crate) async fn check_new(
        &self,
        tenant: &Tenant,
        digest: Digest,
        manifest: &Manifest,
    ) -> Result<Checked, FleetError> {
        let policy = tenant.policies.read().enforced.clone();
        let program = self.check(digest, manifest, Some(&policy.document.policy), |_| ()).await?;
        Ok(Checked { program, policy: policy.version })
    }

    /// Said again once the turn to deploy is held: another policy may have come into force meanwhile. Nothing is compiled again.
    pub(crate) async fn still_allowed(
        &self,
        tenant: &Tenant,
        checked: &Checked,
        digest: &Digest,
        manifest: &Manifest,
    ) -> Result<(), FleetError> {
        let policy = tenant.policies.read().enforced.clone();
        if policy.version == checked.policy {
            return Ok(());
        }
        let component = self.component(digest).await?;
        review(&component, manifest, Some(&policy.document.policy)).map(drop).map_err(FleetError::Objections)
    }

    /// Whether what is deployed may start: its policy may have become narrower since, and it starts with what is left.
    pub(crate) async fn check_kept(
        &self,
        tenant: &Tenant,
        spec: &Spec,
        at: impl Fn(Step),
    ) -> Result<Checked, FleetError> {
        let policy = tenant.policies.read().enforced.clone();
        let mut manifest = spec.manifest.clone();
        manifest.grants = manifest.grants.and(&policy.document.policy.allows(&spec.deployment.agent));
        let program = self.check(spec.deployment.digest, &manifest, None, at).await?;
        Ok(Checked { program, policy: policy.version })
    }

    /// Load and validate: nothing outside changes, so that a deployment can be refused without a trace.
    async fn check(
        &self,
        digest: Digest,
        manifest: &Manifest,
        policy: Option<&Policy>,
        at: impl Fn(Step),
    ) -> Result<Arc<Program>, FleetError> {
        at(Step::Load);
        let bytes = self.parts().components.load(&digest).await?.ok_or(FleetError::NoComponent(digest))?;
        let component = Component::read(&bytes)?;
        // What it needs is checked before it is compiled: an ungranted import costs nobody any time.
        let reviewed = review(&component, manifest, policy).map_err(FleetError::Objections)?;
        let granted: Vec<Capability> = reviewed.capabilities.into_iter().collect();
        let program = self.parts().engine.program(digest, &bytes, &granted).await?;
        at(Step::Validate);
        Ok(program)
    }

    /// From a checked program to a ready agent. On failure everything that was begun is undone.
    ///
    /// `keep` saves what must survive a restart. It runs when the agent's own start can fail no more and nothing outside knows of
    /// it yet.
    pub(crate) async fn bring_up(
        &self,
        tenant: &Tenant,
        agent: &Arc<Agent>,
        checked: Checked,
        keep: impl Future<Output = Result<(), FleetError>>,
    ) -> Result<Running, FleetError> {
        let spec = tenant.capped(&agent.spec());
        let desk = self.desk(tenant, agent, &spec, checked.program);
        agent.hold.takes_work()?;
        agent.reached(Phase::Starting, Step::Subscribe);
        self.parts().courier.join(desk.party.clone());
        let shard = self.shards().home(&agent.tenant).clone();
        let residents = match self.start_instances(&shard, &desk, &spec, keep).await {
            Ok(residents) => residents,
            Err(error) => {
                self.parts().courier.leave(&desk.party.caller);
                return Err(agent.hold.takes_work().err().unwrap_or(error));
            }
        };
        let mailbox = open_mailbox(shard, &desk, &spec, residents.clone());
        agent.set_mailbox(Some(mailbox.clone()));
        let subscriptions = self.subscribe(&desk, &spec, &mailbox);
        let running = Running { desk, residents, mailbox, subscriptions };
        if let Err(error) = self.announce(agent, &spec).await {
            self.take_down(agent, running).await;
            return Err(error);
        }
        agent.reached(Phase::Ready, Step::Ready);
        running.mailbox.shard.release(running.mailbox.address);
        Ok(running)
    }

    async fn start_instances(
        &self,
        shard: &Shard,
        desk: &Arc<Desk>,
        spec: &Spec,
        keep: impl Future<Output = Result<(), FleetError>>,
    ) -> Result<Option<Arc<Residents>>, FleetError> {
        let residents = match spec.manifest.run.instances {
            RunMode::PerMessage => None,
            RunMode::Resident => Some(Arc::new(start_residents(shard, desk, spec.manifest.run.replicas).await?)),
        };
        keep.await?;
        Ok(residents)
    }

    /// Register and discover.
    async fn announce(&self, agent: &Arc<Agent>, spec: &Spec) -> Result<(), FleetError> {
        agent.reached(Phase::Starting, Step::Register);
        let card = Arc::new(card_of(&agent.tenant, &spec.manifest, &self.parts().base_url));
        self.parts().cards.save(&agent.tenant, &card).await?;
        self.parts().registry.register(&agent.tenant, card);
        agent.reached(Phase::Starting, Step::Discover);
        let running = self.parts().registry.find(&agent.tenant, &CardQuery::default());
        agent.set_peers(running.iter().filter(|card| card.id != agent.id).count());
        Ok(())
    }

    /// Drains, unregisters, closes, within five seconds. What still waits then is counted as dropped.
    pub(crate) async fn take_down(&self, agent: &Arc<Agent>, running: Running) {
        agent.reached(Phase::Stopping, Step::Ready);
        self.unsubscribe(agent, &running);
        let Running { desk, residents, mailbox, .. } = &running;
        let stop_by = Instant::now() + STOP_MAX;
        drain(desk, mailbox, if residents.is_some() { stop_by - LAST_WORD_MAX } else { stop_by }).await;
        desk.stopping.cancel();
        if let Some(residents) = residents.clone() {
            on_shard(&mailbox.shard, desk, async move { residents.stop(stop_by).await }).await;
        }
        self.clear_away(agent, running).await;
    }

    /// Closes without a word to the agent: what it still runs is dropped.
    pub(crate) async fn clear_away(&self, agent: &Arc<Agent>, running: Running) {
        self.unsubscribe(agent, &running);
        let Running { desk, mailbox, .. } = running;
        desk.stopping.cancel();
        self.parts().registry.unregister(&agent.tenant, &agent.id);
        if let Err(error) = self.parts().cards.delete(&agent.tenant, &agent.id).await {
            tracing::warn!(tenant = %agent.tenant, agent = %agent.id, %error, "its card stays in the store until it starts again");
        }
        mailbox.empty(&self.parts().courier);
        agent.set_mailbox(None);
        self.parts().courier.leave(&desk.party.caller);
        agent.reached(Phase::Stopped, Step::None);
    }

    fn unsubscribe(&self, agent: &Agent, running: &Running) {
        for subscription in &running.subscriptions {
            self.parts().bus.unsubscribe(&agent.tenant, *subscription);
        }
    }

    fn desk(&self, tenant: &Tenant, agent: &Agent, spec: &Spec, program: Arc<Program>) -> Arc<Desk> {
        let manifest = &spec.manifest;
        agent.health.forgive();
        let FleetParts { courier, clock, base_url, .. } = self.parts();
        let version = manifest.agent.version.clone();
        let caller = Arc::new(Caller::born(agent.tenant.clone(), agent.id.clone(), version, self.next_incarnation()));
        let at_once = concurrency(spec);
        let party = tenant.party(agent, caller.clone(), manifest, at_once == 1);
        let birth = Birth {
            caller,
            name: manifest.agent.name.clone(),
            calls: Arc::new(courier.clone()),
            limits: manifest.limits,
            tenant_memory: tenant.budgets.memory.clone(),
            tenant_instances: tenant.budgets.instances.clone(),
            settings: manifest.config.clone(),
            registry_url: format!("{base_url}/api/registry"),
            clock: clock.clone(),
        };
        Arc::new(Desk {
            program,
            birth: Arc::new(birth),
            courier: courier.clone(),
            party,
            health: agent.health.clone(),
            cut: agent.hold.cut(),
            clock: clock.clone(),
            idle: Notify::new(),
            stopping: CancellationToken::new(),
        })
    }

    /// Its own queue, those it shares, and each topic it is granted; the agent id is the queue group, so that replicas share.
    fn subscribe(&self, desk: &Desk, spec: &Spec, mailbox: &MailboxAt) -> Vec<SubscriptionId> {
        let bus = &self.parts().bus;
        let caller = &desk.party.caller;
        let inbound = self.parts().courier.inbound(desk.party.clone(), Arc::new(mailbox.clone()));
        // What the policy does not allow now is refused at the door, and comes back with the policy.
        let topics = spec.manifest.grants.subscribe.iter().cloned().map(Interest::Topics);
        let in_flight_max = concurrency(spec);
        let own = std::iter::once(Queue::Agent(caller.agent().clone()));
        let queues = own.chain(spec.manifest.grants.queues.iter().cloned());
        let interests = queues.map(|queue| Interest::Queue { queue, in_flight_max }).chain(topics);
        interests
            .map(|interest| {
                let subscribe =
                    Subscribe { tenant: caller.tenant().clone(), interest, queue: Some(caller.agent().clone()) };
                bus.subscribe(subscribe, inbound.clone())
            })
            .collect()
    }
}

impl Running {
    /// Passes an operator's order on. `None` if this agent takes none.
    pub(crate) async fn command(&self, name: String, data: String) -> Option<Result<Result<String, String>, CutOff>> {
        let residents = self.residents.clone()?;
        on_shard(&self.mailbox.shard, &self.desk, async move { residents.command(&name, &data).await }).await.flatten()
    }
}

/// How many messages of the agent are handled at once.
fn concurrency(spec: &Spec) -> u32 {
    match spec.manifest.run.instances {
        RunMode::PerMessage => spec.manifest.limits.concurrency_max,
        RunMode::Resident => spec.manifest.run.replicas,
    }
}

fn open_mailbox(shard: Arc<Shard>, desk: &Arc<Desk>, spec: &Spec, residents: Option<Arc<Residents>>) -> MailboxAt {
    let runner: Arc<dyn Runner> = match residents {
        Some(residents) => residents,
        None => Arc::new(PerMessage { desk: desk.clone() }),
    };
    let open = Open {
        receiver: desk.party.caller.clone(),
        len_max: spec.manifest.limits.mailbox_len_max,
        in_flight_max: concurrency(spec),
    };
    let address = shard.open(open, runner);
    MailboxAt { shard, address, party: desk.party.clone() }
}

async fn start_residents(shard: &Shard, desk: &Arc<Desk>, replicas: u32) -> Result<Residents, FleetError> {
    let (program, birth) = (desk.program.clone(), desk.birth.clone());
    let within = START_ALL_MAX.max(birth.limits.deadline);
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
