//! A courier on the embedded bus with parties in two tenants, for the tests of this crate.

use std::sync::Arc;
use std::time::Duration;

use host_bus::{Bus, EmbeddedBus, Interest, Leases, Subscribe};
use host_calls::{Answer, CallId, Context, HostCall, HostCalls as _, HostReply, Refusal};
use host_gate::{Accepted, Gate, MessageLimits, NoKeys};
use host_mailbox::{Address, Mailbox, Open, Push, Turn};
use host_model::{Cause, Draft};
use host_quota::Budget;
use host_registry::Registry;
use parking_lot::Mutex;
use tests_kit::audit::MemoryAudit;
use tests_kit::gate::{CountedIds, FixedClock, NOW, born, draft, grants};

use crate::{Counters, Courier, CourierParts, LogBook, Mail, Party};

/// Requests a party may have open.
pub(crate) const REQUESTS_MAX: u64 = 100;

/// An empty host.
pub(crate) struct World {
    pub(crate) courier: Courier,
    /// What the ledger wrote.
    pub(crate) audit: Arc<MemoryAudit>,
    pub(crate) clock: Arc<FixedClock>,
    bus: Arc<EmbeddedBus>,
}

/// A party that is on the road, with a mailbox that the test empties.
pub(crate) struct Peer {
    pub(crate) party: Arc<Party>,
    mailbox: Arc<OneMailbox>,
}

struct OneMailbox {
    mailbox: Mutex<Mailbox>,
    address: Address,
}

impl Mail for OneMailbox {
    fn push(&self, accepted: Accepted) -> Result<(), Push> {
        self.mailbox.lock().push(self.address, accepted)
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_egress(host_egress::Egress::closed())
    }

    /// With a way out of the test's own.
    pub(crate) fn with_egress(egress: host_egress::Egress) -> Self {
        Self::with(egress, None)
    }

    /// With leases of the test's own.
    pub(crate) fn with_leases(leases: Arc<dyn Leases>) -> Self {
        Self::with(host_egress::Egress::closed(), Some(leases))
    }

    fn with(egress: host_egress::Egress, leases: Option<Arc<dyn Leases>>) -> Self {
        let (clock, bus) = (Arc::new(FixedClock::new()), Arc::new(EmbeddedBus::new()));
        let audit = Arc::new(MemoryAudit::default());
        let parts = CourierParts {
            keys: Arc::new(NoKeys),
            gate: Gate::new(MessageLimits::default()),
            bus: bus.clone(),
            registry: Arc::new(Registry::new()),
            logs: Arc::new(LogBook::new(clock.clone())),
            ledger: audit.ledger(),
            egress,
            state: None,
            files: None,
            leases,
            clock: clock.clone(),
            ids: Arc::new(CountedIds::default()),
            started: NOW,
        };
        Self { courier: Courier::new(parts), audit, clock, bus }
    }

    /// An agent with room for so many messages, its own queue and subscriptions.
    pub(crate) fn join(&self, tenant: &str, agent: &str, subscribe: &[&str], len_max: u32) -> Peer {
        let requests = Budget::new(REQUESTS_MAX);
        let party = Party::new(born(tenant, agent), grants(subscribe), requests, false, Arc::<Counters>::default());
        self.join_as(party, len_max)
    }

    pub(crate) fn join_as(&self, party: Party, len_max: u32) -> Peer {
        let party = Arc::new(party);
        let mut mailbox = Mailbox::default();
        let address = mailbox.open(Open { receiver: party.caller.clone(), len_max, in_flight_max: u32::MAX });
        mailbox.release(address);
        let mailbox = Arc::new(OneMailbox { mailbox: Mutex::new(mailbox), address });
        let inbound = self.courier.inbound(party.clone(), mailbox.clone());
        let topics = party.grants().subscribe.clone().into_iter().map(Interest::Topics);
        for interest in topics.chain([Interest::own(party.caller.agent(), u32::MAX)]) {
            self.bus.subscribe(
                Subscribe { tenant: party.caller.tenant().clone(), interest, queue: None, member: None },
                inbound.clone(),
            );
        }
        self.courier.join(party.clone());
        Peer { party, mailbox }
    }

    /// Makes a call as a party would while it handles a message.
    pub(crate) fn call(&self, peer: &Peer, call: HostCall) -> Answer {
        let id = CallId { run: 1, ordinal: 1 };
        let context = Context { id, remaining: Duration::from_hours(1), cause: None };
        self.courier.call(&peer.party.caller, context, call)
    }

    /// Makes a call as a party would while it handles a message that `cause` tells of.
    pub(crate) fn because(&self, peer: &Peer, call: HostCall, cause: Cause) -> Result<HostReply, Refusal> {
        let id = CallId { run: 1, ordinal: 1 };
        let context = Context { id, remaining: Duration::from_hours(1), cause: Some(cause) };
        match self.courier.call(&peer.party.caller, context, call) {
            Answer::Now(reply) => reply,
            Answer::Later(_) => panic!("it should not have to wait"),
        }
    }

    /// A call that is answered at once.
    pub(crate) fn now(&self, peer: &Peer, call: HostCall) -> Result<HostReply, Refusal> {
        match self.call(peer, call) {
            Answer::Now(reply) => reply,
            Answer::Later(_) => panic!("it should not have to wait"),
        }
    }

    /// A request that waits for its answer for at most an hour.
    pub(crate) fn ask(&self, peer: &Peer, agent: &str, draft: Draft) -> Answer {
        self.call(peer, HostCall::Request { agent: agent.to_owned(), draft, deadline_ms: 3_600_000 })
    }
}

impl Peer {
    /// The way into its mailbox.
    pub(crate) fn mail(&self) -> Arc<dyn Mail> {
        self.mailbox.clone()
    }

    /// The next message in its mailbox.
    pub(crate) fn receive(&self) -> Option<Accepted> {
        match self.mailbox.mailbox.lock().next_turn()? {
            Turn::Deliver(_, accepted) => Some(accepted),
            Turn::Resume(_) => None,
        }
    }
}

/// The answer of a request, once it is there.
pub(crate) async fn answered(answer: Answer) -> Result<host_model::Envelope, Refusal> {
    let reply = match answer {
        Answer::Now(reply) => reply,
        Answer::Later(reply) => reply.await,
    };
    reply.map(|reply| match reply {
        HostReply::Answered(envelope) => *envelope,
        other => panic!("not an answer to a request: {other:?}"),
    })
}

pub(crate) fn publish(topic: &str, body: &str) -> HostCall {
    HostCall::Publish { topic: topic.to_owned(), draft: draft(body) }
}

pub(crate) fn send(agent: &str, body: &str) -> HostCall {
    HostCall::Send { agent: agent.to_owned(), draft: draft(body) }
}
