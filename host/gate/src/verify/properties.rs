//! What no change of a sealed message survives.

use host_model::{Destination, Envelope, Extension, Extras, Header};
use proptest::prelude::*;

use super::tests::{ACTIVE, envelope, signed_with, verify};
use super::*;

fn is_refused(bytes: &[u8]) -> bool {
    verify("acme", "incident.created", bytes, Arrival::Kept).is_err()
}

#[test]
fn every_bit_of_a_frame_counts() {
    let extras = Extras {
        traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().ok(),
        replay_of: Some(envelope().id),
        ext: vec![Extension { name: "x.later".into(), critical: false, value: "v".into() }],
    };
    let full = Envelope {
        reply_to: Some(host_model::ReplyToken::new(0xabcd)),
        expires: Some(Timestamp::from_millis(1_800_000_000_000)),
        causation_id: Some(envelope().id),
        hop: 1,
        extras: Some(Box::new(extras)),
        ..envelope()
    };
    let binary = Envelope { content_type: "text/plain".into(), payload: b"a body".to_vec(), ..envelope() };
    for envelope in [envelope(), full, binary] {
        let bytes = signed_with(&envelope, ACTIVE);
        assert!(!is_refused(&bytes));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(is_refused(&flipped), "bit {bit}: {}", String::from_utf8_lossy(&flipped));
        }
    }
}

#[test]
fn every_truncation_of_a_frame_is_refused() {
    let bytes = signed_with(&envelope(), ACTIVE);
    for len in 0..bytes.len() {
        assert!(is_refused(&bytes[..len]), "{len}");
    }
}

fn input(envelope: &Envelope) -> Vec<u8> {
    let input = MacInput::of(envelope, ACTIVE.parse().unwrap());
    [input.head(), input.payload()].concat()
}

#[test]
fn no_byte_moves_across_the_border_of_two_fields() {
    let text = "incident.created";
    let variants: Vec<Vec<u8>> = (1..text.len())
        .map(|at| {
            let (message_type, content_type) = text.split_at(at);
            input(&Envelope { message_type: message_type.into(), content_type: content_type.into(), ..envelope() })
        })
        .chain((1..text.len()).map(|at| {
            let (name, value) = text.split_at(at);
            input(&Envelope { headers: vec![Header { name: name.into(), value: value.into() }], ..envelope() })
        }))
        .collect();
    for (at, variant) in variants.iter().enumerate() {
        assert!(!variants.iter().skip(at + 1).any(|other| other == variant), "{at}");
    }
}

#[test]
fn absent_and_empty_and_the_neighbour_are_signed_apart() {
    let header = |name: &str| Header { name: name.into(), value: String::new() };
    let ext = |name: &str| Extension { name: name.into(), critical: false, value: String::new() };
    let extras = |extras: Extras| Some(Box::new(extras));
    let id = envelope().id;
    let all = [
        envelope(),
        Envelope { correlation_id: None, ..envelope() },
        Envelope { correlation_id: Some(String::new()), ..envelope() },
        Envelope { causation_id: Some(id), ..envelope() },
        Envelope { extras: extras(Extras { replay_of: Some(id), ..Extras::default() }), ..envelope() },
        Envelope { expires: Some(Timestamp::from_millis(0)), ..envelope() },
        Envelope { headers: vec![], ..envelope() },
        Envelope { headers: vec![header("a"), header("b")], ..envelope() },
        Envelope { headers: vec![header("a")], ..envelope() },
        Envelope { headers: vec![], extras: extras(Extras { ext: vec![ext("a")], ..Extras::default() }), ..envelope() },
        Envelope { to: Destination::Topic("kb".parse().unwrap()), ..envelope() },
        Envelope { to: Destination::Queue("kb".parse().unwrap()), ..envelope() },
        Envelope { payload: vec![], ..envelope() },
    ];
    let inputs: Vec<Vec<u8>> = all.iter().map(input).collect();
    for (at, one) in inputs.iter().enumerate() {
        assert!(!inputs.iter().skip(at + 1).any(|other| other == one), "{at}");
    }
}

proptest! {
    #[test]
    fn whatever_was_signed_is_read_back_as_it_was(
        payload in proptest::collection::vec(any::<u8>(), 0..200),
        json in any::<bool>(),
        value in "\\PC{0,40}",
        correlation in proptest::option::of("[ -~]{1,40}"),
        (seq, instance) in (0..=frame::NUMBER_MAX, 0..=frame::NUMBER_MAX),
        timestamp in 0..=Timestamp::LAST.as_millis(),
    ) {
        let content_type = if json { "application/json" } else { "text/plain" };
        let sent = Envelope {
            payload,
            content_type: content_type.into(),
            headers: vec![Header { name: "h".into(), value }],
            correlation_id: correlation,
            seq,
            producer: host_model::Producer { host: 1, instance },
            timestamp: Timestamp::from_millis(timestamp),
            ..envelope()
        };
        let bytes = signed_with(&sent, ACTIVE);
        let read = verify("acme", "incident.created", &bytes, Arrival::Kept).unwrap();
        prop_assert_eq!(read.envelope(), &sent);
    }

    #[test]
    fn bytes_of_any_kind_are_refused_and_break_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(is_refused(&bytes));
    }
}
