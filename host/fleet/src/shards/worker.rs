//! A lane's thread: the calls that are under way on it, polled in turn.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;

use host_gate::Accepted;
use host_mailbox::Address;

use super::alarm::Alarm;
use super::lane::{Call, Home, Lane, Next, Priority};
use super::stopwatch::Stopwatch;
use super::{Runner, contained};

/// A call that has run this long goes on in bulk: 0.9 ms. A little under a tick, for which a guest that runs on is polled.
const RUN_NANOS_MAX: u64 = 900_000;

/// The thread's own side of a lane.
pub(super) struct Worker<'a> {
    lane: &'a Arc<Lane>,
    /// The other lanes where messages begin: calls of this lane's mailboxes may be there.
    others: Vec<Arc<Lane>>,
    calls: Vec<Slot>,
    free: Vec<usize>,
    watch: Stopwatch,
    /// What the last turn took, and the message of this lane that it ended: told with the next question, under one lock.
    took_nanos: u64,
    done: Option<Address>,
}

struct Slot {
    call: Option<Call>,
    alarm: Arc<Alarm>,
    waker: Waker,
}

impl<'a> Worker<'a> {
    pub(super) fn new(lane: &'a Arc<Lane>, others: Vec<Arc<Lane>>) -> Self {
        let (calls, free) = (Vec::new(), Vec::new());
        Self { lane, others, calls, free, watch: Stopwatch::start(), took_nanos: 0, done: None }
    }

    pub(super) fn run(mut self) {
        loop {
            match self.next() {
                Next::Begin(address, accepted, runner, elsewhere) => self.begin(address, accepted, runner, elsewhere),
                Next::Resume(slot) => self.poll(slot),
                Next::Admit(moved) => self.admit_all(moved),
                Next::Drop(closed) => self.drop_calls_of(&closed),
                Next::Sleep => self.sleep(),
                Next::Stop(moved) => return drop(moved),
            }
        }
    }

    fn next(&mut self) -> Next {
        let calls = &self.calls;
        let tenant_at = |slot: usize| calls.get(slot)?.call.as_ref().map(|call| call.tenant.clone());
        self.lane.next(std::mem::take(&mut self.took_nanos), self.done.take(), tenant_at)
    }

    fn begin(&mut self, address: Address, accepted: Accepted, runner: Arc<dyn Runner>, elsewhere: Option<Arc<Lane>>) {
        let tenant = accepted.receiver().tenant().clone();
        let Some(work) = contained(&tenant, || runner.begin(accepted)) else {
            self.done = Some(address);
            return;
        };
        let home = Some(Home { lane: self.lane.clone(), address });
        let call = Call { tenant, work, home, ran_nanos: 0, counted: None };
        if let Some(lane) = elsewhere {
            lane.take(call);
        } else {
            let slot = self.admit(call);
            self.poll(slot);
        }
    }

    fn poll(&mut self, slot: usize) {
        let Some(place) = self.calls.get_mut(slot) else { return };
        let Some(call) = &mut place.call else { return };
        let in_bulk = self.lane.priority() == Priority::Low;
        if in_bulk && call.counted.is_none() {
            call.counted = Some(self.lane.count(&call.tenant));
        }
        place.alarm.set();
        let mut context = Context::from_waker(&place.waker);
        let poll = contained(&call.tenant, || call.work.as_mut().poll(&mut context));
        self.took_nanos = self.watch.lap_nanos();
        call.ran_nanos = call.ran_nanos.saturating_add(self.took_nanos);
        match poll {
            Some(Poll::Pending) if in_bulk && !place.alarm.has_rung() => call.counted = None,
            Some(Poll::Pending) if in_bulk || call.ran_nanos < RUN_NANOS_MAX => {}
            Some(Poll::Pending) => self.move_on(slot),
            Some(Poll::Ready(())) | None => self.end(slot),
        }
    }

    /// A call that has run for long goes on in bulk, where it is polled at once: its wakers are this lane's until then.
    fn move_on(&mut self, slot: usize) {
        if let Some(bulk) = self.lane.bulk()
            && let Some(call) = self.release(slot)
        {
            bulk.take(call);
        }
    }

    fn end(&mut self, slot: usize) {
        let Some(Call { tenant, work, home, counted, .. }) = self.release(slot) else { return };
        contained(&tenant, || drop(work));
        drop(counted);
        match home {
            Some(home) if Arc::ptr_eq(&home.lane, self.lane) => self.done = Some(home.address),
            Some(home) => home.lane.done(home.address),
            None => {}
        }
    }

    fn drop_calls_of(&mut self, closed: &[Home]) {
        // This lane's calls move on to its bulk lane and begin on the others, always in that direction; so does the word of it.
        if let Some(bulk) = self.lane.bulk() {
            bulk.close(closed);
        }
        let own: Vec<Home> = closed.iter().filter(|home| Arc::ptr_eq(&home.lane, self.lane)).cloned().collect();
        if !own.is_empty() {
            self.others.iter().for_each(|lane| lane.close(&own));
        }
        for slot in 0..self.calls.len() {
            let of_closed = |call: &Call| call.home.as_ref().is_some_and(|home| closed.contains(home));
            if self.calls.get(slot).and_then(|place| place.call.as_ref()).is_some_and(of_closed)
                && let Some(Call { tenant, work, .. }) = self.release(slot)
            {
                contained(&tenant, || drop(work));
            }
        }
        self.watch.skip();
    }

    fn admit_all(&mut self, moved: Vec<Call>) {
        for call in moved {
            let slot = self.admit(call);
            self.lane.wake(slot);
        }
        self.watch.skip();
    }

    fn admit(&mut self, call: Call) -> usize {
        let slot = self.free.pop().unwrap_or_else(|| {
            let slot = self.calls.len();
            let alarm = Arc::new(Alarm::new(self.lane, slot));
            self.calls.push(Slot { call: None, waker: alarm.clone().into(), alarm });
            slot
        });
        if let Some(place) = self.calls.get_mut(slot) {
            place.call = Some(call);
        }
        slot
    }

    fn release(&mut self, slot: usize) -> Option<Call> {
        let call = self.calls.get_mut(slot)?.call.take()?;
        self.free.push(slot);
        Some(call)
    }

    fn sleep(&mut self) {
        thread::park();
        self.watch.skip();
    }
}
