//! One thread's part of a shard, as everybody else sees it: what was put there for the thread to find.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::{self, Thread};

use foldhash::fast::RandomState;
use host_gate::Accepted;
use host_mailbox::{Address, Mailbox, Turn};
use host_model::TenantId;
use parking_lot::Mutex;

use super::busy::{Busy, Counted};
use super::{Runner, Work};

/// How a lane's thread stands to the other threads of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Priority {
    /// Where calls begin.
    Usual,
    /// Where calls go on that have run for about a tick: the kernel lets everybody else go first.
    Low,
}

/// One thread's part of a shard.
pub(super) struct Lane {
    state: Mutex<State>,
    /// Where calls go that run on, if this is where they begin.
    bulk: Option<Arc<Lane>>,
    /// Whose calls run on here.
    busy: Arc<Busy>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) mailbox: Mailbox,
    pub(super) runners: HashMap<Address, Arc<dyn Runner>, RandomState>,
    spread: HashMap<TenantId, Spread, RandomState>,
    moved: Vec<Call>,
    woken: Vec<usize>,
    pub(super) closed: Vec<Home>,
    /// The lane's thread, when it sleeps.
    asleep: Option<Thread>,
    pub(super) stopped: bool,
}

/// Guest work that was begun.
pub(super) struct Call {
    pub(super) tenant: TenantId,
    pub(super) work: Work,
    /// The mailbox that waits for it to be done.
    pub(super) home: Option<Home>,
    /// How long its polls took so far, in nanoseconds.
    pub(super) ran_nanos: u64,
    /// While it would run on in bulk.
    pub(super) counted: Option<Counted>,
}

/// A mailbox, wherever it is.
#[derive(Clone)]
pub(super) struct Home {
    pub(super) lane: Arc<Lane>,
    pub(super) address: Address,
}

impl PartialEq for Home {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.lane, &other.lane) && self.address == other.address
    }
}

/// The lanes that the messages of one tenant begin on, in turn.
struct Spread {
    lanes: Vec<Arc<Lane>>,
    next: usize,
}

impl Spread {
    fn next(&mut self) -> Option<Arc<Lane>> {
        self.next = (self.next + 1) % self.lanes.len().max(1);
        self.lanes.get(self.next).cloned()
    }
}

/// What there is to do.
pub(super) enum Next {
    /// A message, and the lane it begins on if it is not this one.
    Begin(Address, Accepted, Arc<dyn Runner>, Option<Arc<Lane>>),
    Resume(usize),
    Admit(Vec<Call>),
    Drop(Vec<Home>),
    Sleep,
    /// With what moved here too late.
    Stop(Vec<Call>),
}

impl Lane {
    pub(super) fn new(bulk: Option<Arc<Lane>>) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), bulk, busy: Arc::default() })
    }

    pub(super) fn priority(&self) -> Priority {
        if self.bulk.is_some() { Priority::Usual } else { Priority::Low }
    }

    pub(super) fn bulk(&self) -> Option<&Arc<Lane>> {
        self.bulk.as_ref()
    }

    /// Takes a call that goes on here, or begins here. In bulk its tenant is over its share from this moment.
    pub(super) fn take(&self, mut call: Call) {
        if self.bulk.is_none() {
            call.counted = Some(self.count(&call.tenant));
        }
        // A lane that was stopped has no thread to end it: it ends here, and not under the lock.
        let refused = self.change(|state| {
            if state.stopped {
                return Some(call);
            }
            state.moved.push(call);
            None
        });
        drop(refused);
    }

    pub(super) fn wake(&self, slot: usize) {
        self.change(|state| state.woken.push(slot));
    }

    /// Says that a message was handled.
    pub(super) fn done(&self, address: Address) {
        self.change(|state| state.mailbox.done(address));
    }

    pub(super) fn close(&self, homes: &[Home]) {
        self.change(|state| state.closed.extend_from_slice(homes));
    }

    /// Counts a call that would run on here.
    pub(super) fn count(&self, tenant: &TenantId) -> Counted {
        self.busy.count(tenant)
    }

    /// From now on the messages of a tenant begin on these lanes in turn.
    pub(super) fn spread(&self, tenant: &TenantId, lanes: Vec<Arc<Lane>>) {
        self.change(|state| {
            if lanes.len() > 1 {
                state.spread.insert(tenant.clone(), Spread { lanes, next: 0 });
            } else {
                state.spread.remove(tenant);
            }
        });
    }

    pub(super) fn stop(&self) {
        self.change(|state| {
            state.stopped = true;
            state.spread.clear();
            state.closed.clear();
        });
    }

    pub(super) fn load(&self, address: Address) -> (usize, u32) {
        self.state.lock().mailbox.load(address)
    }

    pub(super) fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state.lock();
        let result = change(&mut state);
        let asleep = state.asleep.take();
        drop(state);
        if let Some(thread) = asleep {
            thread.unpark();
        }
        result
    }

    /// The next thing for the lane's thread, after what it did last: how long that took, and the message that it ended.
    pub(super) fn next(
        self: &Arc<Self>,
        took_nanos: u64,
        done: Option<Address>,
        tenant_at: impl Fn(usize) -> Option<TenantId>,
    ) -> Next {
        let mut state = self.state.lock();
        let state = &mut *state;
        state.mailbox.charge(took_nanos);
        if let Some(address) = done {
            state.mailbox.done(address);
        }
        if state.stopped {
            return Next::Stop(std::mem::take(&mut state.moved));
        }
        if !state.moved.is_empty() {
            return Next::Admit(std::mem::take(&mut state.moved));
        }
        // After what moved here: a call that moved before its mailbox was closed must be found.
        if !state.closed.is_empty() {
            return Next::Drop(std::mem::take(&mut state.closed));
        }
        for slot in state.woken.drain(..) {
            if let Some(tenant) = tenant_at(slot) {
                state.mailbox.wake(&tenant, slot as u64);
            }
        }
        while let Some(turn) = state.mailbox.next_turn() {
            let (address, accepted) = match turn {
                Turn::Resume(slot) => return Next::Resume(usize::try_from(slot).expect("it was a usize")),
                Turn::Deliver(address, accepted) => (address, accepted),
            };
            if let Some(runner) = state.runners.get(&address).cloned() {
                let lane = self.lane_for(&mut state.spread, accepted.receiver().tenant());
                return Next::Begin(address, accepted, runner, lane);
            }
            // A mailbox and its runner come and go under one lock.
            tracing::error!(?address, "a mailbox had no runner");
        }
        state.asleep = Some(thread::current());
        Next::Sleep
    }

    /// Where a message begins, if not here: on one of its tenant's lanes, or straight in bulk while calls of its tenant run there.
    fn lane_for(
        self: &Arc<Self>,
        spread: &mut HashMap<TenantId, Spread, RandomState>,
        tenant: &TenantId,
    ) -> Option<Arc<Lane>> {
        let spread = if spread.is_empty() { None } else { spread.get_mut(tenant).and_then(Spread::next) };
        let bulk = spread.as_ref().unwrap_or(self).bulk.as_ref();
        match bulk.filter(|bulk| bulk.busy.has(tenant)) {
            Some(bulk) => Some(bulk.clone()),
            None => spread.filter(|lane| !Arc::ptr_eq(lane, self)),
        }
    }
}
