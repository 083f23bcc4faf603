//! What host work costs, in fuel: the request's price before the effect, the reply's before it is lowered.
//!
//! The numbers are promised to authors in `wit/agent-0.1/types.wit`; change them there too.

use crate::{ENTRY_PRICE, HostCall, HostReply, lease, state, storage};
use host_model::{Card, CardQuery, Draft, Header};

/// Units of fuel; one guest instruction is about one unit.
pub type Price = u64;

/// Leaving the component, for whatever the base has: a clock, a stream, randomness, a resource that is dropped. It is part of the
/// prices below.
pub const WASI_CALL: Price = 200;
/// A call that ends in the host's memory: log, settings, identity.
pub const CALL_BASE: Price = 1_000;
/// A call that goes through the gate or the registry.
pub const ROUTED_BASE: Price = 4_000;

/// What a call costs before anything is done for it.
pub fn price_of_call(call: &HostCall) -> Price {
    match call {
        HostCall::Publish { topic: to, draft }
        | HostCall::Send { agent: to, draft }
        | HostCall::Request { agent: to, draft, .. } => ROUTED_BASE + len(to) + price_of_draft(draft),
        HostCall::Batch(items) => items.iter().map(price_of_item).sum::<Price>() + CALL_BASE,
        HostCall::Log(line) => CALL_BASE + len(&line.message) + price_of_headers(&line.fields),
        HostCall::Find(query) => ROUTED_BASE + query_bytes(query),
        HostCall::Card(id) => ROUTED_BASE + len(id),
        HostCall::Http(call) => crate::http::price_of_call(call),
        HostCall::State(call) => state::price_of_call(call),
        HostCall::Storage(call) => storage::price_of_call(call),
        HostCall::Lease(call) => lease::price_of_call(call),
    }
}

/// What an answer costs before the guest gets it.
pub fn price_of_reply(reply: &HostReply) -> Price {
    match reply {
        HostReply::Sent(_) | HostReply::Logged | HostReply::Card(None) => 0,
        HostReply::Answered(envelope) => envelope.payload.len() as Price + price_of_headers(&envelope.headers),
        HostReply::Batch(results) => results.len() as Price * 64,
        HostReply::Found(cards) => cards.iter().map(|card| card_bytes(card)).sum(),
        HostReply::Card(Some(card)) => card_bytes(card),
        HostReply::Http(reply) => crate::http::price_of_reply(reply),
        HostReply::State(reply) => state::price_of_reply(reply),
        HostReply::Storage(reply) => storage::price_of_reply(reply),
        HostReply::Lease(reply) => lease::price_of_reply(reply),
    }
}

fn price_of_item(item: &crate::BatchItem) -> Price {
    let (crate::BatchItem::Topic(to, draft) | crate::BatchItem::Agent(to, draft)) = item;
    ROUTED_BASE + len(to) + price_of_draft(draft)
}

fn price_of_draft(draft: &Draft) -> Price {
    let text = len(&draft.message_type) + len(&draft.content_type) + draft.correlation_id.as_deref().map_or(0, len);
    text + draft.payload.len() as Price + price_of_headers(&draft.headers) + price_of_headers(&draft.options)
}

/// An entry costs what an entry costs: a list of empty ones is as much to read.
fn price_of_headers(headers: &[Header]) -> Price {
    headers.iter().map(|header| ENTRY_PRICE + len(&header.name) + len(&header.value)).sum()
}

fn query_bytes(query: &CardQuery) -> Price {
    [&query.skill, &query.tag, &query.pattern, &query.capability].into_iter().flatten().map(|text| len(text)).sum()
}

/// The card's JSON holds all its text once; the summary repeats most of it.
fn card_bytes(card: &Card) -> Price {
    2 * len(&card.card_json)
}

fn len(text: &str) -> Price {
    text.len() as Price
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LogLine;

    fn draft(payload: usize) -> Draft {
        Draft {
            message_type: "t".into(),
            content_type: String::new(),
            payload: vec![0; payload],
            correlation_id: None,
            headers: vec![Header { name: "n".into(), value: "v".into() }],
            options: vec![],
        }
    }

    #[test]
    fn every_byte_and_every_entry_that_crosses_is_charged() {
        let publish = |payload| price_of_call(&HostCall::Publish { topic: "ab".into(), draft: draft(payload) });
        assert_eq!(publish(0), ROUTED_BASE + 2 + 1 + 2 + ENTRY_PRICE);
        assert_eq!(publish(4096) - publish(0), 4096);
        let empty = Header { name: String::new(), value: String::new() };
        let log = |fields| {
            let (level, source) = (crate::LogLevel::Info, crate::LogSource::Log);
            price_of_call(&HostCall::Log(LogLine {
                level,
                source,
                message: String::new(),
                fields: vec![empty.clone(); fields],
            }))
        };
        assert_eq!((log(0), log(1_000)), (CALL_BASE, CALL_BASE + 1_000 * ENTRY_PRICE));
    }

    #[test]
    fn a_batch_costs_no_less_than_its_items() {
        let item = || crate::BatchItem::Agent("ab".into(), draft(10));
        let one = price_of_call(&HostCall::Send { agent: "ab".into(), draft: draft(10) });
        assert_eq!(price_of_call(&HostCall::Batch(vec![item(), item()])), CALL_BASE + 2 * one);
    }
}
