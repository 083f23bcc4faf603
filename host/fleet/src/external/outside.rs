//! What an external agent is told over the bus, where tenants are accounts of it: what is not kept, once at most, while it may be
//! listening there and has no stream open.
//!
//! Nobody acknowledges over the bus. What is kept waits for a stream, as it would without.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use host_bus::{Bus, Inbound, Interest, Subscribe, SubscriptionId};
use host_courier::{Courier, Mail, Party};
use host_gate::Accepted;
use host_mailbox::Push;
use host_model::{AgentId, Clock, Outcome, TenantId};
use parking_lot::Mutex;

use super::External;
use crate::FleetError;
use crate::fleet::Fleet;

/// The way out over the bus of one external agent.
pub(super) struct Outlet {
    outside: Arc<Outside>,
    inbound: Arc<dyn Inbound>,
    /// Made while it may be listening.
    subscriptions: Mutex<Vec<SubscriptionId>>,
}

struct Outside {
    party: Arc<Party>,
    bus: Arc<dyn Bus>,
    courier: Courier,
    clock: Arc<dyn Clock>,
    /// When the last credentials end that it may have, in milliseconds of the clock. Without good ones it does not listen.
    until_millis: AtomicU64,
}

impl Fleet {
    /// An external agent may listen on the bus for so long, by its credentials: tells it of what is not kept from now on.
    pub fn may_listen(&self, tenant: &TenantId, agent: &AgentId, lifetime: Duration) -> Result<(), FleetError> {
        let external = self.tenant(tenant)?.external(agent)?;
        if let Some(outlet) = &external.outlet {
            outlet.outside.expect_for(lifetime);
            self.open_outlet(&external);
        }
        Ok(())
    }

    /// The way out of an agent, where the bus has one.
    pub(super) fn outlet(&self, party: &Arc<Party>) -> Option<Outlet> {
        let fleet = self.parts();
        fleet.bus.reaches_outside().then(|| {
            let outside = Arc::new(Outside {
                party: party.clone(),
                bus: fleet.bus.clone(),
                courier: fleet.courier.clone(),
                clock: fleet.clock.clone(),
                until_millis: AtomicU64::new(0),
            });
            let inbound = fleet.courier.inbound(party.clone(), outside.clone());
            Outlet { outside, inbound, subscriptions: Mutex::default() }
        })
    }

    /// Nothing while a stream is open: that one has everything.
    pub(super) fn open_outlet(&self, external: &External) {
        let Some(outlet) = external.outlet.as_ref().filter(|outlet| outlet.outside.is_expected()) else { return };
        let streams = external.subscriptions.lock();
        let mut subscriptions = outlet.subscriptions.lock();
        if streams.is_empty() && subscriptions.is_empty() {
            *subscriptions = self.subscribe_outlet(external, outlet);
        }
    }

    pub(super) fn close_outlet(&self, external: &External) {
        let Some(outlet) = &external.outlet else { return };
        for subscription in outlet.subscriptions.lock().drain(..) {
            self.parts().bus.unsubscribe(&external.record.tenant, subscription);
        }
    }

    /// Its own queue and its topics. A queue that it shares may have others who do listen.
    fn subscribe_outlet(&self, external: &External, outlet: &Outlet) -> Vec<SubscriptionId> {
        let (tenant, agent) = (&external.record.tenant, &external.record.agent);
        let topics = external.manifest.grants.subscribe.iter().cloned().map(Interest::Topics);
        // None of what is kept.
        let interests = std::iter::once(Interest::own(agent, 0)).chain(topics);
        let subscribe =
            |interest| Subscribe { tenant: tenant.clone(), interest, queue: Some(agent.clone()), member: None };
        interests.map(|interest| self.parts().bus.subscribe(subscribe(interest), outlet.inbound.clone())).collect()
    }
}

impl Outside {
    fn expect_for(&self, lifetime: Duration) {
        let lifetime_millis = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX);
        let until = self.clock.now().as_millis().saturating_add(lifetime_millis);
        self.until_millis.fetch_max(until, Ordering::Relaxed);
    }

    fn is_expected(&self) -> bool {
        self.clock.now().as_millis() < self.until_millis.load(Ordering::Relaxed)
    }
}

impl Mail for Outside {
    fn push(&self, accepted: Accepted) -> Result<(), Push> {
        if *accepted.receiver() != self.party.caller {
            return Err(Push::WrongReceiver);
        }
        if !self.is_expected() || self.bus.tell_outside(&accepted).is_err() {
            return Err(Push::Closed);
        }
        self.courier.settle(&self.party, &accepted, Outcome::Done(None));
        Ok(())
    }
}
