//! Real components on a real engine: what is compiled, what is linked, what is limited, and what is left behind.

mod artifacts;
mod calls;
mod compiling;
mod cutting;
mod dropping;
mod edges;
mod garbage;
mod handles;
mod http;
mod panics;
mod slots;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use host_bus::EmbeddedBus;
use host_component::{Capability, Digest};
use host_courier::{Counters, Courier, CourierParts, LogBook, Party};
use host_egress::Egress;
use host_gate::{Gate, MessageLimits, NoKeys};
use host_model::{Envelope, Grants, Limits};
use host_quota::Budget;
use host_registry::Registry;
use rustix::time::{ClockId, clock_gettime};
use tempfile::TempDir;
use tests_kit::gate::{CountedIds, FixedClock, NOW, Sender, born, grants};
use tests_kit::guest::{MEMORY, NO_ANSWER, REALLOC, SPIN, agent};

use crate::{Birth, CompilerSettings, Engine, EngineSettings, Handled, Pool, Program};

/// A key of compiled code.
const KEY: [u8; 32] = [7; 32];

/// How long anything may take that should take almost no time, on a machine with other things to do.
const SOON: Duration = Duration::from_secs(20);

/// A component that `cargo xtask guests` builds.
fn guest(path: &str) -> Vec<u8> {
    let path = repo().join(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{} ({error}): run `cargo xtask guests` first", path.display()))
}

fn repo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The compiling child, with the limits of a host: `bailiwick` lies beside the folder of this test.
fn compiler() -> CompilerSettings {
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("bailiwick");
    assert!(program.exists(), "there is no {}: run `cargo build --workspace` first", program.display());
    let limits = CompilerSettings::this_program(&["compile-component"]).unwrap();
    CompilerSettings { program, ..limits }
}

/// A host's sandbox with its folder of compiled code.
struct Sandbox {
    engine: Engine,
    dir: TempDir,
}

impl Sandbox {
    fn new(pool: Pool, instances_max: u32) -> Self {
        let dir = TempDir::new().unwrap();
        let settings = EngineSettings { pool, instances_max, ..EngineSettings::default() };
        Self { engine: Engine::new(settings, compiler(), dir.path(), &KEY).unwrap(), dir }
    }

    /// A component with everything granted.
    async fn program(&self, bytes: &[u8]) -> Arc<Program> {
        self.engine.program(Digest::of(bytes), bytes, &Capability::ALL).await.unwrap()
    }
}

/// An agent of `acme` on a courier with nobody else, and what its tenant uses.
struct Agent {
    birth: Arc<Birth>,
    party: Arc<Party>,
    courier: Courier,
    bus: Arc<EmbeddedBus>,
}

impl Agent {
    fn new(limits: Limits) -> Self {
        Self::with_egress(limits, Egress::closed(), grants(&[]), Budget::new(0))
    }

    /// With a way out, hosts it may call, and so many requests under way.
    fn with_egress(limits: Limits, egress: Egress, grants: Grants, http: Arc<Budget>) -> Self {
        let (clock, bus) = (Arc::new(FixedClock::new()), Arc::new(EmbeddedBus::new()));
        let courier = Courier::new(CourierParts {
            keys: Arc::new(NoKeys),
            gate: Gate::new(MessageLimits::default()),
            bus: bus.clone(),
            registry: Arc::new(Registry::new()),
            logs: Arc::new(LogBook::new(clock.clone())),
            ledger: tests_kit::audit::MemoryAudit::nobodys(),
            egress,
            state: None,
            files: None,
            leases: None,
            clock: clock.clone(),
            ids: Arc::new(CountedIds::default()),
            started: NOW,
        });
        let caller = born("acme", "guest");
        let counters = Arc::<Counters>::default();
        let party = Party::new(caller.clone(), grants, Budget::new(10), false, counters);
        let party = Arc::new(party.with_http(http));
        courier.join(party.clone());
        let birth = Birth {
            caller,
            name: "Guest".into(),
            calls: Arc::new(courier.clone()),
            limits,
            tenant_memory: Budget::new(1 << 30),
            tenant_instances: Budget::new(1_000),
            settings: [("name".to_owned(), "value".to_owned())].into(),
            leads: None,
            registry_url: String::new(),
            clock,
        };
        Self { birth: Arc::new(birth), party, courier, bus }
    }

    /// As much fuel as there can be, and this deadline.
    fn with_deadline(deadline: Duration) -> Self {
        Self::new(Limits { fuel_per_message: 1_000_000_000_000, deadline, ..Limits::default() })
    }

    /// As long a deadline as there can be, and this fuel.
    fn with_fuel(fuel_per_message: u64) -> Self {
        Self::new(Limits { fuel_per_message, deadline: Duration::from_mins(10), ..Limits::default() })
    }

    async fn handle(&self, program: &Program) -> Handled {
        program.handle_fresh(&self.birth, &message("anything")).await
    }
}

/// A message to the guest.
fn message(message_type: &str) -> Envelope {
    let stamped = Sender::in_tenant("acme").to_agent("guest", "16");
    Envelope { message_type: message_type.to_owned(), ..stamped.envelope().clone() }
}

/// The time this thread has run for. What else the machine does meanwhile is not in it.
fn ran_for() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap()
}
