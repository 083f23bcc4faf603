//! Agents' keys and values, in a database of their own.
//!
//! A cache need not survive a power loss, so this file is not synced at each commit (`synchronous=NORMAL`): what was acknowledged
//! survives a killed host, and a power loss takes at most the last transactions, whole. The control database, which promises
//! more, is not slowed down by it, and neither waits for the other's writer.

mod leases;
mod read;
mod shared;
mod usage;
mod write;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use foldhash::fast::RandomState;
use host_calls::{Refusal, StateReply};
use host_courier::{Pending, StateOp, StateStore};
use host_model::{AgentId, Caller, Fence, TenantId, Timestamp};
use host_quota::TenantBudgets;
use parking_lot::{Mutex, RwLock};
use sqlx::SqlitePool;
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteSynchronous;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::lock::Lock;
use crate::refusal::{failed, not_open};
use crate::reserve::Reserve;
use crate::state::usage::{Held, Size};
use crate::state::write::Write;
use crate::{DataDir, StoreError, schema, sqlite};

pub use shared::SharedAgentState;

static MIGRATIONS: Migrator = sqlx::migrate!("./state-migrations");

/// Calls of one tenant that use the database at once; the others wait, first come first served, and hold up no other tenant.
const TURNS_MAX: u32 = 2;
/// The most connections that read: more than one tenant's turns, so that none holds all of them.
const READERS_MAX: u32 = 4;
const _: () = assert!(READERS_MAX > TURNS_MAX, "one tenant could hold every reader");

/// The state of all agents of this host. Cheap to clone.
#[derive(Clone)]
pub struct AgentState(Arc<Inner>);

struct Inner {
    writer: SqlitePool,
    readers: SqlitePool,
    reserve: Reserve,
    tenants: RwLock<HashMap<TenantId, Arc<Tenant>, RandomState>>,
    /// Writes that have their turn: each is finished and counted, whoever has stopped waiting for it.
    writes: TaskTracker,
    _lock: Arc<Lock>,
}

/// One tenant's part.
struct Tenant {
    budgets: TenantBudgets,
    held: Mutex<Held>,
    turns: Arc<Semaphore>,
    /// The agents that have used it.
    agents: Mutex<HashMap<AgentId, Arc<Life>, RandomState>>,
}

/// One agent from its first call to its deletion. An agent of the same id that comes after it has another.
#[derive(Default)]
struct Life {
    deleted: AtomicBool,
}

impl AgentState {
    /// Opens the database of a data directory, or creates it (mode 0600), and keeps the directory held.
    pub async fn open(data: &DataDir) -> Result<Self, StoreError> {
        schema::check_engine().await?;
        let path = data.state();
        sqlite::create(&path)?;
        let writer = sqlite::connect(&path, SqliteSynchronous::Normal).await?;
        if let Err(refused) = schema::migrate(&MIGRATIONS, &writer, &path).await {
            writer.close().await;
            return Err(refused);
        }
        Ok(Self(Arc::new(Inner {
            writer,
            readers: sqlite::readers(&path, SqliteSynchronous::Normal, READERS_MAX),
            reserve: Reserve::of(&path)?,
            tenants: RwLock::default(),
            writes: TaskTracker::new(),
            _lock: data.share_lock(),
        })))
    }

    /// Counts what a tenant keeps against its budgets. Before that its agents' calls are refused.
    pub(crate) async fn open_tenant(&self, tenant: &TenantId, budgets: &TenantBudgets) -> Result<(), StoreError> {
        let found = usage::of_tenant(&self.0.readers, tenant).await?;
        let opened = Tenant {
            budgets: budgets.clone(),
            held: Mutex::new(Held::found(budgets, found)),
            turns: Arc::new(Semaphore::new(TURNS_MAX as usize)),
            agents: Mutex::default(),
        };
        self.0.tenants.write().insert(tenant.clone(), Arc::new(opened));
        Ok(())
    }

    /// Deletes all that an agent keeps, after the writes under way. Those that wait for their turn find that they come too late.
    pub(crate) async fn delete_agent(&self, tenant: &TenantId, agent: &AgentId) -> Result<(), StoreError> {
        let Some(opened) = self.0.tenant(tenant) else {
            return write::delete_agent(&self.0.writer, tenant, agent).await.map(drop);
        };
        if let Some(life) = opened.agents.lock().remove(agent) {
            life.deleted.store(true, Ordering::Relaxed);
        }
        let _turns = opened.turns.acquire_many(TURNS_MAX).await.expect("never closed");
        let freed = write::delete_agent(&self.0.writer, tenant, agent).await?;
        opened.held.lock().settle(None, freed, Size::default());
        Ok(())
    }

    /// Ends what [`open_tenant`](Self::open_tenant) began, after the writes under way.
    pub(crate) async fn close_tenant(&self, tenant: &TenantId) -> Result<(), StoreError> {
        let closed = self.0.tenants.write().remove(tenant);
        if let Some(closed) = closed {
            let _turns = closed.turns.acquire_many(TURNS_MAX).await.expect("never closed");
        }
        leases::delete_tenant(&self.0.writer, tenant).await
    }

    /// Waits for writes under way, and folds the log into the database.
    pub async fn close(&self) {
        self.0.writes.close();
        self.0.writes.wait().await;
        self.0.readers.close().await;
        self.0.writer.close().await;
    }
}

impl StateStore for AgentState {
    fn call_under(&self, caller: &Arc<Caller>, now: Timestamp, op: StateOp, fences: Vec<Fence>) -> Pending<StateReply> {
        let (inner, caller) = (self.0.clone(), caller.clone());
        // Whose agent's life it is is settled here: by the time it has its turn, the agent may be deleted.
        let found = inner.tenant(caller.tenant()).map(|tenant| (tenant.life(caller.agent()), tenant));
        Box::pin(async move {
            let (life, tenant) = found.ok_or_else(not_open)?;
            match op {
                StateOp::Get(key) => inner.read(&tenant, read::get(&inner.readers, &caller, now, &key)).await,
                StateOp::Keys(prefix, after) => {
                    inner.read(&tenant, read::keys(&inner.readers, &caller, now, &prefix, after.as_deref())).await
                }
                StateOp::Write(key, write) => {
                    // Awaited here, so that who stops waiting leaves the queue; only what has its turn outlives its caller.
                    let turn = tenant.turns.clone().acquire_owned().await.expect("never closed");
                    if life.deleted.load(Ordering::Relaxed) {
                        return Err(not_open());
                    }
                    let writes = inner.writes.clone();
                    let work = async move {
                        let _turn = turn;
                        write::apply(&inner, &tenant, Write { caller: &caller, now, key: &key, what: write, fences })
                            .await
                    };
                    writes.spawn(work).await.map_err(|cut_off| failed("state", &cut_off))?
                }
            }
        })
    }
}

impl Tenant {
    fn life(&self, agent: &AgentId) -> Arc<Life> {
        self.agents.lock().entry(agent.clone()).or_default().clone()
    }
}

impl Inner {
    fn tenant(&self, tenant: &TenantId) -> Option<Arc<Tenant>> {
        self.tenants.read().get(tenant).cloned()
    }

    async fn read(
        &self,
        tenant: &Tenant,
        reading: impl Future<Output = Result<StateReply, StoreError>>,
    ) -> Result<StateReply, Refusal> {
        let _turn = tenant.turns.acquire().await.expect("never closed");
        reading.await.map_err(|error| failed("state", &error))
    }
}

#[cfg(test)]
mod tests;
