//! Our side: a whole house as `host/server` wires it, with a store in a folder of its own, and agents deployed from `examples/echo`.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use host_bus::{Bus, EmbeddedBus, KeepHealth, Keeper, KeeperParts, NatsBus, NatsParts, NatsSettings};
use host_component::{Capability, Digest};
use host_courier::{Courier, CourierParts, LogBook, Party};
use host_engine::{CompilerSettings, Engine, EngineSettings, Program};
use host_fleet::{Deploy, Fleet, FleetParts, RandomIds, Shard, Shards, SystemClock};
use host_gate::{Gate, MessageLimits};
use host_ledger::{Act, Ledger, SealKey};
use host_model::{AgentId, Clock, Draft, TenantId};
use host_quota::TenantLimits;
use host_registry::Registry;
use host_store::{
    AgentFiles, AgentState, AgentStores, AuditFiles, ComponentFiles, DataDir, KekFiles, Sqlite, SqliteJournal,
};
use host_vault::Vault;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::echo::{self, Mode};
use crate::harness::Batch;
use crate::machine;

/// What the compiling child of this program is called with.
pub(crate) const COMPILE_VERB: &str = "compile-component";
/// The key of the artefacts. Nobody else can write them: they lie in a temporary folder.
const KEY: [u8; 32] = [7; 32];
/// How long a batch may take before it is a failure.
const BATCH_MAX: Duration = Duration::from_mins(1);
/// Ids that are tried until each shard is some tenant's home.
const TENANTS_TRIED_MAX: usize = 1_000;
/// How often the counters are looked at. A batch seems longer by up to that, and ours alone.
const LOOK: Duration = Duration::from_micros(50);

/// A running host without its API.
pub(crate) struct House {
    pub(crate) fleet: Fleet,
    ledger: Ledger,
    /// On each shard a tenant for each mode: in one tenant, one chain would set off the other.
    tenants: Vec<[TenantId; 2]>,
    /// The shards of those, in the same order.
    homes: Vec<Arc<Shard>>,
    digest: Digest,
    pub(crate) component: Vec<u8>,
    pub(crate) runtime: Runtime,
    hop_max: u16,
    /// Removed when it ends, unless it stays.
    _data: Option<TempDir>,
}

/// An agent that is subscribed to what it publishes. One message keeps it going until the hop limit ends the chain, with no
/// thread outside taking part: each message is admitted, routed, accepted, queued and handled on the agent's shard.
pub(crate) struct Chain<'a> {
    house: &'a House,
    operator: Arc<Party>,
    agent: AgentId,
    /// The quickest message so far: before a batch can be done, nobody looks whether it is.
    quickest: Duration,
}

impl House {
    /// A house with this many shards, and tenants on each.
    pub(crate) fn open(shards: usize, artefacts: &Path, hop_max: u16) -> anyhow::Result<Self> {
        Self::open_with(EngineSettings::default(), shards, artefacts, hop_max)
    }

    /// The same with another engine.
    pub(crate) fn open_with(
        settings: EngineSettings,
        shards: usize,
        artefacts: &Path,
        hop_max: u16,
    ) -> anyhow::Result<Self> {
        let data = TempDir::new()?;
        let house = Self::open_in(settings, data.path(), shards, artefacts, hop_max, None)?;
        Ok(Self { _data: Some(data), ..house })
    }

    /// A house on data that stays when it ends.
    pub(crate) fn open_on(data: &Path, shards: usize, artefacts: &Path, hop_max: u16) -> anyhow::Result<Self> {
        Self::open_in(EngineSettings::default(), data, shards, artefacts, hop_max, None)
    }

    /// A house with one shard, whose messages go over NATS.
    pub(crate) fn open_on_nats(nats: NatsSettings, artefacts: &Path, hop_max: u16) -> anyhow::Result<Self> {
        let data = TempDir::new()?;
        let house = Self::open_in(EngineSettings::default(), data.path(), 1, artefacts, hop_max, Some(nats))?;
        Ok(Self { _data: Some(data), ..house })
    }

    fn open_in(
        settings: EngineSettings,
        data: &Path,
        shards: usize,
        artefacts: &Path,
        hop_max: u16,
        nats: Option<NatsSettings>,
    ) -> anyhow::Result<Self> {
        let runtime = Runtime::new()?;
        let component = echo::component()?;
        let digest = Digest::of(&component);
        let shards_of = Shards::start(shards, runtime.handle())?;
        let tenants = tenants(&shards_of, shards)?;
        let homes = tenants.iter().map(|[fresh, _]| shards_of.home(fresh).clone()).collect();
        let (fleet, ledger) = runtime.block_on(async {
            let (parts, ledger, vault) = parts(data, engine(settings, artefacts)?, hop_max, nats).await?;
            let fleet = Fleet::load(parts, shards_of).await?;
            fleet.parts().components.save(&digest, &component).await?;
            let known: Vec<TenantId> = fleet.tenants().into_iter().map(|tenant| tenant.id).collect();
            for tenant in tenants.iter().flatten().filter(|tenant| !known.contains(tenant)) {
                let recorded = ledger.record(Act::host("tenant.create")).await?;
                fleet.create_tenant(&recorded, tenant.clone(), tenant.to_string()).await?;
                vault.ensure_key(tenant).await?;
                recorded.done();
            }
            anyhow::Ok((fleet, ledger))
        })?;
        Ok(Self { fleet, ledger, tenants, homes, digest, component, runtime, hop_max, _data: None })
    }

    /// Creates a tenant beside those of the shards.
    pub(crate) fn create_tenant(&self, tenant: &TenantId) -> anyhow::Result<()> {
        self.runtime.block_on(async {
            let recorded = self.ledger.record(Act::host("tenant.create")).await?;
            self.fleet.create_tenant(&recorded, tenant.clone(), String::new()).await?;
            recorded.done();
            Ok(())
        })
    }

    /// Deploys an echo, running and ready.
    pub(crate) fn deploy(&self, tenant: &TenantId, id: &str, mode: Mode, chained: bool) -> anyhow::Result<()> {
        self.deploy_as(tenant, Deploy { manifest: echo::manifest(id, mode, chained), digest: self.digest, start: true })
    }

    /// Deploys an echo that does not run. What is sent to it waits, if it was sent to be kept.
    pub(crate) fn deploy_stopped(
        &self,
        tenant: &TenantId,
        id: &str,
        mode: Mode,
        replicas: usize,
    ) -> anyhow::Result<()> {
        if self.fleet.status(tenant, &id.parse()?).is_ok() {
            return Ok(());
        }
        let manifest = echo::manifest_of(id, mode, replicas, false);
        self.deploy_as(tenant, Deploy { manifest, digest: self.digest, start: false })
    }

    fn deploy_as(&self, tenant: &TenantId, deploy: Deploy) -> anyhow::Result<()> {
        self.runtime.block_on(async {
            let recorded = self.ledger.record(Act::host("agent.deploy")).await?;
            self.fleet.deploy(&recorded, tenant, deploy).await?;
            recorded.done();
            Ok(())
        })
    }

    /// Starts an agent that was deployed.
    pub(crate) fn start(&self, tenant: &TenantId, agent: &AgentId) -> anyhow::Result<()> {
        self.runtime.block_on(async {
            let recorded = self.ledger.record(Act::host("agent.start")).await?;
            self.fleet.start(&recorded, tenant, agent).await?;
            recorded.done();
            Ok(())
        })
    }

    /// Stops it.
    pub(crate) fn stop(&self, tenant: &TenantId, agent: &AgentId) -> anyhow::Result<()> {
        self.runtime.block_on(async {
            let recorded = self.ledger.record(Act::host("agent.stop")).await?;
            self.fleet.stop(&recorded, tenant, agent).await?;
            recorded.done();
            Ok(())
        })
    }

    /// The component as a deployment gets it: from disk if it was compiled before.
    pub(crate) fn program(&self) -> anyhow::Result<Arc<Program>> {
        let program = self.fleet.parts().engine.program(self.digest, &self.component, &[Capability::Messaging]);
        Ok(self.runtime.block_on(program)?)
    }

    /// A chain in the tenant of one shard.
    pub(crate) fn chain(&self, shard: usize, mode: Mode) -> anyhow::Result<Chain<'_>> {
        let tenant = self.tenant(shard, mode)?;
        let id = "echo";
        self.deploy(tenant, id, mode, true)?;
        let operator = self.fleet.operator(tenant)?;
        Ok(Chain { house: self, operator, agent: id.parse()?, quickest: Duration::MAX })
    }

    /// The tenant whose agents run on a shard in one mode.
    pub(crate) fn tenant(&self, shard: usize, mode: Mode) -> anyhow::Result<&TenantId> {
        let [fresh, resident] = self.tenants.get(shard).context("there is no such shard")?;
        Ok(if mode == Mode::PerMessage { fresh } else { resident })
    }

    /// The shard where such a tenant is at home.
    pub(crate) fn home(&self, tenant: &TenantId) -> anyhow::Result<&Arc<Shard>> {
        let mut homes = self.tenants.iter().zip(&self.homes).filter(|(tenants, _)| tenants.contains(tenant));
        homes.next().map(|(_, home)| home).context("the tenant is of no shard")
    }

    /// Messages an agent has handled, well or not.
    pub(crate) fn ended(&self, tenant: &TenantId, agent: &AgentId) -> anyhow::Result<u64> {
        let counters = self.fleet.status(tenant, agent)?.counters;
        Ok(counters.handled + counters.failed)
    }
}

impl Chain<'_> {
    /// The same agent, for an arm that goes at another pace.
    pub(crate) fn again(&self) -> Self {
        Self { operator: self.operator.clone(), agent: self.agent.clone(), quickest: Duration::MAX, ..*self }
    }

    /// One batch on each of these chains at once, from `seeds` messages each: from the first message sent to the last one handled.
    pub(crate) fn batch(chains: &mut [&mut Self], seeds: u64) -> anyhow::Result<Batch> {
        let each = seeds * chains.first().map_or(0, |chain| chain.links());
        let targets = chains.iter().map(|chain| chain.target(seeds)).collect::<anyhow::Result<Vec<_>>>()?;
        let began = Instant::now();
        for chain in chains.iter() {
            chain.seed(seeds)?;
        }
        // To look takes a processor, and the shard's lock.
        let quickest = chains.iter().map(|chain| chain.quickest).max().unwrap_or_default();
        if quickest < Duration::MAX {
            thread::sleep(quickest.mul_f64(0.95) * u32::try_from(each).unwrap_or(u32::MAX));
        }
        for (chain, target) in chains.iter().zip(targets) {
            chain.wait(target, began, LOOK)?;
        }
        let took = began.elapsed();
        for chain in chains.iter_mut() {
            chain.quickest = chain.quickest.min(took / u32::try_from(each).unwrap_or(u32::MAX));
        }
        Ok(Batch { done: each * chains.len() as u64, took })
    }

    /// From so many messages to the end of their chains, looked at this often. Takes no time.
    pub(crate) fn run(&self, seeds: u64, look: Duration) -> anyhow::Result<()> {
        let (target, began) = (self.target(seeds)?, Instant::now());
        self.seed(seeds)?;
        self.wait(target, began, look)
    }

    /// Messages that come of one seed, itself included.
    fn links(&self) -> u64 {
        u64::from(self.house.hop_max) + 1
    }

    fn target(&self, seeds: u64) -> anyhow::Result<u64> {
        Ok(self.ended()? + seeds * self.links())
    }

    fn ended(&self) -> anyhow::Result<u64> {
        self.house.ended(self.operator.caller.tenant(), &self.agent)
    }

    fn seed(&self, seeds: u64) -> anyhow::Result<()> {
        let courier = &self.house.fleet.parts().courier;
        for _ in 0..seeds {
            courier.send(&self.operator, self.agent.as_str(), draft(), None).map_err(|refusal| refused(&refusal))?;
        }
        Ok(())
    }

    fn wait(&self, target: u64, began: Instant, look: Duration) -> anyhow::Result<()> {
        loop {
            let ended = self.ended()?;
            if ended >= target {
                return Ok(());
            }
            ensure!(began.elapsed() < BATCH_MAX, "{ended} of {target} messages handled: the chain broke");
            thread::sleep(look);
        }
    }
}

/// What is sent in every arm.
pub(crate) fn draft() -> Draft {
    Draft {
        message_type: echo::MESSAGE_TYPE.to_owned(),
        content_type: echo::CONTENT_TYPE.to_owned(),
        payload: echo::payload(),
        correlation_id: None,
        headers: Vec::new(),
        options: Vec::new(),
    }
}

/// A refusal as an error of this program.
pub(crate) fn refused(refusal: &impl std::fmt::Debug) -> anyhow::Error {
    anyhow::anyhow!("a message was refused: {refusal:?}")
}

/// The engine as `host/server` sets it up, compiling in a child of this program.
fn engine(settings: EngineSettings, artefacts: &Path) -> anyhow::Result<Engine> {
    let compiler = CompilerSettings::this_program(&[COMPILE_VERB])?;
    Ok(Engine::new(settings, compiler, artefacts, &KEY)?)
}

/// With a ledger on the same disk, as a host has it.
async fn parts(
    data: &Path,
    engine: Engine,
    hop_max: u16,
    nats: Option<NatsSettings>,
) -> anyhow::Result<(FleetParts, Ledger, Vault)> {
    let data = DataDir::open(data.join("data"))?;
    let sqlite = Arc::new(Sqlite::open(&data).await?);
    let stores = AgentStores { state: AgentState::open(&data).await?, shared: None, files: AgentFiles::open(&data)? };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let (log, found) = AuditFiles::open(&data, SealKey(KEY))?;
    let ledger = Ledger::start(Arc::new(log), clock.clone(), found)?;
    let vault = Vault::open(Arc::new(KekFiles::of(&data)), sqlite.clone(), clock.clone()).await?;
    let gate = Gate::new(MessageLimits { hop_max, root_messages_max: u32::MAX, ..MessageLimits::default() });
    let tenant_limits = tenant_limits();
    let keeper = Keeper::open(KeeperParts {
        journal: Arc::new(SqliteJournal::open(&data).await?),
        gate: gate.clone(),
        keys: vault.keys(),
        clock: clock.clone(),
        limits: host_fleet::queue_limits(&tenant_limits),
    });
    let bus: Arc<dyn Bus> = match nats {
        None => Arc::new(EmbeddedBus::keeping(keeper.await?)),
        Some(settings) => {
            let (keeper, gate, keys) = (keeper.await?, gate.clone(), vault.keys());
            Arc::new(on_nats(NatsParts { settings, keeper, gate, keys, vault: None }).await?)
        }
    };
    let registry = Arc::new(Registry::new());
    let courier = Courier::new(CourierParts {
        keys: vault.keys(),
        gate,
        bus: bus.clone(),
        registry: registry.clone(),
        logs: Arc::new(LogBook::new(clock.clone())),
        egress: host_egress::Egress::closed(),
        ids: Arc::new(RandomIds::new()?),
        started: clock.now(),
        ledger: ledger.clone(),
        state: Some(Arc::new(stores.state.clone())),
        files: Some(Arc::new(stores.files.clone())),
        leases: None,
        clock: clock.clone(),
    });
    let parts = FleetParts {
        repository: sqlite.clone(),
        policies: Arc::new(host_fleet::PolicyBook::new()),
        controls: sqlite.clone(),
        external: sqlite.clone(),
        components: Arc::new(ComponentFiles::open(&data)?),
        data: Arc::new(stores),
        cards: sqlite,
        engine: Arc::new(engine),
        bus,
        courier,
        registry,
        clock,
        tenant_limits,
        base_url: "http://127.0.0.1:1".to_owned(),
    };
    Ok((parts, ledger, vault))
}

/// Once it keeps messages.
async fn on_nats(parts: NatsParts) -> anyhow::Result<NatsBus> {
    let (bus, began) = (NatsBus::open(parts).await?, Instant::now());
    while bus.health() != KeepHealth::Good {
        ensure!(began.elapsed() < BATCH_MAX, "the NATS server keeps nothing: {}", bus.health().as_str());
        tokio::time::sleep(LOOK).await;
    }
    Ok(bus)
}

/// Room for every instance of M12 and every message of M-restart in one tenant.
pub(crate) fn tenant_limits() -> TenantLimits {
    TenantLimits {
        memory_bytes_max: 64 << 30,
        instances_max: 100_000,
        messages_per_second_max: 100_000_000,
        queued_messages_max: 100_000_000,
        queued_bytes_max: 1 << 40,
        ..TenantLimits::default()
    }
}

/// For each shard a tenant of each mode. Each shard gets a processor of its own.
fn tenants(shards: &Shards, count: usize) -> anyhow::Result<Vec<[TenantId; 2]>> {
    let ids = |name: &'static str| (0..TENANTS_TRIED_MAX).map(move |number| format!("{name}-{number}").parse());
    let same_home = |one: &TenantId, other: &TenantId| Arc::ptr_eq(shards.home(one), shards.home(other));
    let mut found: Vec<[TenantId; 2]> = Vec::new();
    for fresh in ids("fresh") {
        let fresh: TenantId = fresh?;
        if found.iter().any(|[other, _]| same_home(other, &fresh)) {
            continue;
        }
        let resident = ids("resident").filter_map(Result::ok).find(|resident| same_home(resident, &fresh));
        let number = found.len();
        let pin = Box::pin(async move { machine::pin(number).expect("it is this thread") });
        shards.home(&fresh).spawn(&fresh, pin);
        found.push([fresh, resident.context("no tenant is at home there")?]);
    }
    ensure!(found.len() == count, "no tenants for {count} shards");
    Ok(found)
}
