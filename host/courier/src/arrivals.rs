//! What arrives at this host's receivers: verified, fresh, and handed to each of them once.
//!
//! A message of this process needs none of it. One that came over the wire is refused if a receiver was handed it before, or may
//! have been: it is remembered by its producer's numbers in a window, as RFC 4303 (3.4.3) does for packets.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use host_gate::{Accepted, Arrival, Delivery, Gate, Keys, NoKeys, Novelty, Receiver, Refused};
use host_ledger::Ledger;
use host_model::{AgentId, Caller, Clock, Incarnation, Producer, TenantId};
use parking_lot::Mutex;

use crate::audit::{not_accepted, replayed};

/// How far numbers of one producer may overtake each other.
const WINDOW: u64 = 1_024;
const WORDS: usize = (WINDOW / 64) as usize;
/// Producers of one tenant that are remembered, each for each of its receivers.
const LINES_MAX: usize = 16_384;
/// For how long: a message that is older than five minutes is not fresh, and its sender's clock may be half a minute ahead.
const REMEMBERED_MS: u64 = 330_000;

/// How often it is looked for room while there is none.
const SWEEP_MS: u64 = 1_000;

/// The gate on the receiving side, with the memory of what came over the wire.
pub(crate) struct Arrivals {
    gate: Gate,
    keys: Arc<dyn Keys>,
    clock: Arc<dyn Clock>,
    ledger: Ledger,
    /// Each tenant's apart: one that is heard much deafens nobody else.
    heard: Mutex<HashMap<TenantId, Lines, RandomState>>,
}

#[derive(Default)]
struct Lines {
    heard: HashMap<Line, Heard, RandomState>,
    swept_ms: u64,
}

/// What one receiver hears from one producer. Starts of one agent share what is sent to it; who watches hears for itself.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Line {
    receiver: AgentId,
    watcher: Option<Incarnation>,
    producer: Producer,
}

struct Heard {
    window: Window,
    last_ms: u64,
}

/// It was not accepted, and that is told.
pub(crate) struct NotAccepted;

impl Arrivals {
    pub(crate) fn new(gate: Gate, keys: Arc<dyn Keys>, clock: Arc<dyn Clock>, ledger: Ledger) -> Self {
        Self { gate, keys, clock, ledger, heard: Mutex::default() }
    }

    /// Verify, then accept, then the memory of replays: what is not accepted spends no number.
    pub(crate) fn accept(&self, delivery: Delivery, receiver: Receiver<'_>) -> Result<Accepted, NotAccepted> {
        let wired = matches!(delivery, Delivery::Sealed { .. });
        let accepted = self.checked(delivery, receiver, wired).map_err(|refused| {
            not_accepted(&self.ledger, caller_of(receiver), &refused);
            NotAccepted
        })?;
        if wired && !self.is_new(&accepted, receiver) {
            replayed(&self.ledger, caller_of(receiver));
            return Err(NotAccepted);
        }
        Ok(accepted)
    }

    /// Accepts for a receiver that may have no room: what it did not take spent no number, so that another may.
    pub(crate) fn accept_into<E>(
        &self,
        delivery: Delivery,
        receiver: Receiver<'_>,
        take: impl FnOnce(Accepted) -> Result<(), E>,
    ) -> Result<Result<(), E>, NotAccepted> {
        let wired = matches!(delivery, Delivery::Sealed { .. });
        let accepted = self.accept(delivery, receiver)?;
        let number =
            wired.then(|| (accepted.envelope().tenant.clone(), line(&accepted, receiver), accepted.envelope().seq));
        let taken = take(accepted);
        if taken.is_err()
            && let Some((tenant, line, seq)) = number
        {
            self.give_back(&tenant, &line, seq);
        }
        Ok(taken)
    }

    fn checked(&self, delivery: Delivery, receiver: Receiver<'_>, wired: bool) -> Result<Accepted, Refused> {
        let now = self.clock.now();
        let verified = if wired {
            self.gate.verify(delivery, &*self.keys, Arrival::Ingress { now })?
        } else {
            self.gate.verify(delivery, &NoKeys, Arrival::Kept)?
        };
        self.gate.accept(verified, Novelty::First, receiver, now)
    }

    fn is_new(&self, accepted: &Accepted, receiver: Receiver<'_>) -> bool {
        let now_ms = self.clock.uptime_millis();
        let line = line(accepted, receiver);
        let mut heard = self.heard.lock();
        let lines = heard.entry(accepted.envelope().tenant.clone()).or_default();
        lines.sweep(now_ms);
        // To forget one early would let its copies through: a producer for whom there is no room is not heard.
        if lines.heard.len() >= LINES_MAX && !lines.heard.contains_key(&line) {
            return false;
        }
        let heard = lines.heard.entry(line).or_insert_with(|| Heard { window: Window::default(), last_ms: now_ms });
        heard.last_ms = now_ms;
        heard.window.take(accepted.envelope().seq)
    }

    fn give_back(&self, tenant: &TenantId, line: &Line, seq: u64) {
        let mut heard = self.heard.lock();
        if let Some(heard) = heard.get_mut(tenant).and_then(|lines| lines.heard.get_mut(line)) {
            heard.window.give_back(seq);
        }
    }
}

impl Lines {
    /// Forgets who was not heard for long; with many of them sooner, yet not at each message.
    fn sweep(&mut self, now_ms: u64) {
        let every_ms = if self.heard.len() < LINES_MAX { REMEMBERED_MS } else { SWEEP_MS };
        if self.swept_ms.saturating_add(every_ms) <= now_ms {
            self.swept_ms = now_ms;
            self.heard.retain(|_, heard| heard.last_ms.saturating_add(REMEMBERED_MS) > now_ms);
        }
    }
}

fn line(accepted: &Accepted, receiver: Receiver<'_>) -> Line {
    let caller = caller_of(receiver);
    let watcher = matches!(receiver, Receiver::Watcher { .. }).then(|| caller.incarnation());
    Line { receiver: caller.agent().clone(), watcher, producer: accepted.envelope().producer }
}

fn caller_of(receiver: Receiver<'_>) -> &Arc<Caller> {
    match receiver {
        Receiver::Agent { caller, .. } | Receiver::Asker { caller, .. } | Receiver::Watcher { caller } => caller,
    }
}

/// The last numbers of a producer.
#[derive(Default)]
struct Window {
    highest: u64,
    /// One bit for each of the last numbers, by its remainder.
    seen: [u64; WORDS],
}

impl Window {
    /// Takes a number. False if it was taken before, or lies too far back to know.
    fn take(&mut self, seq: u64) -> bool {
        if seq.saturating_add(WINDOW) <= self.highest {
            return false;
        }
        if seq > self.highest {
            let skipped = (seq - self.highest).min(WINDOW);
            (1..=skipped).for_each(|step| self.set(self.highest + step, false));
            if seq - self.highest > WINDOW {
                self.seen = [0; WORDS];
            }
            self.highest = seq;
        }
        let new = !self.has(seq);
        self.set(seq, true);
        new
    }

    /// A number that was taken for nothing. One that lies too far back stays taken.
    fn give_back(&mut self, seq: u64) {
        if seq.saturating_add(WINDOW) > self.highest {
            self.set(seq, false);
        }
    }

    fn has(&self, seq: u64) -> bool {
        let (word, bit) = place(seq);
        self.seen.get(word).is_some_and(|bits| bits & bit != 0)
    }

    fn set(&mut self, seq: u64, to: bool) {
        let (word, bit) = place(seq);
        if let Some(bits) = self.seen.get_mut(word) {
            *bits = if to { *bits | bit } else { *bits & !bit };
        }
    }
}

const fn place(seq: u64) -> (usize, u64) {
    let at = seq % WINDOW;
    ((at / 64) as usize, 1 << (at % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_was_given_back_passes_once_more() {
        let mut window = Window::default();
        assert!(window.take(7));
        window.give_back(7);
        assert!(window.take(7));
        assert!(!window.take(7));
    }

    #[test]
    fn each_number_passes_once_in_whatever_order_within_the_window() {
        let mut window = Window::default();
        let mut check = |seq, passes| assert_eq!(window.take(seq), passes, "{seq}");
        check(1, true);
        check(1, false);
        check(3, true);
        check(2, true);
        check(2, false);
        check(3, false);
        check(1_026, true);
        check(2, false);
        check(3, false);
        check(4, true);
        check(1_000_000, true);
        check(1_000_000 - 1_023, true);
        check(1_000_000 - 1_024, false);
        check(1_026, false);
    }
}
