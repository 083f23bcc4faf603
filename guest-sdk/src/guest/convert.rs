//! Between the bindings' nouns and the SDK's. All moves, no copies of bodies.

use std::time::Duration;

use super::bindings::inbox::bailiwick::{
    agent::{log as wit_log, types as wit},
    discovery::registry as wit_registry,
};
use crate::{Card, Denied, Draft, Failure, Header, Level, Message, Query, Receipt, Refusal, Skill, Target};

/// Collects `items` converted one by one.
pub(super) fn each<T, U: From<T>>(items: Vec<T>) -> Vec<U> {
    items.into_iter().map(U::from).collect()
}

/// Whole milliseconds, at most what the border can carry (49 days).
pub(super) fn saturating_ms(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

impl From<wit::Header> for Header {
    fn from(wit::Header { name, value }: wit::Header) -> Self {
        Self { name, value }
    }
}

impl From<Header> for wit::Header {
    fn from(Header { name, value }: Header) -> Self {
        Self { name, value }
    }
}

impl From<Draft> for wit::Draft {
    fn from(draft: Draft) -> Self {
        Self {
            message_type: draft.message_type,
            content_type: draft.content_type,
            payload: draft.payload,
            correlation_id: draft.correlation_id,
            headers: each(draft.headers),
            options: each(draft.options),
        }
    }
}

impl From<wit::Message> for Message {
    fn from(message: wit::Message) -> Self {
        Self {
            id: message.id,
            sender: message.sender,
            destination: message.destination,
            message_type: message.message_type,
            content_type: message.content_type,
            payload: message.payload,
            sent_at_ms: message.sent_at_ms,
            expires_at_ms: message.expires_at_ms,
            correlation_id: message.correlation_id,
            causation_id: message.causation_id,
            attempt: message.attempt,
            headers: each(message.headers),
            attributes: each(message.attributes),
        }
    }
}

impl From<wit::Receipt> for Receipt {
    fn from(wit::Receipt { id, durability }: wit::Receipt) -> Self {
        Self { id, durability }
    }
}

impl From<wit::Refusal> for Refusal {
    fn from(refusal: wit::Refusal) -> Self {
        Self {
            code: refusal.code,
            limit: refusal.limit,
            actual: refusal.actual,
            retry_after: refusal.retry_after_ms.map(Duration::from_millis),
        }
    }
}

impl From<wit::Denied> for Denied {
    fn from(denied: wit::Denied) -> Self {
        match denied {
            wit::Denied::NotGranted(refusal) => Self::NotGranted(refusal.into()),
            wit::Denied::NotFound => Self::NotFound,
            wit::Denied::Invalid(refusal) => Self::Invalid(refusal.into()),
            wit::Denied::TooLarge(refusal) => Self::TooLarge(refusal.into()),
            wit::Denied::OverQuota(refusal) => Self::OverQuota(refusal.into()),
            wit::Denied::Backpressure(refusal) => Self::Backpressure(refusal.into()),
            wit::Denied::TimedOut(refusal) => Self::TimedOut(refusal.into()),
            wit::Denied::Unavailable(refusal) => Self::Unavailable(refusal.into()),
            wit::Denied::Other(refusal) => Self::Other(refusal.into()),
        }
    }
}

impl From<Failure> for wit::Failure {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Retry { after, reason } => {
                Self::Retry(wit::RetryHint { after_ms: after.map(saturating_ms), reason })
            }
            Failure::Reject(reason) => Self::Reject(reason),
        }
    }
}

impl From<Target> for wit::Target {
    fn from(target: Target) -> Self {
        match target {
            Target::Topic(topic) => Self::Topic(topic),
            Target::Agent(agent) => Self::Agent(agent),
        }
    }
}

impl From<Level> for wit_log::Level {
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

impl From<&Query> for wit_registry::Query {
    fn from(query: &Query) -> Self {
        let Query { skill, tag, pattern, capability } = query.clone();
        Self { skill, tag, pattern, capability }
    }
}

impl From<wit_registry::Card> for Card {
    fn from(card: wit_registry::Card) -> Self {
        Self {
            id: card.id,
            name: card.name,
            description: card.description,
            version: card.version,
            skills: each(card.skills),
            card_json: card.card_json,
        }
    }
}

impl From<wit_registry::Skill> for Skill {
    fn from(wit_registry::Skill { id, name, description, tags }: wit_registry::Skill) -> Self {
        Self { id, name, description, tags }
    }
}
