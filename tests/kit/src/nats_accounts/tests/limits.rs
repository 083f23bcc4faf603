//! A tenant's limits are its account's, however many connections it opens.

use host_bus::accounts::AccountLimits;
use serde_json::json;

use super::bench::{Bench, LIMITS, asked, keep, stream, tenant};

const TOO_MANY: &str = "maximum account active connections exceeded";

#[tokio::test]
async fn connections_are_counted_over_all_of_a_tenants_agents() {
    let bench = Bench::new().await;
    let mut open = Vec::new();
    for _ in 0..LIMITS.connections_max {
        // Each with credentials of its own.
        open.push(bench.with(&bench.meter("acme")).await);
    }
    let refused = bench.refusal(&bench.meter("acme")).await;
    assert!(refused.contains(TOO_MANY), "{refused}");
    bench.with(&bench.meter("globex")).await;
}

#[tokio::test]
async fn disk_streams_and_consumers_are_counted_over_all_of_a_tenants_connections() {
    let bench = Bench::new().await;
    let small = AccountLimits { disk_bytes_max: 3 << 20, ..LIMITS };
    bench.accounts.push(&tenant("acme"), &small).await.unwrap();
    let create = async |name: &str, bytes: u64| {
        let config = json!({ "name": name, "subjects": [format!("{name}.>")], "storage": "file", "max_bytes": bytes });
        asked(&bench.host("acme").await, format!("$JS.API.STREAM.CREATE.{name}"), config).await
    };
    create("one", 2 << 20).await.unwrap();
    let refused = create("two", 2 << 20).await.unwrap_err();
    assert!(refused.contains("insufficient storage resources"), "{refused}");
    create("two", 1 << 20).await.unwrap();
    let refused = create("three", 1).await.unwrap_err();
    assert!(refused.contains("maximum number of streams reached"), "{refused}");
    let consume = async |number: u32| {
        let config = json!({ "durable_name": format!("c{number}"), "ack_policy": "explicit" });
        let consumer = json!({ "stream_name": "one", "config": config });
        asked(&bench.host("acme").await, format!("$JS.API.CONSUMER.DURABLE.CREATE.one.c{number}"), consumer).await
    };
    for number in 0..LIMITS.consumers_max {
        consume(number).await.unwrap();
    }
    let refused = consume(LIMITS.consumers_max).await.unwrap_err();
    assert!(refused.contains("maximum consumers limit reached"), "{refused}");
}

#[tokio::test]
async fn an_agents_subscriptions_are_bounded() {
    let bench = Bench::new().await;
    let mut meter = bench.with(&bench.meter("acme")).await;
    let mut open = Vec::new();
    for number in 0..17 {
        open.push(meter.client.subscribe(format!("_INBOX_meter.{number}")).await.unwrap());
    }
    assert!(meter.told().await.contains("maximum subscriptions exceeded"));
}

#[tokio::test]
async fn new_limits_hold_at_once_and_a_deleted_account_lets_nobody_in() {
    let bench = Bench::new().await;
    let acme = bench.host("acme").await;
    stream(&acme, "acme").await;
    keep(&acme, "acme", "m1").await;
    let one = AccountLimits { connections_max: 1, ..LIMITS };
    bench.accounts.push(&tenant("acme"), &one).await.unwrap();
    let refused = bench.refusal(&bench.meter("acme")).await;
    assert!(refused.contains(TOO_MANY), "{refused}");
    bench.accounts.push(&tenant("acme"), &LIMITS).await.unwrap();
    bench.with(&bench.meter("acme")).await;

    bench.accounts.delete(&tenant("acme")).await.unwrap();
    let refused = bench.refusal(&bench.meter("acme")).await;
    assert!(refused.contains("authorizationviolation"), "{refused}");
    bench.with(&bench.meter("globex")).await;
}

#[tokio::test]
async fn a_tenant_that_was_never_pushed_has_no_account() {
    let bench = Bench::new().await;
    let refused = bench.refusal(&bench.meter("initech")).await;
    assert!(refused.contains("authorizationviolation"), "{refused}");
}
