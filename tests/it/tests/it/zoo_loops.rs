//! An agent whose own messages come back to it while it still handles the one that sent them.

use serde_json::{Value, json};
use tests_kit::{Host, Package, eventually};

const MESSAGES: usize = 50;

#[tokio::test]
async fn what_an_agent_sends_itself_waits_until_it_is_done_and_comes_in_order() {
    let host = Host::with_tenants(&["acme"]).await;
    // One instance, one message at a time: whoever went in again would wait for itself, or mix up the order.
    host.api.deploy("acme", &Package::resident()).await;
    let orders: Vec<Value> =
        (0..MESSAGES).map(|number| json!({ "topic": "zoo.in", "type": "log", "payload": number })).collect();
    let answers = host.api.ask("acme", "zoo-resident", "batch", &Value::from(orders)).await.said();
    assert!(answers.as_array().unwrap().iter().all(|answer| answer["ok"].is_object()), "{answers}");
    let lines = eventually("all have come back", async || {
        let lines = host.api.logs("acme", "zoo-resident").await;
        (lines.len() == MESSAGES).then_some(lines)
    })
    .await;
    let numbers: Vec<_> =
        lines.iter().map(|line| line["message"].as_str().unwrap().parse::<usize>().unwrap()).collect();
    assert_eq!(numbers, (0..MESSAGES).collect::<Vec<_>>());
    let counters = host.api.agent("acme", "zoo-resident").await["counters"].take();
    assert_eq!((&counters["failed"], &counters["dropped"], &counters["inFlight"]), (&json!(0), &json!(0), &json!(0)));
}
