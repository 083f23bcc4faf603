//! One queue: what waits, what is being handled, and who receives.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use host_model::{MessageId, Queue, TenantId, Timestamp};
use parking_lot::Mutex;

use super::House;
use super::tenant::Usage;
use super::writer::Settling;
use crate::backoff::backoff;
use crate::{
    Change, Death, Depth, Handover, Inbound, JournalError, Keep, Kept, Place, Position, QueueView, SubscriptionId,
    Verdict, Waiting,
};

/// Messages of a queue that are held in memory and not handed out yet; the others lie in the journal alone.
const WINDOW_MAX: usize = 256;
/// Bytes of frames that are read at once.
const READ_BYTES_MAX: usize = 4 << 20;
/// Messages that wait to be tried again. With more of them nothing else is begun until one is due.
const LATER_MAX: usize = 256;
/// Decisions that are not on the disk yet. With more of them nothing else is handed out.
const SETTLING_MAX: usize = 256;
/// When a receiver without room is asked again.
const FULL_WAIT: Duration = Duration::from_millis(20);
/// When a journal that could not be read is asked again.
const READ_WAIT: Duration = Duration::from_secs(1);
/// When a message is looked at again that could not become a dead letter, because there are too many.
const LETTERS_FULL_WAIT: Duration = Duration::from_secs(30);

pub(super) struct Pump {
    house: Arc<House>,
    tenant: TenantId,
    queue: Queue,
    usage: Arc<Usage>,
    state: Mutex<State>,
}

/// A receiver of the queue.
pub(super) struct Consumer {
    id: SubscriptionId,
    inbound: Arc<dyn Inbound>,
    in_flight_max: usize,
    in_flight: usize,
    /// It said that it takes nothing any more.
    gone: bool,
}

#[derive(Default)]
struct State {
    /// In the order in which they are handed out.
    window: VecDeque<Waiting>,
    /// To be tried again, each at its own time.
    later: HashMap<MessageId, Waiting, RandomState>,
    in_flight: HashMap<MessageId, (Waiting, SubscriptionId), RandomState>,
    consumers: Vec<Consumer>,
    turn: usize,
    /// Up to here everything was read from the journal once.
    loaded: Position,
    /// The last message that was kept for this queue.
    last: Position,
    loading: bool,
    nudged: bool,
    settling: usize,
    messages: u64,
    bytes: u64,
    quarantined: u64,
    /// Its agent is gone: what comes out of the journal now is given up.
    ended: bool,
}

impl Consumer {
    pub(super) fn new(id: SubscriptionId, inbound: Arc<dyn Inbound>, in_flight_max: u32) -> Self {
        Self { id, inbound, in_flight_max: in_flight_max as usize, in_flight: 0, gone: false }
    }

    fn has_room(&self) -> bool {
        !self.gone && self.in_flight < self.in_flight_max
    }
}

impl Pump {
    pub(super) fn new(house: Arc<House>, tenant: TenantId, queue: Queue, usage: Arc<Usage>) -> Arc<Self> {
        Arc::new(Self { house, tenant, queue, usage, state: Mutex::default() })
    }

    pub(super) fn queue(&self) -> &Queue {
        &self.queue
    }

    /// What an earlier start left lies in the journal, somewhere up to where that start ended.
    pub(super) fn found(&self, depth: Depth) {
        let mut state = self.state.lock();
        (state.messages, state.bytes, state.quarantined) = (depth.messages, depth.bytes, depth.quarantined);
        state.last = self.house.started_at;
    }

    /// A message was kept for this queue. Called in the order of the journal.
    pub(super) fn kept(self: &Arc<Self>, keep: &Keep, position: Position) {
        let mut state = self.state.lock();
        let all_loaded = state.loaded == state.last;
        state.last = position;
        state.messages += 1;
        state.bytes += keep.sealed.bytes().len() as u64;
        if all_loaded && state.window.len() < WINDOW_MAX {
            state.loaded = position;
            state.window.push_back(Waiting {
                position,
                message: keep.message,
                remembered: Some(position),
                sender: keep.sender.clone(),
                address: keep.sealed.address().to_owned(),
                frame: keep.sealed.bytes().clone(),
                failures: 0,
                due: keep.kept,
                kept: keep.kept,
            });
        }
        self.hand_out(&mut state);
    }

    pub(super) fn consume(self: &Arc<Self>, consumer: Consumer) {
        let mut state = self.state.lock();
        state.consumers.push(consumer);
        self.hand_out(&mut state);
    }

    pub(super) fn end_consumer(&self, id: SubscriptionId) {
        self.state.lock().consumers.retain(|consumer| consumer.id != id);
    }

    /// A message that was handed out has ended. One that is not being handled is none of this queue's.
    pub(super) fn settle(self: &Arc<Self>, message: MessageId, verdict: Verdict) {
        let mut state = self.state.lock();
        let Some((mut waiting, consumer)) = state.in_flight.remove(&message) else { return };
        if let Some(consumer) = state.consumers.iter_mut().find(|other| other.id == consumer) {
            consumer.in_flight = consumer.in_flight.saturating_sub(1);
        }
        if !matches!(verdict, Verdict::Done | Verdict::Back) {
            waiting.failures = waiting.failures.saturating_add(1);
        }
        self.decide(&mut state, waiting, verdict);
        self.hand_out(&mut state);
    }

    /// A decision is on the disk.
    pub(super) fn settled(self: &Arc<Self>) {
        let mut state = self.state.lock();
        state.settling = state.settling.saturating_sub(1);
        if state.settling == SETTLING_MAX - 1 {
            self.hand_out(&mut state);
        }
    }

    /// Its agent is gone: everything that waits is given up.
    pub(super) fn end(self: &Arc<Self>) {
        let mut state = self.state.lock();
        state.ended = true;
        state.consumers.clear();
        self.hand_out(&mut state);
    }

    pub(super) fn view(&self) -> QueueView {
        let state = self.state.lock();
        let handled = state.in_flight.values().map(|(waiting, _)| waiting);
        let oldest = state.window.iter().chain(state.later.values()).chain(handled).map(|waiting| waiting.kept).min();
        QueueView {
            queue: self.queue.clone(),
            messages: state.messages,
            bytes: state.bytes,
            in_flight: state.in_flight.len() as u64,
            quarantined: state.quarantined,
            oldest,
            consumers: state.consumers.len() as u64,
        }
    }

    /// Gives up what nobody fetched in time: of a queue without a receiver only the journal knows what is old.
    pub(super) async fn expire(self: &Arc<Self>) -> Result<(), JournalError> {
        let unread = {
            let state = self.state.lock();
            state.consumers.is_empty() && !state.loading && state.messages > 0 && state.window.is_empty()
        };
        if unread && self.first_is_old().await? {
            self.load(&mut self.state.lock());
        }
        self.hand_out(&mut self.state.lock());
        Ok(())
    }

    async fn first_is_old(&self) -> Result<bool, JournalError> {
        let loaded = self.state.lock().loaded;
        let first = self.house.journal.read(&self.tenant, &self.queue, loaded, 1, READ_BYTES_MAX).await?;
        Ok(first.first().is_some_and(|waiting| self.is_over(waiting)))
    }

    fn is_over(&self, waiting: &Waiting) -> bool {
        let retention = u64::try_from(self.usage.limits().retention.as_millis()).unwrap_or(u64::MAX);
        waiting.kept.as_millis().saturating_add(retention) < self.house.clock.now().as_millis()
    }

    /// Hands out what may be handed out now, in order, and has more read where there is more.
    fn hand_out(self: &Arc<Self>, state: &mut State) {
        while state.settling < SETTLING_MAX && state.later.len() < LATER_MAX {
            let Some(first) = state.window.front() else { break };
            if state.ended || self.is_over(first) {
                let Some(waiting) = state.window.pop_front() else { break };
                let verdict = given_up(state.ended);
                self.decide(state, waiting, verdict);
                continue;
            }
            let Some(index) = state.next_consumer() else { break };
            let Some(waiting) = state.window.pop_front() else { break };
            if !self.offer(state, index, waiting) {
                break;
            }
        }
        let wanted = state.ended || state.consumers.iter().any(|consumer| !consumer.gone);
        if wanted && state.window.len() < WINDOW_MAX / 4 && state.loaded < state.last {
            self.load(state);
        }
    }

    /// Offers one message to one receiver. False if it is not worth going on.
    fn offer(self: &Arc<Self>, state: &mut State, index: usize, waiting: Waiting) -> bool {
        let Some(consumer) = state.consumers.get_mut(index) else { return false };
        let handed_before = waiting.position <= self.house.started_at;
        let kept = Kept { tenant: &self.tenant, queue: &self.queue, waiting: &waiting, handed_before };
        let id = consumer.id;
        match consumer.inbound.take(&kept) {
            Handover::Taken => {
                consumer.in_flight += 1;
                state.in_flight.insert(waiting.message, (waiting, id));
            }
            Handover::Full => {
                state.window.push_front(waiting);
                self.nudge(state, FULL_WAIT);
                return false;
            }
            Handover::Gone => {
                consumer.gone = true;
                state.window.push_front(waiting);
            }
            Handover::Ended(verdict) => self.decide(state, waiting, verdict),
            Handover::Quarantined(code) => {
                let Waiting { message, position, .. } = &waiting;
                tracing::error!(
                    tenant = %self.tenant, queue = %self.queue, %message, position = position.0, code,
                    "a message is not what was kept: it is set aside"
                );
                state.quarantined += 1;
                self.leave(state, &waiting);
                let place = self.place(&waiting);
                self.write(state, Change::Quarantine { place, code });
            }
        }
        true
    }

    /// What becomes of a message that left the window; `failures` counts the attempt that just failed.
    fn decide(self: &Arc<Self>, state: &mut State, waiting: Waiting, verdict: Verdict) {
        match verdict {
            Verdict::Done => {
                self.leave(state, &waiting);
                let place = self.place(&waiting);
                self.write(state, Change::Done(place));
            }
            Verdict::Back => state.put_back(waiting),
            Verdict::Retry { after, .. } if waiting.failures < self.usage.limits().attempts_max => {
                self.try_later(state, waiting, after);
            }
            Verdict::Retry { cause, detail, .. } | Verdict::Dead { cause, detail } => {
                let death = Death { cause, detail, attempts: waiting.failures, at: self.house.clock.now() };
                self.bury(state, waiting, death);
            }
        }
    }

    fn try_later(self: &Arc<Self>, state: &mut State, mut waiting: Waiting, wish: Option<Duration>) {
        let wait = backoff(waiting.failures, wish);
        let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        waiting.due = Timestamp::from_millis(self.house.clock.now().as_millis().saturating_add(millis));
        let change = Change::Failed { place: self.place(&waiting), failures: waiting.failures, due: waiting.due };
        self.write(state, change);
        self.park(state, waiting, wait);
    }

    /// With too many dead letters it stays where it is: what was acknowledged is not dropped for want of room elsewhere.
    fn bury(self: &Arc<Self>, state: &mut State, waiting: Waiting, death: Death) {
        if !self.usage.take_letter() {
            tracing::warn!(tenant = %self.tenant, queue = %self.queue, "too many dead letters: a message stays in its queue");
            return self.park(state, waiting, LETTERS_FULL_WAIT);
        }
        self.leave(state, &waiting);
        if let Some(notices) = &*self.house.notices.read() {
            notices.died(&self.tenant, &self.queue, waiting.message, &death);
        }
        let place = self.place(&waiting);
        self.write(state, Change::Bury { place, death });
    }

    /// Has it wait outside the window for a while.
    fn park(self: &Arc<Self>, state: &mut State, waiting: Waiting, wait: Duration) {
        let (pump, message) = (self.clone(), waiting.message);
        state.later.insert(message, waiting);
        self.house.runtime.spawn(async move {
            tokio::time::sleep(wait).await;
            let mut state = pump.state.lock();
            if let Some(waiting) = state.later.remove(&message) {
                state.window.push_front(waiting);
                pump.hand_out(&mut state);
            }
        });
    }

    /// Looks again after a while, once for all who asked meanwhile.
    fn nudge(self: &Arc<Self>, state: &mut State, wait: Duration) {
        if state.nudged {
            return;
        }
        state.nudged = true;
        let pump = self.clone();
        self.house.runtime.spawn(async move {
            tokio::time::sleep(wait).await;
            let mut state = pump.state.lock();
            state.nudged = false;
            pump.hand_out(&mut state);
        });
    }

    fn load(self: &Arc<Self>, state: &mut State) {
        if state.loading {
            return;
        }
        state.loading = true;
        let (pump, after, last) = (self.clone(), state.loaded, state.last);
        self.house.runtime.spawn(async move {
            let journal = &pump.house.journal;
            let read = journal.read(&pump.tenant, &pump.queue, after, WINDOW_MAX, READ_BYTES_MAX).await;
            let mut state = pump.state.lock();
            state.loading = false;
            match read {
                Ok(rows) => {
                    pump.loaded(&mut state, rows, last);
                    pump.hand_out(&mut state);
                }
                Err(error) => {
                    tracing::error!(tenant = %pump.tenant, queue = %pump.queue, %error, "a queue cannot be read");
                    pump.nudge(&mut state, READ_WAIT);
                }
            }
        });
    }

    /// Takes over what was read. If that was all there was, it reaches up to what was last kept when reading began.
    fn loaded(self: &Arc<Self>, state: &mut State, rows: Vec<Waiting>, last: Position) {
        let bytes: usize = rows.iter().map(|waiting| waiting.frame.len()).sum();
        let all = rows.len() < WINDOW_MAX && bytes < READ_BYTES_MAX;
        let upto = rows.last().map_or(state.loaded, |waiting| waiting.position);
        state.loaded = if all { last.max(upto) } else { upto };
        let now = self.house.clock.now();
        for waiting in rows {
            match waiting.due.as_millis().checked_sub(now.as_millis()) {
                Some(wait) if waiting.failures > 0 && wait > 0 => {
                    self.park(state, waiting, Duration::from_millis(wait));
                }
                _ => state.window.push_back(waiting),
            }
        }
    }

    fn leave(&self, state: &mut State, waiting: &Waiting) {
        let len = waiting.frame.len() as u64;
        state.messages = state.messages.saturating_sub(1);
        state.bytes = state.bytes.saturating_sub(len);
        self.usage.gone(len);
    }

    fn write(self: &Arc<Self>, state: &mut State, change: Change) {
        state.settling += 1;
        self.house.writer.settle(Settling { change, pump: self.clone() });
    }

    fn place(&self, waiting: &Waiting) -> Place {
        Place { tenant: self.tenant.clone(), queue: self.queue.clone(), position: waiting.position }
    }
}

impl State {
    /// The next receiver in turn that has room.
    fn next_consumer(&mut self) -> Option<usize> {
        let len = self.consumers.len();
        let index = (0..len)
            .map(|step| (self.turn + step) % len)
            .find(|index| self.consumers.get(*index).is_some_and(Consumer::has_room))?;
        self.turn = index + 1;
        Some(index)
    }

    /// At its place in the order of the journal.
    fn put_back(&mut self, waiting: Waiting) {
        let index = self.window.iter().position(|other| other.position > waiting.position);
        self.window.insert(index.unwrap_or(self.window.len()), waiting);
    }
}

fn given_up(ended: bool) -> Verdict {
    use host_model::DeathCause::{Denied, Expired};
    let (cause, detail) = if ended {
        (Denied, "its receiver was deleted")
    } else {
        (Expired, "it waited for longer than its tenant keeps messages")
    };
    Verdict::Dead { cause, detail: detail.to_owned() }
}
