//! `bailiwick:agent@0.1` and `bailiwick:discovery@0.1`: the generated types, and their conversion to and from the model.

use host_calls::{BatchItem, HostReply, LogLevel, Refusal, RefusalNumbers};
use host_model::{Card, CardQuery, Draft, Envelope, Extension, Header, Outcome, Receipt};

use crate::Incoming;

pub(crate) mod generated {
    #![allow(missing_docs, unused_qualifications, clippy::pedantic, reason = "generated from wit/")]
    wasmtime::component::bindgen!({
        inline: "
            package bailiwick:host;
            world host {
                include bailiwick:agent/resident-agent@0.1.0;
                import bailiwick:discovery/registry@0.1.0;
            }
        ",
        path: ["../../wit/agent-0.1", "../../wit/discovery-0.1"],
        ownership: Borrowing { duplicate_if_necessary: true },
        exports: { default: async },
    });
}

pub(crate) use generated::bailiwick::agent::log::Level;
pub(crate) use generated::bailiwick::agent::types as wit;
pub(crate) use generated::bailiwick::discovery::registry as discovery;
pub(crate) use generated::exports::bailiwick::agent::{inbox, lifecycle};

/// The names under which the interfaces are linked.
pub(crate) mod names {
    pub(crate) const MESSAGING: &str = "bailiwick:agent/messaging@0.1.0";
    pub(crate) const LOG: &str = "bailiwick:agent/log@0.1.0";
    pub(crate) const SETTINGS: &str = "bailiwick:agent/settings@0.1.0";
    pub(crate) const IDENTITY: &str = "bailiwick:agent/identity@0.1.0";
    pub(crate) const REGISTRY: &str = "bailiwick:discovery/registry@0.1.0";
}

/// The longest text a guest's failure may carry into logs and dead letters, in bytes.
const REASON_LEN_MAX: usize = 1024;

fn headers_in(headers: Vec<wit::HeaderResult>) -> Vec<Header> {
    headers.into_iter().map(|header| Header { name: header.name, value: header.value }).collect()
}

fn headers_out(headers: Vec<Header>) -> Vec<wit::HeaderResult> {
    headers.into_iter().map(|header| wit::HeaderResult { name: header.name, value: header.value }).collect()
}

/// The fields of a log line, as the guest gave them.
pub(crate) fn log_fields(fields: Vec<wit::HeaderResult>) -> Vec<Header> {
    headers_in(fields)
}

impl From<wit::Draft> for Draft {
    fn from(draft: wit::Draft) -> Self {
        Self {
            message_type: draft.message_type,
            content_type: draft.content_type,
            payload: draft.payload,
            correlation_id: draft.correlation_id,
            headers: headers_in(draft.headers),
            options: headers_in(draft.options),
        }
    }
}

/// One item of a batch as the model knows it.
pub(crate) fn batch_item((target, draft): (wit::Target, wit::Draft)) -> BatchItem {
    match target {
        wit::Target::Topic(topic) => BatchItem::Topic(topic, draft.into()),
        wit::Target::Agent(agent) => BatchItem::Agent(agent, draft.into()),
    }
}

impl From<Receipt> for wit::Receipt {
    fn from(receipt: Receipt) -> Self {
        Self { id: receipt.id.to_string(), durability: receipt.durability.as_str().to_owned() }
    }
}

impl From<RefusalNumbers> for wit::Refusal {
    fn from(numbers: RefusalNumbers) -> Self {
        Self {
            code: numbers.code,
            limit: numbers.limit,
            actual: numbers.actual,
            retry_after_ms: numbers.retry_after_ms,
        }
    }
}

impl From<Refusal> for wit::Denied {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotGranted(numbers) => Self::NotGranted(numbers.into()),
            Refusal::NotFound => Self::NotFound,
            Refusal::Invalid(numbers) => Self::Invalid(numbers.into()),
            Refusal::TooLarge(numbers) => Self::TooLarge(numbers.into()),
            Refusal::OverQuota(numbers) => Self::OverQuota(numbers.into()),
            Refusal::Backpressure(numbers) => Self::Backpressure(numbers.into()),
            Refusal::TimedOut(numbers) => Self::TimedOut(numbers.into()),
            Refusal::Unavailable(numbers) => Self::Unavailable(numbers.into()),
            Refusal::Other(numbers) => Self::Other(numbers.into()),
        }
    }
}

impl From<Level> for LogLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Trace => Self::Trace,
            Level::Debug => Self::Debug,
            Level::Info => Self::Info,
            Level::Warn => Self::Warn,
            Level::Error => Self::Error,
        }
    }
}

impl From<discovery::Query> for CardQuery {
    fn from(query: discovery::Query) -> Self {
        Self { skill: query.skill, tag: query.tag, pattern: query.pattern, capability: query.capability }
    }
}

/// A card as the guest sees it.
pub(crate) fn card_out(card: &Card) -> discovery::Card {
    let skills = card.skills.iter().map(|skill| discovery::Skill {
        id: skill.id.clone(),
        name: skill.name.clone(),
        description: skill.description.clone(),
        tags: skill.tags.clone(),
    });
    discovery::Card {
        id: card.id.to_string(),
        name: card.name.clone(),
        description: card.description.clone(),
        version: card.version.clone(),
        skills: skills.collect(),
        card_json: card.card_json.clone(),
    }
}

/// What a guest gets when the answer is of another kind than its call: the far side of a pipe broke its word.
pub(crate) fn wrong_kind() -> Refusal {
    Refusal::Unavailable(RefusalNumbers::of("wrong-reply"))
}

/// The answer to `publish` and `send`.
pub(crate) fn sent(reply: Result<HostReply, Refusal>) -> Result<wit::Receipt, wit::Denied> {
    match reply? {
        HostReply::Sent(receipt) => Ok(receipt.into()),
        _ => Err(wrong_kind().into()),
    }
}

/// The answer to `request`.
pub(crate) fn answered(reply: Result<HostReply, Refusal>) -> Result<wit::MessageResult, wit::Denied> {
    match reply? {
        HostReply::Answered(envelope) => Ok(message_owned(*envelope)),
        _ => Err(wrong_kind().into()),
    }
}

/// The answer to `batch`: one for each item that was asked for, whatever came back.
pub(crate) fn batched(items: usize, reply: Result<HostReply, Refusal>) -> Vec<Result<wit::Receipt, wit::Denied>> {
    match reply {
        Ok(HostReply::Batch(results)) => {
            results.into_iter().map(|result| result.map(Into::into).map_err(Into::into)).collect()
        }
        Ok(_) => (0..items).map(|_| Err(wrong_kind().into())).collect(),
        Err(refusal) => (0..items).map(|_| Err(refusal.clone().into())).collect(),
    }
}

/// The answer to `find`. Finding has no refusal in WIT: what cannot be found is not there.
pub(crate) fn found(reply: Result<HostReply, Refusal>) -> Vec<discovery::Card> {
    match reply {
        Ok(HostReply::Found(cards)) => cards.iter().map(|card| card_out(card)).collect(),
        _ => Vec::new(),
    }
}

/// The answer to `get`.
pub(crate) fn card(reply: Result<HostReply, Refusal>) -> Option<discovery::Card> {
    match reply {
        Ok(HostReply::Card(card)) => card.as_deref().map(card_out),
        _ => None,
    }
}

fn message_owned(envelope: Envelope) -> wit::MessageResult {
    wit::MessageResult {
        id: envelope.id.to_string(),
        sender: envelope.sender.to_string(),
        destination: envelope.to.to_string(),
        message_type: envelope.message_type,
        content_type: envelope.content_type,
        payload: envelope.payload,
        sent_at_ms: envelope.timestamp.as_millis(),
        expires_at_ms: envelope.expires.map(host_model::Timestamp::as_millis),
        correlation_id: envelope.correlation_id,
        causation_id: envelope.causation_id.map(|id| id.to_string()),
        attempt: 1,
        headers: headers_out(envelope.headers),
        attributes: Vec::new(),
    }
}

/// The texts of a message that the envelope holds in another form; [`Texts::message`] borrows them and the rest.
pub(crate) struct Texts<'a> {
    envelope: &'a Envelope,
    attempt: u32,
    id: String,
    destination: String,
    causation_id: Option<String>,
    headers: Vec<wit::HeaderParam<'a>>,
    attributes: Vec<wit::HeaderParam<'a>>,
}

/// What the host adds to a message that expects an answer.
const REPLY_EXPECTED: wit::HeaderParam<'static> = wit::HeaderParam { name: "reply-expected", value: "true" };

/// What the host says of a message beside what its sender wrote: that an answer is expected, its key, its sender's leases.
fn attributes(envelope: &Envelope) -> Vec<wit::HeaderParam<'_>> {
    let reply = envelope.reply_to.map(|_| REPLY_EXPECTED);
    let ext = envelope.extras.iter().flat_map(|extras| &extras.ext);
    let known = ext.filter(|ext| [Extension::KEY, Extension::FENCE].contains(&ext.name.as_str()));
    reply.into_iter().chain(known.map(|ext| wit::HeaderParam { name: &ext.name, value: &ext.value })).collect()
}

impl<'a> Texts<'a> {
    pub(crate) fn of(Incoming { envelope, attempt }: Incoming<'a>) -> Self {
        let header = |header: &'a Header| wit::HeaderParam { name: &header.name, value: &header.value };
        Self {
            envelope,
            attempt,
            id: envelope.id.to_string(),
            destination: envelope.to.to_string(),
            causation_id: envelope.causation_id.map(|id| id.to_string()),
            headers: envelope.headers.iter().map(header).collect(),
            attributes: attributes(envelope),
        }
    }

    /// The message as `handle` takes it, without a copy of its payload.
    pub(crate) fn message(&self) -> wit::MessageParam<'_> {
        let envelope = self.envelope;
        wit::MessageParam {
            id: &self.id,
            sender: envelope.sender.as_str(),
            destination: &self.destination,
            message_type: &envelope.message_type,
            content_type: &envelope.content_type,
            payload: &envelope.payload,
            sent_at_ms: envelope.timestamp.as_millis(),
            expires_at_ms: envelope.expires.map(host_model::Timestamp::as_millis),
            correlation_id: envelope.correlation_id.as_deref(),
            causation_id: self.causation_id.as_deref(),
            attempt: self.attempt,
            headers: &self.headers,
            attributes: &self.attributes,
        }
    }
}

/// How a `handle` that returned ended.
pub(crate) fn outcome(returned: Result<Option<wit::Draft>, wit::Failure>) -> Outcome {
    match returned {
        Ok(draft) => Outcome::Done(draft.map(Into::into)),
        Err(wit::Failure::Retry(hint)) => {
            Outcome::Retry { after_ms: hint.after_ms, reason: host_calls::inert(&hint.reason, REASON_LEN_MAX) }
        }
        Err(wit::Failure::Reject(reason)) => Outcome::Rejected { reason: host_calls::inert(&reason, REASON_LEN_MAX) },
    }
}
