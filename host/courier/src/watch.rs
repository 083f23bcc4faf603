//! Watching a tenant's messages, for a person who debugs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use host_bus::{Bus, Inbound, Interest, NotTaken, Subscribe, SubscriptionId};
use host_gate::{Accepted, Delivery, Receiver};
use host_model::{Caller, TopicPattern};
use tokio::sync::mpsc;

use crate::arrivals::{Arrivals, NotAccepted};

/// Messages a slow watcher may lag behind before it misses some.
const LAG_MAX: usize = 4_096;

/// What a watcher sees.
#[derive(Debug)]
pub enum Seen {
    /// A message that was carried. An answer that came quickly may be seen before its question; their ids tell.
    Message(Accepted),
    /// So many messages were missed, because the watcher was too slow.
    Missed(u64),
}

/// A tenant's messages as they are carried, until it is dropped.
pub struct Watch {
    messages: mpsc::Receiver<Accepted>,
    missed: Arc<AtomicU64>,
    bus: Arc<dyn Bus>,
    caller: Arc<Caller>,
    subscription: SubscriptionId,
}

struct Watcher {
    arrivals: Arc<Arrivals>,
    caller: Arc<Caller>,
    messages: mpsc::Sender<Accepted>,
    missed: Arc<AtomicU64>,
}

impl Watch {
    pub(crate) fn start(
        bus: &Arc<dyn Bus>,
        arrivals: Arc<Arrivals>,
        caller: Arc<Caller>,
        pattern: TopicPattern,
    ) -> Self {
        let (sender, messages) = mpsc::channel(LAG_MAX);
        let missed = Arc::new(AtomicU64::new(0));
        let watcher = Watcher { arrivals, caller: caller.clone(), messages: sender, missed: missed.clone() };
        let subscribe = Subscribe {
            tenant: caller.tenant().clone(),
            interest: Interest::Everything(pattern),
            queue: None,
            member: None,
        };
        let subscription = bus.subscribe(subscribe, Arc::new(watcher));
        Self { messages, missed, bus: bus.clone(), caller, subscription }
    }

    /// What is seen next; `None` when the host stops.
    pub async fn next(&mut self) -> Option<Seen> {
        let missed = self.missed.swap(0, Ordering::Relaxed);
        if missed > 0 {
            return Some(Seen::Missed(missed));
        }
        self.messages.recv().await.map(Seen::Message)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.bus.unsubscribe(self.caller.tenant(), self.subscription);
    }
}

impl Inbound for Watcher {
    fn deliver(&self, delivery: Delivery) -> Result<(), NotTaken> {
        let receiver = Receiver::Watcher { caller: &self.caller };
        let accepted = self.arrivals.accept(delivery, receiver).map_err(|NotAccepted| NotTaken::Refused)?;
        self.messages.try_send(accepted).map_err(|_| {
            self.missed.fetch_add(1, Ordering::Relaxed);
            NotTaken::Full { len_max: u32::try_from(LAG_MAX).expect("a small constant") }
        })
    }
}

#[cfg(test)]
mod tests;
