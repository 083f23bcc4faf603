//! Agents' files, at `tenants/{tenant}/{agent}` of the data directory.
//!
//! Every path is walked from a handle of the agent's own directory, a part at a time and through no link, so that it leads nowhere
//! else whatever lies on the disk. The calls of one agent are done one after another, which makes its counts exact; a tenant
//! has few threads at once, and so has the host, so that slow files of one do not hold up another's. Between two calls one descriptor
//! is open for all of them.

mod entry;
mod tree;
mod usage;

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use foldhash::fast::RandomState;
use host_calls::StorageReply;
use host_courier::{FileOp, FileStore, Pending};
use host_model::{AgentId, Caller, TenantId};
use host_quota::TenantBudgets;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Semaphore;

use crate::agent_files::tree::{Place, Tree};
use crate::files::{ensure_dir, io_error};
use crate::lock::Lock;
use crate::refusal::{failed, not_open};
use crate::reserve::Reserve;
use crate::{DataDir, StoreError};

/// Calls of one tenant that use a thread at once; the others wait, first come first served.
const TURNS_MAX: u32 = 2;
/// Threads that work on files at once for the whole host.
const THREADS_MAX: usize = 16;
/// Where files are written before they take their place. No agent can have this id.
const DRAFTS: &str = ".drafts";

/// The files of all agents of this host. Cheap to clone.
#[derive(Clone)]
pub struct AgentFiles(Arc<Inner>);

struct Inner {
    root: PathBuf,
    /// The same, opened once for all tenants.
    dir: Arc<Dir>,
    reserve: Arc<Reserve>,
    tenants: RwLock<HashMap<TenantId, Arc<Tenant>, RandomState>>,
    threads: Arc<Semaphore>,
    _lock: Arc<Lock>,
}

/// One tenant's part.
struct Tenant {
    place: Place,
    reserve: Arc<Reserve>,
    budgets: TenantBudgets,
    turns: Arc<Semaphore>,
    agents: Mutex<HashMap<AgentId, Arc<tokio::sync::Mutex<Tree>>, RandomState>>,
}

impl AgentFiles {
    /// Opens the files of a data directory, and keeps that directory held.
    pub fn open(data: &DataDir) -> Result<Self, StoreError> {
        let root = data.tenants();
        let reserve = Arc::new(Reserve::of(&root)?);
        let dir = Dir::open_ambient_dir(&root, ambient_authority()).map_err(io_error("open", &root))?;
        Ok(Self(Arc::new(Inner {
            dir: Arc::new(dir),
            root,
            reserve,
            tenants: RwLock::default(),
            threads: Arc::new(Semaphore::new(THREADS_MAX)),
            _lock: data.share_lock(),
        })))
    }

    /// Counts what a tenant's agents keep against its budgets. Before that their calls are refused.
    pub(crate) async fn open_tenant(&self, id: &TenantId, budgets: &TenantBudgets) -> Result<(), StoreError> {
        let (path, reserve, budgets) = (self.0.root.join(id.as_str()), self.0.reserve.clone(), budgets.clone());
        let place = Place { tenants: self.0.dir.clone(), tenant: id.clone() };
        let opening = tokio::task::spawn_blocking(move || Tenant::open(&path, place, reserve, budgets));
        let tenant = opening.await.map_err(StoreError::CutOff)??;
        self.0.tenants.write().insert(id.clone(), Arc::new(tenant));
        Ok(())
    }

    /// Deletes all that an agent keeps, after what it began.
    pub(crate) async fn delete_agent(&self, tenant: &TenantId, agent: &AgentId) -> Result<(), StoreError> {
        let Some(tenant) = self.0.tenant(tenant) else { return Ok(()) };
        let mut tree = tenant.tree(agent).lock_owned().await;
        let deleting = tokio::task::spawn_blocking(move || tree.delete());
        deleting.await.map_err(StoreError::CutOff)?.map_err(io_error("delete files in", &self.0.root))?;
        tenant.agents.lock().remove(agent);
        Ok(())
    }

    /// Ends what [`open_tenant`](Self::open_tenant) began, after the calls under way, and removes the tenant's directory with
    /// whatever is in it.
    pub(crate) async fn close_tenant(&self, id: &TenantId) -> Result<(), StoreError> {
        let closed = self.0.tenants.write().remove(id);
        if let Some(closed) = closed {
            let _turns = closed.turns.acquire_many(TURNS_MAX).await.expect("never closed");
        }
        let (tenants, name) = (self.0.dir.clone(), id.clone());
        let removing = tokio::task::spawn_blocking(move || match tenants.remove_dir_all(name.as_str()) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed,
        });
        removing.await.map_err(StoreError::CutOff)?.map_err(io_error("remove", &self.0.root.join(id.as_str())))
    }
}

impl FileStore for AgentFiles {
    fn call(&self, caller: &Arc<Caller>, op: FileOp) -> Pending<StorageReply> {
        let tenant = self.0.tenant(caller.tenant());
        let (threads, agent) = (self.0.threads.clone(), caller.agent().clone());
        Box::pin(async move {
            let tenant = tenant.ok_or_else(not_open)?;
            // In this order: who waits for an agent's turn takes none of its tenant's, and who waits for that no thread.
            let mut tree = tenant.tree(&agent).lock_owned().await;
            let turn = tenant.turns.clone().acquire_owned().await.expect("never closed");
            let thread = threads.acquire_owned().await.expect("never closed");
            let work = tokio::task::spawn_blocking(move || {
                let _held = (turn, thread);
                tree.apply(op)
            });
            work.await.map_err(|cut_off| failed("files", &cut_off))?
        })
    }
}

impl Inner {
    fn tenant(&self, tenant: &TenantId) -> Option<Arc<Tenant>> {
        self.tenants.read().get(tenant).cloned()
    }
}

impl Tenant {
    fn open(path: &Path, place: Place, reserve: Arc<Reserve>, budgets: TenantBudgets) -> Result<Self, StoreError> {
        ensure_dir(path)?;
        let drafts = path.join(DRAFTS);
        if drafts.exists() {
            // What a killed host has left half-written.
            fs::remove_dir_all(&drafts).map_err(io_error("remove", &drafts))?;
        }
        ensure_dir(&drafts)?;
        let turns = Arc::new(Semaphore::new(TURNS_MAX as usize));
        let tenant = Self { place, reserve, budgets, turns, agents: Mutex::default() };
        tenant.count().map_err(io_error("count", path))?;
        Ok(tenant)
    }

    /// Opens each agent's directory that there is, so that what it holds counts before its agent runs.
    fn count(&self) -> std::io::Result<()> {
        for found in self.place.open()?.entries()? {
            let name = found?.file_name();
            let Some(agent) = name.to_str().and_then(|name| name.parse::<AgentId>().ok()) else { continue };
            let tree = self.new_tree(&agent);
            self.agents.lock().insert(agent, Arc::new(tokio::sync::Mutex::new(tree.counted()?)));
        }
        Ok(())
    }

    fn tree(&self, agent: &AgentId) -> Arc<tokio::sync::Mutex<Tree>> {
        let mut agents = self.agents.lock();
        let new = || Arc::new(tokio::sync::Mutex::new(self.new_tree(agent)));
        agents.entry(agent.clone()).or_insert_with(new).clone()
    }

    fn new_tree(&self, agent: &AgentId) -> Tree {
        Tree::new(agent, self.place.clone(), self.reserve.clone(), &self.budgets)
    }
}

#[cfg(test)]
mod tests;
