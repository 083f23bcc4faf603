//! Requests and their answers, the late ones, the missing ones and those of somebody else.

use std::time::Duration;

use host_calls::{Answer, HostReply};
use host_model::{Draft, Outcome, TrapCause};
use host_quota::Budget;
use tests_kit::gate::{accept, body, born, draft, grants};

use super::*;
use crate::samples::{Peer, REQUESTS_MAX, World, answered, send};
use crate::{Counters, Party};

/// Requests that wait for an answer, and what their tenant's budget says of them.
fn open_requests(world: &World, asker: &Peer) -> (usize, u64) {
    (world.courier.replies().waiting.lock().len(), asker.party.requests.used())
}

/// Handles the next message of a peer with this outcome.
fn settle(world: &World, peer: &Peer, outcome: Outcome) {
    let request = peer.receive().expect("a request");
    world.courier.settle(&peer.party, &request, outcome);
}

fn done(text: &str) -> Outcome {
    Outcome::Done(Some(draft(text)))
}

#[tokio::test]
async fn an_answer_reaches_who_asked_with_the_correlation_of_the_request() {
    let world = World::new();
    let [asker, kb] = ["asker", "kb"].map(|agent| world.join("acme", agent, &[], 10));
    let answer = world.ask(&asker, "kb", Draft { correlation_id: Some("c-1".into()), ..draft("?") });
    assert_eq!(open_requests(&world, &asker), (1, 1));
    let request = kb.receive().unwrap();
    world.courier.settle(
        &kb.party,
        &request,
        Outcome::Done(Some(Draft { correlation_id: Some("x".into()), ..draft("!") })),
    );
    let envelope = answered(answer).await.unwrap();
    assert_eq!((body(&envelope).as_str(), envelope.correlation_id.as_deref()), ("!", Some("c-1")));
    assert_eq!((envelope.sender.as_str(), envelope.causation_id), ("kb", Some(request.envelope().id)));
    assert_eq!(open_requests(&world, &asker), (0, 0));
    assert_eq!((asker.party.counters.view().requested, kb.party.counters.view().replied), (1, 1));
}

#[tokio::test]
async fn a_late_answer_finds_nobody_and_disturbs_no_later_request() {
    let world = World::new();
    let [asker, kb] = ["asker", "kb"].map(|agent| world.join("acme", agent, &[], 10));
    drop(world.ask(&asker, "kb", draft("first")));
    let second = world.ask(&asker, "kb", draft("second"));
    settle(&world, &kb, done("late"));
    assert_eq!(open_requests(&world, &asker), (1, 1), "the second still waits");
    settle(&world, &kb, done("in time"));
    assert_eq!(answered(second).await.map(|envelope| body(&envelope)), Ok("in time".to_owned()));
}

#[tokio::test]
async fn a_second_answer_to_one_request_finds_nobody() {
    let world = World::new();
    let [asker, kb] = ["asker", "kb"].map(|agent| world.join("acme", agent, &[], 10));
    let answer = world.ask(&asker, "kb", draft("?"));
    let request = kb.receive().unwrap();
    world.courier.settle(&kb.party, &request, done("one"));
    world.courier.settle(&kb.party, &request, done("two"));
    assert_eq!(answered(answer).await.map(|envelope| body(&envelope)), Ok("one".to_owned()));
}

#[tokio::test]
async fn a_request_that_is_dropped_frees_its_slot() {
    let world = World::new();
    let (asker, _kb) = (world.join("acme", "asker", &[], 10), world.join("acme", "kb", &[], 10_000));
    for _ in 0..REQUESTS_MAX * 3 {
        let answer = world.ask(&asker, "kb", draft("?"));
        assert!(matches!(answer, Answer::Later(_)));
        assert_eq!(open_requests(&world, &asker), (1, 1));
    }
    assert_eq!(open_requests(&world, &asker), (0, 0));
}

#[tokio::test]
async fn a_request_that_is_refused_frees_its_slot() {
    let world = World::new();
    let (asker, kb) = (world.join("acme", "asker", &[], 10), world.join("acme", "kb", &[], 1));
    let too_long = Draft { message_type: "t".repeat(200), ..draft("?") };
    let code = |refusal: Refusal| refusal.code().to_owned();
    assert_eq!(answered(world.ask(&asker, "kb", too_long)).await.unwrap_err().code(), "message-type");
    assert_eq!(answered(world.ask(&asker, "nobody", draft("?"))).await.map_err(code), Err("not-found".into()));
    assert!(world.now(&asker, send("kb", "fills the mailbox")).is_ok());
    assert_eq!(answered(world.ask(&asker, "kb", draft("?"))).await.map_err(code), Err("mailbox-full".into()));
    assert_eq!(open_requests(&world, &asker), (0, 0));
    assert_eq!((asker.party.counters.view().refused, kb.party.counters.view().dropped), (3, 1));
}

#[tokio::test]
async fn a_request_nobody_answers_ends_at_its_deadline_and_frees_its_slot() {
    let world = World::new();
    let [asker, _kb] = ["asker", "kb"].map(|agent| world.join("acme", agent, &[], 10));
    let waited = world.courier.ask_as(&asker.party, "kb", draft("?"), Duration::from_millis(3)).await;
    let numbers = RefusalNumbers::of("no-answer-in-time").past(3, 3);
    assert_eq!(waited, Err(Refusal::TimedOut(numbers)));
    assert_eq!(open_requests(&world, &asker), (0, 0));
}

#[tokio::test]
async fn who_asked_is_told_why_no_answer_comes() {
    let check = async |outcome: Outcome, code: &str| {
        let world = World::new();
        let [asker, kb] = ["asker", "kb"].map(|agent| world.join("acme", agent, &[], 10));
        let answer = world.ask(&asker, "kb", draft("?"));
        settle(&world, &kb, outcome);
        assert_eq!(answered(answer).await, Err(Refusal::Other(RefusalNumbers::of(code))));
        assert_eq!(open_requests(&world, &asker), (0, 0));
    };
    check(Outcome::Done(None), "no-answer").await;
    check(Outcome::Rejected { reason: "never".into() }, "rejected").await;
    check(Outcome::Retry { after_ms: Some(5), reason: "later".into() }, "try-again-later").await;
    check(Outcome::Trapped { cause: TrapCause::Fuel, detail: "spent".into() }, "receiver-failed").await;
    check(Outcome::Done(Some(Draft { message_type: String::new(), ..draft("!") })), "bad-answer").await;
}

#[tokio::test]
async fn no_more_requests_are_open_than_the_tenant_may_have() {
    let world = World::new();
    let party = Party::new(born("acme", "asker"), grants(&[]), Budget::new(2), false, Arc::<Counters>::default());
    let (asker, kb) = (world.join_as(party, 10), world.join("acme", "kb", &[], 10));
    let first = world.ask(&asker, "kb", draft("1"));
    let _second = world.ask(&asker, "kb", draft("2"));
    let numbers = RefusalNumbers::of("requests-open").past(2, 3).retry_after_ms(100);
    assert_eq!(answered(world.ask(&asker, "kb", draft("3"))).await, Err(Refusal::OverQuota(numbers)));
    settle(&world, &kb, done("!"));
    assert!(answered(first).await.is_ok());
    assert!(matches!(world.ask(&asker, "kb", draft("4")), Answer::Later(_)), "an answered one made room");
}

#[tokio::test]
async fn a_request_that_would_wait_for_itself_is_refused() {
    let world = World::new();
    let single = Party::new(born("acme", "one"), grants(&[]), Budget::new(9), true, Arc::<Counters>::default());
    let (single, many) = (world.join_as(single, 10), world.join("acme", "many", &[], 10));
    let refused = answered(world.ask(&single, "one", draft("?"))).await;
    assert_eq!(refused, Err(Refusal::Other(RefusalNumbers::of("would-deadlock"))));
    assert!(matches!(world.ask(&single, "many", draft("?")), Answer::Later(_)));
    assert!(matches!(world.ask(&many, "many", draft("?")), Answer::Later(_)), "another instance can answer");
}

#[tokio::test]
async fn an_answer_under_a_token_of_another_tenant_is_not_accepted() {
    let world = World::new();
    let [asker, kb] = ["asker", "kb"].map(|agent| world.join("acme", agent, &[], 10));
    let _answer = world.ask(&asker, "kb", draft("?"));
    let token = kb.receive().unwrap().envelope().reply_to.unwrap();
    let foreign = tests_kit::gate::Sender::of(born("globex", "kb"));
    let request = accept(&foreign.caller, tests_kit::gate::Sender::in_tenant("globex").ask("kb", "?", token));
    let refused = world.courier.replies().deliver(Delivery::Local(Arc::new(foreign.answer(&request, "forged"))));
    assert_eq!(refused, Err(NotTaken::Refused));
}

/// Incident 8: whatever is shared between tenants on the way of a request is bounded for each and not for all together.
#[tokio::test]
async fn a_thousand_tenants_that_ask_at_once_get_a_thousand_answers() {
    let world = World::new();
    let pairs: Vec<[Peer; 2]> = (0..1_000)
        .map(|number| ["asker", "kb"].map(|agent| world.join(&format!("tenant-{number}"), agent, &[], 1)))
        .collect();
    let asked: Vec<Answer> = pairs.iter().map(|[asker, _]| world.ask(asker, "kb", draft("?"))).collect();
    for [_, kb] in pairs.iter().rev() {
        settle(&world, kb, done(kb.party.caller.tenant().as_str()));
    }
    for ([asker, _], answer) in pairs.iter().zip(asked) {
        let tenant = asker.party.caller.tenant();
        assert_eq!(answered(answer).await.map(|envelope| body(&envelope)), Ok(tenant.to_string()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_two_tenants_with_equal_correlations_never_cross() {
    const EACH: usize = 100;
    let world = World::new();
    let pairs = ["acme", "globex"]
        .map(|tenant| ["asker", "kb"].map(|agent| world.join(tenant, agent, &[], u32::try_from(EACH).unwrap())));
    for round in 0..10 {
        let same = Draft { correlation_id: Some("the same".into()), ..draft("?") };
        let mut answers = tokio::task::JoinSet::new();
        for number in 0..EACH {
            for [asker, _] in &pairs {
                let ask = world.ask(asker, "kb", Draft { payload: number.to_string().into(), ..same.clone() });
                let expected = format!("{} {number}", asker.party.caller.tenant());
                answers.spawn(async move { (answered(ask).await, expected) });
            }
        }
        std::thread::scope(|scope| {
            for [_, kb] in &pairs {
                scope.spawn(|| answer_all_backwards(&world, kb));
            }
        });
        while let Some(answer) = answers.join_next().await {
            let (answer, expected) = answer.unwrap();
            let envelope = answer.unwrap();
            assert_eq!(body(&envelope), expected, "round {round}");
            assert_eq!(envelope.correlation_id.as_deref(), Some("the same"));
        }
        assert!(pairs.iter().all(|[asker, _]| open_requests(&world, asker) == (0, 0)));
    }
}

/// Answers all that waits, the last first, with the tenant's name and what was asked.
fn answer_all_backwards(world: &World, kb: &Peer) {
    let mut requests: Vec<Accepted> = std::iter::from_fn(|| kb.receive()).collect();
    requests.reverse();
    for request in requests {
        let text = format!("{} {}", kb.party.caller.tenant(), body(request.envelope()));
        world.courier.settle(&kb.party, &request, done(&text));
    }
}

#[tokio::test]
async fn a_message_that_asked_nothing_is_settled_without_an_answer() {
    let world = World::new();
    let [sender, kb] = ["sender", "kb"].map(|agent| world.join("acme", agent, &[], 10));
    assert!(matches!(world.now(&sender, send("kb", "told")), Ok(HostReply::Sent(_))));
    settle(&world, &kb, done("nobody asked"));
    let counters = kb.party.counters.view();
    assert_eq!((counters.handled, counters.replied), (1, 0));
    assert!(sender.receive().is_none());
}
