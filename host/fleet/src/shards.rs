//! The threads that poll guests: one a core, each with the mailboxes of its tenants, each taking turns between them.
//!
//! tokio schedules tasks, not tenants, so it polls no guest: one tenant's thousand tasks would get a thousand turns. Here the unit
//! is one poll of one call, and the mailbox says whose turn it is. A guest that runs on gives the thread back at the next tick.

use std::any::Any;
use std::collections::HashMap;
use std::future::Future;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Wake, Waker};
use std::thread::{self, Thread};

use foldhash::fast::RandomState;
use host_gate::Accepted;
use host_mailbox::{Address, Mailbox, Open, Push, Turn};
use host_model::TenantId;
use parking_lot::Mutex;
use tokio::runtime::Handle;

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
}

/// One thread's share of the tenants.
pub struct Shard {
    state: Mutex<State>,
    /// For the wakers of calls, which must not keep the shard alive.
    this: Weak<Shard>,
}

#[derive(Default)]
struct State {
    mailbox: Mailbox,
    runners: HashMap<Address, Arc<dyn Runner>, RandomState>,
    spawned: Vec<(TenantId, Work)>,
    woken: Vec<usize>,
    closed: Vec<Address>,
    /// The shard's thread, when it sleeps.
    asleep: Option<Thread>,
    stopped: bool,
}

impl Shards {
    /// Starts `count` shards. Guest work may use the timers of `edge`, tokio's runtime for everything else.
    pub fn start(count: usize, edge: &Handle) -> std::io::Result<Self> {
        let shards: Vec<_> = (0..count.max(1)).map(|_| Shard::new()).collect();
        for (index, shard) in shards.iter().enumerate() {
            let (shard, edge) = (shard.clone(), edge.clone());
            thread::Builder::new().name(format!("shard-{index}")).spawn(move || {
                let _timers = edge.enter();
                Worker::new(&shard).run();
            })?;
        }
        Ok(Self { shards })
    }

    /// Where all guest work of a tenant runs: rendezvous hashing (Thaler and Ravishankar, 1998), so that another number of
    /// shards moves as few tenants as can be.
    pub fn home(&self, tenant: &TenantId) -> &Arc<Shard> {
        let weight = |index: usize| {
            let mut hasher = DefaultHasher::new();
            (tenant, index).hash(&mut hasher);
            hasher.finish()
        };
        let home = (0..self.shards.len()).max_by_key(|index| weight(*index)).unwrap_or_default();
        self.shards.get(home).expect("there is at least one")
    }
}

impl Drop for Shards {
    fn drop(&mut self) {
        for shard in &self.shards {
            shard.change(|state| state.stopped = true);
        }
    }
}

impl Shard {
    fn new() -> Arc<Self> {
        Arc::new_cyclic(|this| Self { state: Mutex::default(), this: this.clone() })
    }

    /// Opens a receiver's mailbox, held: see [`Mailbox::open`].
    pub fn open(&self, open: Open, runner: Arc<dyn Runner>) -> Address {
        self.change(|state| {
            let address = state.mailbox.open(open);
            state.runners.insert(address, runner);
            address
        })
    }

    /// Closes a mailbox and hands back what waited in it. Calls that are still under way are dropped at their next turn.
    pub fn close(&self, address: Address) -> Vec<Accepted> {
        self.change(|state| {
            state.runners.remove(&address);
            state.closed.push(address);
            state.mailbox.close(address)
        })
    }

    /// Puts a message into a mailbox.
    pub fn push(&self, address: Address, accepted: Accepted) -> Result<(), Push> {
        self.change(|state| state.mailbox.push(address, accepted))
    }

    /// Lets a mailbox deliver.
    pub fn release(&self, address: Address) {
        self.change(|state| state.mailbox.release(address));
    }

    /// Messages that wait, and messages that are being handled.
    pub fn load(&self, address: Address) -> (usize, u32) {
        self.state.lock().mailbox.load(address)
    }

    /// Runs guest work that is no message, in its tenant's turn.
    pub fn spawn(&self, tenant: &TenantId, work: Work) {
        self.change(|state| state.spawned.push((tenant.clone(), work)));
    }

    /// Says that a message was handled.
    fn done(&self, address: Address) {
        self.change(|state| state.mailbox.done(address));
    }

    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state.lock();
        let result = change(&mut state);
        let asleep = state.asleep.take();
        drop(state);
        if let Some(thread) = asleep {
            thread.unpark();
        }
        result
    }
}

/// The thread's own side: the calls that are under way.
struct Worker<'a> {
    shard: &'a Arc<Shard>,
    calls: Vec<Slot>,
    free: Vec<usize>,
}

struct Slot {
    call: Option<Call>,
    alarm: Arc<Alarm>,
    waker: Waker,
}

struct Call {
    tenant: TenantId,
    work: Work,
    /// Whose mailbox waits for it to be done.
    address: Option<Address>,
}

/// Wakes one slot. Outlives the call in it: a late wake polls whatever is there now, which is harmless.
struct Alarm {
    shard: Weak<Shard>,
    slot: usize,
    rung: AtomicBool,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.rung.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Some(shard) = self.shard.upgrade() {
            shard.change(|state| state.woken.push(self.slot));
        }
    }
}

/// What the state had for the thread.
enum Next {
    Begin(Address, Accepted, Arc<dyn Runner>),
    Resume(usize),
    Again,
    Sleep,
    Stop,
}

impl<'a> Worker<'a> {
    fn new(shard: &'a Arc<Shard>) -> Self {
        Self { shard, calls: Vec::new(), free: Vec::new() }
    }

    fn run(mut self) {
        loop {
            match self.next() {
                Next::Begin(address, accepted, runner) => {
                    let tenant = accepted.receiver().tenant().clone();
                    match contained(&tenant, || runner.begin(accepted)) {
                        Some(work) => {
                            let slot = self.admit(Call { tenant, work, address: Some(address) });
                            self.poll(slot);
                        }
                        None => self.shard.done(address),
                    }
                }
                Next::Resume(slot) => self.poll(slot),
                Next::Again => {}
                Next::Sleep => thread::park(),
                Next::Stop => return,
            }
        }
    }

    fn next(&mut self) -> Next {
        let shard = self.shard;
        let mut state = shard.state.lock();
        if state.stopped {
            return Next::Stop;
        }
        for (tenant, work) in std::mem::take(&mut state.spawned) {
            let slot = self.admit(Call { tenant: tenant.clone(), work, address: None });
            state.mailbox.wake(&tenant, slot as u64);
        }
        let closed = std::mem::take(&mut state.closed);
        if !closed.is_empty() {
            // Dropping a call settles its message, which may push to a mailbox: not under the lock.
            drop(state);
            self.drop_calls_of(&closed);
            return Next::Again;
        }
        let state = &mut *state;
        for slot in state.woken.drain(..) {
            if let Some(call) = self.calls.get(slot).and_then(|slot| slot.call.as_ref()) {
                state.mailbox.wake(&call.tenant, slot as u64);
            }
        }
        while let Some(turn) = state.mailbox.next_turn() {
            let (address, accepted) = match turn {
                Turn::Resume(slot) => return Next::Resume(usize::try_from(slot).expect("it was a usize")),
                Turn::Deliver(address, accepted) => (address, accepted),
            };
            if let Some(runner) = state.runners.get(&address).cloned() {
                return Next::Begin(address, accepted, runner);
            }
            // A mailbox and its runner come and go under one lock.
            tracing::error!(?address, "a mailbox had no runner");
        }
        state.asleep = Some(thread::current());
        Next::Sleep
    }

    fn drop_calls_of(&mut self, closed: &[Address]) {
        for (slot, place) in self.calls.iter_mut().enumerate() {
            let of_closed = |call: &Call| call.address.is_some_and(|address| closed.contains(&address));
            if let Some(call) = place.call.take_if(|call| of_closed(call)) {
                self.free.push(slot);
                contained(&call.tenant, || drop(call.work));
            }
        }
    }

    fn admit(&mut self, call: Call) -> usize {
        let slot = self.free.pop().unwrap_or_else(|| {
            let slot = self.calls.len();
            let alarm = Arc::new(Alarm { shard: self.shard.this.clone(), slot, rung: AtomicBool::new(false) });
            self.calls.push(Slot { call: None, waker: alarm.clone().into(), alarm });
            slot
        });
        if let Some(place) = self.calls.get_mut(slot) {
            place.call = Some(call);
        }
        slot
    }

    fn poll(&mut self, slot: usize) {
        let Some(place) = self.calls.get_mut(slot) else { return };
        let Some(call) = &mut place.call else { return };
        place.alarm.rung.store(false, Ordering::Release);
        let mut context = Context::from_waker(&place.waker);
        let poll = contained(&call.tenant, || call.work.as_mut().poll(&mut context));
        if poll.is_none_or(|poll| poll.is_ready())
            && let Some(call) = place.call.take()
        {
            self.free.push(slot);
            self.end(call);
        }
    }

    fn end(&self, call: Call) {
        let Call { tenant, work, address } = call;
        contained(&tenant, || drop(work));
        if let Some(address) = address {
            self.shard.done(address);
        }
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
