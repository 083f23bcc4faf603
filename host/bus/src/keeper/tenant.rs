//! One tenant's queues: who is bound to what, and how much waits.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use host_model::{AgentId, Destination, Queue, TenantId};
use parking_lot::{Mutex, RwLock};

use super::House;
use super::pump::Pump;
use crate::{Binding, BusError, Depth, QueueLimits};

pub(super) struct Tenant {
    id: TenantId,
    pub(super) usage: Arc<Usage>,
    bindings: RwLock<HashMap<AgentId, Binding, RandomState>>,
    pumps: RwLock<HashMap<Queue, Arc<Pump>, RandomState>>,
}

impl Tenant {
    pub(super) fn new(id: TenantId, limits: QueueLimits) -> Self {
        // What an earlier start remembers is looked at once.
        let used = Mutex::new(Used { ids: IDS_LOOKED_AT, ..Used::default() });
        let usage = Arc::new(Usage { limits: RwLock::new(limits), used });
        Self { id, usage, bindings: RwLock::default(), pumps: RwLock::default() }
    }

    pub(super) fn id(&self) -> &TenantId {
        &self.id
    }

    /// What an earlier start left.
    pub(super) fn found(&self, house: &Arc<House>, depth: Depth) {
        self.usage.found(depth.messages, depth.bytes);
        self.pump_or_new(house, &depth.queue).found(depth);
    }

    pub(super) fn bind(&self, house: &Arc<House>, binding: Binding) {
        self.pump_or_new(house, &Queue::Agent(binding.agent.clone()));
        for queue in &binding.shared {
            self.pump_or_new(house, queue);
        }
        self.bindings.write().insert(binding.agent.clone(), binding);
    }

    /// Gives up what waits for agents that are not there.
    pub(super) fn end_unbound(&self) {
        let bindings = self.bindings.read();
        let is_unbound = |queue: &Queue| matches!(queue, Queue::Agent(agent) if !bindings.contains_key(agent));
        let ended: Vec<_> = self.pumps.write().extract_if(|queue, _| is_unbound(queue)).collect();
        for (_, pump) in ended {
            pump.end();
        }
    }

    /// The one queue that a dead letter goes back to.
    pub(super) fn pump_again(&self, queue: &Queue) -> Result<Vec<Arc<Pump>>, BusError> {
        self.pumps_for(&Destination::Queue(queue.clone()))
    }

    pub(super) fn unbind(&self, agent: &AgentId) {
        self.bindings.write().remove(agent);
        let pump = self.pumps.write().remove(&Queue::Agent(agent.clone()));
        if let Some(pump) = pump {
            pump.end();
        }
    }

    /// The queues a message waits in: one that nobody has, or that nobody was granted, takes nothing.
    pub(super) fn pumps_for(&self, to: &Destination) -> Result<Vec<Arc<Pump>>, BusError> {
        let bindings = self.bindings.read();
        match to {
            Destination::Queue(queue) => {
                let bound = match queue {
                    Queue::Agent(agent) => bindings.contains_key(agent),
                    shared => bindings.values().any(|binding| binding.shared.contains(shared)),
                };
                if !bound {
                    return Err(BusError::NoReceiver);
                }
                self.pump(queue).map(|pump| vec![pump]).ok_or(BusError::NoReceiver)
            }
            Destination::Topic(_) => {
                let agents = bindings.values().filter(|binding| binding.wants(to)).map(|binding| &binding.agent);
                Ok(agents.filter_map(|agent| self.pump(&Queue::Agent(agent.clone()))).collect())
            }
            Destination::Reply { .. } => Err(BusError::NoReceiver),
        }
    }

    pub(super) fn pump(&self, queue: &Queue) -> Option<Arc<Pump>> {
        self.pumps.read().get(queue).cloned()
    }

    pub(super) fn pump_or_new(&self, house: &Arc<House>, queue: &Queue) -> Arc<Pump> {
        if let Some(pump) = self.pump(queue) {
            return pump;
        }
        let mut pumps = self.pumps.write();
        let new = || Pump::new(house.clone(), self.id.clone(), queue.clone(), self.usage.clone());
        pumps.entry(queue.clone()).or_insert_with(new).clone()
    }

    pub(super) fn all(&self) -> Vec<Arc<Pump>> {
        self.pumps.read().values().cloned().collect()
    }
}

/// New ids of a tenant, after which those that are too many are looked for.
const IDS_LOOKED_AT: u64 = 100_000;

/// How much of a tenant waits, against what it may keep.
pub(super) struct Usage {
    limits: RwLock<QueueLimits>,
    used: Mutex<Used>,
}

#[derive(Default)]
struct Used {
    messages: u64,
    bytes: u64,
    letters: u64,
    /// Messages on their way into the journal.
    keeping: usize,
    /// Messages kept since ids were last forgotten for being too many.
    ids: u64,
}

/// Messages of one tenant that may be on their way into the journal: the others' find room behind them.
const KEEPING_MAX: usize = 512;

/// Room for one message, in so many queues. Dropping it gives the room back.
pub(super) struct Reserved {
    usage: Arc<Usage>,
    messages: u64,
    bytes: u64,
}

impl Usage {
    pub(super) fn limits(&self) -> QueueLimits {
        *self.limits.read()
    }

    pub(super) fn set_limits(&self, limits: QueueLimits) {
        *self.limits.write() = limits;
    }

    /// Takes room for a message of so many bytes in so many queues, all of it or nothing.
    pub(super) fn reserve(self: &Arc<Self>, queues: u64, len: u64) -> Result<Reserved, BusError> {
        let limits = self.limits();
        let bytes = len.saturating_mul(queues);
        let mut used = self.used.lock();
        if used.keeping >= KEEPING_MAX {
            return Err(BusError::KeepingFull { len_max: KEEPING_MAX });
        }
        let check = |limit, used: u64, more: u64, max: u64| {
            let used = used.saturating_add(more);
            if used > max { Err(BusError::QueuesFull { limit, max, used }) } else { Ok(used) }
        };
        let messages = check("queued-messages", used.messages, queues, limits.messages_max)?;
        used.bytes = check("queued-bytes", used.bytes, bytes, limits.bytes_max)?;
        used.messages = messages;
        used.keeping += 1;
        Ok(Reserved { usage: self.clone(), messages: queues, bytes })
    }

    /// A message of so many bytes left a queue.
    pub(super) fn gone(&self, len: u64) {
        self.give_back(1, len);
    }

    fn give_back(&self, messages: u64, bytes: u64) {
        let mut used = self.used.lock();
        used.messages = used.messages.saturating_sub(messages);
        used.bytes = used.bytes.saturating_sub(bytes);
    }

    fn found(&self, messages: u64, bytes: u64) {
        let mut used = self.used.lock();
        used.messages = used.messages.saturating_add(messages);
        used.bytes = used.bytes.saturating_add(bytes);
    }

    pub(super) fn found_letters(&self, count: u64) {
        self.used.lock().letters += count;
    }

    /// Takes the place of one dead letter. False if there is none.
    pub(super) fn take_letter(&self) -> bool {
        let max = self.limits().letters_max;
        let mut used = self.used.lock();
        let free = used.letters < max;
        used.letters += u64::from(free);
        free
    }

    /// Whether so many ids were kept that it is worth to look for those that are too many; asked again, it counts anew.
    pub(super) fn has_many_new_ids(&self) -> bool {
        let mut used = self.used.lock();
        let many = used.ids >= IDS_LOOKED_AT;
        used.ids = if many { 0 } else { used.ids };
        many
    }

    pub(super) fn letters_gone(&self, count: u64) {
        let mut used = self.used.lock();
        used.letters = used.letters.saturating_sub(count);
    }
}

impl Reserved {
    /// The message was kept: its room is given back queue by queue, as it leaves them.
    pub(super) fn keep(mut self) {
        (self.messages, self.bytes) = (0, 0);
        self.usage.used.lock().ids += 1;
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.usage.give_back(self.messages, self.bytes);
        self.usage.used.lock().keeping -= 1;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn usage() -> Arc<Usage> {
        let limits = QueueLimits {
            messages_max: 10_000,
            bytes_max: 1_000,
            letters_max: 1,
            retention: Duration::from_hours(1),
            attempts_max: 3,
        };
        Arc::new(Usage { limits: RwLock::new(limits), used: Mutex::default() })
    }

    #[test]
    fn bytes_count_for_each_queue_and_come_back_with_what_was_not_kept_or_left() {
        let usage = usage();
        let two = usage.reserve(2, 400).unwrap();
        let full = BusError::QueuesFull { limit: "queued-bytes", max: 1_000, used: 1_001 };
        assert_eq!(usage.reserve(1, 201).err(), Some(full));
        usage.reserve(1, 200).unwrap().keep();
        drop(two);
        usage.reserve(1, 800).unwrap().keep();
        assert!(usage.reserve(1, 1).is_err());
        usage.gone(200);
        usage.reserve(1, 200).unwrap();
    }

    #[test]
    fn a_tenant_has_so_many_on_their_way_to_the_disk_and_not_one_more() {
        let usage = usage();
        let mut keeping: Vec<_> = (0..KEEPING_MAX).map(|_| usage.reserve(1, 1).unwrap()).collect();
        assert_eq!(usage.reserve(1, 1).err(), Some(BusError::KeepingFull { len_max: KEEPING_MAX }));
        keeping.pop();
        usage.reserve(1, 1).unwrap();
    }

    #[test]
    fn a_place_for_a_dead_letter_comes_back_when_one_is_deleted() {
        let usage = usage();
        assert!(usage.take_letter());
        assert!(!usage.take_letter());
        usage.letters_gone(1);
        assert!(usage.take_letter());
    }
}
