//! From stopped to ready and back, in the seeds' order.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use futures_util::future::join_all;
use host_component::{Capability, Component, Digest, Manifest, review};
use host_engine::{Birth, CutOff, Program};
use host_model::{Caller, CardQuery, Policy};
use host_registry::card_of;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::agent::{Agent, Spec};
use crate::election::Election;
use crate::fleet::{Fleet, Tenant};
use crate::runner::Desk;
use crate::seat::{Place, Seat, places};
use crate::seats::Seats;
use crate::{FleetError, FleetParts, Phase, Settings, Step};

/// How long a stop takes: it waits for messages that are being handled or wait, and tells resident instances.
const STOP_MAX: Duration = Duration::from_secs(5);
/// What of it is left to resident instances for what they do when they are told.
const LAST_WORD_MAX: Duration = Duration::from_secs(1);
/// How long all resident instances of an agent have to start, together; or as long as one alone may take, if that is longer.
const START_ALL_MAX: Duration = Duration::from_mins(1);

/// A start that went all the way.
pub(crate) struct Running {
    seats: Arc<Seats>,
    election: Option<Election>,
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
        let spec = Arc::new(tenant.capped(&agent.spec()));
        agent.health.forgive();
        agent.reached(Phase::Starting, Step::Subscribe);
        let seats = match self.seat_all(tenant, agent, &spec, &checked.program, keep).await {
            Ok(seats) => Arc::new(seats),
            Err(error) => return Err(agent.hold.takes_work().err().unwrap_or(error)),
        };
        let leads = spec.manifest.run.leader;
        if !leads {
            let FleetParts { bus, courier, .. } = self.parts();
            seats.all().iter().for_each(|seat| seat.subscribe(&**bus, courier, &spec));
        }
        if let Err(error) = self.announce(agent, &spec).await {
            self.take_down(agent, Running { seats, election: None }).await;
            return Err(error);
        }
        agent.reached(Phase::Ready, Step::Ready);
        seats.all().iter().for_each(|seat| seat.mailbox.release());
        let election = leads.then(|| Election::of(self, agent, &spec, &checked.program, &seats));
        if let Some(election) = &election {
            election.begin().await;
        }
        Ok(Running { seats, election })
    }

    /// Every place of the agent taken, and its deployment kept; or nothing of it.
    async fn seat_all(
        &self,
        tenant: &Tenant,
        agent: &Arc<Agent>,
        spec: &Spec,
        program: &Arc<Program>,
        keep: impl Future<Output = Result<(), FleetError>>,
    ) -> Result<Seats, FleetError> {
        let by = Instant::now() + START_ALL_MAX.max(spec.manifest.limits.deadline);
        let mut seats = Vec::new();
        let taken = async {
            for place in places(spec) {
                let within = by.saturating_duration_since(Instant::now());
                seats.push(Arc::new(self.take_place(tenant, agent, spec, program, place, within).await?));
            }
            keep.await
        };
        if let Err(error) = taken.await {
            for seat in &seats {
                self.vacate(agent, seat);
            }
            return Err(error);
        }
        Ok(Seats::new(seats))
    }

    /// Takes one place of an agent.
    pub(crate) async fn take_place(
        &self,
        tenant: &Tenant,
        agent: &Arc<Agent>,
        spec: &Spec,
        program: &Arc<Program>,
        place: Place,
        within: Duration,
    ) -> Result<Seat, FleetError> {
        let desk = self.desk(tenant, agent, spec, program.clone());
        self.parts().courier.join(desk.party.clone());
        let shard = self.shards().home(&agent.tenant).clone();
        // Asked once the desk has its cut: a quarantine in between is seen by the one or by the other.
        let taken = match agent.hold.takes_work() {
            Ok(()) => Seat::take(&shard, desk.clone(), place, spec.manifest.run.instances, within).await,
            Err(held) => Err(held),
        };
        if let Ok(seat) = &taken {
            agent.add_mailbox(seat.mailbox.clone());
        } else {
            self.parts().courier.leave(&desk.party.caller);
            agent.remove_party(&desk.party.caller);
        }
        taken
    }

    /// Ends a seat without a word to the agent: what it still runs is dropped, and what waits for it goes back to whoever keeps it.
    pub(crate) fn vacate(&self, agent: &Agent, seat: &Seat) {
        let FleetParts { bus, courier, .. } = self.parts();
        seat.unsubscribe(&**bus);
        seat.desk.stopping.cancel();
        seat.mailbox.empty(courier);
        agent.remove_mailbox(&seat.desk.party.caller);
        courier.leave(&seat.desk.party.caller);
        agent.remove_party(&seat.desk.party.caller);
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
        let stop_by = Instant::now() + STOP_MAX;
        let seats = running.seats.all();
        for seat in &seats {
            seat.unsubscribe(&*self.parts().bus);
        }
        join_all(seats.iter().map(|seat| seat.drain(stop_by, LAST_WORD_MAX))).await;
        self.clear_away(agent, running).await;
    }

    /// Closes without a word to the agent: what it still runs is dropped.
    pub(crate) async fn clear_away(&self, agent: &Arc<Agent>, running: Running) {
        let Running { seats, election } = running;
        if let Some(election) = election {
            election.end().await;
        }
        self.parts().registry.unregister(&agent.tenant, &agent.id);
        if let Err(error) = self.parts().cards.delete(&agent.tenant, &agent.id).await {
            tracing::warn!(tenant = %agent.tenant, agent = %agent.id, %error, "its card stays in the store until it starts again");
        }
        seats.all().iter().for_each(|seat| self.vacate(agent, seat));
        agent.reached(Phase::Stopped, Step::None);
    }

    fn desk(&self, tenant: &Tenant, agent: &Agent, spec: &Spec, program: Arc<Program>) -> Arc<Desk> {
        let manifest = &spec.manifest;
        let FleetParts { courier, clock, base_url, .. } = self.parts();
        let version = manifest.agent.version.clone();
        // Where one store does all the work, a request to the agent itself would wait for itself.
        let single_store = places(spec).iter().all(|place| place.at_once == 1);
        let caller = Arc::new(Caller::born(agent.tenant.clone(), agent.id.clone(), version, self.next_incarnation()));
        let party = tenant.party(agent, caller.clone(), manifest, single_store);
        let birth = Birth {
            caller,
            name: manifest.agent.name.clone(),
            calls: Arc::new(courier.clone()),
            limits: manifest.limits,
            tenant_memory: tenant.budgets.memory.clone(),
            tenant_instances: tenant.budgets.instances.clone(),
            settings: settings(tenant, manifest),
            leads: manifest.run.leader.then(Arc::<AtomicBool>::default),
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
}

impl Running {
    /// Passes an operator's order to one replica: the one that leads, where one does. `None` if this agent takes none.
    pub(crate) async fn command(&self, name: String, data: String) -> Option<Result<Result<String, String>, CutOff>> {
        let seat = self.seats.first()?;
        seat.command(name, data).await
    }
}

/// The agent's own settings over those of its group.
fn settings(tenant: &Tenant, manifest: &Manifest) -> Settings {
    let mut settings = manifest.run.group.as_ref().map(|group| tenant.settings_of(group)).unwrap_or_default();
    settings.extend(manifest.config.clone());
    settings
}
