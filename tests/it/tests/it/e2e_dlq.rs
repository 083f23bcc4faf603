//! Dead letters: seen by their own tenant, told with a reason, sent again once, and deleted.

use serde_json::{Value, json};
use tests_kit::{Api, Host, Package, eventually};

const DLQ: &str = "/api/dlq?tenant=acme";

/// A host whose `sink` rejected so many messages of the operator.
async fn host(letters: usize) -> Host {
    let host = Host::with_tenants(&["acme", "globex"]).await;
    host.api.deploy("acme", &Package::zoo().named("sink")).await;
    for number in 0..letters {
        let body = json!({ "type": "fail-reject", "payload": format!("secret {number}"), "qos": "at-least-once" });
        host.api.post("/api/agents/sink/messages?tenant=acme", body).await.ok();
    }
    letters_of(&host.api, letters).await;
    host
}

/// The dead letters, once there are so many.
async fn letters_of(api: &Api, count: usize) -> Vec<Value> {
    eventually("they are dead", async || {
        let page = api.get(DLQ).await.ok();
        let items = page["items"].as_array()?.clone();
        (items.len() == count).then_some(items)
    })
    .await
}

fn at(letter: &Value, rest: &str) -> String {
    format!("/api/dlq/{}{rest}?tenant=acme", letter["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_letter_says_why_it_died_and_what_it_says_only_for_a_recorded_reason() {
    // The zoo rejects with its body as the reason, which is its own word; a trap says nothing.
    let host = host(0).await;
    let body = json!({ "type": "trap", "payload": "secret 0", "qos": "at-least-once" });
    host.api.post("/api/agents/sink/messages?tenant=acme", body).await.ok();
    let letter = letters_of(&host.api, 1).await.remove(0);
    assert_eq!([&letter["cause"], &letter["queue"], &letter["destination"]], ["trap", "sink", "queues.sink"]);
    let shown = host.api.get(&at(&letter, "")).await;
    assert!(!String::from_utf8_lossy(&shown.body).contains("secret"));
    assert_eq!(shown.ok()["content"]["payloadBytes"], 10);
    host.api.get(&format!("{}&payload=true", at(&letter, ""))).await.refused(400, "bad-query");
    let told = host.api.get(&format!("{}&payload=true&reason=ticket", at(&letter, ""))).await.ok();
    assert_eq!(told["message"]["payload"], "secret 0");
    let audit = host.api.get("/api/audit?action=dlq.read&tenant=acme").await.ok();
    assert_eq!(audit["items"][0]["detail"]["reason"], "ticket");
}

#[tokio::test]
async fn an_unknown_letter_and_another_tenants_get_the_same_answer() {
    let host = host(1).await;
    let letter = letters_of(&host.api, 1).await.remove(0);
    let id = letter["id"].as_str().unwrap();
    let body = json!({});
    for (method, rest) in [("GET", ""), ("POST", "/replay"), ("DELETE", "")] {
        let ask = async |id: &str| {
            let path = format!("/api/dlq/{id}{rest}?tenant=globex");
            host.api.call(method, &path, Some(&body)).await.refused(404, "not-found")
        };
        let foreign = ask(id).await;
        assert_eq!(foreign, ask("999999").await);
        assert_eq!(foreign, ask("no-number").await);
    }
    assert_eq!(host.api.get("/api/dlq?tenant=globex").await.ok()["items"], json!([]));
    assert_eq!(host.api.post("/api/dlq/purge?tenant=globex", json!({ "all": true })).await.ok()["purged"], 0);
    letters_of(&host.api, 1).await;
}

#[tokio::test]
async fn a_letter_is_sent_again_once_however_often_it_is_asked_for() {
    let host = host(1).await;
    let letter = letters_of(&host.api, 1).await.remove(0);
    let replay = async || host.api.post(&at(&letter, "/replay"), json!({ "reason": "mended" })).await.ok();
    let first = replay().await;
    assert_eq!(first["durability"], "durable");
    assert_eq!(replay().await, first);
    let letters = letters_of(&host.api, 2).await;
    assert_eq!(letters[0]["replayedAs"], first["id"]);
    assert_eq!(letters[1]["messageId"], first["id"]);
}

#[tokio::test]
async fn a_letter_is_sent_again_with_what_its_sender_may_do_now() {
    let host = host(0).await;
    host.api.deploy("acme", &Package::zoo()).await;
    let order =
        json!({ "agent": "sink", "type": "fail-reject", "payload": "no", "options": [["qos", "at-least-once"]] });
    let receipt = host.api.ask("acme", "zoo", "send", &order).await.said();
    assert_eq!(receipt["ok"]["durability"], "durable", "{receipt}");
    let letter = letters_of(&host.api, 1).await.remove(0);
    let set_policy = async |text: &str| {
        host.api.call("PUT", "/api/tenants/acme/policy", Some(&json!({ "policy": text }))).await.ok();
    };
    let replay = async |letter: &Value| host.api.post(&at(letter, "/replay"), json!({})).await;

    set_policy("").await;
    replay(&letter).await.refused(422, "send-not-granted");
    assert_eq!(letters_of(&host.api, 1).await[0]["replayedAt"], Value::Null);
    set_policy("[[allow]]\nsend = '*'\n").await;
    replay(&letter).await.ok();
    let again = letters_of(&host.api, 2).await.remove(1);
    host.api.delete("acme", "zoo").await;
    replay(&again).await.refused(422, "sender-gone");
    letters_of(&host.api, 2).await;
}

#[tokio::test]
async fn with_no_room_for_dead_letters_what_would_be_one_stays_in_its_queue() {
    let host = host(1).await;
    host.api.call("PUT", "/api/tenants/acme/quota", Some(&json!({ "limits": { "dead-letters": 1 } }))).await.ok();
    let body = json!({ "type": "fail-reject", "payload": "one too many", "qos": "at-least-once" });
    host.api.post("/api/agents/sink/messages?tenant=acme", body).await.ok();
    eventually("it was handled", async || {
        (host.api.agent("acme", "sink").await["counters"]["failed"] == 2).then_some(())
    })
    .await;
    letters_of(&host.api, 1).await;
    let queues = host.api.get("/api/queues?tenant=acme").await.ok();
    let sink = queues["items"].as_array().unwrap().iter().find(|queue| queue["name"] == "acme-sink").unwrap();
    assert_eq!(sink["messages"], 1, "{queues:#}");
}

#[tokio::test]
async fn room_for_dead_letters_comes_back_when_they_are_deleted() {
    let host = host(1).await;
    host.api.call("PUT", "/api/tenants/acme/quota", Some(&json!({ "limits": { "dead-letters": 1 } }))).await.ok();
    assert_eq!(host.api.post("/api/dlq/purge?tenant=acme", json!({ "all": true })).await.ok()["purged"], 1);
    let body = json!({ "type": "fail-reject", "payload": "the next", "qos": "at-least-once" });
    host.api.post("/api/agents/sink/messages?tenant=acme", body).await.ok();
    assert_eq!(letters_of(&host.api, 1).await[0]["id"], "2");
}

#[tokio::test]
async fn a_letter_from_a_topic_goes_back_to_the_agent_that_failed_and_to_no_other() {
    let host = host(0).await;
    host.api.deploy("acme", &Package::zoo().named("other")).await;
    let body = json!({ "topic": "zoo.in", "type": "fail-reject", "payload": "no", "qos": "at-least-once" });
    host.api.post("/api/topics/messages?tenant=acme", body).await.ok();
    let letters = letters_of(&host.api, 2).await;
    let of_sink = letters.iter().find(|letter| letter["queue"] == "sink").unwrap();
    host.api.post(&at(of_sink, "/replay"), json!({})).await.ok();
    let again = letters_of(&host.api, 3).await;
    assert_eq!(again[2]["queue"], "sink");
    let failed = async |agent| host.api.agent("acme", agent).await["counters"]["failed"].clone();
    assert_eq!((failed("sink").await, failed("other").await), (json!(2), json!(1)));
}

#[tokio::test]
async fn many_are_sent_again_by_what_they_are_and_the_report_says_how_far_it_came() {
    let host = host(3).await;
    let replay = async |body| host.api.post("/api/dlq/replay?tenant=acme", body).await.ok();
    let none = replay(json!({ "cause": "trap" })).await;
    assert_eq!((&none["replayed"], &none["stopped"]), (&json!(0), &json!("end")));
    let all = replay(json!({ "queue": "sink", "cause": "rejected" })).await;
    assert_eq!((&all["replayed"], &all["refused"], &all["stopped"]), (&json!(3), &json!(0), &json!("end")));
    letters_of(&host.api, 6).await;
    let said = host.cli(&["dlq", "replay", "--all", "--tenant", "acme"]).ok();
    assert_eq!(said, "3 sent again, 0 refused; stopped: end\n");
}

#[tokio::test]
async fn letters_are_paged_and_purged_with_a_word_about_which() {
    let host = host(3).await;
    let first = host.api.get(&format!("{DLQ}&limit=2")).await.ok();
    let second = host.api.get(&format!("{DLQ}&limit=2&cursor={}", first["next"].as_str().unwrap())).await.ok();
    assert_eq!((first["items"].as_array().unwrap().len(), second["items"].as_array().unwrap().len()), (2, 1));
    assert_eq!(second["next"], Value::Null);
    host.api.call("DELETE", &at(&first["items"][0], ""), None).await;
    letters_of(&host.api, 2).await;
    host.api.post("/api/dlq/purge?tenant=acme", json!({})).await.refused(400, "bad-body");
    let old = host.api.post("/api/dlq/purge?tenant=acme", json!({ "until": "1d" })).await.ok();
    assert_eq!(old["purged"], 0);
    assert_eq!(host.cli(&["dlq", "purge", "--all", "--tenant", "acme", "--yes"]).ok(), "deleted 2 dead letters\n");
    let queues = host.api.get("/api/queues?tenant=acme").await.ok();
    let dead = queues["items"].as_array().unwrap().iter().find(|queue| queue["name"] == "acme-dlq").unwrap();
    assert_eq!((&dead["address"], &dead["messages"]), (&json!("tenants.acme.dlq"), &json!(0)));
}
