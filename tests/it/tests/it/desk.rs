//! A receiver for tests of the buses: it accepts at the gate, and ends what it took when the test says so.

use std::collections::VecDeque;
use std::sync::Arc;

use host_bus::{
    Bus, Handover, Inbound, Interest, Kept, Member, NotTaken, Recalled, Subscribe, SubscriptionId, Verdict,
};
use host_gate::{Accepted, Arrival, Delivery, Gate, MessageLimits, Receiver};
use host_model::Caller;
use parking_lot::Mutex;
use tests_kit::eventually;
use tests_kit::gate::{NOW, body, grants, one_key, take};

pub(crate) struct Desk {
    pub(crate) caller: Arc<Caller>,
    taken: Mutex<VecDeque<Accepted>>,
    heard: Mutex<Vec<String>>,
    refused: Mutex<Vec<&'static str>>,
}

impl Desk {
    pub(crate) fn new(caller: Arc<Caller>) -> Self {
        Self { caller, taken: Mutex::default(), heard: Mutex::default(), refused: Mutex::default() }
    }

    /// One with its own queue.
    pub(crate) fn at(bus: &dyn Bus, caller: Arc<Caller>, in_flight_max: u32) -> Arc<Self> {
        let desk = Arc::new(Self::new(caller));
        desk.subscribe(bus, in_flight_max);
        desk
    }

    pub(crate) fn subscribe(self: &Arc<Self>, bus: &dyn Bus, in_flight_max: u32) -> SubscriptionId {
        let interest = Interest::own(self.caller.agent(), in_flight_max);
        bus.subscribe(
            Subscribe { tenant: self.caller.tenant().clone(), interest, queue: None, member: None },
            self.clone(),
        )
    }

    /// One of several replicas that share by key: its queue, and topics.
    pub(crate) fn replica(bus: &dyn Bus, caller: Arc<Caller>, number: u32, pattern: &str) -> Arc<Self> {
        let desk = Arc::new(Self::new(caller));
        let (tenant, agent) = (desk.caller.tenant(), desk.caller.agent());
        for interest in [Interest::own(agent, 4), Interest::Topics(pattern.parse().unwrap())] {
            let (queue, member) = (Some(agent.clone()), Some(Member::replica(agent, number)));
            bus.subscribe(Subscribe { tenant: tenant.clone(), interest, queue, member }, desk.clone());
        }
        desk
    }

    /// Listens to topics too, as one of its agent's starts.
    pub(crate) fn listen(self: &Arc<Self>, bus: &dyn Bus, pattern: &str) -> SubscriptionId {
        let interest = Interest::Topics(pattern.parse().unwrap());
        let queue = Some(self.caller.agent().clone());
        bus.subscribe(Subscribe { tenant: self.caller.tenant().clone(), interest, queue, member: None }, self.clone())
    }

    /// The next kept message it was handed, with its attempt.
    pub(crate) async fn next(&self) -> Accepted {
        eventually("a message arrives", async || self.taken.lock().pop_front()).await
    }

    /// Takes the next one and ends it well. Its text, and which attempt it was.
    pub(crate) async fn done(&self, bus: &dyn Bus) -> (String, u32) {
        let accepted = self.next().await;
        let said = (body(accepted.envelope()), accepted.novelty().attempt());
        bus.settle(&accepted, Verdict::Done);
        said
    }

    pub(crate) fn has_none(&self) -> bool {
        self.taken.lock().is_empty()
    }

    /// What it heard of volatile messages.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().clone()
    }

    /// The codes of what it refused.
    pub(crate) fn refused(&self) -> Vec<&'static str> {
        self.refused.lock().clone()
    }
}

impl Inbound for Desk {
    fn deliver(&self, delivery: Delivery) -> Result<(), NotTaken> {
        let grants = grants(&[">"]);
        match take(delivery, Receiver::Agent { caller: &self.caller, grants: &grants }) {
            Ok(accepted) => self.heard.lock().push(body(accepted.envelope())),
            Err(refused) => {
                self.refused.lock().push(refused.code());
                return Err(NotTaken::Refused);
            }
        }
        Ok(())
    }

    fn take(&self, kept: &Kept<'_>) -> Handover {
        let gate = Gate::new(MessageLimits::default());
        let refused = |code| {
            self.refused.lock().push(code);
            Handover::Quarantined(code)
        };
        let verified = match gate.verify(kept.delivery(), &*one_key(), Arrival::Kept) {
            Ok(verified) => verified,
            Err(why) => return refused(why.code()),
        };
        let Recalled::New(novelty) = kept.recall(&verified) else { return refused("copied") };
        let grants = grants(&[">"]);
        let receiver = Receiver::Agent { caller: &self.caller, grants: &grants };
        match gate.accept(verified, novelty, receiver, NOW) {
            Ok(accepted) => self.taken.lock().push_back(accepted),
            Err(why) => return refused(why.code()),
        }
        Handover::Taken
    }
}
