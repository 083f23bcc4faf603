//! The threads that poll guests: two a core, each with the calls of its tenants, each taking turns between them.
//!
//! tokio schedules tasks, not tenants, so it polls no guest: one tenant's thousand tasks would get a thousand turns. Here the unit
//! is one poll of one call, the mailbox says whose turn it is, and the turn is paid for by its time. A guest that runs on gives the
//! thread back at the next tick; a call that has run for about a tick goes on beside, on a thread of low priority.

mod alarm;
mod busy;
mod homes;
mod lane;
mod shard;
mod stopwatch;
mod worker;

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::thread;

use futures_util::future::join_all;
use host_gate::Accepted;
use host_mailbox::Weight;
use host_model::TenantId;
use host_quota::TenantLimits;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use homes::Homes;
use lane::{Call, Lane, Priority};
pub use shard::Shard;
use worker::Worker;

/// One piece of guest work: a call, a start, a stop, a command.
pub type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Handles the messages of one receiver.
pub trait Runner: Send + Sync {
    /// The handling of one message. The mailbox gives no more at once than its opener allowed.
    fn begin(self: Arc<Self>, accepted: Accepted) -> Work;
}

/// All shards of the host.
pub struct Shards {
    shards: Vec<Arc<Shard>>,
    homes: Homes,
}

impl Shards {
    /// Starts `count` shards. Guest work may use the timers of `edge`, tokio's runtime for everything else.
    pub fn start(count: usize, edge: &Handle) -> std::io::Result<Self> {
        let shards: Vec<_> = (0..count.max(1)).map(|_| Arc::new(Shard::new())).collect();
        let all = Self { homes: Homes::new(shards.len()), shards };
        for (index, shard) in all.shards.iter().enumerate() {
            start_lane(format!("shard-{index}"), shard.front(), all.fronts_besides(shard), edge)?;
            start_lane(format!("bulk-{index}"), shard.bulk(), Vec::new(), edge)?;
        }
        Ok(all)
    }

    /// Where all guest work of a tenant begins, from now until the tenant is forgotten.
    pub fn home(&self, tenant: &TenantId) -> &Arc<Shard> {
        self.ranked(tenant).into_iter().next().expect("there is at least one")
    }

    /// Takes a tenant's weight, and over how many shards its messages are spread: its home, and the next ones by rank.
    pub fn set_share(&self, tenant: &TenantId, limits: &TenantLimits) {
        let weight = Weight::new(limits.weight);
        for shard in &self.shards {
            shard.set_weight(tenant, weight);
        }
        let parallelism = usize::try_from(limits.parallelism).unwrap_or(usize::MAX);
        let fronts = self.ranked(tenant).into_iter().take(parallelism).map(|shard| shard.front().clone());
        self.home(tenant).front().spread(tenant, fronts.collect());
    }

    /// The tenant is gone: another may have its place.
    pub(crate) fn forget(&self, tenant: &TenantId) {
        self.homes.forget(tenant);
    }

    /// Returns when each thread has come past what was closed or cut off in a tenant before: a guest that was running has given
    /// its thread back, and was dropped.
    pub(crate) async fn pass(&self, tenant: &TenantId) {
        let ranked = self.ranked(tenant);
        let (home, others) = ranked.split_at(1);
        // In the order in which calls move on, and the word that their mailbox was closed.
        join_all(home.iter().map(|shard| passed(shard.front(), tenant))).await;
        join_all(others.iter().map(|shard| passed(shard.front(), tenant))).await;
        join_all(ranked.iter().map(|shard| passed(shard.bulk(), tenant))).await;
    }

    /// All shards in a tenant's order: its home, then those that come after it.
    fn ranked(&self, tenant: &TenantId) -> Vec<&Arc<Shard>> {
        let home = self.homes.of(tenant);
        self.shards.iter().cycle().skip(home).take(self.shards.len()).collect()
    }

    /// The fronts of all shards but one.
    fn fronts_besides(&self, shard: &Arc<Shard>) -> Vec<Arc<Lane>> {
        let others = self.shards.iter().filter(|other| !Arc::ptr_eq(other, shard));
        others.map(|other| other.front().clone()).collect()
    }
}

impl Drop for Shards {
    fn drop(&mut self) {
        for shard in &self.shards {
            shard.front().stop();
            shard.bulk().stop();
        }
    }
}

async fn passed(lane: &Arc<Lane>, tenant: &TenantId) {
    let (sender, told) = oneshot::channel();
    let work: Work = Box::pin(async move {
        // Somebody is waiting: the receiver lives until it was told.
        let _ = sender.send(());
    });
    lane.take(Call { tenant: tenant.clone(), work, home: None, ran_nanos: 0, counted: None });
    // Without an answer the lane has ended, and with it all its guests.
    let _ = told.await;
}

fn start_lane(name: String, lane: &Arc<Lane>, others: Vec<Arc<Lane>>, edge: &Handle) -> std::io::Result<()> {
    let (lane, edge) = (lane.clone(), edge.clone());
    thread::Builder::new().name(name).spawn(move || {
        let _timers = edge.enter();
        if lane.priority() == Priority::Low {
            give_way();
        }
        Worker::new(&lane, others).run();
    })?;
    Ok(())
}

/// The lowest priority there is for a thread of the ordinary kind. `SCHED_IDLE` was no better when measured, and less even.
const BULK_NICE: i32 = 19;

/// Linux keeps a nice value for each thread (setpriority(2)); lowering one's own needs no right.
fn give_way() {
    let thread = rustix::thread::gettid();
    if let Err(error) = rustix::process::setpriority_process(Some(thread), BULK_NICE) {
        tracing::error!(%error, "calls that run long have the priority of those that do not");
    }
}

/// Guest work that panics in the host ends alone: its thread goes on with the others'.
fn contained<R>(tenant: &TenantId, work: impl FnOnce() -> R) -> Option<R> {
    catch_unwind(AssertUnwindSafe(work))
        .inspect_err(|panic| tracing::error!(%tenant, panic = panic_text(&**panic), "guest work panicked in the host"))
        .ok()
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no text")
}

#[cfg(test)]
mod tests;
