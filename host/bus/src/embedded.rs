//! The bus of one machine: deliveries are calls, made on the sender's thread.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use foldhash::fast::RandomState;
use host_gate::{Delivery, Stamped};
use host_model::{AgentId, Destination, Durability, Receipt, TenantId};
use parking_lot::RwLock;

use crate::{Bus, BusError, Inbound, Interest, NotTaken, Subscribe, SubscriptionId};

/// Holds the subscriptions of each tenant apart, so that routing starts at the stamp's tenant and never looks beyond.
///
/// An acknowledgement is [`Durability::Volatile`]: the message is in the receivers' mailboxes.
#[derive(Default)]
pub struct EmbeddedBus {
    tenants: RwLock<HashMap<TenantId, Arc<Routes>, RandomState>>,
    replies: RwLock<Option<Arc<dyn Inbound>>>,
    next_id: AtomicU64,
}

/// One tenant's subscriptions. Replaced whole when one is added or goes: publishing takes no lock while it delivers.
#[derive(Default, Clone)]
struct Routes {
    queues: HashMap<AgentId, Vec<Subscriber>, RandomState>,
    topics: Vec<Subscriber>,
    watchers: Vec<Subscriber>,
    turn: Arc<AtomicUsize>,
}

#[derive(Clone)]
struct Subscriber {
    id: SubscriptionId,
    interest: Interest,
    queue: Option<AgentId>,
    inbound: Arc<dyn Inbound>,
}

impl EmbeddedBus {
    /// An empty bus.
    pub fn new() -> Self {
        Self::default()
    }

    fn answer(&self, stamped: &Arc<Stamped>) -> Result<(), BusError> {
        let Some(inbound) = self.replies.read().clone() else { return Err(BusError::NoReceiver) };
        inbound.deliver(Delivery::Local(stamped.clone())).map_err(BusError::from)
    }

    fn routes(&self, tenant: &TenantId) -> Option<Arc<Routes>> {
        self.tenants.read().get(tenant).cloned()
    }

    fn change(&self, tenant: &TenantId, change: impl FnOnce(&mut Routes)) {
        let mut tenants = self.tenants.write();
        let mut routes = tenants.get(tenant).map(|routes| Routes::clone(routes)).unwrap_or_default();
        change(&mut routes);
        if routes.is_empty() {
            tenants.remove(tenant);
        } else {
            tenants.insert(tenant.clone(), Arc::new(routes));
        }
    }
}

impl Bus for EmbeddedBus {
    fn publish(&self, stamped: Stamped) -> Result<Receipt, BusError> {
        let receipt = Receipt { id: stamped.envelope().id, durability: Durability::Volatile };
        let Some(routes) = self.routes(&stamped.envelope().tenant) else {
            return match stamped.envelope().to {
                Destination::Agent(_) => Err(BusError::NoReceiver),
                Destination::Topic(_) => Ok(receipt),
                Destination::Reply { .. } => self.answer(&Arc::new(stamped)).map(|()| receipt),
            };
        };
        let stamped = Arc::new(stamped);
        match stamped.envelope().to {
            Destination::Reply { .. } => self.answer(&stamped)?,
            _ => routes.carry(&stamped)?,
        }
        routes.show_watchers(&stamped);
        Ok(receipt)
    }

    fn receive_replies(&self, inbound: Arc<dyn Inbound>) {
        *self.replies.write() = Some(inbound);
    }

    fn subscribe(&self, subscribe: Subscribe, inbound: Arc<dyn Inbound>) -> SubscriptionId {
        let id = SubscriptionId(self.next_id.fetch_add(1, Ordering::Relaxed));
        let Subscribe { tenant, interest, queue } = subscribe;
        self.change(&tenant, |routes| routes.add(Subscriber { id, interest, queue, inbound }));
        id
    }

    fn unsubscribe(&self, tenant: &TenantId, id: SubscriptionId) {
        self.change(tenant, |routes| routes.remove(id));
    }
}

impl Routes {
    fn add(&mut self, subscriber: Subscriber) {
        match &subscriber.interest {
            Interest::Queue(agent) => self.queues.entry(agent.clone()).or_default().push(subscriber),
            Interest::Topics(_) => self.topics.push(subscriber),
            Interest::Everything(_) => self.watchers.push(subscriber),
        }
    }

    fn remove(&mut self, id: SubscriptionId) {
        let keep = |subscriber: &Subscriber| subscriber.id != id;
        self.topics.retain(keep);
        self.watchers.retain(keep);
        self.queues.retain(|_, subscribers| {
            subscribers.retain(keep);
            !subscribers.is_empty()
        });
    }

    fn is_empty(&self) -> bool {
        self.queues.is_empty() && self.topics.is_empty() && self.watchers.is_empty()
    }

    fn carry(&self, stamped: &Arc<Stamped>) -> Result<(), BusError> {
        match &stamped.envelope().to {
            Destination::Agent(agent) => match self.queues.get(agent) {
                Some(members) => self.carry_to_one(members.iter().collect(), stamped).map_err(BusError::from),
                None => Err(BusError::NoReceiver),
            },
            _ => self.carry_to_topic(stamped),
        }
    }

    /// Each subscriber on its own, each group of one name once; refused only if nobody could take it for want of room.
    fn carry_to_topic(&self, stamped: &Arc<Stamped>) -> Result<(), BusError> {
        let mut full = None;
        let mut taken = 0_usize;
        let mut groups_done: Vec<&AgentId> = Vec::new();
        for subscriber in self.topics.iter().filter(|subscriber| subscriber.wants(stamped)) {
            let result = match &subscriber.queue {
                Some(name) if groups_done.contains(&name) => continue,
                Some(name) => {
                    groups_done.push(name);
                    let member = |other: &&Subscriber| other.queue.as_ref() == Some(name) && other.wants(stamped);
                    self.carry_to_one(self.topics.iter().filter(member).collect(), stamped)
                }
                None => subscriber.inbound.deliver(Delivery::Local(stamped.clone())),
            };
            match result {
                Ok(()) => taken += 1,
                Err(NotTaken::Full { len_max }) => full = Some(len_max),
                Err(NotTaken::Refused) => {}
            }
        }
        match full {
            Some(len_max) if taken == 0 => Err(BusError::Full { len_max }),
            _ => Ok(()),
        }
    }

    /// To one member of a group: the next in turn, or another if that one has no room.
    fn carry_to_one(&self, members: Vec<&Subscriber>, stamped: &Arc<Stamped>) -> Result<(), NotTaken> {
        let len = members.len().max(1);
        let first = if len > 1 { self.turn.fetch_add(1, Ordering::Relaxed) % len } else { 0 };
        let mut last = NotTaken::Refused;
        for member in members.iter().cycle().skip(first).take(len) {
            match member.inbound.deliver(Delivery::Local(stamped.clone())) {
                Ok(()) => return Ok(()),
                Err(not_taken) => last = not_taken,
            }
        }
        Err(last)
    }

    fn show_watchers(&self, stamped: &Arc<Stamped>) {
        for watcher in self.watchers.iter().filter(|watcher| watcher.wants(stamped)) {
            // Who watches too slowly misses messages and is told so on its own stream; senders never wait for it.
            let _ = watcher.inbound.deliver(Delivery::Local(stamped.clone()));
        }
    }
}

impl Subscriber {
    fn wants(&self, stamped: &Stamped) -> bool {
        match (&self.interest, &stamped.envelope().to) {
            (Interest::Topics(pattern), Destination::Topic(topic)) => pattern.matches(topic),
            (Interest::Everything(pattern), Destination::Topic(topic)) => pattern.matches(topic),
            (Interest::Everything(pattern), to) => pattern.matches_text(&to.to_string()),
            (Interest::Queue(agent), Destination::Agent(to)) => agent == to,
            _ => false,
        }
    }
}

impl From<NotTaken> for BusError {
    fn from(not_taken: NotTaken) -> Self {
        match not_taken {
            NotTaken::Full { len_max } => Self::Full { len_max },
            NotTaken::Refused => Self::NoReceiver,
        }
    }
}
