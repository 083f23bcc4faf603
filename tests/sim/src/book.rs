//! What must be true, kept beside the host and never asked of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use host_calls::{HostReply, Refusal};
use host_gate::Accepted;
use host_mailbox::Address;
use host_model::{Envelope, KeyId, MessageId, TenantId};

/// Whether what must be true is.
pub(crate) type Check<T = ()> = Result<T, String>;

/// A message that is being handled.
pub(crate) struct InFlight {
    pub(crate) address: Address,
    pub(crate) accepted: Accepted,
}

/// A request that awaits its answer.
pub(crate) struct OpenRequest {
    pub(crate) tenant: usize,
    pub(crate) asker: u64,
    pub(crate) id: MessageId,
    pub(crate) expires: u64,
    answer: Pin<Box<dyn Future<Output = Result<HostReply, Refusal>> + Send>>,
    /// How it must end, once that is known: the word of its refusal, or an answer.
    pub(crate) ends: Option<Result<(), &'static str>>,
    /// It became a dead letter: its asker is told by the end of the wait.
    pub(crate) is_dead: bool,
}

/// One tenant's second: which it is, and what was taken of it.
#[derive(Debug, Default, Clone, Copy)]
struct Window {
    second: u64,
    used: u64,
}

/// The run as it must be.
#[derive(Default)]
pub(crate) struct Book {
    windows: BTreeMap<usize, Window>,
    /// What waits for each start of an agent, in order.
    pub(crate) queues: BTreeMap<u64, VecDeque<MessageId>>,
    taken_in: BTreeSet<(u64, MessageId)>,
    delivered: BTreeSet<(u64, MessageId)>,
    last_seq: BTreeMap<(u64, u64, String), u64>,
    pub(crate) in_flight: Vec<InFlight>,
    pub(crate) open: Vec<OpenRequest>,
    /// When a key stopped signing, and whether it was revoked.
    pub(crate) ended_keys: BTreeMap<(TenantId, KeyId), (u64, bool)>,
    /// Keys by the order of their birth.
    pub(crate) key_numbers: BTreeMap<KeyId, usize>,
    pub(crate) bodies: u64,
}

/// Refuses with words unless something holds.
pub(crate) fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(otherwise()) }
}

impl Book {
    /// Takes one message of a tenant's second, if there is one left.
    pub(crate) fn spend(&mut self, tenant: usize, now: u64, max: u64) -> Result<(), &'static str> {
        let window = self.windows.entry(tenant).or_default();
        if window.second != now / 1_000 {
            *window = Window { second: now / 1_000, used: 0 };
        }
        if window.used >= max {
            return Err("messages-per-second");
        }
        window.used += 1;
        Ok(())
    }

    pub(crate) fn waiting(&self, incarnation: u64) -> usize {
        self.queues.get(&incarnation).map_or(0, VecDeque::len)
    }

    pub(crate) fn handling(&self, incarnation: u64) -> usize {
        self.in_flight.iter().filter(|one| one.accepted.receiver().incarnation().0 == incarnation).count()
    }

    pub(crate) fn open_of(&self, tenant: usize) -> u64 {
        self.open.iter().filter(|request| request.tenant == tenant).count() as u64
    }

    /// A message came into a mailbox: never a second time.
    pub(crate) fn take_in(&mut self, incarnation: u64, id: MessageId) -> Check {
        self.queues.entry(incarnation).or_default().push_back(id);
        ensure(self.taken_in.insert((incarnation, id)), || format!("{id} came to #{incarnation} twice"))
    }

    /// A message is handled: the first that waits, never a second time, and after all that its sender sent there before.
    pub(crate) fn deliver(&mut self, incarnation: u64, envelope: &Envelope) -> Check {
        let (id, seq) = (envelope.id, envelope.seq);
        let first = self.queues.get_mut(&incarnation).and_then(VecDeque::pop_front);
        ensure(first == Some(id), || format!("{id} was handled by #{incarnation} before {first:?}"))?;
        ensure(self.delivered.insert((incarnation, id)), || format!("{id} was handled by #{incarnation} twice"))?;
        let way = (incarnation, envelope.producer.instance, envelope.to.to_string());
        let before = self.last_seq.insert(way, seq).unwrap_or(0);
        ensure(before < seq, || format!("number {seq} came to #{incarnation} after {before}"))
    }

    pub(crate) fn ask(
        &mut self,
        request: (usize, u64, &Envelope),
        answer: Pin<Box<dyn Future<Output = Result<HostReply, Refusal>> + Send>>,
    ) {
        let (tenant, asker, envelope) = request;
        let expires = envelope.expires.map_or(0, host_model::Timestamp::as_millis);
        self.open.push(OpenRequest { tenant, asker, id: envelope.id, expires, answer, ends: None, is_dead: false });
    }

    /// A request must end so from now on.
    pub(crate) fn ends(&mut self, id: MessageId, end: Result<(), &'static str>) {
        if let Some(request) = self.open.iter_mut().find(|request| request.id == id) {
            request.ends = Some(end);
        }
    }

    /// A request became a dead letter.
    pub(crate) fn died(&mut self, id: MessageId) {
        if let Some(request) = self.open.iter_mut().find(|request| request.id == id) {
            request.is_dead = true;
        }
    }

    /// Every request has ended as it must, or goes on as it must.
    pub(crate) fn settle_requests(&mut self, tenants: &[TenantId]) -> Check {
        for mut request in std::mem::take(&mut self.open) {
            match (request.answer.as_mut().poll(&mut Context::from_waker(Waker::noop())), request.ends) {
                (Poll::Pending, None) => self.open.push(request),
                (Poll::Ready(Ok(HostReply::Answered(answer))), Some(Ok(()))) => {
                    let own = &tenants[request.tenant];
                    ensure(answer.tenant == *own && is_of(&answer, own), || {
                        format!("{own} got an answer of {}", answer.tenant)
                    })?;
                }
                (Poll::Ready(Err(refusal)), Some(Err(code))) if refusal.code() == code => {}
                (polled, ends) => return Err(format!("request {} is {polled:?} and must be {ends:?}", request.id)),
            }
        }
        Ok(())
    }
}

/// Whether a body was written by a member of this tenant: each carries its author's.
pub(crate) fn is_of(envelope: &Envelope, tenant: &TenantId) -> bool {
    envelope.payload.split(|byte| *byte == b'|').next() == Some(tenant.as_str().as_bytes())
}
