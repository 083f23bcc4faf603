//! At the sender's side: what an agent asks, checked and stamped.

use std::sync::atomic::{AtomicU64, Ordering};

use host_model::{
    Caller, Cause, Destination, Draft, Envelope, Extension, Extras, Fence, Grants, Header, Ids, MessageId, Producer,
    Qos, ReplyToken, Target, Timestamp,
};

use crate::words::{is_content_type, is_correlation_id, is_header, is_message_type, is_shard_key};
use crate::{Accepted, Denied, Gate, Stamped};

/// The host's limits on one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageLimits {
    /// The largest payload, in bytes.
    pub payload_bytes_max: usize,
    /// The most headers.
    pub headers_max: usize,
    /// The longest chain of causes: a message with this hop is the last.
    pub hop_max: u16,
    /// The most messages that are sent because of one. Counted by who carries: the gate remembers nothing.
    pub root_messages_max: u32,
}

impl Default for MessageLimits {
    fn default() -> Self {
        Self { payload_bytes_max: 1 << 20, headers_max: 32, hop_max: 32, root_messages_max: 10_000 }
    }
}

/// A draft and where it is to go.
#[derive(Debug)]
pub struct Outgoing {
    /// Where to.
    pub target: Target,
    /// What.
    pub draft: Draft,
    /// Where an answer is awaited, for a request.
    pub reply_to: Option<ReplyToken>,
    /// After this moment it is dropped.
    pub expires: Option<Timestamp>,
    /// The dead letter it sends again.
    pub replay_of: Option<MessageId>,
}

/// What the host writes on a message it admits.
#[derive(Clone, Copy)]
pub struct Stamp<'a> {
    /// The time.
    pub now: Timestamp,
    /// Where the id comes from.
    pub ids: &'a dyn Ids,
    /// The id it has to have, for one that may be sent again; else a new one.
    pub id: Option<MessageId>,
    /// Which run of numbers the sequence counts in.
    pub producer: Producer,
    /// The last number given in that run; a refused draft takes none.
    pub seq: &'a AtomicU64,
    /// The message being handled, if one is.
    pub cause: Option<Cause>,
    /// The leases it is sent under.
    pub fences: &'a [Fence],
}

impl Gate {
    /// Decides whether `caller` may send this, and stamps it with its tenant, its agent id, an id, a number and the time.
    ///
    /// Order: grammar, grant, size, hop. A refused draft costs no number.
    pub fn admit(
        &self,
        caller: &Caller,
        grants: &Grants,
        outgoing: Outgoing,
        stamp: Stamp<'_>,
    ) -> Result<Stamped, Denied> {
        check_words(&outgoing.draft)?;
        check_grant(caller, grants, &outgoing.target)?;
        self.check_sizes(&outgoing.draft)?;
        let to = match outgoing.target {
            Target::Topic(topic) => Destination::Topic(topic),
            Target::Queue(queue) => Destination::Queue(queue),
        };
        let Outgoing { reply_to, expires, replay_of, .. } = outgoing;
        let way = Way { to, reply_to, expires, replay_of };
        self.stamp(caller, outgoing.draft, way, stamp)
    }

    /// Stamps the answer to a request. The request itself is the grant: it was accepted for `caller`, and names who asked.
    pub fn admit_reply(
        &self,
        caller: &Caller,
        request: &Accepted,
        mut draft: Draft,
        stamp: Stamp<'_>,
    ) -> Result<Stamped, Denied> {
        let asked = request.envelope();
        let Some(token) = request.reply_to().filter(|_| **request.receiver() == *caller) else {
            return Err(Denied::NoReplyExpected);
        };
        draft.correlation_id.clone_from(&asked.correlation_id);
        check_words(&draft)?;
        self.check_sizes(&draft)?;
        let to = Destination::Reply { agent: asked.sender.clone(), token };
        self.stamp(caller, draft, Way { to, reply_to: None, expires: asked.expires, replay_of: None }, stamp)
    }

    fn stamp(&self, caller: &Caller, draft: Draft, way: Way, stamp: Stamp<'_>) -> Result<Stamped, Denied> {
        let hop = stamp.cause.map_or(0, |cause| cause.hop.saturating_add(1));
        if hop > self.limits.hop_max {
            return Err(Denied::HopLimit { hop, hop_max: self.limits.hop_max });
        }
        let id = stamp.id.unwrap_or_else(|| stamp.ids.message_id(stamp.now));
        Ok(Stamped::new(Envelope {
            id,
            tenant: caller.tenant().clone(),
            sender: caller.agent().clone(),
            producer: stamp.producer,
            seq: stamp.seq.fetch_add(1, Ordering::Relaxed) + 1,
            correlation_id: correlation(draft.correlation_id, id, way.reply_to),
            to: way.to,
            reply_to: way.reply_to,
            message_type: draft.message_type,
            content_type: draft.content_type,
            payload: draft.payload,
            timestamp: stamp.now,
            expires: way.expires,
            causation_id: stamp.cause.map(|cause| cause.id),
            hop,
            root_id: stamp.cause.map_or(id, |cause| cause.root_id),
            headers: draft.headers,
            extras: extras(way.replay_of, draft.options.iter().find_map(shard_key), stamp.fences),
        }))
    }

    fn check_sizes(&self, draft: &Draft) -> Result<(), Denied> {
        let (len, len_max) = (draft.payload.len(), self.limits.payload_bytes_max);
        if len > len_max {
            return Err(Denied::PayloadTooLarge { len, len_max });
        }
        let (len, len_max) = (draft.headers.len().max(draft.options.len()), self.limits.headers_max);
        if len > len_max {
            return Err(Denied::TooManyHeaders { len, len_max });
        }
        Ok(())
    }
}

/// The part of a message's way that its sender does not write.
struct Way {
    to: Destination,
    reply_to: Option<ReplyToken>,
    expires: Option<Timestamp>,
    replay_of: Option<MessageId>,
}

/// The grammar of everything the sender wrote, whatever its size.
fn check_words(draft: &Draft) -> Result<(), Denied> {
    if !is_message_type(&draft.message_type) {
        return Err(Denied::MessageType);
    }
    if !is_content_type(&draft.content_type) {
        return Err(Denied::ContentType);
    }
    if !draft.correlation_id.as_deref().is_none_or(is_correlation_id) {
        return Err(Denied::CorrelationId);
    }
    if !draft.headers.iter().all(is_header) {
        return Err(Denied::Header);
    }
    if !draft.options.iter().all(is_known_option) {
        return Err(Denied::UnknownOption);
    }
    Ok(())
}

fn check_grant(caller: &Caller, grants: &Grants, target: &Target) -> Result<(), Denied> {
    match target {
        Target::Topic(topic) => {
            if topic.owner().is_some_and(|owner| owner != caller.agent().as_str()) {
                return Err(Denied::ForeignCorner);
            }
            if grants.may_publish(topic) { Ok(()) } else { Err(Denied::PublishNotGranted) }
        }
        Target::Queue(queue) if grants.may_send(queue) => Ok(()),
        Target::Queue(_) => Err(Denied::SendNotGranted),
    }
}

/// A request must be matched to its answer, so that one without a correlation id carries its own message id.
fn correlation(given: Option<String>, id: MessageId, reply_to: Option<ReplyToken>) -> Option<String> {
    given.or_else(|| reply_to.map(|_| id.to_string()))
}

fn is_known_option(option: &Header) -> bool {
    Qos::of_option(option).is_some() || shard_key(option).is_some()
}

/// What an option says of the key that a message belongs to, if it is that one and in bounds.
fn shard_key(option: &Header) -> Option<&str> {
    let is_key = option.name == Extension::KEY && is_shard_key(&option.value);
    is_key.then_some(option.value.as_str())
}

fn extras(replay_of: Option<MessageId>, key: Option<&str>, fences: &[Fence]) -> Option<Box<Extras>> {
    let inert = |name: &str, value: String| Extension { name: name.to_owned(), critical: false, value };
    let key = key.map(|key| inert(Extension::KEY, key.to_owned()));
    let fences = fences.iter().map(|fence| inert(Extension::FENCE, fence.to_string()));
    let ext: Vec<Extension> = key.into_iter().chain(fences).collect();
    let any = replay_of.is_some() || !ext.is_empty();
    any.then(|| Box::new(Extras { replay_of, ext, ..Extras::default() }))
}

#[cfg(test)]
mod tests;
