//! The gate's and the bus's words for no, turned into what a caller sees.

use host_bus::BusError;
use host_calls::{Refusal, RefusalNumbers};
use host_gate::Denied;
use host_model::BadTopic;

/// When a full mailbox is worth another try, in milliseconds: some messages later.
const MAILBOX_RETRY_MS: u64 = 50;

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
