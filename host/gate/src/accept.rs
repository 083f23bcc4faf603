//! At the receiver's side: a delivery checked against the one who would handle it, and against the present.

use std::sync::Arc;

use host_model::{Caller, Destination, Envelope, Grants, Queue, ReplyToken, Timestamp};

use crate::{Accepted, Gate, Refused, Verified};

/// Who would handle a delivery, and why it thinks it may.
#[derive(Debug, Clone, Copy)]
pub enum Receiver<'a> {
    /// An agent with its own queue and its subscriptions.
    Agent {
        /// Who.
        caller: &'a Arc<Caller>,
        /// What it may receive now.
        grants: &'a Grants,
    },
    /// One that asked, and waits under this token.
    Asker {
        /// Who.
        caller: &'a Arc<Caller>,
        /// The token it waits under.
        token: ReplyToken,
    },
    /// A person who watches one's tenant, and sees each message but can answer none.
    Watcher {
        /// Who.
        caller: &'a Arc<Caller>,
    },
}

/// What the memory of replays said about a message: one that it calls a duplicate is not accepted at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Novelty {
    /// It was not handed over before. All that a local delivery can be.
    First,
    /// It was handed over before, or may have been, from the same place, and nobody has finished it.
    Redelivery {
        /// Which attempt this is, as far as that is known: 2 or more.
        attempt: u32,
    },
}

impl Novelty {
    /// Which attempt to handle it this is, from 1.
    pub fn attempt(self) -> u32 {
        match self {
            Self::First => 1,
            Self::Redelivery { attempt } => attempt.max(2),
        }
    }
}

impl Receiver<'_> {
    fn caller(&self) -> &Arc<Caller> {
        match self {
            Self::Agent { caller, .. } | Self::Asker { caller, .. } | Self::Watcher { caller } => caller,
        }
    }

    fn check_destination(&self, to: &Destination) -> Result<(), Refused> {
        match (self, to) {
            (Self::Agent { caller, .. }, Destination::Queue(Queue::Agent(agent))) if agent == caller.agent() => Ok(()),
            (Self::Agent { grants, .. }, Destination::Queue(queue)) if grants.may_take(queue) => Ok(()),
            (Self::Agent { .. }, Destination::Queue(Queue::Agents | Queue::Orchestrator)) => {
                Err(Refused::QueueNotGranted)
            }
            (Self::Agent { grants, .. }, Destination::Topic(topic)) if grants.may_receive(topic) => Ok(()),
            (Self::Agent { .. }, Destination::Topic(_)) => Err(Refused::SubscribeNotGranted),
            (Self::Asker { caller, token }, Destination::Reply { agent, token: to })
                if agent == caller.agent() && token == to =>
            {
                Ok(())
            }
            (Self::Watcher { .. }, _) => Ok(()),
            _ => Err(Refused::WrongReceiver { to: to.clone() }),
        }
    }
}

impl Gate {
    /// Decides whether `receiver` may handle a message now: tenant, then destination, then grant, then expiry.
    pub fn accept(
        &self,
        verified: Verified,
        novelty: Novelty,
        receiver: Receiver<'_>,
        now: Timestamp,
    ) -> Result<Accepted, Refused> {
        let envelope = verified.envelope();
        check_tenant(envelope, receiver.caller())?;
        receiver.check_destination(&envelope.to)?;
        if envelope.expires.is_some_and(|expires| expires < now) {
            return Err(Refused::Expired);
        }
        let may_answer = matches!(receiver, Receiver::Agent { .. });
        Ok(Accepted::new(verified, novelty, receiver.caller().clone(), may_answer))
    }
}

/// Said a second time at this border: `admit` stamped the tenant, the bus routed by it, and neither is trusted here.
fn check_tenant(envelope: &Envelope, receiver: &Caller) -> Result<(), Refused> {
    if envelope.tenant == *receiver.tenant() {
        return Ok(());
    }
    Err(Refused::ForeignTenant { sent_in: envelope.tenant.clone(), received_in: receiver.tenant().clone() })
}

#[cfg(test)]
mod tests;
