//! What an external agent is given while it listens: handed out in order, kept until it says that it has it, handed out again after
//! a reconnect.
//!
//! Bounded by [`UNACKNOWLEDGED_MAX`]: past it the bus holds back what is kept, and a sender of what is not is told that the mailbox
//! is full. What was not handed out when the stream ends goes back, and so does what others may take in its place.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use host_courier::Mail;
use host_gate::Accepted;
use host_mailbox::{Full, Push};
use host_model::{Caller, Destination, Queue};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// The most messages an external agent may have that it did not acknowledge.
pub const UNACKNOWLEDGED_MAX: u32 = 256;

/// A message's place in what was handed to one external agent. Opaque to clients; one of an earlier run of the host, or of an
/// earlier registration, means nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    run: u64,
    number: u64,
}

/// Why a text is no cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the id of an event of this stream: give one as it came, or none")]
pub struct BadCursor;

/// What comes next on a stream.
pub(super) enum Next {
    /// This message.
    Message(Cursor, Arc<Accepted>),
    /// Nothing at the moment.
    Nothing,
    /// Nothing ever again: another stream took its place.
    Replaced,
    /// Nothing ever again: the agent is gone, or has another registration.
    Closed,
}

/// The messages that one external agent has not acknowledged.
pub(super) struct Outbox {
    receiver: Arc<Caller>,
    run: u64,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// In the order they came. The first has the number `first`, and each one more than the one before it. None for what went back.
    held: VecDeque<Option<Arc<Accepted>>>,
    first: u64,
    /// The number behind the last that was handed out.
    handed: u64,
    /// Which stream is the one that is served.
    stream: u64,
    closed: bool,
}

impl Outbox {
    /// An empty one. `run` tells its cursors from those of every other.
    pub(super) fn new(receiver: Arc<Caller>, run: u64) -> Self {
        Self { receiver, run, state: Mutex::default(), changed: Notify::new() }
    }

    /// Ends the stream that is served, and serves this one instead, from the first message that is not acknowledged.
    pub(super) fn open(&self) -> (u64, u64) {
        let mut state = self.state.lock();
        state.stream += 1;
        let opened = (state.stream, state.first);
        drop(state);
        self.changed.notify_waiters();
        opened
    }

    /// Takes away what was handed out up to and including this cursor, for whoever settles it.
    pub(super) fn acknowledge(&self, cursor: Cursor) -> Vec<Arc<Accepted>> {
        let mut state = self.state.lock();
        if cursor.run != self.run {
            return Vec::new();
        }
        // What was not handed out cannot have been seen, whatever a client says.
        let until = cursor.number.saturating_add(1).min(state.handed);
        let count = usize::try_from(until.saturating_sub(state.first)).unwrap_or(usize::MAX).min(state.held.len());
        state.first += count as u64;
        state.held.drain(..count).flatten().collect()
    }

    /// What a stream sends next, when its next message has this number or a later one.
    pub(super) fn next(&self, stream: u64, number: u64) -> Next {
        let mut state = self.state.lock();
        if state.closed {
            return Next::Closed;
        }
        if state.stream != stream {
            return Next::Replaced;
        }
        let from = number.max(state.first);
        let index = usize::try_from(from - state.first).unwrap_or(usize::MAX);
        let mut held = (from..).zip(state.held.iter().skip(index));
        let found = held.find_map(|(number, held)| Some((number, held.clone()?)));
        let Some((number, accepted)) = found else { return Next::Nothing };
        state.handed = state.handed.max(number + 1);
        Next::Message(Cursor { run: self.run, number }, accepted)
    }

    /// Completes when something changed after it was made: to be made before [`next`](Self::next) is asked.
    pub(super) fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.changed.notified()
    }

    /// Takes nothing more, ends its stream, and gives what was not acknowledged.
    pub(super) fn close(&self) -> Vec<Arc<Accepted>> {
        let mut state = self.state.lock();
        state.closed = true;
        let left = state.held.drain(..).flatten().collect();
        drop(state);
        self.changed.notify_waiters();
        left
    }

    /// Whether this stream is the one that is served.
    pub(super) fn serves(&self, stream: u64) -> bool {
        let state = self.state.lock();
        !state.closed && state.stream == stream
    }

    /// Ends the stream that is served, and gives what goes back: what was not handed out, and what others may take. The rest waits
    /// for the next stream.
    pub(super) fn end_stream(&self) -> Vec<Arc<Accepted>> {
        let mut state = self.state.lock();
        state.stream += 1;
        let handed =
            usize::try_from(state.handed.saturating_sub(state.first)).unwrap_or(usize::MAX).min(state.held.len());
        let not_handed = state.held.split_off(handed);
        let shared =
            state.held.iter_mut().filter(|held| held.as_deref().is_some_and(is_shared)).filter_map(Option::take);
        let left = shared.chain(not_handed.into_iter().flatten()).collect();
        drop(state);
        self.changed.notify_waiters();
        left
    }

    pub(super) fn len(&self) -> usize {
        self.state.lock().held.iter().flatten().count()
    }
}

impl Mail for Outbox {
    fn push(&self, accepted: Accepted) -> Result<(), Push> {
        if *accepted.receiver() != self.receiver {
            return Err(Push::WrongReceiver);
        }
        let mut state = self.state.lock();
        if state.closed {
            return Err(Push::Closed);
        }
        if state.held.len() >= UNACKNOWLEDGED_MAX as usize {
            return Err(Push::Full(Full { len_max: UNACKNOWLEDGED_MAX }));
        }
        state.held.push_back(Some(Arc::new(accepted)));
        drop(state);
        self.changed.notify_waiters();
        Ok(())
    }
}

fn is_shared(accepted: &Accepted) -> bool {
    matches!(accepted.envelope().to, Destination::Queue(Queue::Agents | Queue::Orchestrator))
}

impl Cursor {
    /// How far it lies in what was handed out, from 0.
    pub(super) fn number(self) -> u64 {
        self.number
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = ((u128::from(self.run) << 64) | u128::from(self.number)).to_be_bytes();
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(raw: &str) -> Result<Self, BadCursor> {
        let bytes: [u8; 16] = URL_SAFE_NO_PAD.decode(raw).ok().and_then(|b| b.try_into().ok()).ok_or(BadCursor)?;
        let both = u128::from_be_bytes(bytes);
        let half = |shift: u32| u64::try_from((both >> shift) & u128::from(u64::MAX)).map_err(|_| BadCursor);
        Ok(Self { run: half(64)?, number: half(0)? })
    }
}

#[cfg(test)]
mod tests {
    use tests_kit::gate::{accepted, born};

    use super::*;

    fn outbox() -> Outbox {
        Outbox::new(born("acme", "meter"), 7)
    }

    fn push(outbox: &Outbox, count: u32) -> Result<(), Push> {
        (0..count).try_for_each(|_| outbox.push(accepted(&outbox.receiver, "x")))
    }

    /// What a stream is handed until nothing is left, by number.
    fn drain(outbox: &Outbox, (stream, mut number): (u64, u64)) -> Vec<u64> {
        let mut numbers = Vec::new();
        while let Next::Message(cursor, _) = outbox.next(stream, number) {
            numbers.push(cursor.number());
            number = cursor.number() + 1;
        }
        numbers
    }

    fn at(number: u64) -> Cursor {
        Cursor { run: 7, number }
    }

    #[test]
    fn what_is_not_acknowledged_is_handed_out_again_and_what_is_never() {
        let outbox = outbox();
        push(&outbox, 4).unwrap();
        assert_eq!(drain(&outbox, outbox.open()), [0, 1, 2, 3]);
        assert_eq!(outbox.acknowledge(at(1)).len(), 2);
        assert_eq!(outbox.acknowledge(at(1)).len(), 0);
        assert_eq!(drain(&outbox, outbox.open()), [2, 3]);
        assert_eq!(outbox.acknowledge(at(3)).len(), 2);
        assert_eq!(drain(&outbox, outbox.open()), [0; 0]);
    }

    #[test]
    fn nothing_is_acknowledged_that_was_not_handed_out_here() {
        let outbox = outbox();
        push(&outbox, 2).unwrap();
        assert_eq!(outbox.acknowledge(at(1)).len(), 0);
        drain(&outbox, outbox.open());
        assert_eq!(outbox.acknowledge(Cursor { run: 8, number: 1 }).len(), 0);
        assert_eq!(outbox.acknowledge(at(u64::MAX)).len(), 2);
    }

    #[test]
    fn it_holds_so_many_and_not_one_more() {
        let outbox = outbox();
        push(&outbox, UNACKNOWLEDGED_MAX).unwrap();
        assert!(matches!(push(&outbox, 1), Err(Push::Full(Full { len_max: UNACKNOWLEDGED_MAX }))));
        drain(&outbox, outbox.open());
        outbox.acknowledge(at(0));
        push(&outbox, 1).unwrap();
    }

    #[test]
    fn a_second_stream_ends_the_first_and_a_closed_box_ends_all() {
        let outbox = outbox();
        let (first, second) = (outbox.open(), outbox.open());
        push(&outbox, 1).unwrap();
        assert!(matches!(outbox.next(first.0, first.1), Next::Replaced));
        assert!(matches!(outbox.next(second.0, second.1), Next::Message(..)));
        assert_eq!(outbox.close().len(), 1);
        assert!(matches!(outbox.next(second.0, second.1), Next::Closed));
        assert!(matches!(push(&outbox, 1), Err(Push::Closed)));
    }

    #[test]
    fn what_was_not_handed_out_when_the_stream_ends_goes_back_and_the_rest_waits_for_the_next() {
        let outbox = outbox();
        push(&outbox, 3).unwrap();
        let (stream, number) = outbox.open();
        assert!(matches!(outbox.next(stream, number), Next::Message(..)));
        assert!(outbox.serves(stream));
        assert_eq!(outbox.end_stream().len(), 2);
        assert!(!outbox.serves(stream));
        assert!(matches!(outbox.next(stream, 1), Next::Replaced));
        push(&outbox, 1).unwrap();
        assert_eq!(drain(&outbox, outbox.open()), [0, 1]);
    }

    #[test]
    fn it_takes_what_was_accepted_for_its_agent_alone() {
        assert!(matches!(outbox().push(accepted(&born("acme", "other"), "x")), Err(Push::WrongReceiver)));
    }

    #[test]
    fn a_cursor_is_text_and_nothing_else_is() {
        let cursor = Cursor { run: u64::MAX - 1, number: 3 };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for bad in ["", "3", "AAAA", "!", &"A".repeat(40)] {
            assert_eq!(bad.parse::<Cursor>(), Err(BadCursor), "{bad}");
        }
    }
}
