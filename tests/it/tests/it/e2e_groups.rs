//! Agents of one group: who holds a lease, who leads, and what becomes of whoever held it before.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests_kit::{Host, Package, eventually};

/// A member of the group `search`, in one instance that stays.
fn member(id: &str) -> Package {
    keeper(id).with("run.group", "search")
}

fn keeper(id: &str) -> Package {
    Package::read("tests/guests/keeper.toml").named(id)
}

/// One of those of which one leads.
fn candidate(id: &str) -> Package {
    member(id).with("run.leader", true)
}

async fn step(host: &Host, agent: &str, kind: &str, step: Value) -> Value {
    host.api.ask("acme", agent, kind, &json!([step])).await.said()[0].clone()
}

/// The host with two agents, and a policy that lets them have leases.
async fn host(agents: &[Package]) -> Host {
    let host = Host::with_tenants(&["acme"]).await;
    for agent in agents {
        host.api.deploy("acme", agent).await;
    }
    host
}

fn held(holder: &str, mine: bool, token: u64) -> Value {
    json!({ "holder": holder, "mine": mine, "token": token, "left": true })
}

#[tokio::test]
async fn of_two_agents_of_a_group_one_has_a_lease_and_whoever_had_it_before_writes_nothing_any_more() {
    let host = host(&[member("one"), member("two"), keeper("apart")]).await;
    assert_eq!(step(&host, "one", "leases", json!(["acquire", "index", 1000])).await, held("one", true, 1));
    assert_eq!(step(&host, "one", "state", json!(["set", "k", "first"])).await, json!("ok"));
    assert_eq!(step(&host, "apart", "leases", json!(["current", "index"])).await, Value::Null, "another scope");
    let taken = eventually("the lease runs out", async || {
        let taken = step(&host, "two", "leases", json!(["acquire", "index", 60_000])).await;
        (!taken.is_null()).then_some(taken)
    });
    assert_eq!(taken.await, held("two", true, 2));
    assert_eq!(step(&host, "one", "leases", json!(["current", "index"])).await, held("two", false, 2));
    assert_eq!(step(&host, "one", "leases", json!(["renew", "index", 1000])).await, Value::Null);

    let fenced = json!({ "code": "fenced", "limit": 2, "actual": 1 });
    assert_eq!(step(&host, "one", "state", json!(["set", "k", "late"])).await, fenced);
    let over_wasi = step(&host, "one", "wasi", json!(["set", "default", "k", "late"])).await;
    assert!(over_wasi["error"].as_str().is_some_and(|error| error.contains("fenced")), "{over_wasi}");
    assert_eq!(step(&host, "one", "files", json!(["write", "f", "late"])).await, fenced);
    assert_eq!(step(&host, "one", "state", json!(["get", "k"])).await, json!("first"), "to read is no harm");
    assert_eq!(step(&host, "two", "state", json!(["set", "k", "second"])).await, json!("ok"));

    assert_eq!(step(&host, "one", "leases", json!(["release", "index"])).await, json!(false));
    assert_eq!(step(&host, "one", "state", json!(["set", "k", "free"])).await, json!("ok"), "not under it any more");
}

#[tokio::test]
async fn a_token_is_higher_after_a_killed_host_and_the_lease_is_free() {
    let mut host = host(&[member("one")]).await;
    assert_eq!(step(&host, "one", "leases", json!(["acquire", "index", 60_000])).await, held("one", true, 1));
    host.kill();
    host.start_again();
    host.ready().await;
    assert_eq!(step(&host, "one", "leases", json!(["acquire", "index", 60_000])).await, held("one", true, 2));
}

#[tokio::test]
async fn words_out_of_bounds_are_refused_by_name() {
    let host = host(&[member("one")]).await;
    let refused = async |call: Value| step(&host, "one", "leases", call).await["code"].clone();
    assert_eq!(refused(json!(["acquire", "leader", 1000])).await, "reserved-lease");
    assert_eq!(refused(json!(["acquire", "groups.other.x", 1000])).await, "lease-name");
    assert_eq!(refused(json!(["acquire", "x", 999])).await, "ttl-ms");
    for number in 0..4 {
        step(&host, "one", "leases", json!(["acquire", format!("l{number}"), 60_000])).await;
    }
    assert_eq!(refused(json!(["acquire", "l4", 60_000])).await, "leases-held");
}

#[tokio::test]
async fn a_component_that_takes_leases_needs_the_grant() {
    let host = Host::with_tenants(&["acme"]).await;
    let refused = host.api.try_deploy("acme", &keeper("one").with("grants.leases", false)).await;
    let said = String::from_utf8_lossy(&refused.body);
    assert!(said.contains("bailiwick:leases/leases@0.1.0"), "{said}");
}

#[tokio::test]
async fn one_of_a_group_leads_and_another_does_within_five_seconds_of_its_end() {
    let host = host(&[candidate("one"), candidate("two")]).await;
    assert_eq!(step(&host, "one", "role", json!([])).await, json!("leader"));
    let leader = json!(["current", "leader"]);
    assert_eq!(step(&host, "one", "leases", leader.clone()).await, held("one", true, 1));
    host.api.ask("acme", "two", "role", &json!([[]])).await.refused(404, "not-found");
    let ended = Instant::now();
    host.api.steer("acme", "one", "stop").await.ok();
    let follows = eventually("the other leads", async || {
        let answer = host.api.ask("acme", "two", "role", &json!([[]])).await;
        (answer.status == 200).then(|| answer.said())
    });
    assert_eq!(follows.await, json!(["leader"]));
    assert!(ended.elapsed() < Duration::from_secs(5), "{:?}", ended.elapsed());
    assert_eq!(step(&host, "two", "leases", leader).await, held("two", true, 2));
}

#[tokio::test]
async fn replicas_that_share_by_key_each_see_their_own_keys_alone() {
    let sharded = Package::resident().with("run.replicas", 3).with("run.shard", "key");
    let host = host(&[sharded]).await;
    let count = async |key: &str| {
        let body = json!({ "type": "count", "payloadBase64": "", "correlationId": key, "waitMillis": 10_000 });
        host.api.post("/api/agents/zoo-resident/messages?tenant=acme", body).await.said().as_u64().unwrap()
    };
    let mut last = 0;
    for key in 0..12 {
        // Each instance counts what it was given, and nobody else sends meanwhile.
        let key = format!("k{key}");
        let counts = [count(&key).await, count(&key).await, count(&key).await];
        assert_eq!(counts, [counts[0], counts[0] + 1, counts[0] + 2], "one replica handles all of {key}");
        last = last.max(counts[2]);
    }
    assert!(last < 36, "they share the keys: one handled {last} of 36");
}

#[tokio::test]
async fn members_read_the_settings_of_their_group_under_their_own_from_their_next_start_on() {
    let host = host(&[member("one"), keeper("apart")]).await.and_tenants(&["globex"]).await;
    let settings = async |agent: &str| step(&host, agent, "wasi", json!(["settings"])).await;
    let set = ["group", "set", "search", "model=small", "greeting=hey", "--tenant", "acme", "-o", "json"];
    let shown = host.cli(&set).json();
    assert_eq!((&shown["members"], &shown["settings"]["model"]), (&json!(["one"]), &json!("small")));
    assert_eq!(settings("one").await, json!([["greeting", "hello"]]), "it has not started since");
    host.api.steer("acme", "one", "restart").await.ok();
    host.api.steer("acme", "apart", "restart").await.ok();
    assert_eq!(settings("one").await, json!([["greeting", "hello"], ["model", "small"]]), "its own goes over");
    assert_eq!(settings("apart").await, json!([["greeting", "hello"]]));
    let table = host.cli(&["group", "list", "--tenant", "acme"]).ok();
    assert!(table.contains("search  one      -       2"), "{table}");
}

#[tokio::test]
async fn a_group_of_another_tenant_is_as_unknown_as_one_that_is_not_there() {
    let host = host(&[member("one")]).await.and_tenants(&["globex"]).await;
    let get = async |path: &str| host.api.get(path).await.refused(404, "not-found");
    assert_eq!(get("/api/tenants/globex/groups/search").await, get("/api/tenants/globex/groups/none").await);
    assert_eq!(get("/api/tenants/nobody/groups/search").await, get("/api/tenants/globex/groups/none").await);
    let put = async |body: Value| host.api.call("PUT", "/api/tenants/acme/groups/search", Some(&body)).await;
    put(json!({ "settings": { "k": "x".repeat(16 << 10) } })).await.refused(400, "bad-settings");
    put(json!({ "settings": {}, "more": 1 })).await.refused(400, "bad-body");
    assert_eq!(host.api.get("/api/tenants/acme/groups/search").await.ok()["settings"], json!({}));
}
