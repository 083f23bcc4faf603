//! The courier: who is on the road, and where a host call goes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use host_bus::{Bus, Inbound, NotTaken};
use host_calls::{Answer, Context, HostCall, HostCalls, HostReply, Refusal, RefusalNumbers};
use host_gate::{Delivery, Gate, Receiver, Refused};
use host_mailbox::Push;
use host_model::{Caller, Clock, Ids, Incarnation, Timestamp, TopicPattern};
use host_registry::Registry;
use parking_lot::RwLock;

use crate::door::take;
use crate::party::count;
use crate::replies::Replies;
use crate::{LogBook, Mail, Party, Watch, discovery};

/// What a courier works with.
pub struct CourierParts {
    /// The rules.
    pub gate: Gate,
    /// What carries.
    pub bus: Arc<dyn Bus>,
    /// Who is there.
    pub registry: Arc<Registry>,
    /// Where agents' logs go.
    pub logs: Arc<LogBook>,
    /// The time.
    pub clock: Arc<dyn Clock>,
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
    replies: Arc<Replies>,
    parties: RwLock<HashMap<Incarnation, Arc<Party>, RandomState>>,
}

impl Courier {
    /// A courier with nobody on the road. Takes the bus's answers.
    pub fn new(parts: CourierParts) -> Self {
        let replies = Arc::new(Replies::new(parts.gate.clone(), parts.clock.clone()));
        parts.bus.receive_replies(replies.clone());
        Self(Arc::new(Inner { parts, replies, parties: RwLock::default() }))
    }

    /// Lets a party send.
    pub fn join(&self, party: Arc<Party>) {
        self.0.parties.write().insert(party.caller.incarnation(), party);
    }

    /// Ends what [`join`](Self::join) began: later calls of that start are refused.
    pub fn leave(&self, caller: &Caller) {
        self.0.parties.write().remove(&caller.incarnation());
    }

    /// The receiving side of a party: checks each delivery at the gate and puts it into the mailbox.
    pub fn inbound(&self, party: Arc<Party>, mail: Arc<dyn Mail>) -> Arc<dyn Inbound> {
        Arc::new(Door { gate: self.0.parts.gate.clone(), clock: self.0.parts.clock.clone(), party, mail })
    }

    /// Shows an operator the messages of a tenant.
    pub fn watch(&self, operator: Arc<Caller>, pattern: TopicPattern) -> Watch {
        let parts = self.parts();
        Watch::start(parts.bus.clone(), parts.gate.clone(), parts.clock.clone(), operator, pattern)
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

    pub(crate) fn parts(&self) -> &CourierParts {
        &self.0.parts
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
        match call {
            HostCall::Publish { topic, draft } => {
                Answer::Now(self.publish(&party, &topic, draft, context.cause).map(HostReply::Sent))
            }
            HostCall::Send { agent, draft } => {
                Answer::Now(self.send(&party, &agent, draft, context.cause).map(HostReply::Sent))
            }
            HostCall::Request { agent, draft, deadline_ms } => {
                self.request(&party, &agent, draft, Duration::from_millis(deadline_ms.into()), &context)
            }
            HostCall::Batch(items) => Answer::Now(Ok(self.batch(&party, items, context.cause))),
            HostCall::Log(line) => {
                self.parts().logs.write(caller, &line);
                Answer::Now(Ok(HostReply::Logged))
            }
            HostCall::Find(query) => Answer::Now(discovery::find(&self.parts().registry, &party, &query)),
            HostCall::Card(id) => Answer::Now(discovery::card(&self.parts().registry, &party, &id)),
        }
    }
}

/// The way into one party's mailbox.
struct Door {
    gate: Gate,
    clock: Arc<dyn Clock>,
    party: Arc<Party>,
    mail: Arc<dyn Mail>,
}

impl Inbound for Door {
    fn deliver(&self, delivery: Delivery) -> Result<(), NotTaken> {
        let receiver = Receiver::Agent { caller: &self.party.caller, grants: &self.party.grants };
        let accepted =
            take(&self.gate, delivery, receiver, self.clock.now()).map_err(|refused| self.report(&refused))?;
        match self.mail.push(accepted) {
            Ok(()) => {
                count(&self.party.counters.received);
                Ok(())
            }
            Err(Push::Full(full)) => {
                count(&self.party.counters.dropped);
                Err(NotTaken::Full { len_max: full.len_max })
            }
            Err(Push::Closed | Push::WrongReceiver) => Err(NotTaken::Refused),
        }
    }
}

impl Door {
    fn report(&self, refused: &Refused) -> NotTaken {
        let caller = &self.party.caller;
        // A foreign message here means that routing failed: the one thing this house exists to prevent.
        if matches!(refused, Refused::ForeignTenant { .. }) {
            tracing::error!(tenant = %caller.tenant(), agent = %caller.agent(), %refused, "stopped at the receiver's gate");
        } else {
            tracing::debug!(tenant = %caller.tenant(), agent = %caller.agent(), %refused, "stopped at the receiver's gate");
        }
        NotTaken::Refused
    }
}
