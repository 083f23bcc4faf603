//! What is admitted and what is not, each limit on both of its sides; and what the host writes on it.

use proptest::prelude::*;

use super::*;
use crate::samples::{LIMITS, NOW, Sender, agent, draft, grants, header, message_id, topic};

/// Whether a draft passes after a change to it.
fn check(change: impl FnOnce(&mut Draft), expected: Result<(), Denied>) {
    let mut draft = draft();
    change(&mut draft);
    let shown = format!("{draft:?}");
    let admitted = Sender::new("acme", "responder").admit(topic("open.a"), draft).map(drop);
    assert_eq!(admitted, expected, "{shown}");
}

/// Whether a target is allowed to an agent that may publish on `open.>` and `agents.>`, and send to `kb`.
fn check_target(target: Target, expected: Result<(), Denied>) {
    let shown = format!("{target:?}");
    assert_eq!(Sender::new("acme", "responder").admit(target, draft()).map(drop), expected, "{shown}");
}

#[test]
fn a_message_type_is_one_plain_bounded_word() {
    let check = |text: &str, expected| check(|draft| draft.message_type = text.into(), expected);
    for good in ["a", "incident.created_v-2", "..", &"t".repeat(128)] {
        check(good, Ok(()));
    }
    for bad in ["", &"t".repeat(129), "a b", "a/b", "a\n", "a\0", "*", ">", "\u{e9}"] {
        check(bad, Err(Denied::MessageType));
    }
}

#[test]
fn a_content_type_is_printable_and_bounded() {
    let check = |text: &str, expected| check(|draft| draft.content_type = text.into(), expected);
    for good in ["", "text/plain; charset=utf-8", &"t".repeat(128)] {
        check(good, Ok(()));
    }
    for bad in ["a\r\nb", "a\t", "\u{7f}", "\u{e9}", &"t".repeat(129)] {
        check(bad, Err(Denied::ContentType));
    }
}

#[test]
fn a_correlation_id_is_printable_bounded_and_not_empty() {
    let check = |text: &str, expected| check(|draft| draft.correlation_id = Some(text.into()), expected);
    for good in ["1", "with space", &"c".repeat(128)] {
        check(good, Ok(()));
    }
    for bad in ["", "a\nb", "\u{202e}", &"c".repeat(129)] {
        check(bad, Err(Denied::CorrelationId));
    }
}

#[test]
fn a_body_is_admitted_up_to_the_limit_and_refused_past_it() {
    let check = |len: usize, expected| check(|draft| draft.payload = vec![0; len], expected);
    check(0, Ok(()));
    check(8, Ok(()));
    check(9, Err(Denied::PayloadTooLarge { len: 9, len_max: 8 }));
}

#[test]
fn headers_and_options_are_counted() {
    let check_headers =
        |count: usize, expected| check(|draft| draft.headers = vec![header("name", "value"); count], expected);
    check_headers(2, Ok(()));
    check_headers(3, Err(Denied::TooManyHeaders { len: 3, len_max: 2 }));
    check_headers(10_000, Err(Denied::TooManyHeaders { len: 10_000, len_max: 2 }));
    let check_options =
        |count: usize, expected| check(|draft| draft.options = vec![header("qos", "at-most-once"); count], expected);
    check_options(2, Ok(()));
    check_options(3, Err(Denied::TooManyHeaders { len: 3, len_max: 2 }));
}

#[test]
fn a_header_has_a_plain_name_and_a_value_without_control_characters() {
    let check = |name: &str, value: &str, expected| check(|draft| draft.headers = vec![header(name, value)], expected);
    check("X-Trace_1", "any text, grüße", Ok(()));
    check(&"n".repeat(64), &"v".repeat(1024), Ok(()));
    check("n", "", Ok(()));
    check("", "v", Err(Denied::Header));
    check(&"n".repeat(65), "v", Err(Denied::Header));
    check("n", &"v".repeat(1025), Err(Denied::Header));
    check("n", &"v".repeat(1 << 20), Err(Denied::Header));
    for bad in ["a b", "a:b", "a.b", "a\r", "\u{e9}"] {
        check(bad, "v", Err(Denied::Header));
    }
    for bad in ["\0", "a\r\nb: c", "\u{1b}[31m", "\u{7f}", "\u{85}"] {
        check("n", bad, Err(Denied::Header));
    }
}

#[test]
fn an_option_that_the_host_does_not_know_is_refused() {
    let check = |name: &str, value: &str, expected| check(|draft| draft.options = vec![header(name, value)], expected);
    check("qos", "at-most-once", Ok(()));
    check("qos", "at-least-once", Ok(()));
    check("qos", "exactly-once", Err(Denied::UnknownOption));
    check("QOS", "at-most-once", Err(Denied::UnknownOption));
    check("tenant", "globex", Err(Denied::UnknownOption));
}

#[test]
fn only_what_is_granted_is_sent() {
    check_target(topic("open.a"), Ok(()));
    check_target(topic("open.a.b"), Ok(()));
    check_target(topic("open"), Err(Denied::PublishNotGranted));
    check_target(topic("other.a"), Err(Denied::PublishNotGranted));
    check_target(agent("kb"), Ok(()));
    check_target(agent("kb2"), Err(Denied::SendNotGranted));
    check_target(agent("responder"), Err(Denied::SendNotGranted));
}

#[test]
fn without_grants_nothing_is_sent_and_with_any_every_agent_may_be() {
    let mut sender = Sender::new("acme", "responder");
    sender.grants = Grants::default();
    assert_eq!(sender.admit(topic("open.a"), draft()).map(drop), Err(Denied::PublishNotGranted));
    assert_eq!(sender.admit(agent("kb"), draft()).map(drop), Err(Denied::SendNotGranted));
    sender.grants.send = host_model::SendGrant::Any;
    assert_eq!(sender.admit(agent("anybody"), draft()).map(drop), Ok(()));
}

#[test]
fn the_corner_of_another_agent_is_closed_whatever_was_granted() {
    check_target(topic("agents.responder.status"), Ok(()));
    check_target(topic("agents.responder"), Ok(()));
    check_target(topic("agents.kb.status"), Err(Denied::ForeignCorner));
    check_target(topic("agents.responder2.status"), Err(Denied::ForeignCorner));
    check_target(topic("agents"), Err(Denied::ForeignCorner));
}

#[test]
fn a_grant_to_everything_does_not_open_the_corner_of_another_agent() {
    let mut sender = Sender::new("acme", "responder");
    sender.grants = grants(&[">"], &[], &[]);
    assert_eq!(sender.admit(topic("agents.kb.status"), draft()).map(drop), Err(Denied::ForeignCorner));
    assert_eq!(sender.admit(topic("anything.else"), draft()).map(drop), Ok(()));
}

#[test]
fn a_chain_of_causes_ends_at_its_limit() {
    let check = |came_through: Option<u16>, expected: Result<u16, Denied>| {
        let mut sender = Sender::new("acme", "responder");
        sender.cause = came_through.map(|hop| Cause { id: message_id(900), root_id: message_id(901), hop });
        let hop = sender.admit(topic("open.a"), draft()).map(|stamped| stamped.envelope().hop);
        assert_eq!(hop, expected, "{came_through:?}");
    };
    check(None, Ok(0));
    check(Some(0), Ok(1));
    check(Some(LIMITS.hop_max - 1), Ok(LIMITS.hop_max));
    check(Some(LIMITS.hop_max), Err(Denied::HopLimit { hop: 4, hop_max: 3 }));
    check(Some(u16::MAX), Err(Denied::HopLimit { hop: u16::MAX, hop_max: 3 }));
}

#[test]
fn a_message_names_its_cause_and_the_root_of_the_chain() {
    let mut sender = Sender::new("acme", "responder");
    let first = sender.admit(topic("open.a"), draft()).unwrap();
    assert_eq!((first.envelope().causation_id, first.envelope().root_id), (None, first.envelope().id));
    sender.cause = Some(Cause { id: message_id(900), root_id: message_id(901), hop: 1 });
    let next = sender.admit(topic("open.a"), draft()).unwrap();
    assert_eq!((next.envelope().causation_id, next.envelope().root_id), (Some(message_id(900)), message_id(901)));
}

#[test]
fn the_first_reason_counts_words_then_grant_then_size_then_hop() {
    let mut sender = Sender::new("acme", "responder");
    sender.cause = Some(Cause { id: message_id(900), root_id: message_id(901), hop: LIMITS.hop_max });
    let large = Draft { payload: vec![0; 9], ..draft() };
    let wordless = Draft { message_type: String::new(), ..large.clone() };
    let refusal = |target, draft| sender.admit(target, draft).map(drop).unwrap_err();
    assert_eq!(refusal(topic("other.a"), wordless), Denied::MessageType);
    assert_eq!(refusal(topic("other.a"), large.clone()), Denied::PublishNotGranted);
    assert_eq!(refusal(topic("open.a"), large), Denied::PayloadTooLarge { len: 9, len_max: 8 });
    assert_eq!(refusal(topic("open.a"), draft()), Denied::HopLimit { hop: 4, hop_max: 3 });
}

#[test]
fn the_numbers_of_admitted_messages_have_no_gaps_when_drafts_are_refused() {
    let mut sender = Sender::new("acme", "responder");
    let seq = |sender: &Sender, target| sender.admit(target, draft()).map(|stamped| stamped.envelope().seq).ok();
    assert_eq!(seq(&sender, topic("open.a")), Some(1));
    assert_eq!(seq(&sender, topic("other.a")), None);
    assert_eq!(sender.admit(topic("open.a"), Draft { payload: vec![0; 9], ..draft() }).map(drop).ok(), None);
    assert_eq!(seq(&sender, agent("kb")), Some(2));
    sender.cause = Some(Cause { id: message_id(900), root_id: message_id(901), hop: LIMITS.hop_max });
    assert_eq!(seq(&sender, topic("open.a")), None);
    sender.cause = None;
    assert_eq!(seq(&sender, topic("open.a")), Some(3));
}

#[test]
fn a_request_without_a_correlation_id_gets_its_own_id() {
    let sender = Sender::new("acme", "responder");
    let asked = sender.request(draft(), None);
    assert_eq!(asked.envelope().correlation_id, Some(asked.envelope().id.to_string()));
    let given = sender.request(Draft { correlation_id: Some("mine".into()), ..draft() }, None);
    assert_eq!(given.envelope().correlation_id.as_deref(), Some("mine"));
    let told = sender.admit(agent("kb"), draft()).unwrap();
    assert_eq!(told.envelope().correlation_id, None, "a message that asks nothing");
}

#[test]
fn a_stamp_carries_the_time_the_producer_and_the_way() {
    let sender = Sender::new("acme", "responder");
    let expires = Some(Timestamp::from_millis(NOW.as_millis() + 5));
    let asked = sender.request(draft(), expires);
    let Envelope { timestamp, producer, to, reply_to, expires: stamped, .. } = asked.envelope().clone();
    assert_eq!((timestamp, producer), (NOW, Producer::new(NOW, sender.caller.incarnation())));
    assert_eq!((to, reply_to), (Destination::Queue("kb".parse().unwrap()), Some(ReplyToken::new(77))));
    assert_eq!(stamped, expires);
}

#[test]
fn only_the_receiver_of_a_request_may_answer_it() {
    let (asker, kb) = (Sender::new("acme", "responder"), Sender::new("acme", "kb"));
    let request = kb.accept(asker.request(draft(), None)).unwrap();
    let answer = |caller: &Caller| kb.gate.admit_reply(caller, &request, draft(), kb.stamp()).map(drop);
    assert_eq!(answer(&asker.caller), Err(Denied::NoReplyExpected));
    assert_eq!(answer(&crate::samples::caller("globex", "kb")), Err(Denied::NoReplyExpected));
    let restarted = crate::samples::caller_of("acme", "kb".parse().unwrap(), 2);
    assert_eq!(answer(&restarted), Err(Denied::NoReplyExpected));
    assert_eq!(answer(&kb.caller), Ok(()));
}

#[test]
fn what_asked_nothing_gets_no_answer() {
    let (sender, kb) = (Sender::new("acme", "responder"), Sender::new("acme", "kb"));
    let told = kb.accept(sender.admit(agent("kb"), draft()).unwrap()).unwrap();
    let answered = kb.gate.admit_reply(&kb.caller, &told, draft(), kb.stamp());
    assert_eq!(answered.map(drop), Err(Denied::NoReplyExpected));
}

#[test]
fn an_answer_goes_to_who_asked_with_what_the_request_carried() {
    let (asker, mut kb) = (Sender::new("acme", "responder"), Sender::new("acme", "kb"));
    let expires = Some(Timestamp::from_millis(NOW.as_millis() + 5));
    let request = kb.accept(asker.request(Draft { correlation_id: Some("c-1".into()), ..draft() }, expires)).unwrap();
    kb.cause = Some(request.envelope().as_cause());
    let claimed = Draft { correlation_id: Some("another".into()), ..draft() };
    let stamped = kb.gate.admit_reply(&kb.caller, &request, claimed, kb.stamp()).unwrap();
    let answer = stamped.envelope();
    let token = ReplyToken::new(77);
    assert_eq!(answer.to, Destination::Reply { agent: "responder".parse().unwrap(), token });
    assert_eq!((answer.correlation_id.as_deref(), answer.expires, answer.reply_to), (Some("c-1"), expires, None));
    assert_eq!((answer.tenant.as_str(), answer.sender.as_str()), ("acme", "kb"));
    assert_eq!((answer.causation_id, answer.hop), (Some(request.envelope().id), 1));
}

#[test]
fn an_answer_keeps_to_the_limits_of_a_message() {
    let (asker, mut kb) = (Sender::new("acme", "responder"), Sender::new("acme", "kb"));
    let request = kb.accept(asker.request(draft(), None)).unwrap();
    let answer = |kb: &Sender, draft| kb.gate.admit_reply(&kb.caller, &request, draft, kb.stamp()).map(drop);
    assert_eq!(answer(&kb, Draft { message_type: " ".into(), ..draft() }), Err(Denied::MessageType));
    let large = Draft { payload: vec![0; 9], ..draft() };
    assert_eq!(answer(&kb, large), Err(Denied::PayloadTooLarge { len: 9, len_max: 8 }));
    kb.cause = Some(Cause { id: message_id(900), root_id: message_id(901), hop: LIMITS.hop_max });
    assert_eq!(answer(&kb, draft()), Err(Denied::HopLimit { hop: 4, hop_max: 3 }));
}

/// Text that claims to be somebody else, or anything at all.
fn claims() -> impl Strategy<Value = String> {
    let names = ["tenantId", "agentId", "sender", "x-tenant", "globex", "tenants.globex.a", "kb", "operator"];
    prop_oneof![proptest::sample::select(names.to_vec()).prop_map(str::to_owned), any::<String>()]
}

fn any_headers() -> impl Strategy<Value = Vec<Header>> {
    proptest::collection::vec((claims(), claims()).prop_map(|(name, value)| Header { name, value }), 0..3)
}

/// Drafts of which many pass and many do not.
fn any_draft() -> impl Strategy<Value = Draft> {
    let body = prop_oneof![proptest::collection::vec(any::<u8>(), 0..12), Just(b"globex".to_vec())];
    let given = proptest::option::of(claims());
    (claims(), claims(), body, given, any_headers(), any_headers()).prop_map(
        |(message_type, content_type, payload, correlation_id, headers, options)| Draft {
            message_type,
            content_type,
            payload,
            correlation_id,
            headers,
            options,
        },
    )
}

/// Drafts that all pass, whatever they claim.
fn passing_draft() -> impl Strategy<Value = Draft> {
    let name = proptest::sample::select(vec!["tenantId", "agentId", "sender", "x-tenant", "replyTo"]);
    let headers = proptest::collection::vec((name, "[ -~]{0,40}").prop_map(|(name, value)| header(name, &value)), 0..3);
    ("[A-Za-z0-9._-]{1,128}", proptest::collection::vec(any::<u8>(), 0..=8), "[ -~]{1,128}", headers).prop_map(
        |(message_type, payload, correlation, headers)| Draft {
            message_type,
            payload,
            correlation_id: Some(correlation),
            headers,
            ..draft()
        },
    )
}

/// Names and values near to what ends a line, and far from it.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,70}",
        "[A-Za-z0-9_-]{1,80}",
        "([a-z]|\\r|\\n|\\x00|:| |\\x7f|\u{85}|\u{2028}|é){0,12}",
        any::<String>()
    ]
}

/// What can stand in a header by its documented rule (interfaces.md, `header`), said once more and in other words.
fn can_stand(name: &str, value: &str) -> bool {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    plain && !name.is_empty() && name.len() <= 64 && value.len() <= 1024 && !value.chars().any(char::is_control)
}

proptest! {
    /// M13.
    #[test]
    fn a_header_passes_only_as_what_can_stand_in_one(name in any_text(), value in any_text()) {
        let draft = Draft { headers: vec![header(&name, &value)], ..draft() };
        let admitted = Sender::new("acme", "responder").admit(topic("open.a"), draft).map(drop);
        let expected = if can_stand(&name, &value) { Ok(()) } else { Err(Denied::Header) };
        prop_assert_eq!(admitted, expected);
    }

    #[test]
    fn a_stamp_names_the_callers_own_tenant_and_agent_whatever_the_draft_claims(
        passing in passing_draft(),
        hostile in any_draft(),
    ) {
        let sender = Sender::new("acme", "responder");
        let mut numbers = 1..;
        for (draft, must_pass) in [(passing, true), (hostile, false)] {
            let admitted = sender.admit(topic("open.a"), draft.clone());
            prop_assert!(admitted.is_ok() || !must_pass, "{admitted:?}");
            let Ok(stamped) = admitted else { continue };
            let Envelope { tenant, sender: by, seq, to, reply_to, payload, headers, .. } = stamped.envelope().clone();
            prop_assert_eq!((tenant.as_str(), by.as_str()), ("acme", "responder"));
            prop_assert_eq!((Some(seq), reply_to), (numbers.next(), None));
            prop_assert_eq!(to, Destination::Topic("open.a".parse().unwrap()));
            prop_assert_eq!((payload, headers), (draft.payload, draft.headers), "inert data, as it was given");
        }
    }
}
