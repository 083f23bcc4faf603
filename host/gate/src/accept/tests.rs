//! Who may handle a delivery: each kind of receiver against each kind of destination.

use super::*;
use crate::Stamped;
use crate::samples::{NOW, Sender, accept_local, agent, caller, draft, grants, topic};

/// A message that `responder` in `acme` sent to a topic.
fn on_topic(raw: &str) -> Stamped {
    Sender::new("acme", "responder").admit(topic(raw), draft()).unwrap()
}

/// A message that `responder` in `acme` sent to `kb`.
fn to_kb() -> Stamped {
    Sender::new("acme", "responder").admit(agent("kb"), draft()).unwrap()
}

/// The answer of `kb` in `acme` to a request of `responder`, under token 77.
fn answer() -> Stamped {
    let (asker, kb) = (Sender::new("acme", "responder"), Sender::new("acme", "kb"));
    let request = kb.accept(asker.request(draft(), None)).unwrap();
    kb.gate.admit_reply(&kb.caller, &request, draft(), kb.stamp()).unwrap()
}

fn accept(stamped: Stamped, receiver: Receiver<'_>) -> Result<(), Refused> {
    let gate = Gate::new(crate::samples::LIMITS);
    let expected = receiver.caller().clone();
    let accepted = accept_local(&gate, stamped, receiver)?;
    assert_eq!(accepted.receiver(), &expected, "it names its receiver");
    Ok(())
}

/// As an agent that is subscribed to `open.*`.
fn as_agent(stamped: Stamped, tenant: &str, agent: &str) -> Result<(), Refused> {
    let (caller, grants) = (caller(tenant, agent), grants(&[], &["open.*"], &[]));
    accept(stamped, Receiver::Agent { caller: &caller, grants: &grants })
}

fn as_asker(stamped: Stamped, tenant: &str, agent: &str, token: u128) -> Result<(), Refused> {
    accept(stamped, Receiver::Asker { caller: &caller(tenant, agent), token: ReplyToken::new(token) })
}

fn as_watcher(stamped: Stamped, tenant: &str) -> Result<(), Refused> {
    accept(stamped, Receiver::Watcher { caller: &caller(tenant, "watcher") })
}

fn foreign() -> Result<(), Refused> {
    Err(Refused::ForeignTenant { sent_in: "acme".parse().unwrap(), received_in: "globex".parse().unwrap() })
}

fn wrong_receiver(stamped: &Stamped) -> Result<(), Refused> {
    Err(Refused::WrongReceiver { to: stamped.envelope().to.clone() })
}

#[test]
fn nothing_is_accepted_in_another_tenant_by_whatever_receiver() {
    assert_eq!(as_agent(to_kb(), "globex", "kb"), foreign());
    assert_eq!(as_agent(on_topic("open.a"), "globex", "kb"), foreign());
    assert_eq!(as_asker(answer(), "globex", "responder", 77), foreign());
    assert_eq!(as_watcher(to_kb(), "globex"), foreign());
    assert_eq!(as_watcher(on_topic("open.a"), "globex"), foreign());
    assert_eq!(as_watcher(answer(), "globex"), foreign());
}

#[test]
fn an_agent_takes_what_is_addressed_to_it_and_nobody_elses() {
    assert_eq!(as_agent(to_kb(), "acme", "kb"), Ok(()));
    assert_eq!(as_agent(to_kb(), "acme", "kb2"), wrong_receiver(&to_kb()));
    assert_eq!(as_agent(to_kb(), "acme", "responder"), wrong_receiver(&to_kb()));
}

#[test]
fn a_shared_queue_is_taken_from_only_by_who_was_granted_it_now() {
    let to = |queue: &str| {
        let mut sender = Sender::new("acme", "responder");
        sender.grants = grants(&[], &[], &["agents", "orchestrator", "kb"]);
        sender.admit(agent(queue), draft()).unwrap()
    };
    let check = |queue: &str, granted: &[Queue], expected: Result<(), Refused>| {
        let (caller, grants) = (caller("acme", "kb2"), Grants { queues: granted.to_vec(), ..Grants::default() });
        assert_eq!(accept(to(queue), Receiver::Agent { caller: &caller, grants: &grants }), expected, "{queue}");
    };
    check("agents", &[Queue::Agents], Ok(()));
    check("agents", &[Queue::Orchestrator], Err(Refused::QueueNotGranted));
    check("orchestrator", &[Queue::Orchestrator], Ok(()));
    check("orchestrator", &[], Err(Refused::QueueNotGranted));
    check("kb", &[Queue::Agents, Queue::Orchestrator], wrong_receiver(&to("kb")));
    assert_eq!(as_asker(to("agents"), "acme", "responder", 77), wrong_receiver(&to("agents")));
}

#[test]
fn a_topic_is_received_only_by_who_is_subscribed_to_it_now() {
    assert_eq!(as_agent(on_topic("open.a"), "acme", "kb"), Ok(()));
    assert_eq!(as_agent(on_topic("open.a.b"), "acme", "kb"), Err(Refused::SubscribeNotGranted));
    let (caller, none) = (caller("acme", "kb"), Grants::default());
    let receiver = Receiver::Agent { caller: &caller, grants: &none };
    assert_eq!(accept(on_topic("open.a"), receiver), Err(Refused::SubscribeNotGranted));
}

#[test]
fn an_answer_is_taken_only_by_who_asked_under_its_token() {
    assert_eq!(as_asker(answer(), "acme", "responder", 77), Ok(()));
    assert_eq!(as_asker(answer(), "acme", "responder", 78), wrong_receiver(&answer()));
    assert_eq!(as_asker(answer(), "acme", "kb", 77), wrong_receiver(&answer()));
    assert_eq!(as_agent(answer(), "acme", "responder"), wrong_receiver(&answer()), "an answer is no message");
}

#[test]
fn who_waits_for_an_answer_takes_nothing_else() {
    assert_eq!(as_asker(to_kb(), "acme", "kb", 77), wrong_receiver(&to_kb()));
    assert_eq!(as_asker(on_topic("open.a"), "acme", "kb", 77), wrong_receiver(&on_topic("open.a")));
}

#[test]
fn who_watches_sees_all_of_the_tenant() {
    assert_eq!(as_watcher(to_kb(), "acme"), Ok(()));
    assert_eq!(as_watcher(on_topic("open.a"), "acme"), Ok(()));
    assert_eq!(as_watcher(answer(), "acme"), Ok(()));
}

#[test]
fn a_message_is_accepted_up_to_its_last_moment_and_refused_after_it() {
    let check = |expires: Option<u64>, expected: Result<(), Refused>| {
        let expires = expires.map(Timestamp::from_millis);
        let request = Sender::new("acme", "responder").request(draft(), expires);
        assert_eq!(as_agent(request, "acme", "kb"), expected, "{expires:?}");
    };
    let now = NOW.as_millis();
    check(None, Ok(()));
    check(Some(now + 1), Ok(()));
    check(Some(now), Ok(()));
    check(Some(now - 1), Err(Refused::Expired));
}

#[test]
fn where_it_went_is_told_before_when() {
    let long_ago = Some(Timestamp::from_millis(1));
    let request = || Sender::new("acme", "responder").request(draft(), long_ago);
    assert_eq!(as_agent(request(), "globex", "kb"), foreign());
    assert_eq!(as_agent(request(), "acme", "kb2"), wrong_receiver(&request()));
}
