//! What tenants share is code and never what it works on: one component in two tenants, one quota that is full, one crash loop.

use std::fs;

use serde_json::{Value, json};
use tests_kit::{Host, Package, Setup, eventually};

fn keeper() -> Package {
    Package::read("tests/guests/keeper.toml")
}

/// How many components have compiled code on the disk, each in how many files it takes.
fn artifacts(host: &Host) -> usize {
    fs::read_dir(host.data.join("artifacts")).unwrap().count()
}

async fn count(host: &Host, tenant: &str) -> u64 {
    host.api.ask(tenant, "zoo-resident", "count", &Value::Null).await.said().as_u64().unwrap()
}

/// Incident 11.
#[tokio::test]
async fn a_component_of_two_tenants_is_compiled_once_and_remembers_nothing_across_and_has_no_first_owner() {
    let mut host = Host::with_tenants(&["acme", "globex"]).await;
    host.api.deploy("acme", &Package::resident()).await;
    let compiled = artifacts(&host);
    assert_eq!([count(&host, "acme").await, count(&host, "acme").await], [1, 2]);
    host.api.deploy("globex", &Package::resident()).await;
    assert_eq!(artifacts(&host), compiled, "the second tenant's is the first one's code");
    assert_eq!([count(&host, "globex").await, count(&host, "acme").await], [1, 3], "and nobody's memory");

    assert_eq!(host.api.delete("acme", "zoo-resident").await.status, 204);
    assert_eq!(count(&host, "globex").await, 2);
    host.kill();
    host.start_again();
    host.ready().await;
    assert_eq!(count(&host, "globex").await, 1, "it starts without who loaded it first");
    host.api.call("DELETE", "/api/tenants/acme?confirm=acme", None).await;
    assert_eq!(count(&host, "globex").await, 2);
}

/// Incident 12: what the host itself writes about an agent, unasked, is written about that one, whoever has the same name.
#[tokio::test]
async fn what_the_host_does_by_itself_is_done_to_the_tenant_that_it_is_about_after_a_restart_too() {
    let mut host = Host::with_tenants(&["acme", "globex"]).await;
    for tenant in ["acme", "globex"] {
        host.api.deploy(tenant, &Package::zoo()).await;
    }
    for _ in 0..3 {
        host.api.ask("globex", "zoo", "mirror", &Value::Null).await.ok();
    }
    for _ in 0..10 {
        host.api.ask("acme", "zoo", "trap", &Value::Null).await.refused(422, "receiver-failed");
    }
    let states = async |host: &Host| {
        let state = async |tenant| host.api.agent(tenant, "zoo").await["state"].as_str().unwrap().to_owned();
        [state("acme").await, state("globex").await]
    };
    let expected = ["quarantined", "ready"];
    eventually("the loop is ended", async || (states(&host).await == expected).then_some(())).await;
    host.terminate();
    host.start_again();
    host.ready().await;
    assert_eq!(states(&host).await, expected);
    let ended = async |tenant: &str| {
        let page = host.api.get(&format!("/api/audit?action=agent.quarantine&tenant={tenant}")).await.ok();
        page["items"].as_array().unwrap().len()
    };
    assert_eq!([ended("acme").await, ended("globex").await], [2, 0], "before and after, of the one alone");
    let used = async |tenant: &str| {
        let page = host.api.get(&format!("/api/usage?tenant={tenant}")).await.ok();
        ["handled", "failed"].map(|what| page["items"][0][what].as_u64().unwrap())
    };
    assert_eq!([used("acme").await, used("globex").await], [[0, 10], [3, 0]]);
}

/// S16: an agent that has filled all that its tenant may keep is refused, and whatever the host itself writes goes on.
#[tokio::test]
async fn a_tenant_that_is_full_keeps_the_host_from_writing_nothing() {
    let setup = Setup::new().env("BAILIWICK_TENANT__STORAGE_MIB_MAX", "1").env("BAILIWICK_TENANT__STATE_MIB_MAX", "1");
    let mut host = setup.start().and_tenants(&["acme", "globex"]).await;
    for tenant in ["acme", "globex"] {
        host.api.deploy(tenant, &keeper()).await;
    }
    let steps = async |host: &Host, tenant: &str, kind: &str, steps: Value| {
        host.api.ask(tenant, "keeper", kind, &steps).await.said()
    };
    let mut codes = Vec::new();
    for number in 0..20 {
        let came = steps(&host, "acme", "files", json!([["write", format!("f{number}"), 100_000]])).await;
        codes.push(came[0]["code"].clone());
        let came = steps(&host, "acme", "state", json!([["set", format!("k{number}"), 60_000]])).await;
        codes.push(came[0]["code"].clone());
    }
    for code in ["storage-bytes", "state-bytes"] {
        assert!(codes.iter().filter(|seen| *seen == code).count() >= 2, "{codes:?}");
    }

    let refused = steps(&host, "acme", "files", json!([["write", "more", 100_000]])).await;
    assert_eq!(refused[0]["code"], "storage-bytes");
    assert_eq!(steps(&host, "globex", "files", json!([["write", "f", 100_000]])).await, json!(["ok"]));
    host.api.deploy("acme", &keeper().named("late")).await;
    host.cli(&["tenant", "key", "rotate", "--tenant", "acme"]).ok();
    host.api.call("PUT", "/api/tenants/acme/secrets/s", Some(&json!({ "value": "x" }))).await.ok();
    host.api.ask("acme", "keeper", "files", &json!([["list", ""]])).await.ok();
    host.terminate();
    host.start_again();
    host.ready().await;
    let page = host.api.get("/api/audit?limit=1000&tenant=acme").await.ok().to_string();
    for action in ["agent.deploy", "key.rotate", "secret.set"] {
        assert!(page.contains(action), "{action} is not in {page}");
    }
    host.cli(&["audit", "verify"]).ok();
    assert_eq!(
        steps(&host, "acme", "files", json!([["remove", "f0"], ["write", "f0", 100]])).await,
        json!(["ok", "ok"])
    );
}
