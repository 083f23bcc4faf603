//! Two keys: what an author asks for and what an operator allows, on the real binary.

use serde_json::{Value, json};
use tests_kit::{Host, Package, aside, eventually};

async fn set_policy(host: &Host, text: &str) -> Value {
    host.api.call("PUT", "/api/tenants/acme/policy", Some(&json!({ "policy": text }))).await.ok()
}

async fn publish(host: &Host, topic: &str) -> Value {
    host.api.ask("acme", "zoo", "publish", &json!({ "topic": topic })).await.said()
}

const ALL: &str = "[[allow]]\nname = 'all'\npublish = ['>']\nsubscribe = ['>']\nsend = '*'\ndiscover = true\n";

#[tokio::test]
async fn a_deployment_is_held_against_the_policy_and_each_excess_is_named() {
    let host = Host::with_tenants(&["acme"]).await;
    set_policy(
        &host,
        "[[allow]]\npublish = ['zoo.said']\nsubscribe = ['zoo.in']\nsend = ['zoo']\n[limits]\nfuel = 1000000\n",
    )
    .await;
    let refused = host.api.try_deploy("acme", &Package::zoo()).await.refused(422, "not-granted");
    let detail = refused["detail"].as_str().unwrap();
    for part in ["publish 'zoo.>'", "publish 'agents.zoo.>'", "send '*'", "discover 'true'", "limits.fuel = 50000000"] {
        assert!(detail.contains(part), "'{part}' is not in: {detail}");
    }
    assert!(!detail.contains("subscribe"), "{detail}");
    assert_eq!(host.api.get("/api/agents?tenant=acme").await.ok()["items"], json!([]));
}

#[tokio::test]
async fn the_policy_every_tenant_starts_with_lets_nothing_leave_it() {
    let host = Host::with_tenants(&["acme"]).await;
    let policy = host.api.get("/api/tenants/acme/policy").await.ok();
    assert_eq!((&policy["version"], &policy["shadow"]), (&json!(0), &json!(false)));
    let outward = Package::zoo().with("grants.http", vec!["example.org"]).with("grants.secrets", vec!["key"]);
    let refused = host.api.try_deploy("acme", &outward).await.refused(422, "not-granted");
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains("http 'example.org'") && detail.contains("secrets 'key'"), "{detail}");
}

#[tokio::test]
async fn a_narrower_policy_binds_running_agents_at_once_and_a_wider_one_frees_them() {
    let host = Host::with_tenants(&["acme"]).await;
    host.api.deploy("acme", &Package::zoo()).await;
    assert!(publish(&host, "zoo.said").await["ok"].is_object());
    set_policy(&host, "[[allow]]\npublish = ['zoo.other']\n").await;
    assert_eq!(publish(&host, "zoo.said").await["denied"]["code"], "publish-not-granted");
    assert!(publish(&host, "zoo.other").await["ok"].is_object());
    let policy = set_policy(&host, ALL).await;
    assert_eq!(policy["version"], 2);
    assert!(publish(&host, "zoo.said").await["ok"].is_object());
    assert_eq!(
        publish(&host, "other").await["denied"]["code"],
        "publish-not-granted",
        "the manifest does not ask for it"
    );
}

#[tokio::test]
async fn a_narrower_policy_waits_for_no_deployment() {
    let host = Host::with_tenants(&["acme"]).await;
    host.api.deploy("acme", &Package::zoo()).await;
    let (asked, deployed) = (host.api.clone(), host.api.clone());
    let asking = aside(async move { asked.ask("acme", "zoo", "sleep", &json!(4_000)).await });
    eventually("it is handled", async || {
        (host.api.agent("acme", "zoo").await["counters"]["inFlight"] == 1).then_some(())
    })
    .await;
    let deploying = aside(async move { deployed.deploy("acme", &Package::zoo()).await });
    let stopping = async || host.api.agent("acme", "zoo").await["state"] == "stopping";
    eventually("it is stopped for its next revision", async || stopping().await.then_some(())).await;
    set_policy(&host, "[[allow]]\npublish = ['zoo.other']\n").await;
    assert!(stopping().await, "the deployment is still under way");
    asking.await.unwrap();
    assert_eq!(deploying.await.unwrap()["revision"], 2);
    assert_eq!(publish(&host, "zoo.said").await["denied"]["code"], "publish-not-granted");
}

#[tokio::test]
async fn a_policy_survives_a_restart_of_the_host() {
    let mut host = Host::with_tenants(&["acme"]).await;
    host.api.deploy("acme", &Package::zoo()).await;
    set_policy(&host, "[[allow]]\npublish = ['zoo.other']\nsend = '*'\ndiscover = true\n").await;
    host.terminate();
    host.start_again();
    host.ready().await;
    assert_eq!(publish(&host, "zoo.said").await["denied"]["code"], "publish-not-granted");
    assert_eq!(host.api.get("/api/tenants/acme/policy").await.ok()["version"], 1);
}

#[tokio::test]
async fn a_policy_in_the_shadow_denies_nothing_and_counts_what_it_would() {
    let host = Host::with_tenants(&["acme"]).await;
    host.api.deploy("acme", &Package::zoo()).await;
    let body = json!({ "policy": "[[allow]]\npublish = ['zoo.other']\nsubscribe = ['zoo.in']\n", "shadow": true });
    host.api.call("PUT", "/api/tenants/acme/policy", Some(&body)).await.ok();
    for topic in ["zoo.said", "zoo.said", "zoo.other", "nobody.asked"] {
        publish(&host, topic).await;
    }
    let shadow = host.api.get("/api/tenants/acme/policy?shadow=true").await.ok();
    assert_eq!(shadow["wouldDeny"], json!([{ "agentId": "zoo", "verb": "publish", "target": "zoo.said", "count": 2 }]));
    assert_eq!(host.api.get("/api/tenants/acme/policy").await.ok()["version"], 0, "the one in force is as it was");
    host.api.call("DELETE", "/api/tenants/acme/policy", None).await.ok();
    host.api.get("/api/tenants/acme/policy?shadow=true").await.refused(404, "not-found");
}

#[tokio::test]
async fn what_explain_says_is_what_happens() {
    let host = Host::with_tenants(&["acme"]).await;
    host.api.deploy("acme", &Package::zoo()).await;
    set_policy(&host, "[[allow]]\nname = 'talk'\npublish = ['zoo.said', 'other', 'agents.>']\n").await;
    let check = async |topic: &str, decision: &str, denying: &[&str]| {
        let path = format!("/api/explain?tenant=acme&agent=zoo&verb=publish&target={topic}");
        let explained = host.api.get(&path).await.ok();
        assert_eq!(explained["decision"], decision, "{topic}: {explained:#}");
        let keys = explained["keys"].as_array().unwrap();
        let denied: Vec<_> =
            keys.iter().filter(|key| key["allows"] == false).map(|key| key["owner"].as_str().unwrap()).collect();
        assert_eq!(denied, denying, "{topic}");
        assert_eq!(publish(&host, topic).await["ok"].is_object(), decision == "allowed", "{topic}");
    };
    check("zoo.said", "allowed", &[]).await;
    check("zoo.other", "denied", &["operator"]).await;
    check("other", "denied", &["author"]).await;
    check("agents.echo.status", "denied", &["author", "host"]).await;
    let explained = host.cli(&["explain", "zoo", "publish", "zoo.said", "--tenant", "acme"]);
    assert!(
        explained.stdout.contains("talk: publish 'zoo.said'") && explained.stdout.contains("policy version 1"),
        "{explained:#?}"
    );
    host.api.get("/api/explain?tenant=acme&agent=nobody&verb=publish&target=a").await.refused(404, "not-found");
    host.api.get("/api/explain?tenant=acme&agent=zoo&verb=fly").await.refused(400, "bad-question");
}

#[tokio::test]
async fn a_version_that_asks_for_more_waits_until_it_is_approved() {
    let mut host = Host::with_tenants(&["acme"]).await;
    let narrow = Package::zoo().with("grants.publish", vec!["zoo.said"]);
    host.api.deploy("acme", &narrow).await;
    let wide = Package::zoo().with("agent.version", "0.2.0").with("grants.publish", vec!["zoo.>"]);
    let deployed = host.api.deploy("acme", &wide).await;
    assert_eq!((&deployed["revision"], &deployed["pending"]["revision"]), (&json!(1), &json!(2)));
    assert_eq!(deployed["pending"]["widened"], json!(["asks for publish 'zoo.>'"]));
    assert_eq!(publish(&host, "zoo.other").await["denied"]["code"], "publish-not-granted", "the old one serves");

    host.terminate();
    host.start_again();
    host.ready().await;
    let decide = async |act: &str, version: &str| {
        host.api.post(&format!("/api/agents/zoo/{act}?tenant=acme"), json!({ "version": version })).await
    };
    assert_eq!(host.api.agent("acme", "zoo").await["pending"]["version"], "0.2.0", "it waits over a restart");
    decide("approve", "7").await.refused(409, "other-pending");
    let approved = decide("approve", "0.2.0").await.ok();
    assert_eq!(
        (&approved["revision"], &approved["version"], &approved["pending"]),
        (&json!(2), &json!("0.2.0"), &Value::Null)
    );
    assert!(publish(&host, "zoo.other").await["ok"].is_object());
    decide("approve", "0.2.0").await.refused(409, "nothing-pending");
}

#[tokio::test]
async fn a_rejected_version_is_gone_and_a_narrower_one_needs_nobody() {
    let host = Host::with_tenants(&["acme"]).await;
    host.api.deploy("acme", &Package::zoo()).await;
    let wide = Package::zoo().with("limits.fuel", 60_000_000);
    assert_eq!(
        host.api.deploy("acme", &wide).await["pending"]["widened"],
        json!(["raises limits.fuel from 50000000 to 60000000"])
    );
    let rejected = host.api.post("/api/agents/zoo/reject?tenant=acme", json!({ "version": "2" })).await.ok();
    assert_eq!((&rejected["revision"], &rejected["pending"]), (&json!(1), &Value::Null));
    host.api.deploy("acme", &wide).await;
    let narrower = host.api.deploy("acme", &Package::zoo().with("limits.fuel", 40_000_000)).await;
    assert_eq!(
        (&narrower["revision"], &narrower["pending"]),
        (&json!(3), &Value::Null),
        "it takes the place of what waited, not its number"
    );
}

#[tokio::test]
async fn who_looked_at_one_version_does_not_approve_another_that_took_its_place() {
    let host = Host::with_tenants(&["acme"]).await;
    host.api.deploy("acme", &Package::zoo()).await;
    let waits =
        async |fuel: u32| host.api.deploy("acme", &Package::zoo().with("limits.fuel", fuel)).await["pending"].clone();
    let (shown, replaced) = (waits(60_000_000).await, waits(90_000_000).await);
    assert_eq!((&shown["revision"], &replaced["revision"]), (&json!(2), &json!(3)));
    assert_eq!((&shown["version"], &shown["digest"]), (&replaced["version"], &replaced["digest"]));
    let approve = async |body: Value| host.api.post("/api/agents/zoo/approve?tenant=acme", body).await;
    let pinned = |pending: &Value| {
        json!({
            "version": pending["version"], "digest": pending["digest"], "manifestDigest": pending["manifestDigest"]
        })
    };
    approve(json!({ "version": "2" })).await.refused(409, "other-pending");
    approve(pinned(&shown)).await.refused(409, "other-pending");
    approve(json!({ "version": "3", "digest": "sha256:00" })).await.refused(400, "bad-body");
    let none = format!("sha256:{}", "0".repeat(64));
    let refused = host.cli(&["agent", "approve", "zoo", "3", "--digest", &none, "--tenant", "acme"]);
    assert!(refused.code != 0 && refused.stderr.contains("[other-pending]"), "{refused:#?}");
    assert_eq!(host.api.agent("acme", "zoo").await["revision"], 1);
    let approved = approve(pinned(&replaced)).await.ok();
    assert_eq!((&approved["revision"], &approved["pending"]), (&json!(3), &Value::Null));
}

#[tokio::test]
async fn inspect_says_what_exceeds_a_policy_and_what_widened() {
    let host = Host::with_tenants(&["acme"]).await;
    let manifest = Package::zoo().write(host.home());
    let component = host.home().join("zoo.wasm");
    let narrow = Package::zoo().named("old").with("grants.publish", vec!["zoo.said"]).write(host.home());
    std::fs::write(host.home().join("policy.toml"), "[[allow]]\npublish = ['zoo.>']\nsubscribe = ['>']\nsend = '*'\n")
        .unwrap();
    let at = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let (component, manifest, narrow) = (at(&component), at(&manifest), at(&narrow));
    let policy = at(&host.home().join("policy.toml"));
    let exceeds = host.cli(&["inspect", &component, "--manifest", &manifest, "--policy", &policy]);
    assert_eq!(exceeds.code, 1);
    assert!(exceeds.stdout.contains("asks for discover 'true'"), "{exceeds:#?}");
    let wider =
        host.cli(&["inspect", &component, "--manifest", &manifest, "--diff", &component, "--diff-manifest", &narrow]);
    assert_eq!(wider.code, 1);
    assert!(wider.stdout.contains("asks for publish 'zoo.>'"), "{wider:#?}");
    let same =
        host.cli(&["inspect", &component, "--manifest", &manifest, "--diff", &component, "--diff-manifest", &manifest]);
    assert_eq!(same.code, 0, "{same:#?}");
}
