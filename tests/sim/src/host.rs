//! The real parts of a run, put together as the server puts them together.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use host_courier::{Courier, CourierParts, LogBook, Switch};
use host_egress::Egress;
use host_gate::{Gate, MessageLimits, NoKeys};
use host_ledger::Ledger;
use host_model::{AgentId, Clock as _, TenantId};
use host_quota::{TenantBudgets, TenantLimits};
use host_registry::Registry;
use host_vault::Vault;
use tests_kit::audit::MemoryAudit;
use tests_kit::chance::Chance;
use tests_kit::gate::CountedIds;

use crate::agent::{Agent, Born, May};
use crate::bus::SimBus;
use crate::clock::SimClock;
use crate::lane::Lane;
use crate::vault::{at_once, empty};

/// The longest chain of causes: short, so that runs come to its end.
pub(crate) const HOP_MAX: u16 = 3;

/// Ids that the tenants of a run share on purpose: the same agent in each, and one that reads like the other's queue.
const TENANTS: [&str; 4] = ["a", "a-b", "acme", "globex"];
const AGENTS: [&str; 4] = ["one", "two", "b", "b-agents"];

/// A tenant with its agents.
pub(crate) struct Tenant {
    pub(crate) id: TenantId,
    pub(crate) limits: TenantLimits,
    pub(crate) budgets: TenantBudgets,
    pub(crate) switch: Arc<Switch>,
    pub(crate) is_off: bool,
    pub(crate) agents: Vec<Agent>,
}

/// A host with nobody at its edges.
pub(crate) struct Host {
    pub(crate) clock: Arc<SimClock>,
    pub(crate) gate: Gate,
    pub(crate) vault: Vault,
    pub(crate) lane: Arc<Lane>,
    pub(crate) bus: Arc<SimBus>,
    pub(crate) courier: Courier,
    pub(crate) tenants: Vec<Tenant>,
    pub(crate) ids: Vec<TenantId>,
    births: u64,
}

impl Host {
    pub(crate) fn new(chance: &mut Chance) -> Self {
        let clock = Arc::new(SimClock::new());
        let vault = empty(clock.clone());
        let limits = MessageLimits { hop_max: HOP_MAX, ..MessageLimits::default() };
        let gate = Gate::new(limits);
        let ids: Vec<TenantId> = TENANTS[..2 + chance.below(3)].iter().map(|id| parsed(id)).collect();
        let bus = Arc::new(SimBus::new(gate.clone(), vault.keys(), far(chance, &ids)));
        let courier = Courier::new(CourierParts {
            keys: Arc::new(NoKeys),
            gate: gate.clone(),
            bus: bus.clone(),
            registry: Arc::new(Registry::new()),
            logs: Arc::new(LogBook::new(clock.clone())),
            ledger: ledger(),
            state: None,
            files: None,
            leases: None,
            clock: clock.clone(),
            egress: Egress::closed(),
            ids: Arc::new(CountedIds::default()),
            started: clock.now(),
        });
        let mut host =
            Self { clock, gate, vault, lane: Arc::default(), bus, courier, tenants: Vec::new(), ids, births: 0 };
        host.tenants = host.ids.clone().iter().map(|id| host.tenant(chance, id)).collect();
        for tenant in 0..host.tenants.len() {
            (0..host.tenants[tenant].agents.len()).for_each(|agent| host.start(tenant, agent));
        }
        host
    }

    fn tenant(&mut self, chance: &mut Chance, id: &TenantId) -> Tenant {
        at_once(self.vault.ensure_key(id)).expect("nothing is in the way of a first key");
        let limits = limits(chance);
        let (budgets, switch) = (TenantBudgets::new(&limits), Arc::<Switch>::default());
        let peers: Vec<AgentId> = AGENTS[..=chance.below(4)].iter().map(|id| parsed(id)).collect();
        let agents = peers.iter().map(|agent| {
            let may = May::drawn(chance, &peers);
            let born = Born { tenant: id, id: agent, incarnation: 0, budgets: &budgets, above: &switch };
            Agent::new(chance, &born, may)
        });
        let agents = agents.collect();
        Tenant { id: id.clone(), limits, budgets, switch, is_off: false, agents }
    }

    /// Starts an agent anew.
    pub(crate) fn start(&mut self, tenant: usize, agent: usize) {
        self.births += 1;
        let Tenant { id, budgets, switch, agents, .. } = &mut self.tenants[tenant];
        let agent_id = agents[agent].id.clone();
        let born = Born { tenant: id, id: &agent_id, incarnation: self.births, budgets, above: switch };
        agents[agent].start(&born, &self.courier, &self.bus, &self.lane);
    }

    pub(crate) fn now(&self) -> u64 {
        self.clock.now().as_millis()
    }

    /// Every agent, by its tenant's place and its own.
    pub(crate) fn everybody(&self) -> impl Iterator<Item = (usize, usize, &Agent)> {
        let agents = |(at, tenant): (usize, &'_ Tenant)| (at, tenant.agents.len());
        let places = self.tenants.iter().enumerate().map(agents).collect::<Vec<_>>();
        places.into_iter().flat_map(move |(tenant, len)| {
            (0..len).map(move |agent| (tenant, agent, &self.tenants[tenant].agents[agent]))
        })
    }

    /// Who was started under this number, if it is the latest start.
    pub(crate) fn of_incarnation(&self, incarnation: u64) -> Option<(usize, usize)> {
        let found = self.everybody().find(|(.., agent)| agent.incarnation() == incarnation);
        found.map(|(tenant, agent, _)| (tenant, agent))
    }
}

/// Limits so narrow that a run comes to them.
pub(crate) fn limits(chance: &mut Chance) -> TenantLimits {
    TenantLimits {
        messages_per_second_max: chance.within(2, 12),
        requests_max: chance.within(1, 4),
        ..TenantLimits::default()
    }
}

/// The queues that lie on another host.
fn far(chance: &mut Chance, tenants: &[TenantId]) -> BTreeSet<(TenantId, AgentId)> {
    let all = tenants.iter().flat_map(|tenant| AGENTS.map(|agent| (tenant.clone(), parsed(agent))));
    all.filter(|_| chance.one_in(3)).collect()
}

/// One for all runs: it decides nothing, and writes on a thread of its own.
fn ledger() -> Ledger {
    static LEDGER: OnceLock<Ledger> = OnceLock::new();
    LEDGER.get_or_init(MemoryAudit::nobodys).clone()
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Debug>>(raw: &str) -> T {
    raw.parse().expect("an id")
}
