//! Limits: each bites its own message or its own agent, says so with its cause, and costs the neighbours nothing.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests_kit::{Api, Host, Package, Setup, aside, eventually};

/// More fuel than any test's deadline can burn.
const FUEL_ENOUGH: i64 = 1_000_000_000_000;
/// How long after its deadline a message may at most be settled, on a busy machine.
const MARGIN: Duration = Duration::from_secs(3);

fn patient(id: &str, deadline: &str) -> Package {
    Package::zoo().named(id).with("limits.fuel", FUEL_ENOUGH).with("limits.deadline", deadline)
}

fn thrifty(id: &str) -> Package {
    Package::zoo().named(id).with("limits.fuel", 2_000_000).with("limits.deadline", "30s")
}

/// The message fails with its cause, at most `MARGIN` after its deadline, and the next one is handled as if nothing had been.
async fn check(api: &Api, agent: &str, (kind, payload): (&str, Value), cause: &str, deadline: Duration) {
    let (before, began) = (api.agent("acme", agent).await, Instant::now());
    api.ask("acme", agent, kind, &payload).await.refused(422, "receiver-failed");
    let took = began.elapsed();
    assert!(took < deadline + MARGIN, "{agent} {kind} took {took:?}");
    assert!(cause != "timeout" || took >= deadline, "{agent} {kind} took only {took:?}");
    let after = api.agent("acme", agent).await;
    assert_eq!(after["lastFailure"]["cause"], cause, "{agent} {kind}: {:#}", after["lastFailure"]);
    let failed = |agent: &Value| agent["counters"]["failed"].as_u64().unwrap();
    assert_eq!(failed(&after), failed(&before) + 1);
    assert_eq!(api.ask("acme", agent, "mirror", &json!("next")).await.said()["payload"], "next", "{agent} {kind}");
}

#[tokio::test]
async fn what_exceeds_a_limit_fails_its_message_with_the_cause_and_the_next_is_handled() {
    let host = Host::with_tenants(&["acme"]).await;
    let (short, soon) = (Duration::from_millis(300), Duration::from_secs(1));
    for package in [patient("patient", "300ms"), thrifty("thrifty"), Package::zoo()] {
        host.api.deploy("acme", &package).await;
    }
    check(&host.api, "patient", ("spin", Value::Null), "timeout", short).await;
    check(&host.api, "patient", ("calls", Value::Null), "timeout", short).await;
    check(&host.api, "patient", ("sleep", json!(60_000)), "timeout", short).await;
    check(&host.api, "thrifty", ("spin", Value::Null), "fuel", soon).await;
    check(&host.api, "thrifty", ("calls", Value::Null), "fuel", soon).await;
    check(&host.api, "zoo", ("recurse", Value::Null), "trap", soon).await;
    check(&host.api, "zoo", ("trap", Value::Null), "trap", soon).await;
    check(&host.api, "zoo", ("panic", json!("why not")), "trap", soon).await;
}

#[tokio::test]
async fn a_resident_that_exceeds_a_limit_fails_that_message_alone() {
    let host = Host::with_tenants(&["acme"]).await;
    let resident = |id: &str| Package::resident().named(id);
    let patient = resident("patient").with("limits.fuel", FUEL_ENOUGH).with("limits.deadline", "300ms");
    host.api.deploy("acme", &patient).await;
    host.api.deploy("acme", &resident("thrifty").with("limits.fuel", 2_000_000)).await;
    check(&host.api, "patient", ("spin", Value::Null), "timeout", Duration::from_millis(300)).await;
    check(&host.api, "patient", ("sleep", json!(60_000)), "timeout", Duration::from_millis(300)).await;
    check(&host.api, "thrifty", ("calls", Value::Null), "fuel", Duration::from_secs(1)).await;
    check(&host.api, "thrifty", ("recurse", Value::Null), "trap", Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_neighbour_on_the_same_thread_is_answered_while_guests_spin() {
    let host = Setup::new().env("BAILIWICK_ENGINE__SHARDS", "1").start().and_tenants(&["acme", "globex"]).await;
    host.api.deploy("acme", &patient("spinner", "10s").with("limits.concurrency", 16)).await;
    host.api.deploy("globex", &Package::zoo()).await;
    for _ in 0..16 {
        host.api.send("acme", "spinner", "spin", &Value::Null).await.ok();
    }
    eventually("all sixteen spin", async || in_flight(&host.api, "acme", "spinner", 16).await).await;

    let mut slowest = Duration::ZERO;
    for n in 0..20 {
        let began = Instant::now();
        assert_eq!(host.api.ask("globex", "zoo", "mirror", &json!(n)).await.said()["payload"], n);
        slowest = slowest.max(began.elapsed());
    }
    // Behind one spinner that is not interrupted, a single answer would take the spinner's deadline.
    assert!(slowest < Duration::from_secs(1), "the slowest answer took {slowest:?}");
    assert_eq!(
        in_flight(&host.api, "acme", "spinner", 16).await,
        Some(()),
        "the spinners ended too early to prove a thing"
    );
}

async fn in_flight(api: &Api, tenant: &str, agent: &str, count: u64) -> Option<()> {
    (api.agent(tenant, agent).await["counters"]["inFlight"] == count).then_some(())
}

#[tokio::test]
async fn a_guests_memory_ends_at_its_limit_and_the_hosts_own_stays_bounded() {
    const LIMIT: u64 = 16 << 20;
    const AT_ONCE: u64 = 4;
    let host = Host::with_tenants(&["acme"]).await;
    host.api.deploy("acme", &Package::zoo().with("limits.fuel", FUEL_ENOUGH).with("limits.deadline", "20s")).await;
    host.api.ask("acme", "zoo", "count", &Value::Null).await.ok();
    let before = host.resident_bytes_max();

    let growing: Vec<_> = (0..16)
        .map(|_| {
            let api = host.api.clone();
            aside(async move { grow(&api, "acme", "zoo").await })
        })
        .collect();
    for one in growing {
        let bytes = one.await.unwrap();
        assert!((LIMIT / 2..=LIMIT).contains(&bytes), "it was given {bytes} bytes");
    }
    let more = host.resident_bytes_max() - before;
    // Sixteen instances took up to 16 MiB each, four at a time; what one leaves behind must not add up.
    assert!(more <= AT_ONCE * LIMIT + (48 << 20), "the host grew by {} MiB", more >> 20);
}

/// How many bytes the guest was given before it was told no.
async fn grow(api: &Api, tenant: &str, agent: &str) -> u64 {
    api.ask(tenant, agent, "grow", &Value::Null).await.said()["bytes"].as_u64().unwrap()
}

#[tokio::test]
async fn agents_of_a_tenant_share_its_memory_and_give_it_back() {
    let host =
        Setup::new().env("BAILIWICK_TENANT__MEMORY_MIB_MAX", "18").start().and_tenants(&["acme", "globex"]).await;
    host.api.deploy("acme", &Package::resident()).await;
    for tenant in ["acme", "globex"] {
        host.api.deploy(tenant, &Package::zoo()).await;
    }
    let held = grow(&host.api, "acme", "zoo-resident").await;
    assert!(held > 12 << 20, "it holds {held} bytes");

    let left = grow(&host.api, "acme", "zoo").await;
    assert!(left <= (18 << 20) - held, "{held} and {left} bytes at once");
    assert!(grow(&host.api, "globex", "zoo").await > 12 << 20, "another tenant has its own");

    host.api.steer("acme", "zoo-resident", "restart").await.ok();
    assert!(grow(&host.api, "acme", "zoo").await > 12 << 20, "what an instance held comes back when it ends");
}

#[tokio::test]
async fn an_instance_that_does_not_fit_into_its_tenants_memory_fails_with_that_cause() {
    let host = Setup::new().env("BAILIWICK_TENANT__MEMORY_MIB_MAX", "2").start().and_tenants(&["acme"]).await;
    host.api.deploy("acme", &Package::resident()).await;
    host.api.deploy("acme", &Package::zoo()).await;
    host.api.ask("acme", "zoo", "count", &Value::Null).await.refused(422, "receiver-failed");
    assert_eq!(host.api.agent("acme", "zoo").await["lastFailure"]["cause"], "memory");
    assert_eq!(
        host.api.ask("acme", "zoo-resident", "count", &Value::Null).await.said(),
        1,
        "who was there first goes on"
    );
}

#[tokio::test]
async fn an_answer_is_carried_up_to_the_payload_limit_and_refused_past_it() {
    let host = Setup::new().env("BAILIWICK_MESSAGE__PAYLOAD_BYTES_MAX", "65536").start().and_tenants(&["acme"]).await;
    host.api.deploy("acme", &Package::zoo()).await;
    let answer = host.api.ask("acme", "zoo", "reply-big", &json!(65_536)).await.ok();
    assert_eq!(answer["payloadBase64"].as_str().unwrap().len(), 65_536_usize.div_ceil(3) * 4);
    host.api.ask("acme", "zoo", "reply-big", &json!(65_537)).await.refused(422, "bad-answer");
    assert_eq!(host.api.agent("acme", "zoo").await["counters"]["refused"], 1);
}

#[tokio::test]
async fn a_message_is_taken_up_to_the_payload_limit_and_refused_past_it_with_the_numbers() {
    let host = Setup::new().env("BAILIWICK_MESSAGE__PAYLOAD_BYTES_MAX", "65536").start().and_tenants(&["acme"]).await;
    host.api.deploy("acme", &Package::zoo()).await;
    let publish = async |size: usize| {
        host.api.ask("acme", "zoo", "publish", &json!({ "topic": "zoo.big", "size": size })).await.said()
    };
    assert!(publish(65_536).await["ok"].is_object());
    let denied = &publish(65_537).await["denied"];
    assert_eq!((&denied["kind"], &denied["code"]), (&json!("too-large"), &json!("payload-bytes")));
    assert_eq!((&denied["limit"], &denied["actual"]), (&json!(65_536), &json!(65_537)));

    let from_outside = host.api.send("acme", "zoo", "mirror", &json!("x".repeat(65_535))).await;
    let problem = from_outside.refused(413, "payload-bytes");
    assert_eq!((&problem["limit"], &problem["actual"]), (&json!(65_536), &json!(65_537)));
}

#[tokio::test]
async fn a_full_mailbox_refuses_with_its_numbers_and_says_when_to_come_back() {
    let host = Host::with_tenants(&["acme"]).await;
    host.api.deploy("acme", &Package::zoo().with("limits.concurrency", 1).with("limits.mailbox", 2)).await;
    let send = async || host.api.send("acme", "zoo", "sleep", &json!(500)).await;
    send().await.ok();
    eventually("the first is being handled", async || in_flight(&host.api, "acme", "zoo", 1).await).await;
    send().await.ok();
    send().await.ok();

    let refused = send().await;
    let problem = refused.refused(503, "mailbox-full");
    assert_eq!((&problem["limit"], &problem["actual"]), (&json!(2), &json!(3)));
    assert!(problem["retryAfterMs"].as_u64().unwrap() > 0);
    assert_eq!(refused.retry_after.as_deref(), Some("1"));

    let counters = eventually("the taken ones are handled", async || {
        let counters = host.api.agent("acme", "zoo").await["counters"].take();
        (counters["handled"] == 3).then_some(counters)
    })
    .await;
    assert_eq!((&counters["received"], &counters["dropped"]), (&json!(3), &json!(1)));
}

#[tokio::test]
async fn no_more_messages_are_handled_at_once_than_the_manifest_allows() {
    let host = Host::with_tenants(&["acme"]).await;
    host.api.deploy("acme", &Package::zoo().with("limits.concurrency", 2)).await;
    for _ in 0..6 {
        host.api.send("acme", "zoo", "sleep", &json!(200)).await.ok();
    }
    let mut most = 0;
    eventually("all are handled", async || {
        let counters = host.api.agent("acme", "zoo").await["counters"].take();
        most = most.max(counters["inFlight"].as_u64().unwrap());
        (counters["handled"] == 6).then_some(())
    })
    .await;
    assert_eq!(most, 2);
}

#[tokio::test]
async fn an_agent_that_traps_at_every_message_is_slowed_says_so_and_is_forgiven_by_a_success() {
    let host = Host::with_tenants(&["acme"]).await;
    host.api.deploy("acme", &Package::zoo().with("limits.concurrency", 1)).await;
    let trap = async || host.api.send("acme", "zoo", "trap", &Value::Null).await.ok();
    let began = Instant::now();
    for _ in 0..8 {
        trap().await;
    }
    let agent = eventually("it shows that it pauses", async || {
        let agent = host.api.agent("acme", "zoo").await;
        (agent["state"] == "backing-off").then_some(agent)
    })
    .await;
    assert_eq!(agent["lastFailure"]["cause"], "trap", "{agent:#}");
    assert_eq!(host.api.ask("acme", "zoo", "mirror", &json!("waits")).await.said()["payload"], "waits");
    // After the fifth failure in a row a tenth of a second, and after each further one twice as long.
    assert!(began.elapsed() >= Duration::from_millis(100 + 200 + 400 + 800), "{:?}", began.elapsed());
    assert_eq!(host.api.agent("acme", "zoo").await["state"], "ready");
    for _ in 0..4 {
        trap().await;
    }
    host.api.ask("acme", "zoo", "mirror", &json!("at once")).await.ok();
    assert_eq!(host.api.agent("acme", "zoo").await["state"], "ready", "four in a row are forgiven");
}

#[tokio::test]
async fn one_message_causes_so_many_and_a_loop_ends_there() {
    let setup =
        Setup::new().env("BAILIWICK_MESSAGE__HOP_MAX", "1000").env("BAILIWICK_MESSAGE__ROOT_MESSAGES_MAX", "20");
    let host = setup.start().and_tenants(&["acme"]).await;
    host.api.deploy("acme", &Package::zoo()).await;
    host.api.send("acme", "zoo", "loop", &json!("again")).await.ok();
    let counters = eventually("one more is refused", async || {
        let counters = host.api.agent("acme", "zoo").await["counters"].take();
        (counters["refused"] == 1 && counters["inFlight"] == 0).then_some(counters)
    })
    .await;
    assert_eq!((&counters["handled"], &counters["published"]), (&json!(21), &json!(20)));
}
