//! The verbs: what is deployed, and what runs of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::fast::RandomState;
use host_bus::Bus;
use host_component::{Digest, Manifest};
use host_courier::{Courier, Party};
use host_engine::Engine;
use host_ledger::Recorded;
use host_model::{AgentId, Caller, Clock, GroupId, Incarnation, LeaseScope, TenantId};
use host_quota::{TenantBudgets, TenantLimits};
use host_registry::{CardRepository, Registry};
use parking_lot::RwLock;
use tokio::sync::mpsc;

use crate::agent::{Agent, Spec};
use crate::crash_loop::{CrashAlarm, CrashBell, alarms};
use crate::external::{External, STREAMS_MAX, TokenBook};
use crate::hold::{AgentHold, TenantHold};
use crate::policy::{self, Policies};
use crate::start::{Checked, Running};
use crate::{
    AgentData, AgentStatus, Components, ControlRepository, Deployment, Desired, ExternalRepository, FleetError, Phase,
    PolicyBook, Repository, RepositoryError, Settings, Shards, Step, TenantControl, TenantRecord,
};

/// What a fleet works with.
pub struct FleetParts {
    /// What survives a restart.
    pub repository: Arc<dyn Repository>,
    /// Agents without a component, and their tokens.
    pub external: Arc<dyn ExternalRepository>,
    /// What operators decided.
    pub controls: Arc<dyn ControlRepository>,
    /// Components by digest.
    pub components: Arc<dyn Components>,
    /// What agents keep.
    pub data: Arc<dyn AgentData>,
    /// Cards that survive a restart.
    pub cards: Arc<dyn CardRepository>,
    /// What runs components.
    pub engine: Arc<Engine>,
    /// What carries.
    pub bus: Arc<dyn Bus>,
    /// What admits and accepts.
    pub courier: Courier,
    /// Who is there.
    pub registry: Arc<Registry>,
    /// The policies in force, shared with whoever asks while a call is under way.
    pub policies: Arc<PolicyBook>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What each tenant may use, unless something else was set for it.
    pub tenant_limits: TenantLimits,
    /// Where this host is reached, without a slash at the end.
    pub base_url: String,
}

/// What to deploy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deploy {
    /// The manifest, word for word.
    pub manifest: String,
    /// A component that was uploaded.
    pub digest: Digest,
    /// Whether to start it.
    pub start: bool,
}

/// All tenants and their agents on this host. Cheap to clone.
///
/// Verbs that change something take a [`Recorded`]: without a record in the audit they do not compile.
#[derive(Clone)]
pub struct Fleet(Arc<Inner>);

struct Inner {
    parts: FleetParts,
    shards: Shards,
    tenants: RwLock<BTreeMap<TenantId, Arc<Tenant>>>,
    incarnations: AtomicU64,
    tokens: TokenBook,
    crash_loops: (mpsc::Sender<CrashAlarm>, tokio::sync::Mutex<mpsc::Receiver<CrashAlarm>>),
}

/// One tenant on this host.
pub(crate) struct Tenant {
    pub(crate) record: TenantRecord,
    pub(crate) budgets: TenantBudgets,
    pub(crate) hold: Arc<TenantHold>,
    operator: Arc<Party>,
    pub(crate) agents: RwLock<HashMap<AgentId, Arc<Agent>, RandomState>>,
    pub(crate) streams: Arc<tokio::sync::Semaphore>,
    pub(crate) externals: RwLock<BTreeMap<AgentId, Arc<External>>>,
    pub(crate) policies: RwLock<Policies>,
    pub(crate) groups: RwLock<BTreeMap<GroupId, Settings>>,
    /// Held while a deployment changes which agents there are, from beginning to end of a start.
    pub(crate) deploying: tokio::sync::Mutex<()>,
    /// Held while a policy is kept and takes effect. Not for as long as a deployment takes: a narrower policy waits for nobody.
    pub(crate) changing_policy: tokio::sync::Mutex<()>,
}

impl Fleet {
    /// A fleet with everything that was deployed before, still stopped.
    pub async fn load(parts: FleetParts, shards: Shards) -> Result<Self, FleetError> {
        let (raised, heard) = alarms();
        let fleet = Self(Arc::new(Inner {
            parts,
            shards,
            tenants: RwLock::default(),
            incarnations: AtomicU64::new(1),
            tokens: TokenBook::default(),
            crash_loops: (raised, tokio::sync::Mutex::new(heard)),
        }));
        for record in fleet.parts().repository.tenants().await? {
            let control = fleet.parts().controls.tenant_control(&record.id).await?;
            fleet.add_tenant(record, control).await?;
        }
        fleet.load_policies().await?;
        fleet.load_groups().await?;
        for deployment in fleet.parts().repository.deployments().await? {
            let tenant = fleet.tenant(&deployment.tenant)?;
            let manifest = Manifest::parse(&deployment.manifest).map_err(|source| FleetError::Kept {
                tenant: deployment.tenant.clone(),
                agent: deployment.agent.clone(),
                source,
            })?;
            tenant.add(fleet.agent_of(&tenant, Arc::new(Spec { deployment, manifest })));
        }
        for quarantine in fleet.parts().controls.quarantines().await? {
            let (_, agent) = fleet.find(&quarantine.tenant, &quarantine.agent)?;
            agent.hold.quarantine(quarantine.notice);
        }
        fleet.load_pending().await?;
        fleet.all_tenants().iter().for_each(|tenant| fleet.bind_all(tenant));
        fleet.load_externals().await?;
        Ok(fleet)
    }

    /// Starts every agent that should be up. One that does not start stays failed and holds up nobody.
    pub async fn start_desired(&self, recorded: &Recorded) {
        for agent in self.all_agents() {
            if agent.spec().deployment.desired == Desired::Running {
                // It is in the log and in the agent's status already.
                let _ = self.start(recorded, &agent.tenant, &agent.id).await;
            }
        }
    }

    /// Stops every agent, all at once; what should be up stays so for the next start of the host.
    pub async fn stop_all(&self) {
        let stops = self.all_agents().into_iter().map(|agent| {
            let fleet = self.clone();
            async move {
                if let Some(running) = agent.running.lock().await.take() {
                    fleet.take_down(&agent, running).await;
                }
            }
        });
        futures_util::future::join_all(stops).await;
    }

    /// Creates a tenant.
    pub async fn create_tenant(
        &self,
        _recorded: &Recorded,
        id: TenantId,
        name: String,
    ) -> Result<TenantRecord, FleetError> {
        let record = TenantRecord { id: id.clone(), name, created: self.parts().clock.now() };
        match self.parts().repository.create_tenant(&record).await {
            Err(RepositoryError::Taken) => Err(FleetError::Taken(id.to_string())),
            Err(error) => Err(error.into()),
            Ok(()) => {
                self.add_tenant(record.clone(), TenantControl::default()).await?;
                Ok(record)
            }
        }
    }

    /// All tenants, by id.
    pub fn tenants(&self) -> Vec<TenantRecord> {
        self.0.tenants.read().values().map(|tenant| tenant.record.clone()).collect()
    }

    /// Deploys a new agent, or a new revision of one.
    ///
    /// Everything is checked before anything changes. A new agent that does not start leaves nothing; a new revision that does not
    /// is given up, and the one before it serves again. A revision that asks for more than the one before it waits until it is
    /// [approved](Self::approve).
    pub async fn deploy(
        &self,
        _recorded: &Recorded,
        tenant: &TenantId,
        deploy: Deploy,
    ) -> Result<AgentStatus, FleetError> {
        let tenant = self.tenant(tenant)?;
        tenant.hold.takes_work()?;
        let manifest = Manifest::parse(&deploy.manifest)?;
        // Compiled before the turn is taken: what takes long holds up nobody.
        let checked = self.check_new(&tenant, deploy.digest, &manifest).await?;
        // From here on one at a time, so that two deployments of one id do not both find it free.
        let _turn = tenant.deploying.lock().await;
        tenant.hold.takes_work()?;
        self.still_allowed(&tenant, &checked, &deploy.digest, &manifest).await?;
        let Some(agent) = tenant.agents.read().get(&manifest.agent.id).cloned() else {
            tenant.not_external(&manifest.agent.id)?;
            let spec = self.spec(&tenant, 1, deploy, manifest);
            return self.first_deploy(&tenant, spec, checked).await;
        };
        agent.hold.takes_work()?;
        let widened = self.widening(&agent, &deploy.digest, &manifest).await?;
        let revision = agent.next_revision();
        let spec = self.spec(&tenant, revision, deploy.clone(), manifest);
        if !widened.is_empty() {
            return self.keep_pending(&agent, &spec, deploy, widened).await;
        }
        self.replace(&tenant, &agent, spec, checked).await?;
        self.withdraw(&agent).await?;
        Ok(agent.status())
    }

    /// What is deployed when it is deployed now.
    pub(crate) fn spec(&self, tenant: &Tenant, revision: u32, deploy: Deploy, manifest: Manifest) -> Arc<Spec> {
        let deployment = Deployment {
            tenant: tenant.record.id.clone(),
            agent: manifest.agent.id.clone(),
            revision,
            digest: deploy.digest,
            manifest: deploy.manifest,
            desired: if deploy.start { Desired::Running } else { Desired::Stopped },
            deployed: self.parts().clock.now(),
        };
        Arc::new(Spec { deployment, manifest })
    }

    /// Starts a deployed agent; starting one that runs is no error.
    pub async fn start(
        &self,
        _recorded: &Recorded,
        tenant: &TenantId,
        agent: &AgentId,
    ) -> Result<AgentStatus, FleetError> {
        let (tenant, agent) = self.find(tenant, agent)?;
        let mut running = agent.running.lock().await;
        tenant.still_has(&agent)?;
        if running.is_none() {
            agent.hold.takes_work()?;
            self.want(&agent, Desired::Running).await?;
            *running = Some(self.start_stopped(&tenant, &agent).await?);
        }
        drop(running);
        Ok(agent.status())
    }

    /// Stops a running agent; stopping one that does not run is no error.
    pub async fn stop(
        &self,
        _recorded: &Recorded,
        tenant: &TenantId,
        agent: &AgentId,
    ) -> Result<AgentStatus, FleetError> {
        let (tenant, agent) = self.find(tenant, agent)?;
        let mut running = agent.running.lock().await;
        tenant.still_has(&agent)?;
        self.want(&agent, Desired::Stopped).await?;
        match running.take() {
            Some(running) => self.take_down(&agent, running).await,
            None => agent.reached(Phase::Stopped, Step::None),
        }
        drop(running);
        Ok(agent.status())
    }

    /// Stops and starts an agent.
    pub async fn restart(
        &self,
        _recorded: &Recorded,
        tenant: &TenantId,
        agent: &AgentId,
    ) -> Result<AgentStatus, FleetError> {
        let (tenant, agent) = self.find(tenant, agent)?;
        let mut running = agent.running.lock().await;
        tenant.still_has(&agent)?;
        agent.hold.takes_work()?;
        self.want(&agent, Desired::Running).await?;
        if let Some(running) = running.take() {
            self.take_down(&agent, running).await;
        }
        *running = Some(self.start_stopped(&tenant, &agent).await?);
        drop(running);
        Ok(agent.status())
    }

    /// Stops an agent and deletes it with all that it kept. Its id is never given again.
    pub async fn delete(&self, _recorded: &Recorded, tenant: &TenantId, agent: &AgentId) -> Result<(), FleetError> {
        let found = self.tenant(tenant)?;
        if found.find_external(agent).is_some() {
            return self.delete_external(&found, agent).await;
        }
        let (tenant, agent) = self.find(tenant, agent)?;
        let mut running = agent.running.lock().await;
        tenant.still_has(&agent)?;
        if let Some(running) = running.take() {
            self.take_down(&agent, running).await;
        }
        // First what it kept: an agent that is gone could not be deleted again after a failure.
        self.parts().data.delete_agent(&agent.tenant, &agent.id).await?;
        self.parts().repository.delete_deployment(&agent.tenant, &agent.id).await?;
        tenant.agents.write().remove(&agent.id);
        self.unbind(&agent);
        if let Some(leases) = self.parts().courier.leases() {
            leases.forget(&agent.tenant, Some(&LeaseScope::Agent(agent.id.clone())));
        }
        Ok(())
    }

    /// Passes an operator's order to a resident agent: `data` and the answer are JSON.
    pub async fn command(
        &self,
        _recorded: &Recorded,
        tenant: &TenantId,
        agent: &AgentId,
        name: String,
        data: String,
    ) -> Result<String, FleetError> {
        let (_, agent) = self.find(tenant, agent)?;
        let running = agent.running.lock().await;
        let running = running.as_ref().ok_or_else(|| FleetError::NotRunning(agent.id.clone()))?;
        match running.command(name, data).await {
            None => Err(FleetError::NoCommands(agent.id.clone())),
            Some(Ok(Ok(answer))) => Ok(answer),
            Some(Ok(Err(reason))) => Err(FleetError::CommandRefused(host_calls::inert(&reason, 1024))),
            Some(Err(cut_off)) => Err(FleetError::CommandRefused(cut_off.to_string())),
        }
    }

    /// How an agent is.
    pub fn status(&self, tenant: &TenantId, agent: &AgentId) -> Result<AgentStatus, FleetError> {
        if let Some(external) = self.tenant(tenant)?.find_external(agent) {
            return Ok(external.status());
        }
        self.find(tenant, agent).map(|(_, agent)| agent.status())
    }

    /// How all agents of a tenant are, by id.
    pub fn statuses(&self, tenant: &TenantId) -> Result<Vec<AgentStatus>, FleetError> {
        let tenant = self.tenant(tenant)?;
        let mut statuses: Vec<_> = tenant.agents.read().values().map(|agent| agent.status()).collect();
        statuses.extend(tenant.externals.read().values().map(|external| external.status()));
        statuses.sort_by(|one, other| one.agent.cmp(&other.agent));
        Ok(statuses)
    }

    /// The operator as a principal of a tenant, to look on. To send, see [`operator_at_work`](Self::operator_at_work).
    pub fn operator(&self, tenant: &TenantId) -> Result<Arc<Party>, FleetError> {
        Ok(self.tenant(tenant)?.operator.clone())
    }

    /// The operator as a principal of a tenant that takes work.
    pub fn operator_at_work(&self, tenant: &TenantId) -> Result<Arc<Party>, FleetError> {
        let tenant = self.tenant(tenant)?;
        tenant.hold.takes_work()?;
        Ok(tenant.operator.clone())
    }

    /// What the fleet works with.
    pub fn parts(&self) -> &FleetParts {
        &self.0.parts
    }

    pub(crate) fn shards(&self) -> &Shards {
        &self.0.shards
    }

    pub(crate) fn token_book(&self) -> &TokenBook {
        &self.0.tokens
    }

    pub(crate) fn next_incarnation(&self) -> Incarnation {
        Incarnation(self.0.incarnations.fetch_add(1, Ordering::Relaxed))
    }

    async fn first_deploy(
        &self,
        tenant: &Tenant,
        spec: Arc<Spec>,
        checked: Checked,
    ) -> Result<AgentStatus, FleetError> {
        let agent = self.agent_of(tenant, spec.clone());
        // Before anybody finds it: who starts or quarantines it waits for the deployment.
        let mut running = agent.running.lock().await;
        tenant.add(agent.clone());
        self.bind(tenant, &agent);
        let deployed = self.deploy_stopped(tenant, &agent, &spec, checked).await;
        match deployed {
            Ok(up) => *running = up,
            Err(error) => {
                self.unbind(&agent);
                tenant.agents.write().remove(&agent.id);
                self.parts().data.delete_agent(&agent.tenant, &agent.id).await?;
                return Err(error);
            }
        }
        drop(running);
        Ok(agent.status())
    }

    pub(crate) async fn replace(
        &self,
        tenant: &Tenant,
        agent: &Arc<Agent>,
        spec: Arc<Spec>,
        checked: Checked,
    ) -> Result<AgentStatus, FleetError> {
        let before = agent.spec();
        let mut running = agent.running.lock().await;
        tenant.still_has(agent)?;
        agent.hold.takes_work()?;
        let was_up = running.is_some();
        if let Some(old) = running.take() {
            self.take_down(agent, old).await;
        }
        let granted_before = tenant.grants_now(agent);
        agent.set_spec(spec.clone());
        self.bind_both(tenant, agent, granted_before);
        match self.deploy_stopped(tenant, agent, &spec, checked).await {
            Ok(up) => {
                self.bind(tenant, agent);
                *running = up;
            }
            Err(error) => {
                agent.set_spec(before.clone());
                self.bind(tenant, agent);
                self.parts().repository.save_deployment(&before.deployment).await?;
                if was_up {
                    *running = Some(self.start_stopped(tenant, agent).await?);
                } else {
                    agent.reached(Phase::Stopped, Step::None);
                }
                return Err(error);
            }
        }
        drop(running);
        Ok(agent.status())
    }

    /// Keeps a deployment, and brings it up if it should be.
    async fn deploy_stopped(
        &self,
        tenant: &Tenant,
        agent: &Arc<Agent>,
        spec: &Spec,
        checked: Checked,
    ) -> Result<Option<Running>, FleetError> {
        let keep = async {
            let kept = self.parts().repository.save_deployment(&spec.deployment).await;
            kept.map_err(|error| match error {
                RepositoryError::Taken => FleetError::Taken(agent.id.to_string()),
                error @ RepositoryError::Store { .. } => error.into(),
            })
        };
        match spec.deployment.desired {
            Desired::Stopped => keep.await.map(|()| None),
            Desired::Running => self.bring_up(tenant, agent, checked, keep).await.map(Some),
        }
    }

    async fn start_stopped(&self, tenant: &Tenant, agent: &Arc<Agent>) -> Result<Running, FleetError> {
        let started = async {
            let spec = agent.spec();
            let reached = |step| agent.reached(Phase::Starting, step);
            let cut = agent.hold.cut();
            agent.hold.takes_work()?;
            let checking = self.check_kept(tenant, &spec, reached);
            let checked = cut.run_until_cancelled(checking).await;
            let checked = checked.unwrap_or_else(|| Err(FleetError::NotRunning(agent.id.clone())))?;
            self.bring_up(tenant, agent, checked, std::future::ready(Ok(()))).await
        };
        let started = started.await.map_err(|error| agent.hold.takes_work().err().unwrap_or(error));
        started.inspect_err(|error| agent.failed(error.to_string()))
    }

    pub(crate) async fn want(&self, agent: &Agent, desired: Desired) -> Result<(), FleetError> {
        let spec = agent.spec();
        if spec.deployment.desired == desired {
            return Ok(());
        }
        self.parts().repository.set_desired(&agent.tenant, &agent.id, desired).await?;
        let deployment = Deployment { desired, ..spec.deployment.clone() };
        agent.set_spec(Arc::new(Spec { deployment, manifest: spec.manifest.clone() }));
        Ok(())
    }

    async fn add_tenant(&self, record: TenantRecord, control: TenantControl) -> Result<(), FleetError> {
        let limits = control.overrides.checked_over(&self.parts().tenant_limits)?;
        let budgets = TenantBudgets::new(&limits);
        self.parts().data.open_tenant(&record.id, &budgets).await?;
        let hold = TenantHold::new(record.id.clone(), control);
        let caller = Caller::born(record.id.clone(), AgentId::operator(), String::new(), self.next_incarnation());
        let operator = policy::operator(caller, &budgets, hold.switch().clone());
        let (agents, externals, policies) = (RwLock::default(), RwLock::default(), RwLock::default());
        let (deploying, changing_policy) = (tokio::sync::Mutex::default(), tokio::sync::Mutex::default());
        let streams = Arc::new(tokio::sync::Semaphore::new(STREAMS_MAX));
        let tenant = Tenant {
            record,
            budgets,
            hold,
            operator,
            agents,
            streams,
            externals,
            policies,
            groups: RwLock::default(),
            deploying,
            changing_policy,
        };
        self.apply_limits(&tenant, &limits);
        self.parts().policies.set(tenant.id(), tenant.policies.read().enforced.clone());
        self.0.tenants.write().insert(tenant.record.id.clone(), Arc::new(tenant));
        Ok(())
    }

    fn agent_of(&self, tenant: &Tenant, spec: Arc<Spec>) -> Arc<Agent> {
        let (tenant_id, agent) = (spec.deployment.tenant.clone(), spec.deployment.agent.clone());
        let hold = AgentHold::new(agent.clone(), tenant.hold.clone());
        Agent::new(spec, hold, CrashBell::new(tenant_id, agent, self.0.crash_loops.0.clone()))
    }

    pub(crate) fn alarms(&self) -> &tokio::sync::Mutex<mpsc::Receiver<CrashAlarm>> {
        &self.0.crash_loops.1
    }

    pub(crate) fn all_tenants(&self) -> Vec<Arc<Tenant>> {
        self.0.tenants.read().values().cloned().collect()
    }

    pub(crate) fn forget_tenant(&self, id: &TenantId) {
        self.parts().policies.forget(id);
        if let Some(leases) = self.parts().courier.leases() {
            leases.forget(id, None);
        }
        let gone = self.0.tenants.write().remove(id);
        if let Some(tenant) = gone {
            self.forget_externals(&tenant);
        }
        self.shards().forget(id);
    }

    /// Said again once the tenant's turn is held: it may have been deleted while somebody waited for it.
    pub(crate) fn still_there(&self, tenant: &Tenant) -> Result<(), FleetError> {
        let found = self.tenant(&tenant.record.id)?;
        if std::ptr::eq(Arc::as_ptr(&found), tenant) {
            Ok(())
        } else {
            Err(FleetError::NoTenant(found.record.id.clone()))
        }
    }

    pub(crate) fn tenant(&self, id: &TenantId) -> Result<Arc<Tenant>, FleetError> {
        self.0.tenants.read().get(id).cloned().ok_or_else(|| FleetError::NoTenant(id.clone()))
    }

    pub(crate) fn find(&self, tenant: &TenantId, agent: &AgentId) -> Result<(Arc<Tenant>, Arc<Agent>), FleetError> {
        let tenant = self.tenant(tenant)?;
        let found = tenant.agents.read().get(agent).cloned().ok_or_else(|| tenant.not_deployed(agent))?;
        Ok((tenant, found))
    }

    fn all_agents(&self) -> Vec<Arc<Agent>> {
        self.all_tenants().iter().flat_map(|tenant| tenant.all()).collect()
    }
}

impl Tenant {
    pub(crate) fn id(&self) -> &TenantId {
        &self.record.id
    }

    /// Said again once the agent's lock is held: it may have been deleted while somebody waited for it.
    pub(crate) fn still_has(&self, agent: &Agent) -> Result<(), FleetError> {
        let same = |found: &Arc<Agent>| std::ptr::eq(Arc::as_ptr(found), agent);
        let found = self.agents.read().get(&agent.id).is_some_and(same);
        if found { Ok(()) } else { Err(FleetError::NoAgent(agent.id.clone())) }
    }

    pub(crate) fn all(&self) -> Vec<Arc<Agent>> {
        self.agents.read().values().cloned().collect()
    }

    /// What it may use, over these defaults.
    pub(crate) fn limits_under(&self, defaults: &TenantLimits) -> TenantLimits {
        self.hold.overrides().over(defaults)
    }

    fn add(&self, agent: Arc<Agent>) {
        self.agents.write().insert(agent.id.clone(), agent);
    }
}
