//! Each refusal leaves one record, in the host's own words.

use host_calls::{BatchItem, HostCall, Refusal};
use host_gate::Delivery;
use host_ledger::Record;
use host_model::CardQuery;
use tests_kit::gate::{Sender, draft};

use super::*;
use crate::samples::{Peer, World, publish, send};

/// What the ledger wrote about denials, once it is closed, as `actor action code times`.
fn denials(world: &World) -> Vec<String> {
    world.courier.parts().ledger.close();
    let own = |record: &Record| record.entry.action.starts_with("audit.");
    let said = |record: Record| {
        let entry = record.entry;
        format!("{} {} {} {}", entry.actor, entry.action, entry.code.as_deref().unwrap_or_default(), entry.times())
    };
    let mut said: Vec<_> = world.audit.records().into_iter().filter(|record| !own(record)).map(said).collect();
    said.sort();
    said
}

fn world() -> (World, Peer) {
    let world = World::new();
    let peer = world.join("acme", "echo", &[], 1);
    (world, peer)
}

#[test]
fn each_refused_call_leaves_one_record() {
    let check = |call: HostCall, expected: &str| {
        let (world, peer) = world();
        assert!(world.now(&peer, call).is_err());
        assert_eq!(denials(&world), [expected]);
    };
    check(publish("a b", "x"), "agent:echo message.publish topic 1");
    check(send("nobody", "x"), "agent:echo message.send not-found 1");
    check(publish("tenants.globex.secrets", "x"), "agent:echo cross-tenant.publish foreign-tenant 1");
    check(
        HostCall::Request { agent: "nobody".to_owned(), draft: draft("x"), deadline_ms: 10 },
        "agent:echo message.request not-found 1",
    );
}

#[test]
fn what_is_allowed_leaves_none() {
    let (world, peer) = world();
    world.now(&peer, publish("a.b", "x")).unwrap();
    world.now(&peer, send("echo", "x")).unwrap();
    world.now(&peer, HostCall::Find(CardQuery::default())).unwrap();
    assert_eq!(denials(&world), [""; 0]);
}

#[test]
fn each_refused_item_of_a_batch_is_counted() {
    let (world, peer) = world();
    let items = ["nobody", "echo", "nobody"].map(|agent| BatchItem::Agent(agent.to_owned(), draft("x")));
    world.now(&peer, HostCall::Batch(items.to_vec())).unwrap();
    world.courier.publish(&peer.party, "a b", draft("x"), None).unwrap_err();
    world.courier.parts().ledger.close();
    let times: u64 = world
        .audit
        .records()
        .iter()
        .filter_map(|record| record.entry.code.as_ref().map(|_| record.entry.times()))
        .sum();
    assert_eq!(times, 3);
}

#[test]
fn a_refusal_keeps_its_numbers_and_no_guest_text() {
    let (world, peer) = world();
    let canary = "canary-7f3a";
    world.now(&peer, send("echo", canary)).unwrap();
    let full = world.now(&peer, send("echo", canary));
    assert!(matches!(full, Err(Refusal::Backpressure(_))));
    world.now(&peer, publish(&format!("{canary} {canary}"), canary)).unwrap_err();
    world.now(&peer, HostCall::Card(canary.to_owned())).unwrap();
    world.courier.parts().ledger.close();
    let records = world.audit.records();
    let full = records.iter().find(|record| record.entry.code.as_deref() == Some("mailbox-full")).unwrap();
    assert_eq!((full.entry.limit, full.entry.actual), (Some(1), Some(2)));
    assert!(!serde_json::to_string(&records).unwrap().contains(canary));
}

#[tokio::test]
async fn an_answer_that_comes_to_nothing_is_told_when_it_does() {
    let (world, peer) = world();
    let waiting = world.call(&peer, HostCall::Request { agent: "echo".to_owned(), draft: draft("x"), deadline_ms: 1 });
    assert!(matches!(crate::samples::answered(waiting).await, Err(Refusal::TimedOut(_))));
    assert_eq!(denials(&world), ["agent:echo message.request no-answer-in-time 1"]);
}

#[test]
fn a_message_of_another_tenant_at_a_door_is_told_with_both_tenants() {
    let (world, peer) = world();
    let door = world.courier.inbound(peer.party.clone(), peer.mail());
    let foreign = Sender::in_tenant("globex").to_agent("echo", "x");
    assert!(door.deliver(Delivery::Local(Arc::new(foreign))).is_err());
    world.courier.parts().ledger.close();
    let records = world.audit.records();
    let crossing = records.iter().find(|record| record.entry.action == "cross-tenant.accept").unwrap();
    let tenant = crossing.entry.tenant.as_ref().map(ToString::to_string);
    assert_eq!((tenant.as_deref(), crossing.entry.target.as_deref()), (Some("acme"), Some("tenant:globex")));
}
