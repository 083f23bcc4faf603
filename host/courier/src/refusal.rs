//! The gate's, the bus's and the way out's words for no, turned into what a caller sees.

use host_bus::BusError;
use host_calls::{Refusal, RefusalNumbers};
use host_egress::{BadHeader, EgressError};
use host_gate::Denied;
use host_model::BadTopic;

/// When a full mailbox is worth another try, in milliseconds: some messages later.
const MAILBOX_RETRY_MS: u64 = 50;

/// When full queues, or a full disk, are worth another try, in milliseconds.
const QUEUES_RETRY_MS: u64 = 1_000;

pub(crate) fn of_denied(denied: &Denied) -> Refusal {
    let invalid = |code| Refusal::Invalid(RefusalNumbers::of(code));
    let not_granted = |code| Refusal::NotGranted(RefusalNumbers::of(code));
    match denied {
        Denied::PublishNotGranted => not_granted("publish-not-granted"),
        Denied::SendNotGranted => not_granted("send-not-granted"),
        Denied::ForeignCorner => not_granted("topic-of-another-agent"),
        Denied::NoReplyExpected => not_granted("no-reply-expected"),
        Denied::WouldDeadlock => Refusal::Other(RefusalNumbers::of("would-deadlock")),
        Denied::MessageType => invalid("message-type"),
        Denied::ContentType => invalid("content-type"),
        Denied::CorrelationId => invalid("correlation-id"),
        Denied::Header => invalid("header"),
        Denied::UnknownOption => invalid("unknown-option"),
        Denied::PayloadTooLarge { len, len_max } => {
            Refusal::TooLarge(RefusalNumbers::of("payload-bytes").past(*len_max as u64, *len as u64))
        }
        Denied::TooManyHeaders { len, len_max } => {
            Refusal::TooLarge(RefusalNumbers::of("headers").past(*len_max as u64, *len as u64))
        }
        Denied::HopLimit { hop, hop_max } => {
            Refusal::OverQuota(RefusalNumbers::of("hop-limit").past(u64::from(*hop_max), u64::from(*hop)))
        }
    }
}

pub(crate) fn of_bus(error: BusError) -> Refusal {
    match error {
        BusError::NoReceiver => Refusal::NotFound,
        BusError::Full { len_max } => {
            let numbers = RefusalNumbers::of("mailbox-full").past(u64::from(len_max), u64::from(len_max) + 1);
            Refusal::Backpressure(numbers.retry_after_ms(MAILBOX_RETRY_MS))
        }
        BusError::QueuesFull { limit, max, used } => {
            Refusal::Backpressure(RefusalNumbers::of(limit).past(max, used).retry_after_ms(QUEUES_RETRY_MS))
        }
        BusError::KeepingFull { len_max } => {
            let numbers = RefusalNumbers::of("journal-busy").past(len_max as u64, len_max as u64 + 1);
            Refusal::Backpressure(numbers.retry_after_ms(MAILBOX_RETRY_MS))
        }
        BusError::TooLarge { len, len_max } => {
            Refusal::TooLarge(RefusalNumbers::of("nats-max-payload").past(len_max as u64, len as u64))
        }
        BusError::Unreachable => {
            Refusal::Unavailable(RefusalNumbers::of("nats-disconnected").retry_after_ms(QUEUES_RETRY_MS))
        }
        BusError::NotSigned => Refusal::Unavailable(RefusalNumbers::of("no-signing-key")),
        BusError::Unkept(health) => {
            Refusal::Unavailable(RefusalNumbers::of(health.as_str()).retry_after_ms(QUEUES_RETRY_MS))
        }
    }
}

/// A topic in another tenant gets the answer of one that was not granted: whether that tenant exists is not told.
pub(crate) fn of_topic(bad: &BadTopic) -> Refusal {
    match bad {
        BadTopic::Grammar => Refusal::Invalid(RefusalNumbers::of("topic")),
        BadTopic::Reserved => Refusal::Invalid(RefusalNumbers::of("reserved-topic")),
        BadTopic::Foreign => Refusal::NotGranted(RefusalNumbers::of("publish-not-granted")),
    }
}

/// When another try of a request is worth it that found its tenant's share used up, in milliseconds.
const HTTP_RETRY_MS: u64 = 100;

/// What cannot be reached, for whatever reason, has one answer: nobody finds out by asking what stands behind a name.
pub(crate) fn of_egress(error: &EgressError) -> Refusal {
    let invalid = |code| Refusal::Invalid(RefusalNumbers::of(code));
    let too_large = |code, max: u64, len: u64| Refusal::TooLarge(RefusalNumbers::of(code).past(max, len));
    match error {
        EgressError::Url(_) => invalid("url"),
        EgressError::Method => invalid("method"),
        EgressError::Header(BadHeader::TooMany { len, len_max }) => {
            too_large("request-headers", *len_max as u64, *len as u64)
        }
        EgressError::Header(BadHeader::TooLarge { len, len_max }) => {
            too_large("request-header-bytes", *len_max as u64, *len as u64)
        }
        EgressError::Header(_) => invalid("header"),
        EgressError::NotGranted => Refusal::NotGranted(RefusalNumbers::of("http-not-granted")),
        EgressError::SecretNotGranted => Refusal::NotGranted(RefusalNumbers::of("secret-not-granted")),
        EgressError::TooMany(over) => {
            let numbers = RefusalNumbers::of("http-requests").past(over.max, over.used.saturating_add(over.asked));
            Refusal::OverQuota(numbers.retry_after_ms(HTTP_RETRY_MS))
        }
        EgressError::RequestTooLarge { len, len_max } => too_large("request-bytes", *len_max, *len),
        EgressError::ResponseTooLarge { len_max } => too_large("response-bytes", *len_max, len_max.saturating_add(1)),
        EgressError::TimedOut { after } => {
            let millis = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
            Refusal::TimedOut(RefusalNumbers::of("no-response-in-time").past(millis, millis))
        }
        EgressError::Unavailable(_) => Refusal::Unavailable(RefusalNumbers::of("host-unavailable")),
    }
}
