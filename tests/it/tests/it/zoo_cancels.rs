//! Clients that hang up in the middle of a call.

use std::time::Duration;

use serde_json::{Value, json};
use tests_kit::{Host, Package, aside, eventually};

/// More than there are places for requests that wait.
const CALLS: usize = 2_000;
const AT_ONCE: usize = 20;

#[tokio::test]
async fn two_thousand_requests_that_are_cancelled_midway_leave_no_place_taken_and_no_panic() {
    let host = Host::with_tenants(&["acme"]).await;
    host.api.deploy("acme", &Package::zoo().with("limits.concurrency", 16)).await;
    host.api.deploy("acme", &Package::resident()).await;
    let callers: Vec<_> = (0..AT_ONCE)
        .map(|number| {
            let api = host.api.clone();
            aside(async move {
                let mut cancelled = 0;
                for call in 0..CALLS / AT_ONCE {
                    let patience = Duration::from_millis(((number + call) % 8) as u64);
                    let agent = if call % 2 == 0 { "zoo" } else { "zoo-resident" };
                    let millis = json!(4);
                    let asked = api.try_ask("acme", agent, "sleep", &millis);
                    cancelled += usize::from(tokio::time::timeout(patience, asked).await.is_err());
                }
                cancelled
            })
        })
        .collect();
    let mut cancelled = 0;
    for caller in callers {
        cancelled += caller.await.unwrap();
    }
    assert!(cancelled >= CALLS / 2, "{cancelled} were under way when they were cancelled");
    for agent in ["zoo", "zoo-resident"] {
        eventually("nothing is under way any more", async || {
            let counters = host.api.agent("acme", agent).await["counters"].take();
            let [received, handled, failed] =
                ["received", "handled", "failed"].map(|name| counters[name].as_u64().unwrap());
            (counters["inFlight"] == 0 && handled + failed >= received).then_some(())
        })
        .await;
        host.api.ask("acme", agent, "count", &Value::Null).await.ok();
    }
    let log = host.log().join("\n");
    assert!(!log.contains("panic"), "{log}");
}
