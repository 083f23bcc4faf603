//! Leaders over several hosts of one NATS: one leads, and when its host dies another does, with its messages.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests_kit::{Host, NatsServer, Package, Setup, eventually};

/// A host of this server. Hosts share no tenants yet: each is told.
async fn host(server: &NatsServer, first: Option<&Host>) -> Host {
    let path = |path: std::path::PathBuf| path.to_str().unwrap().to_owned();
    let setup = Setup::new()
        .env("BAILIWICK_BUS", server.url())
        .env("BAILIWICK_NATS__CREDENTIALS_FILE", &path(server.credentials()))
        .env("BAILIWICK_NATS__SYSTEM_CREDENTIALS_FILE", &path(server.system_credentials()));
    let setup = match first {
        None => setup,
        Some(first) => setup.kek_of(first),
    };
    let host = setup.start().and_tenants(&["acme"]).await;
    host.ready().await;
    host
}

fn keeper(id: &str) -> Package {
    Package::read("tests/guests/keeper.toml").named(id).with("run.instances", "resident").with("run.group", "search")
}

async fn step(host: &Host, agent: &str, kind: &str, step: Value) -> Value {
    host.api.ask("acme", agent, kind, &json!([step])).await.said()[0].clone()
}

/// Who leads the group, as a host's operators see it.
async fn leader(host: &Host) -> Value {
    host.api.get("/api/tenants/acme/groups/search").await.ok()["leader"].clone()
}

fn held(holder: &str, mine: bool, token: u64) -> Value {
    json!({ "holder": holder, "mine": mine, "token": token, "left": true })
}

#[tokio::test]
async fn when_the_host_of_a_leader_is_killed_another_leads_and_handles_its_messages_within_five_seconds() {
    let server = NatsServer::start();
    let mut one = host(&server, None).await;
    let two = host(&server, Some(&one)).await;
    let candidate = keeper("kb").with("run.leader", true);
    one.api.deploy("acme", &candidate).await;
    two.api.deploy("acme", &candidate).await;
    assert_eq!(step(&one, "kb", "role", json!([])).await, "leader");
    let before = leader(&two).await;
    assert_eq!(before, leader(&one).await);
    step(&one, "kb", "state", json!(["set", "k", "first"])).await;
    assert_eq!(
        step(&two, "kb", "state", json!(["get", "k"])).await,
        "first",
        "the leader answers, wherever it is asked"
    );

    one.kill();
    let killed = Instant::now();
    let steps = json!([["set", "kept", "handled"]]);
    let kept = json!({ "type": "state", "payload": steps, "qos": "at-least-once" });
    two.api.post("/api/agents/kb/messages?tenant=acme", kept).await.ok();
    eventually("the other leads, and handles what was kept", async || {
        (two.api.agent("acme", "kb").await["counters"]["handled"] == 1).then_some(())
    })
    .await;
    assert!(killed.elapsed() < Duration::from_secs(5), "{:?}", killed.elapsed());
    assert_eq!(step(&two, "kb", "role", json!([])).await, "leader");
    let kept = json!([["get", "kept"], ["get", "k"]]);
    assert_eq!(two.api.ask("acme", "kb", "state", &kept).await.said(), json!(["handled", "first"]));
    assert_ne!(leader(&two).await["token"], before["token"]);
}

#[tokio::test]
async fn whoever_had_a_lease_before_another_host_writes_nothing_any_more() {
    let server = NatsServer::start();
    let one = host(&server, None).await;
    let two = host(&server, Some(&one)).await;
    one.api.deploy("acme", &keeper("one")).await;
    two.api.deploy("acme", &keeper("two")).await;
    assert_eq!(step(&one, "one", "leases", json!(["acquire", "index", 1000])).await, held("one", true, 1));
    assert_eq!(step(&one, "one", "state", json!(["set", "k", "first"])).await, json!("ok"));
    let taken = eventually("the lease runs out", async || {
        let taken = step(&two, "two", "leases", json!(["acquire", "index", 60_000])).await;
        (!taken.is_null()).then_some(taken)
    });
    assert_eq!(taken.await, held("two", true, 2));
    let fenced = json!({ "code": "fenced", "limit": 2, "actual": 1 });
    eventually("the other host hears of it", async || {
        (step(&one, "one", "files", json!(["write", "f", "late"])).await == fenced).then_some(())
    })
    .await;
    assert_eq!(step(&one, "one", "state", json!(["set", "k", "late"])).await, fenced);
    assert_eq!(step(&one, "one", "leases", json!(["current", "index"])).await, held("two", false, 2));
    assert_eq!(step(&one, "one", "leases", json!(["release", "index"])).await, json!(false));
    assert_eq!(step(&one, "one", "state", json!(["set", "k", "free"])).await, json!("ok"), "not under it any more");
}
