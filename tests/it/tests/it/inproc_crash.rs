//! A fleet from inside: who wants to know is told of an agent that fails at every message.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use host_bus::{Bus, EmbeddedBus};
use host_component::Digest;
use host_courier::{Courier, CourierParts, LogBook};
use host_fleet::{CrashLoop, CrashLoops, Deploy, Fleet, FleetParts, RandomIds, Shards, SystemClock};
use host_gate::{Gate, MessageLimits};
use host_model::{Clock, Draft, TenantId, TrapCause};
use host_quota::TenantLimits;
use host_registry::Registry;
use host_store::{ComponentFiles, DataDir, Sqlite};
use tests_kit::gate::draft;
use tests_kit::{Package, eventually};
use tokio::runtime::Handle;

/// How long a test waits for what must come. Only a failing one does.
const WAIT_MAX: Duration = Duration::from_secs(60);

struct Told(SyncSender<CrashLoop>);

impl CrashLoops for Told {
    fn found(&self, crash_loop: CrashLoop) {
        self.0.send(crash_loop).unwrap();
    }
}

/// A fleet as the server wires it, in a folder of its own.
async fn fleet(folder: &Path) -> Fleet {
    let data = DataDir::open(folder.join("data")).unwrap();
    let sqlite = Arc::new(Sqlite::open(&data).await.unwrap());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let bus: Arc<dyn Bus> = Arc::new(EmbeddedBus::new());
    let registry = Arc::new(Registry::new());
    let courier = Courier::new(CourierParts {
        gate: Gate::new(MessageLimits::default()),
        bus: bus.clone(),
        registry: registry.clone(),
        logs: Arc::new(LogBook::new(clock.clone())),
        ids: Arc::new(RandomIds::new().unwrap()),
        started: clock.now(),
        clock: clock.clone(),
    });
    let parts = FleetParts {
        repository: sqlite.clone(),
        components: Arc::new(ComponentFiles::open(&data).unwrap()),
        cards: sqlite,
        engine: Arc::new(crate::inproc_pipe::engine(folder)),
        bus,
        courier,
        registry,
        clock,
        tenant_limits: TenantLimits::default(),
        base_url: "http://127.0.0.1:1".to_owned(),
    };
    Fleet::load(parts, Shards::start(1, &Handle::current()).unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_failures_in_a_row_are_told_once_with_the_last_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = fleet(folder.path()).await;
    let (sender, told) = sync_channel(10);
    fleet.on_crash_loop(Arc::new(Told(sender)));
    let (tenant, package): (TenantId, _) = ("acme".parse().unwrap(), Package::zoo());
    fleet.create_tenant(tenant.clone(), "Acme".to_owned()).await.unwrap();
    let digest = Digest::of(&package.component);
    fleet.parts().components.save(&digest, &package.component).await.unwrap();
    fleet.deploy(&tenant, Deploy { manifest: package.text(), digest, start: true }).await.unwrap();

    let operator = fleet.operator(&tenant).unwrap();
    let send = |kind: &str| {
        let draft = Draft { message_type: kind.to_owned(), ..draft("1") };
        fleet.parts().courier.send(&operator, "zoo", draft, None).unwrap();
    };
    // Nine, a success, and ten: the success in between counts.
    for kind in ["trap"; 9].into_iter().chain(["count"]) {
        send(kind);
    }
    eventually("the success in between", async || {
        let status = fleet.status(&tenant, &"zoo".parse().unwrap()).unwrap();
        (status.counters.handled == 1).then_some(())
    })
    .await;
    for _ in 0..10 {
        send("trap");
    }
    let found = tokio::task::spawn_blocking(move || (told.recv_timeout(WAIT_MAX), told)).await.unwrap();
    let (found, told) = (found.0.unwrap(), found.1);
    assert_eq!((found.tenant, found.agent.as_str(), found.failures), (tenant.clone(), "zoo", 10));
    assert_eq!(found.last.cause, Some(TrapCause::Trap));
    assert!(told.try_recv().is_err(), "told once");
    fleet.stop_all().await;
}
