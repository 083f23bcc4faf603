//! State and files as agents get them: from the component through the host to the disk and back, after a kill too.

use serde_json::{Value, json};
use tests_kit::{Host, Package, eventually};

fn keeper() -> Package {
    Package::read("tests/guests/keeper.toml")
}

/// What came of each step.
async fn steps(host: &Host, tenant: &str, agent: &str, kind: &str, steps: Value) -> Value {
    host.api.ask(tenant, agent, kind, &steps).await.said()
}

async fn host() -> Host {
    let host = Host::with_tenants(&["acme", "globex"]).await;
    host.api.deploy("acme", &keeper()).await;
    host
}

#[tokio::test]
async fn what_an_agent_keeps_is_its_own_and_outlives_its_instances_and_a_killed_host() {
    let mut host = host().await;
    host.api.deploy("acme", &keeper().named("other")).await;
    host.api.deploy("globex", &keeper()).await;
    let set = json!([["set", "a", "one"], ["increment", "n", 2], ["increment", "n", 40], ["swap", "a", "one", "two"]]);
    assert_eq!(steps(&host, "acme", "keeper", "state", set).await, json!(["ok", 2, 42, true]));
    let write = json!([["make-dir", "d"], ["write", "d/f", "12345"], ["append", "d/f", "67"], ["rename", "d/f", "g"]]);
    assert_eq!(steps(&host, "acme", "keeper", "files", write).await, json!(["ok", "ok", "ok", "ok"]));
    host.kill();
    host.start_again();
    host.ready().await;

    let state = json!([["get", "a"], ["get", "b"], ["keys", ""], ["swap", "a", "one", "three"], ["delete", "b"]]);
    let files = json!([["read", "g"], ["read", "g", 5, 1], ["list", ""], ["stat", "g"], ["stat", "d"], ["read", "x"]]);
    let kept = json!(["two", null, ["a", "n"], false, false]);
    assert_eq!(steps(&host, "acme", "keeper", "state", state.clone()).await, kept);
    let found = steps(&host, "acme", "keeper", "files", files.clone()).await;
    let missing = json!({ "code": "not-found", "limit": null, "actual": null });
    let what = [json!({ "directory": false, "len": 7 }), json!({ "directory": true, "len": 0 })];
    assert_eq!(found, json!(["1234567", "6", ["d", "g"], what[0], what[1], missing]));
    for (tenant, agent) in [("acme", "other"), ("globex", "keeper")] {
        assert_eq!(steps(&host, tenant, agent, "state", state.clone()).await, json!([null, null, [], false, false]));
        let found = steps(&host, tenant, agent, "files", files.clone()).await;
        assert_eq!((&found[0]["code"], &found[2]), (&json!("not-found"), &json!([])));
    }
}

#[tokio::test]
async fn a_time_to_live_passes() {
    let host = host().await;
    let set = json!([["set", "short", "x", 1], ["set", "long", "x", 600_000]]);
    steps(&host, "acme", "keeper", "state", set).await;
    eventually("the short one is gone", async || {
        let found = steps(&host, "acme", "keeper", "state", json!([["get", "short"], ["get", "long"]])).await;
        (found == json!([null, "x"])).then_some(())
    })
    .await;
}

#[tokio::test]
async fn wasi_keyvalue_and_config_show_the_same_state_and_settings() {
    let host = host().await;
    let steps_of_ours = json!([["set", "mine", "value"]]);
    steps(&host, "acme", "keeper", "state", steps_of_ours).await;
    let check = async |step: Value, expected: Value| {
        let came = steps(&host, "acme", "keeper", "wasi", json!([step])).await;
        assert_eq!(came, json!([expected]), "{step}");
    };
    check(json!(["setting", "greeting"]), json!("hello")).await;
    check(json!(["setting", "none"]), Value::Null).await;
    check(json!(["settings"]), json!([["greeting", "hello"]])).await;
    check(json!(["get", "", "mine"]), json!("value")).await;
    check(json!(["get", "default", "mine"]), json!("value")).await;
    check(json!(["exists", "default", "none"]), json!(false)).await;
    check(json!(["set", "default", "n", "40"]), json!("ok")).await;
    check(json!(["increment", "default", "n", 2]), json!(42)).await;
    check(json!(["set-many", "", "k", 256]), json!("ok")).await;
    check(json!(["get-many", "", "mine", "none"]), json!([["mine", "value"], null])).await;
    check(json!(["delete-many", "", "mine", "none"]), json!("ok")).await;
    check(json!(["set-many", "", "l", 256]), json!("ok")).await;
    check(json!(["count", ""]), json!(513)).await;
    let error = steps(&host, "acme", "keeper", "wasi", json!([["get", "other", "n"]])).await;
    assert!(error[0]["error"].as_str().unwrap().contains("NoSuchStore"), "{error}");
    let error =
        steps(&host, "acme", "keeper", "wasi", json!([["forged-cursor", ""], ["set-many", "", "m", 257]])).await;
    assert!(error[0]["error"].as_str().unwrap().contains("unknown-cursor"), "{error}");
    assert!(error[1]["error"].as_str().unwrap().contains("batch-too-long"), "{error}");
    let ours = steps(&host, "acme", "keeper", "state", json!([["get", "n"], ["get", "mine"]])).await;
    assert_eq!(ours, json!(["42", null]));
}

#[tokio::test]
async fn what_is_not_granted_is_refused_at_deploy_by_name() {
    let host = Host::with_tenants(&["acme"]).await;
    let check = async |grant: &str, names: &[&str]| {
        let path = keeper().with(&format!("grants.{grant}"), false).write(host.home());
        let ran = host.cli(&["agent", "deploy", path.to_str().unwrap(), "--tenant", "acme"]);
        for name in names {
            assert!(ran.code == 1 && ran.refusal().contains(name), "{name} is not in {ran:#?}");
        }
        assert!(ran.refusal().contains(&format!("add {grant} = true")), "{ran:#?}");
    };
    check("state", &["bailiwick:state/store@0.1.0", "wasi:keyvalue/store@0.2.0-draft"]).await;
    check("storage", &["bailiwick:storage/files@0.1.0"]).await;
}

#[tokio::test]
async fn a_deleted_agent_leaves_nothing_on_the_disk() {
    let host = host().await;
    steps(&host, "acme", "keeper", "files", json!([["write", "f", "12345"]])).await;
    let home = host.data.join("tenants/acme/keeper");
    assert!(home.join("f").exists());
    assert_eq!(host.api.delete("acme", "keeper").await.status, 204);
    assert!(!home.exists());
}
