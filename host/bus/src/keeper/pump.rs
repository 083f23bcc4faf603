//! One queue: what waits, what is being handled, and who receives.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use host_gate::shard_key_of;
use host_model::{DeathCause, MessageId, Queue, TenantId, Timestamp};
use parking_lot::Mutex;

use super::House;
use super::tenant::Usage;
use super::writer::Settling;
use crate::backoff::backoff;
use crate::{
    Change, Death, Depth, Handover, Inbound, JournalError, Keep, Kept, Member, Place, Position, QueueView,
    SubscriptionId, Verdict, Waiting, shard_of,
};

/// Messages of a queue that are held in memory and not handed out yet; the others lie in the journal alone.
const WINDOW_MAX: usize = 256;
/// Bytes of frames that are read at once.
const READ_BYTES_MAX: usize = 4 << 20;
/// Messages that wait to be tried again. With more of them nothing else is begun until one is due.
const LATER_MAX: usize = 256;
/// Decisions that are not on the disk yet. With more of them nothing else is handed out.
const SETTLING_MAX: usize = 256;
/// When a receiver without room is asked again; twice as long each time, up to the longest.
const FULL_WAIT: Duration = Duration::from_millis(20);
const FULL_WAIT_MAX: Duration = Duration::from_millis(500);
/// When a journal that could not be read is asked again.
const READ_WAIT: Duration = Duration::from_secs(1);
/// Why a row that cannot be read is set aside.
const UNREADABLE: &str = "unreadable-row";
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
pub(crate) struct Consumer {
    id: SubscriptionId,
    inbound: Arc<dyn Inbound>,
    /// It takes the messages of its keys alone, as long as all receivers have a name.
    member: Option<Member>,
    in_flight_max: usize,
    in_flight: usize,
    /// It said that it has no room, and nothing of it has ended since.
    full: bool,
    /// It said that it takes nothing any more.
    gone: bool,
}

/// A message that waits outside the window.
struct Later {
    waiting: Waiting,
    /// It is to be a dead letter, and there was no room for one.
    death: Option<Death>,
}

#[derive(Default)]
struct State {
    /// In the order in which they are handed out.
    window: VecDeque<Waiting>,
    /// Each to be looked at again at its own time.
    later: HashMap<MessageId, Later, RandomState>,
    in_flight: HashMap<MessageId, (Waiting, SubscriptionId), RandomState>,
    consumers: Vec<Consumer>,
    turn: usize,
    /// Up to here everything was read from the journal once.
    loaded: Position,
    /// The last message that was kept for this queue.
    last: Position,
    loading: bool,
    nudged: bool,
    /// How often in a row nobody had room.
    full: u32,
    settling: usize,
    messages: u64,
    bytes: u64,
    quarantined: u64,
    /// What comes out of the journal is given up: the oldest, which waited for too long, or all of it. It is read although nobody
    /// receives.
    gives_up: Option<GivenUp>,
}

impl Consumer {
    /// At most so many messages are handed to it and not ended.
    pub(crate) fn new(id: SubscriptionId, inbound: Arc<dyn Inbound>, in_flight_max: u32) -> Self {
        let in_flight_max = in_flight_max as usize;
        Self { id, inbound, member: None, in_flight_max, in_flight: 0, full: false, gone: false }
    }

    pub(crate) fn of(self, member: Option<Member>) -> Self {
        Self { member, ..self }
    }

    fn has_room(&self) -> bool {
        !self.gone && !self.full && self.in_flight < self.in_flight_max
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
        if all_loaded && state.has_window_for(keep.sealed.bytes().len()) {
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
        let Some(mut waiting) = state.take_back(message) else { return };
        if !matches!(verdict, Verdict::Done | Verdict::Back) {
            waiting.failures = waiting.failures.saturating_add(1);
        }
        self.decide(&mut state, waiting, verdict);
        self.hand_out(&mut state);
    }

    /// A message that was handed out has ended on another host, after so many attempts.
    pub(super) fn end_elsewhere(self: &Arc<Self>, message: MessageId, ended: Handover, attempts: u32) {
        let mut state = self.state.lock();
        let Some(mut waiting) = state.take_back(message) else { return };
        waiting.failures = attempts;
        match ended {
            Handover::Ended(verdict) => self.decide(&mut state, waiting, verdict),
            Handover::Quarantined(code) => self.quarantine(&mut state, &waiting, code),
            Handover::Taken | Handover::Full | Handover::Gone => state.put_back(waiting),
        }
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

    /// Its agent is gone: everything that waits or is being handled is given up.
    pub(super) fn end(self: &Arc<Self>) {
        let mut state = self.state.lock();
        state.gives_up = Some(GivenUp::Deleted);
        state.consumers.clear();
        let handled = std::mem::take(&mut state.in_flight).into_values().map(|(waiting, _)| waiting);
        let later = std::mem::take(&mut state.later).into_values().map(|later| later.waiting);
        for waiting in handled.chain(later) {
            self.decide(&mut state, waiting, GivenUp::Deleted.verdict());
        }
        self.hand_out(&mut state);
    }

    pub(super) fn view(&self) -> QueueView {
        let state = self.state.lock();
        let handled = state.in_flight.values().map(|(waiting, _)| waiting);
        let later = state.later.values().map(|later| &later.waiting);
        let oldest = state.window.iter().chain(later).chain(handled).map(|waiting| waiting.kept).min();
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
        let expiring = unread && self.first_is_old().await?;
        let mut state = self.state.lock();
        if expiring {
            state.gives_up.get_or_insert(GivenUp::Expired);
        }
        self.hand_out(&mut state);
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
            if first.frame.is_empty() {
                let Some(waiting) = state.window.pop_front() else { break };
                self.quarantine(state, &waiting, UNREADABLE);
                continue;
            }
            let gives_up = match state.gives_up {
                Some(GivenUp::Deleted) => Some(GivenUp::Deleted),
                _ => self.is_over(first).then_some(GivenUp::Expired),
            };
            if let Some(why) = gives_up {
                let Some(waiting) = state.window.pop_front() else { break };
                self.decide(state, waiting, why.verdict());
                continue;
            }
            state.gives_up = None;
            let Some((at, index)) = state.next_offer() else { break };
            let Some(waiting) = state.window.remove(at) else { break };
            self.offer(state, index, at, waiting);
        }
        if !state.window.is_empty() && state.consumers.iter().any(|consumer| consumer.full) {
            let wait = FULL_WAIT.saturating_mul(1 << state.full.min(16)).min(FULL_WAIT_MAX);
            self.nudge(state, wait);
        }
        let wanted = state.gives_up.is_some() || state.consumers.iter().any(|consumer| !consumer.gone);
        if wanted && state.window.len() < WINDOW_MAX / 4 && state.loaded < state.last {
            self.load(state);
        }
    }

    /// Offers one message, from its place in the window, to one receiver.
    fn offer(self: &Arc<Self>, state: &mut State, index: usize, at: usize, waiting: Waiting) {
        let Some(consumer) = state.consumers.get_mut(index) else { return state.window.insert(at, waiting) };
        let handed_before = waiting.position <= self.house.started_at;
        let Waiting { position, message, remembered, address, frame, failures, kept, .. } = &waiting;
        let kept = Kept {
            tenant: &self.tenant,
            queue: &self.queue,
            position: *position,
            message: *message,
            address,
            frame,
            remembered: *remembered == Some(*position),
            attempt: failures.saturating_add(1).saturating_add(handed_before.into()),
            since: *kept,
        };
        let id = consumer.id;
        match consumer.inbound.take(&kept) {
            Handover::Taken => {
                consumer.in_flight += 1;
                state.full = 0;
                state.in_flight.insert(waiting.message, (waiting, id));
            }
            Handover::Full => {
                consumer.full = true;
                state.window.insert(at, waiting);
            }
            Handover::Gone => {
                consumer.gone = true;
                state.window.insert(at, waiting);
            }
            Handover::Ended(verdict) => self.decide(state, waiting, verdict),
            Handover::Quarantined(code) => self.quarantine(state, &waiting, code),
        }
    }

    fn quarantine(self: &Arc<Self>, state: &mut State, waiting: &Waiting, code: &'static str) {
        let Waiting { message, position, .. } = waiting;
        tracing::error!(
            tenant = %self.tenant, queue = %self.queue, %message, position = position.0, code,
            "a message is not what was kept: it is set aside"
        );
        state.quarantined += 1;
        self.leave(state, waiting);
        let place = self.place(waiting);
        self.write(state, Change::Quarantine { place, code });
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
        self.park(state, Later { waiting, death: None }, wait);
    }

    /// With too many dead letters it stays in its queue until there is room, and nobody is given it again: what was acknowledged is
    /// not dropped for want of room elsewhere.
    fn bury(self: &Arc<Self>, state: &mut State, mut waiting: Waiting, death: Death) {
        if !self.usage.take_letter() {
            tracing::warn!(tenant = %self.tenant, queue = %self.queue, "too many dead letters: a message stays in its queue");
            waiting.due = death.at;
            let later = Later { waiting, death: Some(death) };
            return self.park(state, later, LETTERS_FULL_WAIT);
        }
        self.leave(state, &waiting);
        if let Some(notices) = &*self.house.notices.read() {
            notices.died(&self.tenant, &self.queue, waiting.message, &death);
        }
        let place = self.place(&waiting);
        self.write(state, Change::Bury { place, death });
    }

    /// Has it wait outside the window for a while.
    fn park(self: &Arc<Self>, state: &mut State, later: Later, wait: Duration) {
        let (pump, message) = (self.clone(), later.waiting.message);
        state.later.insert(message, later);
        self.house.runtime.spawn(async move {
            tokio::time::sleep(wait).await;
            let mut state = pump.state.lock();
            let Some(Later { waiting, death }) = state.later.remove(&message) else { return };
            match death {
                Some(death) => pump.bury(&mut state, waiting, death),
                None => state.window.push_front(waiting),
            }
            pump.hand_out(&mut state);
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
            state.full = state.full.saturating_add(1);
            for consumer in &mut state.consumers {
                consumer.full = false;
            }
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

    /// Takes over what was read. If that is nothing, everything up to what was last kept when reading began is read.
    fn loaded(self: &Arc<Self>, state: &mut State, rows: Vec<Waiting>, last: Position) {
        state.loaded = rows.last().map_or(last, |waiting| waiting.position).max(state.loaded);
        let now = self.house.clock.now();
        for waiting in rows {
            match waiting.due.as_millis().checked_sub(now.as_millis()) {
                Some(wait) if waiting.failures > 0 && wait > 0 => {
                    self.park(state, Later { waiting, death: None }, Duration::from_millis(wait));
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
    /// Whether a frame of so many bytes is held in memory too. While nobody receives, the oldest is enough: it says since when.
    fn has_window_for(&self, len: usize) -> bool {
        let held: usize = self.window.iter().map(|waiting| waiting.frame.len()).sum();
        let wanted = self.window.is_empty() || self.consumers.iter().any(|consumer| !consumer.gone);
        wanted && self.window.len() < WINDOW_MAX && held.saturating_add(len) <= READ_BYTES_MAX
    }

    /// Takes a message from whoever was handed it, and gives its room back.
    fn take_back(&mut self, message: MessageId) -> Option<Waiting> {
        let (waiting, consumer) = self.in_flight.remove(&message)?;
        if let Some(consumer) = self.consumers.iter_mut().find(|other| other.id == consumer) {
            consumer.in_flight = consumer.in_flight.saturating_sub(1);
            consumer.full = false;
        }
        Some(waiting)
    }

    /// The next message that can be handed out, by its place in the window, and to whom.
    fn next_offer(&mut self) -> Option<(usize, usize)> {
        match self.members() {
            Some(members) => self.next_by_key(&members),
            None => self.next_consumer().map(|index| (0, index)),
        }
    }

    /// The receivers that are there, if all of them share by key.
    fn members(&self) -> Option<Vec<Member>> {
        let here = self.consumers.iter().filter(|consumer| !consumer.gone);
        let named: Option<Vec<Member>> = here.map(|consumer| consumer.member.clone()).collect();
        named.filter(|named| !named.is_empty())
    }

    /// The first message whose receiver has room: one that is busy holds up its own keys and no others.
    fn next_by_key(&self, members: &[Member]) -> Option<(usize, usize)> {
        if !self.consumers.iter().any(Consumer::has_room) {
            return None;
        }
        self.window.iter().enumerate().find_map(|(at, waiting)| {
            let owner = shard_of(&shard_key_of(&waiting.frame), members)?;
            let is_free = |consumer: &Consumer| consumer.member.as_ref() == Some(owner) && consumer.has_room();
            self.consumers.iter().position(is_free).map(|index| (at, index))
        })
    }

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

/// Why a message is given up that nobody was offered.
#[derive(Clone, Copy)]
enum GivenUp {
    Deleted,
    Expired,
}

impl GivenUp {
    fn verdict(self) -> Verdict {
        let (cause, detail) = match self {
            Self::Deleted => (DeathCause::Denied, "its receiver was deleted"),
            Self::Expired => (DeathCause::Expired, "it waited for longer than its tenant keeps messages"),
        };
        Verdict::Dead { cause, detail: detail.to_owned() }
    }
}
