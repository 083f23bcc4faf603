//! The courier: who is on the road, and where a host call goes.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use host_bus::{Bus, Holder, Inbound, Leases, Notices, Verdict};
use host_calls::{Answer, Context, HostCall, HostCalls, HostReply, Refusal, RefusalNumbers, StorageCall};
use host_egress::Egress;
use host_gate::{Accepted, Gate, Keys};
use host_ledger::Ledger;
use host_model::{Caller, Clock, Ids, Incarnation, TenantId, Timestamp, TopicPattern};
use host_registry::Registry;
use parking_lot::RwLock;

use crate::arrivals::Arrivals;
use crate::audit::{action_of, audited, refused};
use crate::deaths::Deaths;
use crate::door::Door;
use crate::http::Streams;
use crate::keeping::Basis;
use crate::party::count;
use crate::replies::Replies;
use crate::{FileStore, LogBook, Mail, Party, StateStore, Watch, discovery, leases, state, storage};

/// An answer on its way from a store.
pub type Pending<T> = Pin<Box<dyn Future<Output = Result<T, Refusal>> + Send>>;

/// What a courier works with.
pub struct CourierParts {
    /// The rules.
    pub gate: Gate,
    /// The tenants' keys, for what comes back from a disk.
    pub keys: Arc<dyn Keys>,
    /// What carries.
    pub bus: Arc<dyn Bus>,
    /// Who is there.
    pub registry: Arc<Registry>,
    /// Where agents' logs go.
    pub logs: Arc<LogBook>,
    /// Where refusals are counted.
    pub ledger: Ledger,
    /// Agents' keys and values; a host without them refuses each such call.
    pub state: Option<Arc<dyn StateStore>>,
    /// Agents' files; a host without them refuses each such call.
    pub files: Option<Arc<dyn FileStore>>,
    /// Who holds which lease; a host without them refuses each such call.
    pub leases: Option<Arc<dyn Leases>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The way out to other hosts.
    pub egress: Egress,
    /// New numbers.
    pub ids: Arc<dyn Ids>,
    /// When this host started: part of every producer.
    pub started: Timestamp,
}

/// Carries for all parties of this host. Cheap to clone.
#[derive(Clone)]
pub struct Courier(Arc<Inner>);

struct Inner {
    parts: CourierParts,
    arrivals: Arc<Arrivals>,
    replies: Arc<Replies>,
    streams: Arc<Streams>,
    parties: RwLock<HashMap<Incarnation, Arc<Party>, RandomState>>,
}

impl Courier {
    /// A courier with nobody on the road. Takes the bus's answers.
    pub fn new(parts: CourierParts) -> Self {
        let CourierParts { gate, keys, clock, ledger, .. } = &parts;
        let arrivals = Arc::new(Arrivals::new(gate.clone(), keys.clone(), clock.clone(), ledger.clone()));
        let replies = Arc::new(Replies::new(arrivals.clone()));
        parts.bus.receive_replies(replies.clone());
        Self(Arc::new(Inner { parts, arrivals, replies, streams: Arc::default(), parties: RwLock::default() }))
    }

    /// Lets a party send.
    pub fn join(&self, party: Arc<Party>) {
        self.0.parties.write().insert(party.caller.incarnation(), party);
    }

    /// Ends what [`join`](Self::join) began: later calls of that start are refused.
    pub fn leave(&self, caller: &Caller) {
        self.0.parties.write().remove(&caller.incarnation());
        self.0.streams.close_all(caller.incarnation());
    }

    /// Closes a tenant's connections to other hosts: what its policy allows has changed.
    pub fn close_connections(&self, tenant: &TenantId) {
        self.parts().egress.forget(tenant);
    }

    /// Who is told of messages that are given up.
    pub fn deaths(&self) -> Arc<dyn Notices> {
        Arc::new(Deaths { ledger: self.parts().ledger.clone() })
    }

    /// Ends a kept message that a receiver outside the host took.
    pub fn settle_as(&self, party: &Party, accepted: &Accepted, verdict: Verdict) {
        let handled = verdict == Verdict::Done;
        count(if handled { &party.counters.handled } else { &party.counters.failed });
        self.parts().bus.settle(accepted, verdict);
    }

    /// The receiving side of a party: checks each delivery at the gate and puts it into the mailbox.
    pub fn inbound(&self, party: Arc<Party>, mail: Arc<dyn Mail>) -> Arc<dyn Inbound> {
        let CourierParts { gate, keys, clock, ledger, .. } = self.parts();
        let (gate, keys, clock, ledger) = (gate.clone(), keys.clone(), clock.clone(), ledger.clone());
        Arc::new(Door { gate, keys, clock, ledger, arrivals: self.0.arrivals.clone(), party, mail })
    }

    /// Shows an operator the messages of a tenant.
    pub fn watch(&self, operator: Arc<Caller>, pattern: TopicPattern) -> Watch {
        Watch::start(&self.parts().bus, self.0.arrivals.clone(), operator, pattern)
    }

    /// Asks an agent on behalf of the operator.
    pub async fn ask_as(
        &self,
        party: &Arc<Party>,
        agent: &str,
        draft: host_model::Draft,
        wait: Duration,
    ) -> Result<HostReply, Refusal> {
        let id = host_calls::CallId { run: 0, ordinal: 0 };
        match self.request(party, agent, draft, wait, &Context { id, remaining: wait, cause: None }) {
            Answer::Now(reply) => reply,
            Answer::Later(reply) => reply.await,
        }
    }

    /// The leases of this host, for who leads agents.
    pub fn leases(&self) -> Option<&Arc<dyn Leases>> {
        self.parts().leases.as_ref()
    }

    /// Who a party is among those who ask for leases.
    pub fn holder(&self, party: &Party) -> Holder {
        leases::holder(party, self.parts().started)
    }

    /// Whether a party still acts under every lease that it holds.
    pub(crate) fn check_leases(&self, party: &Party) -> Result<(), Refusal> {
        leases::check(self.parts().leases.as_ref(), party)
    }

    fn storage(&self, party: &Party, call: StorageCall) -> Result<Pending<HostReply>, Refusal> {
        if call.writes() {
            self.check_leases(party)?;
        }
        storage::call(self.parts().files.as_ref(), party, call)
    }

    pub(crate) fn parts(&self) -> &CourierParts {
        &self.0.parts
    }

    pub(crate) fn streams(&self) -> &Arc<Streams> {
        &self.0.streams
    }

    pub(crate) fn replies(&self) -> &Arc<Replies> {
        &self.0.replies
    }
}

impl HostCalls for Courier {
    fn call(&self, caller: &Arc<Caller>, context: Context, call: HostCall) -> Answer {
        let Some(party) = self.0.parties.read().get(&caller.incarnation()).cloned() else {
            return Answer::Now(Err(Refusal::Unavailable(RefusalNumbers::of("stopped"))));
        };
        if let Err(refusal) = party.switch.check() {
            refused(&self.parts().ledger, caller, action_of(&call).unwrap_or("message.send"), &refusal);
            return Answer::Now(Err(refusal));
        }
        let action = action_of(&call);
        let answer = match call {
            HostCall::Publish { topic, draft } => {
                let basis = context.cause.map(|cause| Basis::Call { cause, id: context.id, item: 0 });
                self.publish_kept_or_not(&party, &topic, draft, context.cause, basis).answer()
            }
            HostCall::Send { agent, draft } => {
                let basis = context.cause.map(|cause| Basis::Call { cause, id: context.id, item: 0 });
                self.send_kept_or_not(&party, &agent, draft, context.cause, basis).answer()
            }
            HostCall::Request { agent, draft, deadline_ms } => {
                self.request(&party, &agent, draft, Duration::from_millis(deadline_ms.into()), &context)
            }
            HostCall::Batch(items) => self.batch(&party, items, &context),
            HostCall::Log(line) => {
                self.log(&party, &line);
                Answer::Now(Ok(HostReply::Logged))
            }
            HostCall::Find(query) => Answer::Now(discovery::find(&self.parts().registry, &party, &query)),
            HostCall::Card(id) => Answer::Now(discovery::card(&self.parts().registry, &party, &id)),
            HostCall::Http(call) => self.http(&party, call, &context),
            HostCall::State(call) => {
                let CourierParts { state, clock, .. } = self.parts();
                later(party.clone(), state::call(state.as_ref(), &party, clock.now(), call))
            }
            HostCall::Storage(call) => later(party.clone(), self.storage(&party, call)),
            HostCall::Lease(call) => {
                let CourierParts { leases, started, .. } = self.parts();
                later(party.clone(), leases::call(leases.as_ref(), &party, *started, call))
            }
        };
        match action {
            Some(action) => audited(&self.parts().ledger, caller, action, answer),
            None => answer,
        }
    }
}

/// The answer of a store, counted if it is a refusal.
fn later(party: Arc<Party>, reply: Result<Pending<HostReply>, Refusal>) -> Answer {
    let counted = move |reply: Result<HostReply, Refusal>| reply.inspect_err(|_| count(&party.counters.refused));
    match reply {
        Ok(reply) => Answer::Later(Box::pin(async move { counted(reply.await) })),
        Err(refusal) => Answer::Now(counted(Err(refusal))),
    }
}
