//! Agents that run elsewhere: they are who their token says, reach what both keys turned for, and lose nothing that they did not
//! acknowledge.

use serde_json::{Value, json};
use tests_kit::{Api, Host, Package, Watch, eventually};

const METER: &str =
    "[agent]\nid = 'meter'\nname = 'Meter'\nversion = '1.0.0'\n[grants]\npublish = ['zoo.in']\nsend = ['zoo']\n";

/// The zoo, and the external agent `meter`, with a client that is the latter.
async fn host() -> (Host, Api) {
    let host = Host::with_tenants(&["acme", "globex"]).await;
    host.api.deploy("acme", &Package::zoo()).await;
    let meter = register(&host.api, "acme", METER).await;
    (host, meter)
}

async fn register(api: &Api, tenant: &str, manifest: &str) -> Api {
    let path = format!("/api/external-agents?tenant={tenant}");
    let agent = api.post(&path, json!({ "manifest": manifest })).await.ok();
    assert_eq!((&agent["kind"], &agent["state"]), (&json!("external"), &json!("ready")));
    let id = agent["agentId"].as_str().unwrap();
    let minted = api.post(&format!("/api/agents/{id}/tokens?tenant={tenant}"), json!({ "expiresIn": "1h" })).await.ok();
    api.with_token(minted["token"].as_str())
}

fn to_zoo(kind: &str, payload: Value) -> Value {
    json!({ "agent": "zoo", "messageType": kind, "payload": payload })
}

/// Sends a message to `meter`, to be kept.
async fn send(api: &Api, payload: Value) {
    let body = json!({ "type": "reading", "payload": payload, "qos": "at-least-once" });
    let receipt = api.post("/api/agents/meter/messages?tenant=acme", body).await.ok();
    assert_eq!(receipt["durability"], "durable");
}

/// The payload of the next message, and the id of its event.
async fn next(stream: &mut Watch) -> (Value, String) {
    let seen = stream.next().await.unwrap();
    assert_eq!(seen.kind, "message", "{seen:?}");
    (seen.data["payload"].clone(), seen.id.unwrap())
}

#[tokio::test]
async fn what_it_sends_is_stamped_with_its_tokens_tenant_and_id_and_kept() {
    let (host, meter) = host().await;
    let mut watch = host.api.watch("acme").await;
    let receipt = meter.post_message(None, to_zoo("mirror", json!(7))).await.ok();
    assert_eq!(receipt["durability"], "durable");
    let seen = watch.until(|message| message["id"] == receipt["id"]).await.pop().unwrap();
    assert_eq!([&seen.data["tenantId"], &seen.data["agentId"]], ["acme", "meter"]);
    let volatile = json!({ "topic": "zoo.in", "messageType": "mirror", "payload": 7, "qos": "at-most-once" });
    assert_eq!(meter.post_message(None, volatile).await.ok()["durability"], "volatile");
    eventually("both are handled", async || {
        (host.api.agent("acme", "zoo").await["counters"]["handled"] == 2).then_some(())
    })
    .await;
}

#[tokio::test]
async fn it_cannot_say_who_it_is_nor_reach_what_it_was_not_granted() {
    let (host, meter) = host().await;
    for field in ["tenantId", "agentId", "sender", "id"] {
        let mut body = to_zoo("mirror", Value::Null);
        body[field] = json!("globex");
        let refused = meter.post_message(None, body).await.refused(400, "bad-body");
        assert!(refused["detail"].as_str().unwrap().contains(&format!("unknown field `{field}`")), "{refused}");
    }
    let publish = |topic: &str| json!({ "topic": topic, "messageType": "t", "payload": 1 });
    meter.post_message(None, publish("zoo.out")).await.refused(422, "publish-not-granted");
    meter.post_message(None, publish("tenants.globex.zoo.in")).await.refused(422, "publish-not-granted");
    let other = json!({ "agent": "other", "messageType": "t", "payload": 1 });
    meter.post_message(None, other).await.refused(422, "send-not-granted");
    // A narrower policy reaches it at once.
    host.api.call("PUT", "/api/tenants/acme/policy", Some(&json!({ "policy": "" }))).await.ok();
    meter.post_message(None, to_zoo("mirror", Value::Null)).await.refused(422, "send-not-granted");
    let wide = "[agent]\nid = 'wide'\nname = 'W'\nversion = '1'\n[grants]\npublish = ['>']\n";
    let refused = host.api.post("/api/external-agents?tenant=acme", json!({ "manifest": wide })).await;
    refused.refused(422, "not-granted");
}

#[tokio::test]
async fn a_token_opens_its_own_agents_messages_and_nothing_else() {
    let (host, meter) = host().await;
    for path in
        ["/api/tenants", "/api/agents?tenant=acme", "/api/dlq?tenant=acme", "/api/agents/meter/tokens?tenant=acme"]
    {
        meter.get(path).await.refused(401, "unauthorized");
    }
    host.api.post_message(None, to_zoo("mirror", Value::Null)).await.refused(401, "unauthorized");
    let listed = host.api.get("/api/agents/meter/tokens?tenant=acme").await.ok();
    let id = listed["items"][0]["tokenId"].as_str().unwrap();
    assert!(listed["items"][0].get("token").is_none());
    let path = |tenant: &str| format!("/api/agents/meter/tokens/{id}?tenant={tenant}");
    host.api.call("DELETE", &path("globex"), None).await.refused(404, "not-found");
    let mut stream = meter.mailbox(None).await;
    host.api.call("DELETE", &path("acme"), None).await;
    assert!(stream.until_end().await.iter().all(|seen| seen.kind == "replaced"));
    meter.post_message(None, to_zoo("mirror", Value::Null)).await.refused(401, "unauthorized");
}

#[tokio::test]
async fn the_same_idempotency_key_is_the_same_message() {
    let (host, meter) = host().await;
    let post = async |key| meter.post_message(Some(key), to_zoo("mirror", json!(1))).await.ok()["id"].clone();
    let [first, again, other] = [post("\"a\"").await, post("a").await, post("\"b\"").await];
    assert_eq!(first, again);
    assert_ne!(first, other);
    eventually("both messages are handled", async || {
        (host.api.agent("acme", "zoo").await["counters"]["handled"] == 2).then_some(())
    })
    .await;
    assert_eq!(host.api.agent("acme", "zoo").await["counters"]["received"], 2);
    let volatile = json!({ "topic": "zoo.in", "messageType": "t", "payload": 1, "qos": "at-most-once" });
    meter.post_message(Some("a"), volatile).await.refused(400, "bad-header");
}

#[tokio::test]
async fn what_it_did_not_acknowledge_comes_again_and_what_it_did_never_also_after_a_kill() {
    let (mut host, meter) = host().await;
    for number in 0..4 {
        send(&host.api, json!(number)).await;
    }
    let mut first = meter.mailbox(None).await;
    let (zero, _) = next(&mut first).await;
    let (one, id_of_one) = next(&mut first).await;
    assert_eq!([zero, one], [json!(0), json!(1)]);

    let mut second = meter.mailbox(Some(&id_of_one)).await;
    assert!(first.until_end().await.iter().any(|seen| seen.kind == "replaced"));
    let (two, id_of_two) = next(&mut second).await;
    assert_eq!(two, json!(2));
    let acknowledged = meter.post("/api/messages/ack", json!({ "lastEventId": id_of_two })).await.ok();
    assert_eq!(acknowledged["messages"], 1);
    meter.post("/api/messages/ack", json!({ "lastEventId": "?" })).await.refused(400, "bad-body");
    eventually("what was acknowledged is gone from the queue", async || {
        let queues = host.api.get("/api/queues?tenant=acme").await.ok();
        let own = queues["items"].as_array()?.iter().find(|queue| queue["name"] == "acme-meter")?.clone();
        (own["messages"] == 1 && own["address"] == "tenants.acme.queues.meter").then_some(())
    })
    .await;
    // What was decided before a message was kept is on the disk with it.
    send(&host.api, json!(4)).await;

    host.kill();
    host.start_again();
    host.ready().await;
    let meter = Api::new(&host.url, meter.token());
    // Its cursor is of another run of the host, and means nothing to this one.
    let mut third = meter.mailbox(Some(&id_of_two)).await;
    assert_eq!(next(&mut third).await.0, json!(3));
}

#[tokio::test]
async fn its_id_is_never_given_again_and_nothing_of_it_is_started() {
    let (host, meter) = host().await;
    let said = host.cli(&["agent", "register", "lamp", "--tenant", "acme"]).ok();
    assert_eq!(said, "lamp\n");
    let token = host.cli(&["agent", "token", "lamp", "--tenant", "acme"]).ok();
    assert_eq!(token.trim().len(), 43);
    for verb in ["start", "stop", "restart"] {
        host.api.steer("acme", "meter", verb).await.refused(409, "external-agent");
    }
    let refused = host.api.try_deploy("acme", &Package::zoo().named("meter")).await;
    refused.refused(409, "taken");
    host.api.delete("acme", "meter").await;
    meter.post_message(None, to_zoo("mirror", Value::Null)).await.refused(401, "unauthorized");
    let again = host.api.post("/api/external-agents?tenant=acme", json!({ "manifest": METER })).await;
    again.refused(409, "taken");
}

#[tokio::test]
async fn who_does_not_listen_takes_nothing_from_a_queue_that_others_share() {
    let (host, _) = host().await;
    let manifest = "[agent]\nid = 'sharer'\nname = 'Sharer'\nversion = '1.0.0'\n[grants]\nqueues = ['agents']\n";
    let sharer = register(&host.api, "acme", manifest).await;
    host.api.deploy("acme", &Package::zoo().named("worker").with("grants.queues", vec!["agents"])).await;
    let mut stream = sharer.mailbox(None).await;
    let order = |number: usize| json!({ "agent": "agents", "type": "mirror", "payload": number, "options": [["qos", "at-least-once"]] });
    for number in 0..6 {
        let receipt = host.api.ask("acme", "zoo", "send", &order(number)).await.said();
        assert_eq!(receipt["ok"]["durability"], "durable", "{receipt}");
    }
    // It shares while it listens, and does not acknowledge; what it was handed goes to the other when it leaves.
    next(&mut stream).await;
    drop(stream);
    eventually("the other has handled all", async || {
        (host.api.agent("acme", "worker").await["counters"]["handled"] == 6).then_some(())
    })
    .await;
}

#[tokio::test]
async fn it_receives_again_after_its_tenant_was_in_quarantine_also_what_waited_over_a_restart() {
    let (mut host, meter) = host().await;
    send(&host.api, json!(1)).await;
    host.api.post("/api/tenants/acme/quarantine", json!({ "reason": "a test" })).await.ok();
    host.kill();
    host.start_again();
    host.ready().await;
    let meter = Api::new(&host.url, meter.token());
    host.api.call("POST", "/api/tenants/acme/resume", None).await.ok();
    let mut stream = meter.mailbox(None).await;
    assert_eq!(next(&mut stream).await.0, json!(1));
    send(&host.api, json!(2)).await;
    assert_eq!(next(&mut stream).await.0, json!(2));
}
