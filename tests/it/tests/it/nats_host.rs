//! Hosts of one NATS in this process, as far as their buses go.

use std::sync::Arc;
use std::time::Duration;

use host_bus::accounts::{Account, Minter};
use host_bus::{
    Bus as _, Class, HostId, KeepHealth, Keeper, KeeperParts, NatsBus, NatsCredentials, NatsLeases, NatsParts,
    NatsSettings, QueueLimits,
};
use host_fleet::AgentData as _;
use host_gate::{Gate, MessageLimits};
use host_model::Clock;
use host_quota::{TenantBudgets, TenantLimits};
use host_store::{AgentFiles, AgentState, AgentStores, DataDir, SharedAgentState, SqliteJournal};
use tempfile::TempDir;
use tests_kit::gate::{FixedClock, one_key};
use tests_kit::{AccountsServer, NatsServer, eventually};

/// What each tenant may keep.
pub(crate) const LIMITS: QueueLimits = QueueLimits {
    messages_max: 10_000,
    bytes_max: 64 << 20,
    letters_max: 10,
    retention: Duration::from_hours(1),
    attempts_max: 3,
};

/// A host with leases and shared state, and the tenants `acme` and `globex`.
pub(crate) struct Member {
    pub(crate) host: NatsHost,
    pub(crate) leases: NatsLeases,
    pub(crate) state: SharedAgentState,
    pub(crate) stores: AgentStores,
    pub(crate) acme: TenantBudgets,
    _dir: TempDir,
}

impl Member {
    pub(crate) async fn on(server: &NatsServer, id: u64, clock: Arc<dyn Clock>) -> Self {
        Self::with(NatsHost::on(server, id).await, clock, &TenantLimits::default()).await
    }

    /// With so much for each tenant to keep.
    pub(crate) async fn with(host: NatsHost, clock: Arc<dyn Clock>, limits: &TenantLimits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(dir.path()).unwrap();
        let (local, files) = (AgentState::open(&data).await.unwrap(), AgentFiles::open(&data).unwrap());
        let state = SharedAgentState::new(host.bus.shared_state(), local.clone());
        let stores = AgentStores { state: local, shared: Some(state.clone()), files };
        let [acme, globex] = [(); 2].map(|()| TenantBudgets::new(limits));
        for (tenant, budgets) in [("acme", &acme), ("globex", &globex)] {
            stores.open_tenant(&tenant.parse().unwrap(), budgets).await.unwrap();
        }
        let leases = host.bus.leases(Arc::new(state.clone()), clock);
        Self { host, leases, state, stores, acme, _dir: dir }
    }
}

/// One host's bus, over a journal of its own.
pub(crate) struct NatsHost {
    pub(crate) bus: NatsBus,
    /// Where its journal lies, for as long as it lives.
    _dir: TempDir,
}

/// How a host reaches a server of the tests.
pub(crate) fn settings(server: &NatsServer, host: u64) -> NatsSettings {
    let read = |path| NatsCredentials::read(&std::fs::read_to_string(path).unwrap()).unwrap();
    NatsSettings {
        servers: vec![server.url().to_owned()],
        credentials: Some(read(server.credentials())),
        system: Some(read(server.system_credentials())),
        class: Class::Durable,
        host: HostId(host),
    }
}

/// How a host reaches a server that knows tenants as accounts.
pub(crate) fn in_accounts(server: &AccountsServer, minter: Minter, host: u64) -> NatsSettings {
    let minter = Arc::new(minter);
    let credentials = |account| Some(NatsCredentials::Minted(minter.clone(), account));
    NatsSettings {
        servers: vec![server.url().to_owned()],
        credentials: credentials(Account::Hosts),
        system: credentials(Account::System),
        class: Class::Durable,
        host: HostId(host),
    }
}

impl NatsHost {
    /// A host with a fresh journal, once it has looked at the server.
    pub(crate) async fn on(server: &NatsServer, host: u64) -> Self {
        Self::fresh(settings(server, host)).await
    }

    /// The same where tenants are accounts.
    pub(crate) async fn in_accounts(server: &AccountsServer, host: u64) -> Self {
        Self::fresh(in_accounts(server, server.minter(), host)).await
    }

    /// The same, however it reaches the server.
    pub(crate) async fn fresh(settings: NatsSettings) -> Self {
        let started = Self::over(tempfile::tempdir().unwrap(), settings).await;
        started.is(KeepHealth::Good).await;
        started
    }

    /// A host over a journal that may be there already.
    pub(crate) async fn over(dir: TempDir, settings: NatsSettings) -> Self {
        let journal = Arc::new(SqliteJournal::open(&DataDir::open(dir.path()).unwrap()).await.unwrap());
        let (gate, clock) = (Gate::new(MessageLimits::default()), Arc::new(FixedClock::new()));
        let parts = KeeperParts { journal, gate: gate.clone(), keys: one_key(), clock, limits: LIMITS };
        let keeper = Keeper::open(parts).await.unwrap();
        let parts = NatsParts { settings, keeper, gate, keys: one_key(), vault: None };
        let bus = NatsBus::open(parts).await.unwrap();
        Self { bus, _dir: dir }
    }

    /// Returns once messages are kept so.
    pub(crate) async fn is(&self, health: KeepHealth) {
        eventually(health.as_str(), async || (self.bus.health() == health).then_some(())).await;
    }
}
