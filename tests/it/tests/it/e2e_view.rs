//! What an agent sees of the machine it runs on: its own name, a coarse clock, bounded chance, and no files.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::{Value, json};
use tests_kit::{Host, Package, Setup};

async fn host_with_zoo() -> Host {
    let host = Host::with_tenants(&["acme"]).await;
    host.api.deploy("acme", &Package::zoo()).await;
    host
}

#[tokio::test]
async fn an_agent_sees_its_six_variables_and_none_of_the_hosts() {
    let host = Setup::new().env("SECRET_OF_THE_HOST", "s3cret").env("BAILIWICK_LOG__LEVEL", "info").start();
    let host = host.and_tenants(&["acme", "globex"]).await;
    for tenant in ["acme", "globex"] {
        host.api.deploy(tenant, &Package::zoo().named("zoo-2")).await;
        let seen = host.api.ask(tenant, "zoo-2", "env", &Value::Null).await.said();
        let expected = BTreeMap::from([
            ("FLOWGRID_TENANT_ID", tenant.to_owned()),
            ("AGENT_ID", "zoo-2".to_owned()),
            ("AGENT_NAME", "Zoo".to_owned()),
            ("FLOWGRID_REGISTRY_URL", format!("{}/api/registry", host.url)),
            ("SERVICEBUS_QUEUE_NAME", format!("{tenant}-agents")),
            ("SERVICEBUS_DEDICATED_QUEUE", format!("{tenant}-zoo-2")),
        ]);
        assert_eq!(seen, json!(expected));
    }
}

#[tokio::test]
async fn an_agent_reaches_no_file() {
    let host = host_with_zoo().await;
    let tried = host.api.ask("acme", "zoo", "fs", &Value::Null).await.said();
    let tried = tried.as_object().unwrap();
    assert!(tried.len() >= 6 && tried.values().all(|outcome| outcome != "ok"), "{tried:#?}");
}

#[tokio::test]
async fn an_agents_clock_moves_at_most_once_a_millisecond() {
    let host = host_with_zoo().await;
    let began = Instant::now();
    let read = host.api.ask("acme", "zoo", "clock", &json!(20_000)).await.said();
    // Longer than the guest itself ran, so this errs on the side of the host.
    let elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap();
    let distinct = read["distinct"].as_u64().unwrap();
    assert_eq!(read["readings"], 20_000);
    assert!((1..=elapsed_ms + 2).contains(&distinct), "{distinct} readings in {elapsed_ms} ms");
    assert!(elapsed_ms < 10_000, "too slow to tell a fine clock from a coarse one");
}

#[tokio::test]
async fn random_bytes_come_up_to_the_cap_and_not_past_it() {
    let host = host_with_zoo().await;
    let draw = async |len: u64| host.api.ask("acme", "zoo", "random", &json!(len)).await;
    let (one, other) = (draw(65_536).await.said(), draw(65_536).await.said());
    assert_eq!((&one["len"], &other["len"]), (&json!(65_536), &json!(65_536)));
    assert_ne!(one["hex"], other["hex"]);
    draw(65_537).await.refused(422, "receiver-failed");
    assert_eq!(host.api.agent("acme", "zoo").await["lastFailure"]["cause"], "trap");
}

#[tokio::test]
async fn an_agent_knows_itself_and_its_settings_as_they_were_deployed() {
    let host = host_with_zoo().await;
    let me = host.api.ask("acme", "zoo", "identity", &Value::Null).await.said();
    assert_eq!(me, json!({ "tenant": "acme", "agent": "zoo", "name": "Zoo", "version": "0.1.0" }));
    let settings = host.api.ask("acme", "zoo", "settings", &Value::Null).await.said();
    let names: Vec<_> = settings["all"].as_array().unwrap().iter().map(|pair| pair[0].as_str().unwrap()).collect();
    assert_eq!(names, ["answer", "greeting", "nested"]);
}
