//! What one instance holds: who it is, what it may use, and what it has used.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use host_calls::{CallId, Context, HostCalls};
use host_model::{Caller, Cause, Clock, Limits};
use host_quota::{Budget, Share};
use wasmtime::ResourceLimiter;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtxView, WasiHttpView};

use crate::cutoff::CutOff;
use crate::http::HttpState;
use crate::settings::{INSTANCES_MAX, MEMORIES_MAX, TABLE_ELEMENTS_MAX, TABLES_MAX};

/// What every instance of an agent is born with. Fixed: an instance cannot become somebody else.
pub struct Birth {
    /// Who it is.
    pub caller: Arc<Caller>,
    /// Its display name.
    pub name: String,
    /// Where its calls go.
    pub calls: Arc<dyn HostCalls>,
    /// What it may use.
    pub limits: Limits,
    /// What its tenant may use in linear memory, all instances together.
    pub tenant_memory: Arc<Budget>,
    /// How many instances its tenant may have alive.
    pub tenant_instances: Arc<Budget>,
    /// The free settings of its manifest.
    pub settings: BTreeMap<String, String>,
    /// Whether it leads now, where replicas lead in turn; it reads of it in its settings.
    pub leads: Option<Arc<AtomicBool>>,
    /// Where an agent would find the registry over HTTP.
    pub registry_url: String,
    /// The time as guests see it.
    pub clock: Arc<dyn Clock>,
}

/// The setting that says whether an instance leads now: `leader` or `follower`. The host's own, whatever a manifest says of it.
const ROLE: &str = "BAILIWICK_ROLE";

impl Birth {
    /// One setting.
    pub(crate) fn setting(&self, name: &str) -> Option<String> {
        self.role().filter(|_| name == ROLE).map(str::to_owned).or_else(|| self.settings.get(name).cloned())
    }

    /// All settings.
    pub(crate) fn all_settings(&self) -> BTreeMap<String, String> {
        let mut all = self.settings.clone();
        all.extend(self.role().map(|role| (ROLE.to_owned(), role.to_owned())));
        all
    }

    fn role(&self) -> Option<&'static str> {
        let leads = self.leads.as_ref()?.load(Ordering::Relaxed);
        Some(if leads { "leader" } else { "follower" })
    }
}

/// One run of guest code: a message, a start, a stop or a command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) id: u64,
    pub(crate) deadline: Instant,
    pub(crate) cause: Option<Cause>,
}

/// One run, with the count of its calls: also those of tasks that it began, which cannot reach its store.
#[derive(Clone)]
pub(crate) struct Numbered {
    run: Run,
    made: Arc<AtomicU32>,
}

impl Numbered {
    fn new(run: Run) -> Self {
        Self { run, made: Arc::default() }
    }

    /// What surrounds the call that is being made.
    pub(crate) fn next(&self) -> Context {
        Context {
            id: CallId { run: self.run.id, ordinal: self.made.fetch_add(1, Ordering::Relaxed).wrapping_add(1) },
            remaining: self.run.deadline.saturating_duration_since(Instant::now()),
            cause: self.run.cause,
        }
    }
}

/// The state of one wasmtime store.
pub(crate) struct AgentState {
    birth: Arc<Birth>,
    /// Made at the first use: most agents never ask WASI for anything.
    wasi: Option<WasiCtx>,
    http: Option<Box<HttpState>>,
    table: ResourceTable,
    pub(crate) memory: MemoryMeter,
    run: Numbered,
    /// The price of what streams moved (stdout, stderr, HTTP) and of randomness since fuel was last charged: they cannot reach
    /// the store's fuel.
    pub(crate) debt: Arc<AtomicU64>,
    /// Calls out of the component that are under way: more than one where the host calls the guest's allocator meanwhile.
    pub(crate) away: u32,
    /// Its place among the tenant's instances.
    _instance: Share,
}

impl AgentState {
    /// The state of a new instance, if the tenant may have one more.
    pub(crate) fn new(birth: Arc<Birth>, run: Run) -> Result<Self, CutOff> {
        let instance = birth.tenant_instances.share(1).map_err(|over| CutOff::without_place(&over))?;
        let mut table = ResourceTable::new();
        table.set_max_capacity(crate::settings::RESOURCES_MAX);
        let memory = MemoryMeter::new(birth.limits.memory_bytes_max, birth.tenant_memory.clone());
        let run = Numbered::new(run);
        Ok(Self {
            birth,
            wasi: None,
            http: None,
            table,
            memory,
            run,
            debt: Arc::default(),
            away: 0,
            _instance: instance,
        })
    }

    /// The next run of a resident instance.
    pub(crate) fn begin(&mut self, run: Run) {
        self.run = Numbered::new(run);
        self.away = 0;
        self.memory.refused = false;
    }

    pub(crate) fn birth(&self) -> &Arc<Birth> {
        &self.birth
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.run.run.deadline
    }

    /// The instance's handles, at most [`RESOURCES_MAX`](crate::settings::RESOURCES_MAX).
    pub(crate) fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }

    /// What surrounds the call that is being made.
    pub(crate) fn next_context(&self) -> Context {
        self.run.next()
    }
}

impl WasiView for AgentState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let (birth, debt) = (&self.birth, &self.debt);
        WasiCtxView { ctx: self.wasi.get_or_insert_with(|| crate::wasi::context(birth, debt)), table: &mut self.table }
    }
}

impl WasiHttpView for AgentState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let (birth, run, debt) = (&self.birth, &self.run, &self.debt);
        let http = self.http.get_or_insert_with(|| Box::new(HttpState::new(birth, run, debt)));
        http.view(run, &mut self.table)
    }
}

/// Counts linear memory against the instance's limit and the tenant's budget, and remembers whether it ever said no.
pub(crate) struct MemoryMeter {
    bytes_max: usize,
    tenant: Arc<Budget>,
    share: Option<Share>,
    pub(crate) refused: bool,
}

impl MemoryMeter {
    fn new(bytes_max: usize, tenant: Arc<Budget>) -> Self {
        Self { bytes_max, tenant, share: None, refused: false }
    }

    fn grow(&mut self, bytes: usize) -> bool {
        let held = self.share.as_ref().map_or(0, Share::units);
        let bytes = bytes as u64;
        if held + bytes > self.bytes_max as u64 {
            return false;
        }
        match &mut self.share {
            Some(share) => share.grow(bytes).is_ok(),
            none => {
                *none = self.tenant.share(bytes).ok();
                none.is_some()
            }
        }
    }
}

impl ResourceLimiter for MemoryMeter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let allowed = self.grow(desired.saturating_sub(current));
        self.refused |= !allowed;
        Ok(allowed)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS_MAX)
    }

    fn instances(&self) -> usize {
        INSTANCES_MAX
    }

    fn tables(&self) -> usize {
        TABLES_MAX
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_by_the_instance_and_by_the_tenant() {
        let tenant = Budget::new(100);
        let mut one = MemoryMeter::new(60, tenant.clone());
        assert!(one.memory_growing(0, 60, None).unwrap() && !one.refused);
        assert!(!one.memory_growing(60, 61, None).unwrap() && one.refused, "past the instance's limit");
        let mut two = MemoryMeter::new(60, tenant.clone());
        assert!(!two.memory_growing(0, 41, None).unwrap() && two.refused, "past the tenant's budget");
        assert!(two.memory_growing(0, 40, None).unwrap());
        drop((one, two));
        assert_eq!(tenant.used(), 0);
    }
}
