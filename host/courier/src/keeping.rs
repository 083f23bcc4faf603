//! Sending what must not be lost: kept by the bus before it is acknowledged, and sent again under the same id.

use std::pin::Pin;
use std::sync::Arc;

use host_bus::{Keeping, Letter, LetterId};
use host_calls::{Answer, CallId, HostCall, HostReply, Refusal, RefusalNumbers};
use host_gate::{Arrival, Delivery, Outgoing, Refused, Stamped};
use host_model::{Cause, Draft, Envelope, MessageId, Qos, Receipt, Target, TenantId};
use sha2::{Digest as _, Sha256};

use crate::audit::{not_accepted, refused};
use crate::messaging::{PUBLISH, SEND};
use crate::party::count;
use crate::refusal::of_bus;
use crate::{Courier, Party};

/// Something to send, from outside a guest.
#[derive(Debug)]
pub struct Post {
    /// Where to.
    pub target: PostTarget,
    /// What; its option `qos` says whether it is kept.
    pub draft: Draft,
    /// The same key of the same sender is the same message: a second one is not sent.
    pub key: Option<String>,
}

/// Where to, as it was written.
#[derive(Debug)]
pub enum PostTarget {
    /// All who subscribe.
    Topic(String),
    /// One queue.
    Agent(String),
}

/// What a message repeats when it is sent again: from the same basis comes the same id.
pub(crate) enum Basis<'a> {
    /// A call of a guest that handles a message: which call, and which item of a batch.
    Call { cause: Cause, id: CallId, item: usize },
    /// A key that the sender chose.
    Key(&'a str),
    /// A dead letter.
    Letter(LetterId),
}

/// A receipt, now or once the message is on the disk.
pub(crate) enum Sending {
    Now(Result<Receipt, Refusal>),
    Later(Pin<Box<dyn Future<Output = Result<Receipt, Refusal>> + Send>>),
}

impl Sending {
    pub(crate) async fn done(self) -> Result<Receipt, Refusal> {
        match self {
            Self::Now(sent) => sent,
            Self::Later(sent) => sent.await,
        }
    }

    pub(crate) fn answer(self) -> Answer {
        match self {
            Self::Now(sent) => Answer::Now(sent.map(HostReply::Sent)),
            Self::Later(sent) => Answer::Later(Box::pin(async move { sent.await.map(HostReply::Sent) })),
        }
    }
}

impl Courier {
    /// Sends for a party outside a guest, and waits for the disk where the draft asks for it.
    pub async fn post(&self, party: &Arc<Party>, post: Post) -> Result<Receipt, Refusal> {
        let Post { target, draft, key } = post;
        let basis = key.as_deref().map(Basis::Key);
        match target {
            PostTarget::Topic(topic) => self.publish_kept_or_not(party, &topic, draft, None, basis).done().await,
            PostTarget::Agent(agent) => self.send_kept_or_not(party, &agent, draft, None, basis).done().await,
        }
    }

    pub(crate) fn publish_kept_or_not(
        &self,
        party: &Arc<Party>,
        topic: &str,
        draft: Draft,
        cause: Option<Cause>,
        basis: Option<Basis<'_>>,
    ) -> Sending {
        if draft.qos() == Qos::AtMostOnce {
            return Sending::Now(self.publish(party, topic, draft, cause));
        }
        match self.topic(party, topic) {
            Ok(topic) => self.keep(party, PUBLISH, Ok(Target::Topic(topic)), draft, cause, basis),
            Err(refusal) => Sending::Now(Err(refusal)),
        }
    }

    pub(crate) fn send_kept_or_not(
        &self,
        party: &Arc<Party>,
        agent: &str,
        draft: Draft,
        cause: Option<Cause>,
        basis: Option<Basis<'_>>,
    ) -> Sending {
        if draft.qos() == Qos::AtMostOnce {
            return Sending::Now(self.send(party, agent, draft, cause));
        }
        self.keep(party, SEND, HostCall::queue(agent).map(Target::Queue), draft, cause, basis)
    }

    fn keep(
        &self,
        party: &Arc<Party>,
        action: &'static str,
        target: Result<Target, Refusal>,
        draft: Draft,
        cause: Option<Cause>,
        basis: Option<Basis<'_>>,
    ) -> Sending {
        let admitted = target.and_then(|target| {
            let id = basis.map(|basis| id_of(party, &basis, &target, &draft));
            let outgoing = Outgoing { target, draft, reply_to: None, expires: None, replay_of: None };
            self.admit(party, outgoing, cause, id)
        });
        match admitted {
            Ok(stamped) => self.kept(party, action, self.parts().bus.keep(stamped)),
            Err(refusal) => {
                self.refuse(party, action, &refusal);
                Sending::Now(Err(refusal))
            }
        }
    }

    /// Counts and audits what the disk says, whenever it comes.
    fn kept(&self, party: &Arc<Party>, action: &'static str, keeping: Keeping) -> Sending {
        let (courier, party) = (self.clone(), party.clone());
        Sending::Later(Box::pin(async move {
            let sent = keeping.await.map_err(of_bus);
            match &sent {
                Ok(_) => count(&party.counters.published),
                Err(refusal) => courier.refuse(&party, action, refusal),
            }
            sent
        }))
    }

    /// Sends a dead letter again, as its sender, with what that sender may do now. Doing it twice sends it once.
    pub async fn replay(&self, sender: &Arc<Party>, letter: &Letter) -> Result<Receipt, Refusal> {
        let sent = match self.readmit(sender, letter) {
            Ok(stamped) => self.parts().bus.replay(stamped, letter).await.map_err(of_bus),
            Err(refusal) => Err(refusal),
        };
        sent.inspect_err(|refusal| refused(&self.parts().ledger, &sender.caller, "message.replay", refusal))
    }

    fn readmit(&self, sender: &Arc<Party>, letter: &Letter) -> Result<Stamped, Refusal> {
        let opened = self.open_letter(letter).map_err(|refused| {
            not_accepted(&self.parts().ledger, &sender.caller, &refused);
            Refusal::Invalid(RefusalNumbers::of(refused.code()))
        })?;
        let (target, draft) = sent_again(&opened).ok_or(Refusal::NotFound)?;
        let id = id_of(sender, &Basis::Letter(letter.id), &target, &draft);
        let outgoing = Outgoing { target, draft, reply_to: None, expires: None, replay_of: Some(opened.id) };
        self.admit(sender, outgoing, None, Some(id))
    }

    /// What a dead letter says, verified.
    pub fn open_letter(&self, letter: &Letter) -> Result<Arc<Envelope>, Refused> {
        let delivery = Delivery::Sealed {
            tenant: letter.tenant.clone(),
            address: letter.address.clone(),
            bytes: letter.frame.clone(),
        };
        let verified = self.parts().gate.verify(delivery, &*self.parts().keys, Arrival::Kept)?;
        Ok(Arc::new(verified.envelope().clone()))
    }
}

/// The draft that a message was made from, but for its options: it is kept, as it was.
fn sent_again(envelope: &Envelope) -> Option<(Target, Draft)> {
    let target = match &envelope.to {
        host_model::Destination::Topic(topic) => Target::Topic(topic.clone()),
        host_model::Destination::Queue(queue) => Target::Queue(queue.clone()),
        host_model::Destination::Reply { .. } => return None,
    };
    let draft = Draft {
        message_type: envelope.message_type.clone(),
        content_type: envelope.content_type.clone(),
        payload: envelope.payload.clone(),
        correlation_id: envelope.correlation_id.clone(),
        headers: envelope.headers.clone(),
        options: std::iter::once(Qos::AtLeastOnce.as_option()).chain(envelope.key_option()).collect(),
    };
    Some((target, draft))
}

/// A UUID of version 8 (RFC 9562, section 5.8) from the hash of what makes a message the same one: who sends it, what it repeats,
/// and, for a call of a guest, where it goes and what it says, since a guest that is run again may do something else.
fn id_of(party: &Party, basis: &Basis<'_>, target: &Target, draft: &Draft) -> MessageId {
    let mut hash = Sha256::new();
    let (tenant, agent): (&TenantId, _) = (party.caller.tenant(), party.caller.agent());
    parts(&mut hash, &[b"bailiwick.message-id.1", tenant.as_str().as_bytes(), agent.as_str().as_bytes()]);
    match basis {
        Basis::Call { cause, id, item } => {
            let (ordinal, item) = (id.ordinal.to_be_bytes(), (*item as u64).to_be_bytes());
            parts(&mut hash, &[b"call", cause.id.as_bytes(), &ordinal, &item]);
            let target = match target {
                Target::Topic(topic) => format!("topic {topic}"),
                Target::Queue(queue) => format!("queue {queue}"),
            };
            parts(&mut hash, &[target.as_bytes(), draft.message_type.as_bytes(), &draft.payload]);
        }
        Basis::Key(key) => parts(&mut hash, &[b"key", key.as_bytes()]),
        Basis::Letter(letter) => parts(&mut hash, &[b"letter", &letter.0.to_be_bytes()]),
    }
    let digest = hash.finalize();
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    MessageId::new(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

/// Each with its length before it, so that no two lists of parts are the same bytes.
fn parts(hash: &mut Sha256, parts: &[&[u8]]) {
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
}
