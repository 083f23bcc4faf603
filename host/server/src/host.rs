//! Running a host: wire, serve, drain.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::Context as _;
use host_api::{ApiState, TokenDigest};
use host_app::{App, AppParts};
use host_bus::accounts::{Account, Minter};
use host_bus::{
    Bus, Class, EmbeddedBus, Journal, Keeper, KeeperParts, NatsBus, NatsCredentials, NatsParts, NatsSettings,
};
use host_calls::FILE_CHUNK_LEN_MAX;
use host_courier::{Courier, CourierParts, LogBook};
use host_egress::{Authorities, Egress, EgressParts, SystemResolve};
use host_engine::{CompilerSettings, Engine, EngineSettings};
use host_fleet::{Fleet, FleetParts, PolicyBook, RandomIds, Shards, SystemClock};
use host_gate::{Gate, MessageLimits};
use host_ledger::{Act, Ledger, UsageBook};
use host_model::Clock;
use host_registry::Registry;
use host_store::{
    AgentFiles, AgentState, AgentStores, AuditFiles, ComponentFiles, DataDir, KekFiles, SharedAgentState, Sqlite,
    SqliteJournal, UsageFiles,
};
use host_vault::Vault;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::args::HostArgs;
use crate::config::{self, Config, NatsClass};
use crate::{files, layers, logging, sharing};

/// The hidden verb of the compiling child.
pub(crate) const COMPILE_VERB: &str = "compile-component";
/// How long agents may take to drain before the host ends without them: with the API's grace, under ten seconds.
const DRAIN_MAX: Duration = Duration::from_secs(6);
/// How often queues are looked after.
const TEND_EVERY: Duration = Duration::from_mins(1);
/// How often what was used is written down.
const USAGE_EVERY: Duration = Duration::from_mins(1);

/// Runs a host until it is told to stop.
pub(crate) async fn run(args: HostArgs) -> anyhow::Result<()> {
    let config = layers::load(&args)?;
    if args.print_config {
        return say(&config.explained()?);
    }
    // Before anything that takes time: a host that is told to stop while it starts drains too.
    let mut signals = Signals::listen()?;
    let level = logging::start(&config.log)?;
    let data = DataDir::open(&config.data)?;
    let token = files::operator_token(&data)?;
    // Before the agents start: a host that cannot listen starts none.
    let listener =
        TcpListener::bind(config.listen).await.with_context(|| format!("cannot listen on {}", config.listen))?;
    let address = listener.local_addr()?;
    let sqlite = Arc::new(Sqlite::open(&data).await?);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let ledger = ledger(&data, clock.clone())?;
    let started = ledger.record(Act::host("host.start").on(&env!("CARGO_PKG_VERSION"))).await?;
    let listening = format!("http://{address}");
    let state = AgentState::open(&data).await?;
    let stores = AgentStores { state, shared: None, files: AgentFiles::open(&data)? };
    let journal = Arc::new(SqliteJournal::open(&data).await?);
    let keeping = Keeping { sqlite: sqlite.clone(), stores: stores.clone(), journal: journal.clone() };
    let Wired { app, keeper, nats, shared } = wire(&config, &data, keeping, clock, ledger.clone(), &listening).await?;

    let closing = CancellationToken::new();
    let state = ApiState::new(app.clone(), TokenDigest::of(&token), closing.clone());
    if let Some(nats) = &nats {
        nats.take_drafts_to(Arc::new(state.clone()));
    }
    let mut serving = std::pin::pin!(host_api::serve(listener, host_api::router(state), closing.clone()));
    say(&format!("listening on {listening} (api)\n"))?;
    let fleet = app.fleet().clone();
    let starting = async {
        fleet.start_desired(&started).await;
        started.done();
        app.set_ready();
        tracing::info!("ready");
        tokio::join!(meter(&app), tend(&keeper), app.end_crash_loops(), clear_late(nats.as_ref(), &keeper, &fleet));
    };
    tokio::select! {
        served = &mut serving => served.context("the API ended")?,
        () = starting => {}
        told = signals.until_told(&args, config.clone(), &level) => told?,
    }
    tracing::info!("draining");
    closing.cancel();
    let (_, served) = tokio::join!(tokio::time::timeout(DRAIN_MAX, app.fleet().stop_all()), serving);
    settle(&app).await;
    if let Some(shared) = &shared {
        shared.close().await;
    }
    if let Some(nats) = &nats {
        nats.close().await;
    }
    // What agents decided in their last moments is on the disk before the journal is closed.
    keeper.close().await;
    journal.close().await;
    end(ledger).await;
    stores.state.close().await;
    sqlite.close().await;
    if level.dropped() > 0 {
        tracing::warn!(
            lines = level.dropped(),
            "log lines were dropped: standard error was not read fast enough, or took none"
        );
    }
    tracing::info!("stopped");
    served.context("the API ended")
}

fn ledger(data: &DataDir, clock: Arc<dyn Clock>) -> anyhow::Result<Ledger> {
    let (log, found) = AuditFiles::open(data, files::audit_key(data)?)?;
    Ok(Ledger::start(Arc::new(log), clock, found)?)
}

/// Writes down what was used, again and again.
async fn meter(app: &App) {
    let mut minutes = tokio::time::interval(USAGE_EVERY);
    loop {
        minutes.tick().await;
        settle(app).await;
    }
}

/// Gives up what waited for too long, again and again.
async fn tend(keeper: &Keeper) {
    let mut minutes = tokio::time::interval(TEND_EVERY);
    loop {
        minutes.tick().await;
        if let Err(error) = keeper.tend().await {
            tracing::error!(error = format!("{:#}", anyhow::Error::new(error)), "the queues cannot be looked after");
        }
    }
}

async fn settle(app: &App) {
    if let Err(error) = app.settle_usage().await {
        tracing::error!(
            error = format!("{:#}", anyhow::Error::new(error)),
            "usage cannot be written; it is tried again"
        );
    }
}

/// The last record, then what still waits.
async fn end(ledger: Ledger) {
    match ledger.record(Act::host("host.stop")).await {
        Ok(stopped) => stopped.done(),
        Err(error) => tracing::error!(%error, "the stop is not in the audit"),
    }
    // The ledger itself says what it could not write.
    let _ = tokio::task::spawn_blocking(move || ledger.close()).await;
}

/// What keeps things over restarts.
struct Keeping {
    sqlite: Arc<Sqlite>,
    stores: AgentStores,
    journal: Arc<dyn Journal>,
}

/// A host that is put together.
struct Wired {
    app: App,
    keeper: Keeper,
    nats: Option<NatsBus>,
    shared: Option<SharedAgentState>,
}

async fn wire(
    config: &Config,
    data: &DataDir,
    keeping: Keeping,
    clock: Arc<dyn Clock>,
    ledger: Ledger,
    listening: &str,
) -> anyhow::Result<Wired> {
    let Keeping { sqlite, mut stores, journal } = keeping;
    let base_url = if config.base_url.is_empty() { listening.to_owned() } else { config.base_url.clone() };
    let usage = Arc::new(UsageBook::open(Arc::new(UsageFiles::open(data)?), clock.now())?);
    let logs = Arc::new(LogBook::new(clock.clone()));
    let registry = Arc::new(Registry::new());
    let engine = Arc::new(engine(config, data.artifacts().as_path(), &files::artifact_key(data)?)?);
    tracing::info!(pool = engine.describe_pool(), "sandbox");
    let policies = Arc::new(PolicyBook::new());
    let keks = Arc::new(KekFiles::of(data));
    let vault = Arc::new(Vault::open(keks, sqlite.clone(), clock.clone()).await.context("cannot open the vault")?);
    let gate = Gate::new(message_limits(config));
    let keeper = Keeper::open(KeeperParts {
        journal: journal.clone(),
        gate: gate.clone(),
        keys: vault.keys(),
        clock: clock.clone(),
        limits: host_fleet::queue_limits(&config.tenant.limits()),
    });
    let keeper = keeper.await.context("cannot open the journal")?;
    let minter = minter(config, clock.clone())?;
    let nats = match &config.bus {
        config::Bus::Embedded => None,
        config::Bus::Nats(servers) => {
            let settings = nats_settings(config, data, servers.clone(), minter.as_ref())?;
            let parts = NatsParts {
                settings,
                keeper: keeper.clone(),
                gate: gate.clone(),
                keys: vault.keys(),
                vault: Some(vault.clone()),
            };
            Some(NatsBus::open(parts).await.context("cannot use NATS")?)
        }
    };
    stores.shared = nats.as_ref().map(|nats| SharedAgentState::new(nats.shared_state(), stores.state.clone()));
    let bus: Arc<dyn Bus> = match &nats {
        None => Arc::new(EmbeddedBus::keeping(keeper.clone())),
        Some(nats) => Arc::new(nats.clone()),
    };
    let shared = stores.shared.clone();
    let courier = Courier::new(CourierParts {
        gate,
        keys: vault.keys(),
        bus: bus.clone(),
        registry: registry.clone(),
        logs: logs.clone(),
        egress: egress(config, policies.clone(), vault.clone())?,
        ids: Arc::new(RandomIds::new()?),
        started: clock.now(),
        ledger: ledger.clone(),
        state: Some(sharing::state(&stores)),
        files: Some(Arc::new(stores.files.clone())),
        leases: Some(sharing::leases(nats.as_ref(), &stores, clock.clone())),
        clock: clock.clone(),
    });
    keeper.notify(courier.deaths());
    let parts = FleetParts {
        repository: sqlite.clone(),
        controls: sqlite.clone(),
        external: sqlite.clone(),
        components: Arc::new(ComponentFiles::open(data)?),
        data: Arc::new(stores),
        cards: sqlite,
        engine,
        bus,
        courier: courier.clone(),
        registry: registry.clone(),
        policies,
        clock,
        tenant_limits: config.tenant.limits(),
        base_url,
    };
    let shards =
        Shards::start(shard_count(config), &tokio::runtime::Handle::current()).context("cannot start the shards")?;
    let fleet = Fleet::load(parts, shards).await?;
    if nats.is_none() {
        clear(&keeper, &fleet).await;
    }
    let app = App::new(AppParts { fleet, courier, registry, logs, ledger, usage, vault, journal, minter });
    finish_rotation(&app).await;
    app.ensure_keys().await?;
    Ok(Wired { app, keeper, nats, shared })
}

/// What makes the accounts of tenants and the host's own users in them, where there are accounts.
fn minter(config: &Config, clock: Arc<dyn Clock>) -> anyhow::Result<Option<Arc<Minter>>> {
    let dir = &config.nats.accounts_dir;
    if dir.as_os_str().is_empty() {
        return Ok(None);
    }
    let minter = Minter::open(dir, clock).context("cannot use nats.accounts_dir")?;
    Ok(Some(Arc::new(minter)))
}

fn nats_settings(
    config: &Config,
    data: &DataDir,
    servers: Vec<String>,
    minter: Option<&Arc<Minter>>,
) -> anyhow::Result<NatsSettings> {
    let class = match config.nats.class {
        NatsClass::Durable => Class::Durable,
        NatsClass::Replicated => Class::Replicated,
    };
    let credentials = |account, file| match minter {
        Some(minter) => Ok(Some(NatsCredentials::Minted(minter.clone(), account))),
        None => files::nats_credentials(file),
    };
    Ok(NatsSettings {
        servers,
        credentials: credentials(Account::Hosts, &config.nats.credentials_file)?,
        system: credentials(Account::System, &config.nats.system_credentials_file)?,
        class,
        host: files::host_id(data)?,
    })
}

/// With other hosts, an agent that is not here may be there: nothing is given up before they are known.
async fn clear_late(nats: Option<&NatsBus>, keeper: &Keeper, fleet: &Fleet) {
    if let Some(nats) = nats {
        nats.bindings_known().await;
        clear(keeper, fleet).await;
    }
}

/// What a deletion left undone when the host was killed is tried again at the next start.
async fn clear(keeper: &Keeper, fleet: &Fleet) {
    if let Err(error) = keeper.clear(|tenant| fleet.operator(tenant).is_ok()).await {
        tracing::error!(%error, "what a deleted tenant left in the journal is still there");
    }
}

/// The vault works under two keys as under one: that it still has two is no reason not to start.
async fn finish_rotation(app: &App) {
    if let Err(error) = app.finish_vault_rotation().await {
        tracing::error!(%error, "the old key-encryption key is still there: run `bailiwick vault rotate`");
    }
}

fn engine(config: &Config, artifacts: &Path, key: &[u8; 32]) -> anyhow::Result<Engine> {
    let hostcall_bytes_max = (config.message.payload_bytes_max as usize).max(FILE_CHUNK_LEN_MAX) + (64 << 10);
    let settings = EngineSettings {
        pool: config.engine.pool,
        instances_max: config.engine.instances_max,
        hostcall_bytes_max,
        ..EngineSettings::default()
    };
    let mut compiler = CompilerSettings::this_program(&[COMPILE_VERB])?;
    compiler.cpu_max = Duration::from_secs(config.engine.compile_cpu_seconds.into());
    compiler.memory_bytes_max = u64::from(config.engine.compile_memory_mib) << 20;
    Ok(Engine::new(settings, compiler, artifacts, key)?)
}

/// The way out, under the tenants' policies and with their secrets.
fn egress(config: &Config, policies: Arc<PolicyBook>, vault: Arc<Vault>) -> anyhow::Result<Egress> {
    let file = &config.egress.ca_file;
    let authorities = if file.as_os_str().is_empty() {
        Authorities::public()
    } else {
        let pem = std::fs::read(file).with_context(|| format!("cannot read egress.ca_file {}", file.display()))?;
        Authorities::public().with_pem(&pem).with_context(|| format!("egress.ca_file {}", file.display()))?
    };
    Ok(Egress::new(EgressParts {
        policy: policies,
        secrets: vault,
        resolve: Arc::new(SystemResolve::new()),
        authorities,
        limits: config.egress.limits().checked()?,
    }))
}

fn message_limits(config: &Config) -> MessageLimits {
    let message = &config.message;
    MessageLimits {
        payload_bytes_max: message.payload_bytes_max as usize,
        headers_max: message.headers_max.into(),
        hop_max: message.hop_max,
        root_messages_max: message.root_messages_max,
    }
}

fn shard_count(config: &Config) -> usize {
    match config.engine.shards {
        0 => available_parallelism().map_or(1, std::num::NonZero::get),
        count => count.into(),
    }
}

/// What the host can be told from outside.
struct Signals {
    term: Signal,
    int: Signal,
    hup: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        let [term, int, hup] = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(signal);
        Ok(Self { term: term?, int: int?, hup: hup? })
    }

    /// Returns when the host is told to stop; reads the configuration again whenever it is told to.
    async fn until_told(&mut self, args: &HostArgs, mut config: Config, level: &logging::Level) -> anyhow::Result<()> {
        loop {
            tokio::select! {
                _ = self.term.recv() => return Ok(()),
                _ = self.int.recv() => return Ok(()),
                _ = self.hup.recv() => match layers::load(args) {
                    Ok(new) => config = take_over(config, &new, level)?,
                    Err(error) => {
                        tracing::error!(error = format!("{error:#}"), "the configuration is invalid; nothing was changed");
                    }
                },
            }
        }
    }
}

/// Takes over what can change while the host runs, and says what cannot.
fn take_over(old: Config, new: &Config, level: &logging::Level) -> anyhow::Result<Config> {
    let taken = Config { log: config::Log { level: new.log.level.clone(), ..old.log.clone() }, ..old };
    let rest = if taken == *new { "everything is in force" } else { "other changes wait for a restart" };
    tracing::info!(level = new.log.level, rest, "the configuration was read again");
    // Last, so that a quieter log still says why it is quiet from here on.
    level.set(&new.log.level)?;
    Ok(taken)
}

fn say(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}
