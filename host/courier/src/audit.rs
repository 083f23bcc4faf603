//! Tells the ledger what was refused. The words are the host's own, never a guest's, and nothing here waits.

use std::sync::Arc;

use host_calls::{Answer, HostCall, Refusal};
use host_gate::Refused;
use host_ledger::{Actor, Decision, Denial, Ledger};
use host_model::{Caller, TrapCause};

/// The code of what crosses from one tenant into another.
const FOREIGN: &str = "foreign-tenant";

/// The word for a call; none for messages, which are audited where they are sent, as the operator's are.
pub(crate) fn action_of(call: &HostCall) -> Option<&'static str> {
    match call {
        HostCall::Publish { .. } | HostCall::Send { .. } | HostCall::Request { .. } | HostCall::Batch(_) => None,
        HostCall::Log(_) => Some("log.write"),
        HostCall::Find(_) => Some("registry.find"),
        HostCall::Card(_) => Some("registry.get"),
        HostCall::Http(_) => Some("http.request"),
        HostCall::State(_) => Some("state.use"),
        HostCall::Storage(_) => Some("storage.use"),
        HostCall::Lease(_) => Some("lease.use"),
    }
}

/// Passes an answer on, whenever it comes, and tells of it if it is a refusal.
pub(crate) fn audited(ledger: &Ledger, caller: &Arc<Caller>, action: &'static str, answer: Answer) -> Answer {
    match answer {
        Answer::Now(reply) => Answer::Now(reply.inspect_err(|refusal| refused(ledger, caller, action, refusal))),
        Answer::Later(reply) => {
            let (ledger, caller) = (ledger.clone(), caller.clone());
            Answer::Later(Box::pin(async move {
                reply.await.inspect_err(|refusal| refused(&ledger, &caller, action, refusal))
            }))
        }
    }
}

/// What a principal asked for was refused, or came to nothing.
pub(crate) fn refused(ledger: &Ledger, caller: &Caller, action: &'static str, refusal: &Refusal) {
    let (limit, actual) = refusal.numbers().map_or((None, None), |numbers| (numbers.limit, numbers.actual));
    let decision = decision_of(refusal);
    ledger.denied(&Denial { decision, limit, actual, ..denial(caller, action, refusal.code()) });
}

/// The handling of a message was cut off by a limit, a trap, or the host.
pub(crate) fn cut_off(ledger: &Ledger, caller: &Caller, cause: TrapCause) {
    ledger.denied(&Denial { decision: Decision::Failed, ..denial(caller, "message.handle", cause.as_str()) });
}

/// A principal named a topic of another tenant. It is told nothing of that.
pub(crate) fn named_another_tenant(ledger: &Ledger, caller: &Caller) {
    tracing::debug!(tenant = %caller.tenant(), agent = %caller.agent(), "named a topic of another tenant");
    ledger.denied(&denial(caller, "cross-tenant.publish", FOREIGN));
}

/// A message was stopped at its receiver's gate.
pub(crate) fn not_accepted(ledger: &Ledger, caller: &Caller, refused: &Refused) {
    let (tenant, agent) = (caller.tenant(), caller.agent());
    if let Refused::ForeignTenant { sent_in, .. } = refused {
        // Routing failed: the one thing this house exists to prevent.
        tracing::error!(%tenant, %agent, %refused, "stopped at the receiver's gate");
        let crossing = denial(caller, "cross-tenant.accept", FOREIGN);
        return ledger.denied(&Denial { foreign: Some(sent_in), ..crossing });
    }
    tracing::debug!(%tenant, %agent, %refused, "stopped at the receiver's gate");
    ledger.denied(&denial(caller, "message.accept", refused.code()));
}

/// A message came over the wire that its receiver was handed before, or may have been.
pub(crate) fn replayed(ledger: &Ledger, caller: &Caller) {
    tracing::warn!(tenant = %caller.tenant(), agent = %caller.agent(), "a message came over the wire a second time");
    ledger.denied(&denial(caller, "message.accept", "replayed"));
}

/// A message lies in the journal where it was not put.
pub(crate) fn copied(ledger: &Ledger, caller: &Caller) {
    tracing::error!(tenant = %caller.tenant(), agent = %caller.agent(), "a message lies in the journal where it was not put");
    ledger.denied(&denial(caller, "message.accept", "copied"));
}

fn denial<'a>(caller: &'a Caller, action: &'static str, code: &'a str) -> Denial<'a> {
    Denial {
        tenant: Some(caller.tenant()),
        actor: Actor::from(caller.agent()),
        action,
        decision: Decision::Denied,
        code,
        limit: None,
        actual: None,
        foreign: None,
    }
}

/// No answer in time, or a receiver that had none, is no decision of the host.
fn decision_of(refusal: &Refusal) -> Decision {
    match refusal {
        Refusal::TimedOut(_) | Refusal::Unavailable(_) | Refusal::Other(_) => Decision::Failed,
        Refusal::NotGranted(_)
        | Refusal::NotFound
        | Refusal::Invalid(_)
        | Refusal::TooLarge(_)
        | Refusal::OverQuota(_)
        | Refusal::Backpressure(_) => Decision::Denied,
    }
}

#[cfg(test)]
mod tests;
