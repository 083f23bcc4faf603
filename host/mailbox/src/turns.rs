//! Whose turn it is.

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BinaryHeap, HashMap, VecDeque};

use host_gate::Accepted;
use host_model::TenantId;

use crate::account::{Account, Weight};
use crate::queue::{Address, Open, Push, Queue};

/// What to do next.
#[derive(Debug)]
pub enum Turn {
    /// Start handling a message. Say [`Mailbox::done`] when it was handled.
    Deliver(Address, Accepted),
    /// Go on with work that was woken, by the key it was woken with.
    Resume(u64),
}

/// All queues of one shard.
///
/// A tenant with anything to do stands once in a ring; at its turn it gets one thing done, alternating between work that was
/// woken and messages that wait, and goes to the ring's end. Its messages come in order of arrival among the receivers that are
/// free, so that one busy receiver holds up nobody else.
///
/// Turns are not equal, so they are paid for: deficit round robin (Shreedhar and Varghese, 1995) by measured time. A tenant that
/// has used its share of the round stands aside until nobody is left who has not; with nobody else there it goes on at once.
/// Unlike in the paper a tenant does not use up its share in one go: one turn each keeps a short call's wait short.
#[derive(Debug, Default)]
pub struct Mailbox {
    queues: Vec<(u32, Option<Queue>)>,
    free: Vec<u32>,
    tenants: Vec<Tenant>,
    tenant_index: HashMap<TenantId, u32>,
    /// Tenants that have something to do, and may have credit for it.
    ring: VecDeque<u32>,
    /// Tenants that have something to do and no credit, with the round in which they have some again, and in order of standing aside.
    aside: BinaryHeap<Reverse<(u64, u64, u32)>>,
    round: u64,
    stood_aside: u64,
    /// The tenant that had the last turn.
    served: Option<u32>,
    arrivals: u64,
}

#[derive(Debug, Default)]
struct Tenant {
    /// Receivers whose next message may be handled, earliest first. May hold stale ones.
    line: BinaryHeap<Reverse<(u64, Address)>>,
    woken: VecDeque<u64>,
    account: Account,
    /// Whether it stands in the ring or aside.
    in_ring: bool,
    woken_had_last_turn: bool,
}

impl PartialOrd for Address {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Address {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.slot, self.generation).cmp(&(other.slot, other.generation))
    }
}

impl Mailbox {
    /// Opens a queue, held: it takes messages at once, and delivers none before [`release`](Self::release).
    pub fn open(&mut self, open: Open) -> Address {
        let tenant = self.tenant_of(open.receiver.tenant());
        let queue = Queue::new(open, tenant);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.queues.push((0, None));
            u32::try_from(self.queues.len() - 1).expect("bounded by the number of agents")
        });
        let (generation, place) = self.queues.get_mut(slot as usize).expect("the slot was just found");
        *place = Some(queue);
        Address { slot, generation: *generation }
    }

    /// Closes a queue and hands back what waited in it.
    pub fn close(&mut self, address: Address) -> Vec<Accepted> {
        let Some((generation, place)) = self.queues.get_mut(address.slot as usize) else { return Vec::new() };
        if *generation != address.generation {
            return Vec::new();
        }
        *generation = generation.wrapping_add(1);
        self.free.push(address.slot);
        place.take().map_or_else(Vec::new, |mut queue| queue.drain())
    }

    /// Takes a message for one receiver. Never waits.
    pub fn push(&mut self, address: Address, accepted: Accepted) -> Result<(), Push> {
        self.arrivals += 1;
        let arrival = self.arrivals;
        self.queue(address).ok_or(Push::Closed)?.push(arrival, accepted)?;
        self.line_up(address);
        Ok(())
    }

    /// Lets no message of a receiver start until [`release`](Self::release).
    pub fn hold(&mut self, address: Address) {
        if let Some(queue) = self.queue(address) {
            queue.held = true;
        }
    }

    /// Lets the messages of a receiver start.
    pub fn release(&mut self, address: Address) {
        if let Some(queue) = self.queue(address) {
            queue.held = false;
        }
        self.line_up(address);
    }

    /// Work of a tenant can go on.
    pub fn wake(&mut self, tenant: &TenantId, key: u64) {
        let tenant = self.tenant_of(tenant);
        if let Some(entry) = self.tenants.get_mut(tenant as usize) {
            entry.woken.push_back(key);
        }
        self.enter_ring(tenant);
    }

    /// A message was handled: its receiver is free for the next one.
    pub fn done(&mut self, address: Address) {
        if let Some(queue) = self.queue(address) {
            queue.in_flight = queue.in_flight.saturating_sub(1);
        }
        self.line_up(address);
    }

    /// Messages that wait for a receiver, and messages it is handling.
    pub fn load(&self, address: Address) -> (usize, u32) {
        let (generation, place) = match self.queues.get(address.slot as usize) {
            Some((generation, Some(queue))) => (*generation, queue),
            _ => return (0, 0),
        };
        if generation == address.generation { (place.len(), place.in_flight) } else { (0, 0) }
    }

    /// Sets a tenant's share against the others'.
    pub fn set_weight(&mut self, tenant: &TenantId, weight: Weight) {
        let tenant = self.tenant_of(tenant);
        if let Some(entry) = self.tenants.get_mut(tenant as usize) {
            entry.account.set_weight(weight);
        }
    }

    /// Charges what the last turn took, in nanoseconds, to the tenant that had it.
    pub fn charge(&mut self, nanos: u64) {
        if let Some(tenant) = self.served.and_then(|index| self.tenants.get_mut(index as usize)) {
            tenant.account.charge(nanos);
        }
    }

    /// The next thing to do, if there is any. The tenant that gets it goes to the end of the ring.
    pub fn next_turn(&mut self) -> Option<Turn> {
        while let Some(index) = self.next_with_credit() {
            let turn = self.turn_of(index);
            if self
                .tenants
                .get(index as usize)
                .is_some_and(|tenant| !tenant.woken.is_empty() || !tenant.line.is_empty())
            {
                self.enter_ring(index);
            }
            if turn.is_some() {
                self.served = Some(index);
                return turn;
            }
        }
        None
    }

    /// Takes the next tenant with credit out of the ring; those without stand aside.
    fn next_with_credit(&mut self) -> Option<u32> {
        loop {
            let Some(index) = self.ring.pop_front() else {
                self.next_round()?;
                continue;
            };
            let Some(tenant) = self.tenants.get_mut(index as usize) else { continue };
            tenant.account.catch_up(self.round);
            let rounds = tenant.account.rounds_to_credit();
            if rounds == 0 {
                tenant.in_ring = false;
                return Some(index);
            }
            self.stood_aside += 1;
            self.aside.push(Reverse((self.round.saturating_add(rounds), self.stood_aside, index)));
        }
    }

    /// Begins the next round in which anybody has credit: rounds in which nobody has any are skipped.
    fn next_round(&mut self) -> Option<()> {
        self.round = self.aside.peek()?.0.0;
        while let Some(first) = self.aside.peek_mut().filter(|first| first.0.0 <= self.round) {
            let Reverse((.., index)) = PeekMut::pop(first);
            self.ring.push_back(index);
        }
        Some(())
    }

    /// The two kinds of work alternate; where one has nothing, the other has the turn.
    fn turn_of(&mut self, index: u32) -> Option<Turn> {
        if self.tenants.get(index as usize)?.woken_had_last_turn {
            self.deliver(index).or_else(|| self.resume(index))
        } else {
            self.resume(index).or_else(|| self.deliver(index))
        }
    }

    fn resume(&mut self, index: u32) -> Option<Turn> {
        let tenant = self.tenants.get_mut(index as usize)?;
        let key = tenant.woken.pop_front()?;
        tenant.woken_had_last_turn = true;
        Some(Turn::Resume(key))
    }

    fn deliver(&mut self, index: u32) -> Option<Turn> {
        while let Some(Reverse((_, address))) = self.tenants.get_mut(index as usize)?.line.pop() {
            let Some(queue) = self.queue(address) else { continue };
            queue.lined_up = false;
            if queue.wants_turn().is_none() {
                continue;
            }
            let Some(accepted) = queue.take() else { continue };
            queue.in_flight += 1;
            self.line_up(address);
            self.tenants.get_mut(index as usize)?.woken_had_last_turn = false;
            return Some(Turn::Deliver(address, accepted));
        }
        None
    }

    fn line_up(&mut self, address: Address) {
        let Some(queue) = self.queue(address) else { return };
        let Some(arrival) = queue.wants_turn() else { return };
        queue.lined_up = true;
        let tenant = queue.tenant;
        if let Some(entry) = self.tenants.get_mut(tenant as usize) {
            entry.line.push(Reverse((arrival, address)));
        }
        self.enter_ring(tenant);
    }

    fn enter_ring(&mut self, index: u32) {
        if let Some(tenant) = self.tenants.get_mut(index as usize)
            && !tenant.in_ring
        {
            tenant.in_ring = true;
            self.ring.push_back(index);
        }
    }

    fn queue(&mut self, address: Address) -> Option<&mut Queue> {
        let (generation, place) = self.queues.get_mut(address.slot as usize)?;
        if *generation == address.generation { place.as_mut() } else { None }
    }

    fn tenant_of(&mut self, tenant: &TenantId) -> u32 {
        if let Some(index) = self.tenant_index.get(tenant) {
            return *index;
        }
        let index = u32::try_from(self.tenants.len()).expect("bounded by the number of tenants");
        self.tenants.push(Tenant::default());
        self.tenant_index.insert(tenant.clone(), index);
        index
    }
}

#[cfg(test)]
mod tests;
