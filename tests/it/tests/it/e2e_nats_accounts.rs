//! Accounts of a NATS server, as operators set them up and ask for them.

use std::fs;

use serde_json::json;
use tests_kit::Host;

const METER: &str = "[agent]\nid = 'meter'\nname = 'Meter'\nversion = '1.0.0'\n";

#[tokio::test]
async fn accounts_are_set_up_once_and_what_is_off_says_what_to_do() {
    let host = Host::with_tenants(&["acme"]).await;
    let said = host.cli(&["nats", "init", "nats"]).ok();
    assert!(said.contains("next: nats-server -c ") && said.contains("--nats-accounts nats"), "{said}");
    let config = said.lines().next().unwrap().strip_prefix("wrote ").unwrap().to_owned();
    let before = fs::read(&config).unwrap();
    assert!(host.cli(&["nats", "init", "nats", "--url", "nats://127.0.0.1:4333"]).ok().contains("nothing was changed"));
    assert_eq!(fs::read(&config).unwrap(), before);
    fs::remove_file(config.replace("nats.conf", "signing.nk")).unwrap();
    let refused = host.cli(&["nats", "init", "nats"]);
    assert!(refused.refusal().contains("lacks signing.nk: put it back"), "{refused:?}");
    let refused = host.cli(&["nats", "init", "other", "--url", "nats://user:word@127.0.0.1:4222"]);
    assert_eq!(refused.code, 2, "{refused:?}");
}

#[tokio::test]
async fn a_host_without_accounts_says_so_of_every_tenant_and_agent() {
    let host = Host::with_tenants(&["acme"]).await;
    host.api.post("/api/external-agents?tenant=acme", json!({ "manifest": METER })).await.ok();
    for (tenant, agent) in [("acme", "meter"), ("acme", "nobody"), ("globex", "meter")] {
        let path = format!("/api/agents/{agent}/credentials?tenant={tenant}");
        let refused = host.api.post(&path, json!({ "expiresIn": "15m" })).await.refused(409, "no-nats-accounts");
        assert!(refused["detail"].as_str().unwrap().contains("run the host with --nats-accounts"), "{refused}");
    }
}
