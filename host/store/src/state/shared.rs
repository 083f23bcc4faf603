//! Agents' keys and values where several hosts share them over NATS: the same rules as on one host's disk, in steps that take effect
//! only if nobody on any host was quicker.
//!
//! How much a tenant keeps lies in a cell of its own, which every write changes: so a quota is exact over all hosts, and writes of
//! one tenant come one after the other. A write under a lease depends on the cell of its scope's tokens too, which a grant changes
//! before anybody is told of it.

mod step;
mod tokens;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use foldhash::fast::RandomState;
use host_bus::{SharedState, SharedStateError, StateCell, StateFound};
use host_calls::{PAGE_LEN_MAX, Refusal, RefusalNumbers, StateReply};
use host_courier::{Pending, StateOp, StateStore};
use host_model::{AgentId, Caller, Fence, StateKey, TenantId, Timestamp};
use host_quota::TenantBudgets;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use self::step::Usage;
use super::usage::{Held, Size};
use super::write::Write;
use super::{AgentState, TURNS_MAX, Tenant};
use crate::StoreError;
use crate::refusal::{failed, not_open};

/// When it can make sense to ask again while no server answers, in milliseconds.
const RETRY_MS: u64 = 1_000;
/// How often a step is tried while other hosts are quicker.
const TRIES_MAX: usize = 64;

/// The state of all agents, the same on all hosts of one NATS. Cheap to clone.
#[derive(Clone)]
pub struct SharedAgentState(Arc<Inner>);

struct Inner {
    cells: SharedState,
    /// Where the tokens of leases lie too: what NATS loses, this host still knows.
    local: AgentState,
    tenants: RwLock<HashMap<TenantId, Arc<Tenant>, RandomState>>,
    /// Writes that have their turn: each is finished, whoever has stopped waiting for it.
    writes: TaskTracker,
}

impl SharedAgentState {
    /// Over cells of all hosts, and the disk of this one.
    pub fn new(cells: SharedState, local: AgentState) -> Self {
        Self(Arc::new(Inner { cells, local, tenants: RwLock::default(), writes: TaskTracker::new() }))
    }

    /// Counts what a tenant keeps against its budgets, from its first write on; before, where a server is reached. Without one its
    /// agents' calls are refused until there is.
    pub(crate) async fn open_tenant(&self, tenant: &TenantId, budgets: &TenantBudgets) {
        let opened = Tenant {
            budgets: budgets.clone(),
            held: Mutex::new(Held::found(budgets, Size::default())),
            turns: Arc::new(Semaphore::new(TURNS_MAX as usize)),
            agents: Mutex::default(),
        };
        if let Ok((_, usage)) = self.0.usage(tenant).await {
            opened.count(usage);
        }
        self.0.tenants.write().insert(tenant.clone(), Arc::new(opened));
    }

    /// Deletes all that an agent keeps, after the writes under way, unless another host has the agent.
    pub(crate) async fn delete_agent(&self, tenant: &TenantId, agent: &AgentId) -> Result<(), StoreError> {
        let inner = &*self.0;
        if inner.cells.is_elsewhere(tenant, Some(agent)).await? {
            return Ok(());
        }
        let opened = inner.tenant(tenant);
        if let Some(life) = opened.as_ref().and_then(|opened| opened.agents.lock().remove(agent)) {
            life.deleted.store(true, Ordering::Relaxed);
        }
        let _turns = match &opened {
            Some(opened) => Some(opened.turns.acquire_many(TURNS_MAX).await.expect("never closed")),
            None => None,
        };
        let usage = inner.delete_entries(tenant, agent).await?;
        if let Some(opened) = &opened {
            opened.count(usage);
        }
        inner.local.delete_agent(tenant, agent).await
    }

    /// Ends what [`open_tenant`](Self::open_tenant) began, and deletes the tenant's state unless another host has the tenant.
    pub(crate) async fn close_tenant(&self, tenant: &TenantId) -> Result<(), StoreError> {
        let inner = &*self.0;
        let closed = inner.tenants.write().remove(tenant);
        if let Some(closed) = closed {
            let _turns = closed.turns.acquire_many(TURNS_MAX).await.expect("never closed");
        }
        if !inner.cells.is_elsewhere(tenant, None).await? {
            inner.cells.delete(tenant).await?;
        }
        inner.local.close_tenant(tenant).await
    }

    /// Waits for writes under way.
    pub async fn close(&self) {
        self.0.writes.close();
        self.0.writes.wait().await;
    }
}

impl StateStore for SharedAgentState {
    fn call_under(&self, caller: &Arc<Caller>, now: Timestamp, op: StateOp, fences: Vec<Fence>) -> Pending<StateReply> {
        let (inner, caller) = (self.0.clone(), caller.clone());
        // Whose agent's life it is is settled here: by the time it has its turn, the agent may be deleted.
        let found = inner.tenant(caller.tenant()).map(|tenant| (tenant.life(caller.agent()), tenant));
        Box::pin(async move {
            let (life, tenant) = found.ok_or_else(not_open)?;
            match op {
                StateOp::Get(key) => {
                    let _turn = tenant.turns.acquire().await.expect("never closed");
                    inner.get(&caller, now, key).await.map_err(refused)
                }
                StateOp::Keys(prefix, after) => {
                    let _turn = tenant.turns.acquire().await.expect("never closed");
                    inner.keys(&caller, now, &prefix, after.as_deref()).await.map_err(refused)
                }
                StateOp::Write(key, what) => {
                    // All turns: writes of one tenant would only get in each other's way.
                    let turns = tenant.turns.clone().acquire_many_owned(TURNS_MAX).await.expect("never closed");
                    if life.deleted.load(Ordering::Relaxed) {
                        return Err(not_open());
                    }
                    let writes = inner.writes.clone();
                    let work = async move {
                        let _turns = turns;
                        inner.apply(&tenant, Write { caller: &caller, now, key: &key, what, fences }).await
                    };
                    writes.spawn(work).await.map_err(|cut_off| failed("state", &cut_off))?
                }
            }
        })
    }
}

impl Tenant {
    /// What all hosts keep together, as it was read last.
    fn count(&self, usage: Usage) {
        *self.held.lock() = Held::found(&self.budgets, usage.size());
    }
}

impl Inner {
    fn tenant(&self, tenant: &TenantId) -> Option<Arc<Tenant>> {
        self.tenants.read().get(tenant).cloned()
    }

    async fn get(&self, caller: &Caller, now: Timestamp, key: StateKey) -> Result<StateReply, SharedStateError> {
        let cell = StateCell::Entry(caller.agent().clone(), key);
        let StateFound { held, .. } = self.cells.read(caller.tenant(), &cell).await?;
        let live = held.filter(|held| held.expires.is_none_or(|expires| expires > now));
        Ok(StateReply::Value(live.map(|held| held.bytes)))
    }

    async fn keys(
        &self,
        caller: &Caller,
        now: Timestamp,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<StateReply, SharedStateError> {
        let entries = self.cells.entries(caller.tenant(), Some(caller.agent())).await?;
        let live = entries.into_iter().filter(|entry| entry.expires.is_none_or(|expires| expires > now));
        let keys = live.map(|entry| entry.key.as_str().to_owned()).filter(|key| key.starts_with(prefix));
        let mut keys: Vec<String> = keys.filter(|key| key.as_str() > after.unwrap_or_default()).collect();
        // As bytes, as on one host.
        keys.sort_unstable();
        let more = keys.len() > PAGE_LEN_MAX;
        keys.truncate(PAGE_LEN_MAX);
        let next = keys.last().filter(|_| more).cloned();
        Ok(StateReply::Keys { keys, next })
    }
}

/// What a caller sees when the servers say no.
fn refused(error: SharedStateError) -> Refusal {
    match error {
        SharedStateError::Disconnected => {
            Refusal::Unavailable(RefusalNumbers::of("nats-disconnected").retry_after_ms(RETRY_MS))
        }
        SharedStateError::Refused(health) => Refusal::Unavailable(RefusalNumbers::of(health.as_str())),
        error @ SharedStateError::Nats(_) => failed("state", &error),
    }
}

/// Other hosts write the tenant's state all the time.
fn busy() -> Refusal {
    Refusal::Unavailable(RefusalNumbers::of("state-contended").retry_after_ms(RETRY_MS))
}
