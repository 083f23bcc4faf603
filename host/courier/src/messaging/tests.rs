//! What a caller is told about what it sends, and who gets it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use host_gate::MessageLimits;
use host_model::{Grants, SendGrant};
use host_quota::Budget;
use tests_kit::gate::{body, born, draft, grants};

use crate::samples::{Peer, World, publish, send};
use crate::{Counters, Party};

use super::*;

/// An agent that may send to these and publish nothing.
fn join_granted(world: &World, tenant: &str, agent: &str, send_to: &[&str]) -> Peer {
    let send = SendGrant::These(send_to.iter().map(|id| id.parse().unwrap()).collect());
    let grants = Grants { send, publish: Vec::new(), ..grants(&["open.>"]) };
    world.join_as(Party::new(born(tenant, agent), grants, Budget::new(9), false, Arc::<Counters>::default()), 10)
}

fn code(refused: Result<HostReply, Refusal>) -> String {
    refused.map_or_else(|refusal| refusal.code().to_owned(), |reply| format!("{reply:?}"))
}

#[test]
fn a_message_reaches_its_receivers_of_the_same_tenant_only() {
    let world = World::new();
    let [sender, kb] = ["sender", "kb"].map(|agent| world.join("acme", agent, &["a.*"], 10));
    let foreign = world.join("globex", "kb", &["a.*"], 10);
    assert!(matches!(world.now(&sender, publish("a.b", "topic")), Ok(HostReply::Sent(_))));
    assert!(matches!(world.now(&sender, publish("tenants/acme/a/b", "slashes")), Ok(HostReply::Sent(_))));
    assert!(matches!(world.now(&sender, send("kb", "queue")), Ok(HostReply::Sent(_))));
    let received: Vec<_> = std::iter::from_fn(|| kb.receive()).map(|message| body(message.envelope())).collect();
    assert_eq!(received, ["topic", "slashes", "queue"]);
    assert!(foreign.receive().is_none());
    assert_eq!((sender.party.counters.view().published, kb.party.counters.view().received), (3, 3));
}

#[test]
fn whether_another_tenant_exists_is_not_told() {
    let world = World::new();
    let sender = world.join("acme", "sender", &[], 10);
    world.join("globex", "kb", &["a"], 10);
    for tenant in ["globex", "initech"] {
        let refused = world.now(&sender, publish(&format!("tenants/{tenant}/a"), "x"));
        assert_eq!(refused, Err(Refusal::NotGranted(RefusalNumbers::of("publish-not-granted"))), "{tenant}");
    }
    for agent in ["kb", "unknown", "Not An Id", "operator", ""] {
        assert_eq!(world.now(&sender, send(agent, "x")), Err(Refusal::NotFound), "{agent:?}");
    }
}

/// M02, M03: who may send to whom, with one grant in each of two tenants: `a` to `b`. Every other way is closed, the way back
/// and the way to the agents of the same names in the other tenant among them.
#[test]
fn a_grant_opens_one_way_to_one_agent_of_ones_own_tenant() {
    let world = World::new();
    let tenants = ["acme", "globex"];
    let peers = tenants
        .map(|tenant| [("a", &["b"][..]), ("b", &[]), ("c", &[])].map(|(id, to)| join_granted(&world, tenant, id, to)));
    let check = |from: &Peer, to: &str, open: bool| {
        let who = from.party.caller.agent();
        let answer = world.now(from, send(to, "x"));
        let expected = if open { Ok(()) } else { Err("send-not-granted") };
        assert_eq!(answer.as_ref().map(drop).map_err(Refusal::code), expected, "{who} to {to}");
    };
    for [a, b, c] in &peers {
        for from in [a, b, c] {
            for to in ["a", "b", "c"] {
                check(from, to, from.party.caller.agent().as_str() == "a" && to == "b");
            }
        }
    }
    for [a, _, _] in &peers {
        for topic in ["open.x", "tenants/acme/open/x", "tenants/globex/open/x", "agents.b.x"] {
            assert!(world.now(a, publish(topic, "x")).is_err(), "a grant to send is none to publish: {topic}");
        }
    }
    for (tenant, [a, b, c]) in tenants.iter().zip(&peers) {
        let got = b.receive().expect("what was granted arrives");
        assert_eq!(got.envelope().tenant.as_str(), *tenant, "from its own tenant");
        assert!([a, b, c].into_iter().all(|peer| peer.receive().is_none()), "and nothing else does");
    }
}

#[test]
fn a_refusal_says_what_is_wrong_in_the_hosts_own_words() {
    let world = World::new();
    let sender = world.join("acme", "sender", &[], 10);
    assert_eq!(code(world.now(&sender, publish("a..b", "x"))), "topic");
    assert_eq!(code(world.now(&sender, publish("queues.kb", "x"))), "reserved-topic");
    assert_eq!(code(world.now(&sender, publish("agents.kb.status", "x"))), "topic-of-another-agent");
    let max = MessageLimits::default().payload_bytes_max;
    let large = HostCall::Publish { topic: "a".into(), draft: Draft { payload: vec![0; max + 1], ..draft("") } };
    let numbers = RefusalNumbers::of("payload-bytes").past(max as u64, max as u64 + 1);
    assert_eq!(world.now(&sender, large), Err(Refusal::TooLarge(numbers)));
    assert_eq!(sender.party.counters.view().refused, 4);
}

#[test]
fn a_full_mailbox_is_told_to_the_sender_with_its_bound_and_counted() {
    let world = World::new();
    let (sender, kb) = (world.join("acme", "sender", &[], 10), world.join("acme", "kb", &[], 2));
    for _ in 0..2 {
        assert!(world.now(&sender, send("kb", "x")).is_ok());
    }
    let numbers = RefusalNumbers::of("mailbox-full").past(2, 3).retry_after_ms(50);
    assert_eq!(world.now(&sender, send("kb", "x")), Err(Refusal::Backpressure(numbers)));
    let counters = kb.party.counters.view();
    assert_eq!((counters.received, counters.dropped), (2, 1));
}

#[test]
fn a_batch_answers_each_item_in_order_and_goes_on_after_a_refusal() {
    let world = World::new();
    let [sender, kb] = ["sender", "kb"].map(|agent| world.join("acme", agent, &["a"], 10));
    let items = vec![
        BatchItem::Topic("a".into(), draft("1")),
        BatchItem::Topic("a..b".into(), draft("2")),
        BatchItem::Agent("nobody".into(), draft("3")),
        BatchItem::Agent("kb".into(), draft("4")),
    ];
    let Ok(HostReply::Batch(results)) = world.now(&sender, HostCall::Batch(items)) else { panic!("no batch") };
    let codes: Vec<_> = results.iter().map(|result| result.as_ref().map(drop).map_err(Refusal::code)).collect();
    assert_eq!(codes, [Ok(()), Err("topic"), Err("not-found"), Ok(())]);
    let received: Vec<_> = std::iter::from_fn(|| kb.receive()).map(|message| body(message.envelope())).collect();
    assert_eq!(received, ["1", "4"]);
}

/// Incident 8: what a batch names of another tenant is refused item by item, and takes nothing of the rest with it.
#[test]
fn a_batch_that_names_two_tenants_loses_none_of_its_own_items() {
    const EACH: usize = 100;
    let world = World::new();
    let [sender, kb] = ["sender", "kb"].map(|agent| world.join("acme", agent, &["a"], 1_000));
    let foreign = world.join("globex", "kb", &["a"], 1_000);
    let items = (0..EACH).flat_map(|number| {
        let draft = || draft(&number.to_string());
        [
            BatchItem::Topic("tenants/globex/a".into(), draft()),
            BatchItem::Topic("tenants/acme/a".into(), draft()),
            BatchItem::Agent("kb".into(), draft()),
            BatchItem::Agent("theirs".into(), draft()),
        ]
    });
    let Ok(HostReply::Batch(results)) = world.now(&sender, HostCall::Batch(items.collect())) else {
        panic!("no batch")
    };
    let codes = results.iter().map(|result| result.as_ref().map(drop).map_err(Refusal::code));
    let each = [Err("publish-not-granted"), Ok(()), Ok(()), Err("not-found")];
    assert_eq!(codes.collect::<Vec<_>>(), each.repeat(EACH));
    let received: Vec<_> = std::iter::from_fn(|| kb.receive()).map(|message| body(message.envelope())).collect();
    let expected: Vec<_> = (0..EACH).flat_map(|number| [number.to_string(), number.to_string()]).collect();
    assert_eq!(received, expected, "each of them twice, in order");
    assert!(foreign.receive().is_none());
}

#[test]
fn who_has_left_can_ask_nothing_more() {
    let world = World::new();
    let [sender, kb] = ["sender", "kb"].map(|agent| world.join("acme", agent, &[], 10));
    world.courier.leave(&sender.party.caller);
    let stopped = Err(Refusal::Unavailable(RefusalNumbers::of("stopped")));
    assert_eq!(world.now(&sender, send("kb", "x")), stopped);
    assert_eq!(world.now(&sender, HostCall::Card("kb".into())), stopped);
    assert!(kb.receive().is_none());
}

#[test]
fn numbers_count_within_one_start_and_name_it() {
    let world = World::new();
    let kb = world.join("acme", "kb", &["a"], 10);
    let starts = [(); 2].map(|()| world.join("acme", "sender", &[], 10));
    for sender in [&starts[0], &starts[1], &starts[0]] {
        assert!(world.now(sender, publish("a", "x")).is_ok());
    }
    let seen: Vec<_> = std::iter::from_fn(|| kb.receive())
        .map(|message| (message.envelope().producer.instance, message.envelope().seq))
        .collect();
    let [one, two] = starts.map(|sender| sender.party.caller.incarnation().0);
    assert_eq!(seen, [(one, 1), (two, 1), (one, 2)]);
}

/// M30, incident 13: how long a refusal takes tells no more than its words. Asked in turn, so that whatever slows the machine
/// slows both alike, and compared by their medians; the room is wide against chance and narrow against a look-up that goes on.
#[test]
fn a_foreign_agent_and_an_unknown_one_are_refused_in_the_same_time() {
    const EACH: usize = 5_000;
    let world = World::new();
    let sender = world.join("acme", "sender", &[], 10);
    let _theirs: Vec<Peer> =
        (0..500).map(|number| world.join("globex", &format!("a-{number:03}"), &["a"], 10)).collect();
    let took = |agent: &str| {
        let began = Instant::now();
        assert_eq!(world.now(&sender, send(agent, "x")), Err(Refusal::NotFound));
        began.elapsed()
    };
    let (mut foreign, mut unknown): (Vec<_>, Vec<_>) =
        (0..EACH).map(|round| (took(&format!("a-{:03}", round % 500)), took(&format!("b-{:03}", round % 500)))).unzip();
    let median = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times[EACH / 2].as_secs_f64()
    };
    let ratio = median(&mut foreign) / median(&mut unknown);
    assert!((0.8..1.25).contains(&ratio), "foreign / unknown = {ratio}");
}
