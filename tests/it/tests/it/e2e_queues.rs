//! Messages that must not be lost, from one agent to another: over stops, kills, failures and rotations.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests_kit::{Answer, Api, Host, Package, Setup, eventually};

/// The zoo as `zoo`, which sends what it is told, and as `sink`, which gets it.
async fn host() -> Host {
    let host = Host::with_tenants(&["acme"]).await;
    host.api.deploy("acme", &Package::zoo()).await;
    host.api.deploy("acme", &Package::zoo().named("sink")).await;
    host
}

fn order(to: &str, kind: &str, payload: Value) -> Value {
    json!({ "agent": to, "type": kind, "payload": payload, "options": [["qos", "at-least-once"]] })
}

/// The receipt, or the refusal, that `zoo` got for a message to be kept.
async fn keep(api: &Api, to: &str, kind: &str, payload: Value) -> Value {
    api.ask("acme", "zoo", "send", &order(to, kind, payload)).await.said()
}

async fn kept(api: &Api, to: &str, kind: &str, payload: Value) -> String {
    let receipt = keep(api, to, kind, payload).await;
    assert_eq!(receipt["ok"]["durability"], "durable", "{receipt}");
    receipt["ok"]["id"].as_str().unwrap().to_owned()
}

/// Returns when the agent has so much of this count.
async fn counted(api: &Api, agent: &str, name: &str, count: u64) {
    eventually("it is counted", async || (api.agent("acme", agent).await["counters"][name] == count).then_some(()))
        .await;
}

/// The cause of the first death that the audit tells of.
async fn buried(api: &Api) -> String {
    eventually("the death is in the audit", async || {
        let page = api.get("/api/audit?action=message.bury&tenant=acme").await.ok();
        page["items"][0]["code"].as_str().map(str::to_owned)
    })
    .await
}

/// The key that signs now.
async fn key(api: &Api) -> String {
    let keys = api.get("/api/tenants/acme/keys").await.ok();
    let signs = keys["items"].as_array().unwrap().iter().find(|key| key["state"] == "active").unwrap();
    signs["keyId"].as_str().unwrap().to_owned()
}

async fn steer(api: &Api, agent: &str, verb: &str) -> Answer {
    api.steer("acme", agent, verb).await
}

#[tokio::test]
async fn messages_wait_for_an_agent_that_is_stopped_and_for_a_host_that_was_killed() {
    let mut host = host().await;
    steer(&host.api, "sink", "stop").await.ok();
    for number in 0..20 {
        kept(&host.api, "sink", "mirror", json!(number)).await;
    }
    let of_operator = json!({ "type": "mirror", "payload": 20, "qos": "at-least-once" });
    let receipt = host.api.post("/api/agents/sink/messages?tenant=acme", of_operator).await.ok();
    assert_eq!(receipt["durability"], "durable", "{receipt}");
    host.kill();
    host.start_again();
    host.ready().await;
    assert_eq!(host.api.agent("acme", "sink").await["state"], "stopped");
    steer(&host.api, "sink", "start").await.ok();
    counted(&host.api, "sink", "handled", 21).await;
}

#[tokio::test]
async fn a_topic_keeps_a_message_for_each_agent_that_is_subscribed_to_it_also_for_a_stopped_one() {
    let host = host().await;
    host.api.deploy("acme", &Package::zoo().named("other")).await;
    steer(&host.api, "other", "stop").await.ok();
    let order = json!({ "topic": "zoo.in", "type": "mirror", "options": [["qos", "at-least-once"]] });
    let receipt = host.api.ask("acme", "zoo", "publish", &order).await.said();
    assert_eq!(receipt["ok"]["durability"], "durable", "{receipt}");
    counted(&host.api, "sink", "handled", 1).await;
    steer(&host.api, "other", "start").await.ok();
    counted(&host.api, "other", "handled", 1).await;
}

#[tokio::test]
async fn what_fails_is_tried_five_times_and_holds_up_nothing_behind_it() {
    let host = host().await;
    kept(&host.api, "sink", "trap", Value::Null).await;
    kept(&host.api, "sink", "mirror", Value::Null).await;
    counted(&host.api, "sink", "handled", 1).await;
    counted(&host.api, "sink", "failed", 5).await;
    assert_eq!(buried(&host.api).await, "trap");
}

#[tokio::test]
async fn what_an_agent_rejects_is_not_tried_again_and_what_it_asks_for_later_comes_later() {
    let host = host().await;
    kept(&host.api, "sink", "fail-reject", json!("never")).await;
    counted(&host.api, "sink", "failed", 1).await;
    kept(&host.api, "sink", "fail-retry", json!(10)).await;
    counted(&host.api, "sink", "failed", 6).await;
}

#[tokio::test]
async fn a_handler_that_is_tried_again_sends_the_same_messages_and_they_are_handled_once() {
    let host = host().await;
    host.api.deploy("acme", &Package::zoo().named("relay")).await;
    // It sends to `sink`, then traps: each of its five attempts sends the same.
    kept(&host.api, "relay", "send-then-trap", order("sink", "mirror", json!("once"))).await;
    counted(&host.api, "relay", "failed", 5).await;
    counted(&host.api, "relay", "published", 5).await;
    kept(&host.api, "sink", "mirror", json!("behind it")).await;
    counted(&host.api, "sink", "handled", 2).await;
    assert_eq!(host.api.agent("acme", "sink").await["counters"]["received"], 2);
}

#[tokio::test]
async fn a_full_queue_is_back_pressure_with_its_numbers_and_room_comes_back() {
    let host = host().await;
    host.api.call("PUT", "/api/tenants/acme/quota", Some(&json!({ "limits": { "queued-messages": 2 } }))).await.ok();
    steer(&host.api, "sink", "stop").await.ok();
    kept(&host.api, "sink", "mirror", json!(1)).await;
    kept(&host.api, "sink", "mirror", json!(2)).await;
    let refused = keep(&host.api, "sink", "mirror", json!(3)).await;
    let expected =
        json!({ "kind": "backpressure", "code": "queued-messages", "limit": 2, "actual": 3, "retry_after_ms": 1000 });
    assert_eq!(refused["denied"], expected, "{refused:#}");
    steer(&host.api, "sink", "start").await.ok();
    counted(&host.api, "sink", "handled", 2).await;
    kept(&host.api, "sink", "mirror", json!(3)).await;
}

#[tokio::test]
async fn waiting_messages_survive_a_rotation_and_die_with_a_key_that_is_revoked() {
    let host = host().await;
    steer(&host.api, "sink", "stop").await.ok();
    kept(&host.api, "sink", "mirror", json!("before")).await;
    let first = key(&host.api).await;
    host.api.post("/api/tenants/acme/keys/rotate", json!({})).await.ok();
    kept(&host.api, "sink", "mirror", json!("after")).await;
    steer(&host.api, "sink", "start").await.ok();
    counted(&host.api, "sink", "handled", 2).await;
    steer(&host.api, "sink", "stop").await.ok();
    let second = key(&host.api).await;
    assert_ne!(first, second);
    kept(&host.api, "sink", "mirror", json!("signed with what is revoked next")).await;
    host.api.post(&format!("/api/tenants/acme/keys/{second}/revoke"), json!({})).await.ok();
    kept(&host.api, "sink", "mirror", json!("signed with the next")).await;
    steer(&host.api, "sink", "start").await.ok();
    counted(&host.api, "sink", "handled", 3).await;
    assert_eq!(buried(&host.api).await, "key-revoked");
}

#[tokio::test]
async fn ten_thousand_queued_messages_of_one_tenant_hold_up_no_other() {
    const BATCHES: u64 = 40;
    const BATCH: u64 = 250;
    /// With messages taken in the order of their coming, all that are under way in `acme` would come first: a second.
    const BOUND: Duration = Duration::from_millis(400);
    let host = Setup::new().env("BAILIWICK_ENGINE__SHARDS", "1").start().and_tenants(&["acme", "globex"]).await;
    let sink = Package::zoo().named("sink").with("limits.concurrency", 256).with("limits.fuel", 1_000_000_000);
    for package in [Package::zoo().with("limits.fuel", 1_000_000_000), sink] {
        host.api.deploy("acme", &package).await;
    }
    host.api.deploy("globex", &Package::zoo()).await;
    steer(&host.api, "sink", "stop").await.ok();
    // Some milliseconds of work each.
    let batch = json!((0..BATCH).map(|_| order("sink", "clock", json!(4_000))).collect::<Vec<_>>());
    for _ in 0..BATCHES {
        let said = host.api.ask("acme", "zoo", "batch", &batch).await.said();
        assert!(said.as_array().unwrap().iter().all(|one| one["ok"]["durability"] == "durable"), "{}", said[0]);
    }
    assert_eq!(depth(&host.api, "sink").await, BATCHES * BATCH);

    steer(&host.api, "sink", "start").await.ok();
    eventually("it is at work", async || (depth(&host.api, "sink").await < BATCHES * BATCH).then_some(())).await;
    let mut waits = Vec::new();
    for number in 0..40 {
        let began = Instant::now();
        assert_eq!(host.api.ask("globex", "zoo", "mirror", &json!(number)).await.said()["payload"], number);
        waits.push(began.elapsed());
    }
    waits.sort();
    assert!(waits[37] < BOUND, "95 of 100 were answered within {:?}", waits[37]);
    assert!(depth(&host.api, "sink").await > 0, "the queue was empty too early to prove a thing");
}

/// Messages that wait or are being handled in an agent's own queue in `acme`.
async fn depth(api: &Api, agent: &str) -> u64 {
    let queues = api.get("/api/queues?tenant=acme").await.ok();
    let own =
        queues["items"].as_array().unwrap().iter().find(|queue| queue["name"] == format!("acme-{agent}")).unwrap();
    own["messages"].as_u64().unwrap()
}
