//! What the audit promises: a record for each act and each denial, found out when it is tampered with, and none means not done.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use tests_kit::{Host, Package, canary, eventually};

/// The length from which on the audit goes on in another file.
const SEGMENT_LEN_MAX: usize = 64 << 20;

async fn host() -> Host {
    let host = Host::with_tenants(&["acme", "globex"]).await;
    host.api.deploy("acme", &Package::zoo()).await;
    host
}

/// The records that match, each as `actor action target decision code`.
async fn said(host: &Host, conditions: &str) -> Vec<String> {
    let said = |record: &Value| {
        let words = ["actor", "action", "target", "decision", "code"].map(|name| record[name].as_str().unwrap_or("-"));
        words.join(" ")
    };
    records(host, conditions).await.iter().map(said).collect()
}

async fn records(host: &Host, conditions: &str) -> Vec<Value> {
    let page = host.api.get(&format!("/api/audit?limit=1000{conditions}")).await.ok();
    page["items"].as_array().unwrap().clone()
}

fn segment(host: &Host, number: u32) -> PathBuf {
    host.data.join(format!("audit/{number:06}.jsonl"))
}

#[tokio::test]
async fn each_control_verb_is_recorded_before_and_after_with_no_word_of_the_guests() {
    let host = host().await;
    let canary = canary();
    host.api.deploy("acme", &Package::resident()).await;
    host.api.command("acme", "zoo-resident", "echo", json!(canary)).await.ok();
    host.api.ask("acme", "zoo", "mirror", &json!(canary)).await.ok();
    for verb in ["stop", "start", "restart"] {
        host.api.steer("acme", "zoo", verb).await.ok();
    }
    host.api.steer("acme", "nobody", "start").await.refused(404, "not-found");
    host.api.delete("acme", "zoo-resident").await.ok();
    drop(host.api.watch("acme").await);
    let expected = |action: &str, target: &str, end: &str| {
        [format!("operator {action} {target} allowed -"), format!("operator {action} {target} {end}")]
    };
    let all = [
        expected("agent.deploy", "zoo", "done -"),
        expected("agent.deploy", "zoo-resident", "done -"),
        expected("agent.command", "zoo-resident", "done -"),
        expected("agent.stop", "zoo", "done -"),
        expected("agent.start", "zoo", "done -"),
        expected("agent.restart", "zoo", "done -"),
        expected("agent.start", "nobody", "failed not-found"),
        expected("agent.delete", "zoo-resident", "done -"),
    ];
    let all = all.concat();
    eventually("every outcome is written", async || {
        let said = said(&host, "&tenant=acme&action=agent").await;
        (said == all).then_some(())
    })
    .await;
    assert_eq!(said(&host, "&action=topic.watch&decision=done").await.len(), 1);
    assert_eq!(said(&host, "&action=tenant.create&tenant=globex").await.len(), 2);
    assert_eq!(said(&host, "&action=agent&tenant=globex").await.len(), 0);
    assert!(!fs::read_to_string(segment(&host, 1)).unwrap().contains(&canary));
}

#[tokio::test]
async fn each_denial_is_recorded_with_its_numbers_and_a_flood_of_them_is_counted() {
    let host = host().await;
    let denied = async |topic: &str| {
        let order = json!({ "topic": topic, "type": "mirror", "payload": "x" });
        assert!(host.api.ask("acme", "zoo", "publish", &order).await.said()["denied"].is_object());
    };
    denied("other.topic").await;
    denied("tenants.globex.zoo.in").await;
    for _ in 0..50 {
        denied("flood.topic").await;
    }
    host.api.send("acme", "nobody", "mirror", &json!("x")).await.refused(404, "not-found");
    let records = eventually("all are written", async || {
        let records = records(&host, "&tenant=acme&decision=denied").await;
        let times: u64 = records.iter().map(|record| record["count"].as_u64().unwrap()).sum();
        (times == 53).then_some(records)
    })
    .await;
    let with = |action: &str| -> u64 {
        let of = records.iter().filter(|record| record["action"] == action);
        of.map(|record| record["count"].as_u64().unwrap()).sum()
    };
    assert_eq!([with("message.publish"), with("cross-tenant.publish"), with("message.send")], [51, 1, 1]);
    assert!(records.len() < 20, "{} records", records.len());
    assert_eq!(said(&host, "&tenant=globex&decision=denied").await.len(), 0);
}

#[tokio::test]
async fn a_flipped_byte_is_found_by_a_running_host_and_without_one() {
    let mut host = host().await;
    host.cli(&["audit", "verify"]).ok();
    host.terminate();
    let data = host.data.to_str().unwrap().to_owned();
    let whole = fs::read(segment(&host, 1)).unwrap();
    assert!(host.cli(&["audit", "verify", "--data", &data]).ok().contains("the audit holds"));

    let mut flipped = whole.clone();
    let third = whole.split_inclusive(|byte| *byte == b'\n').take(2).map(<[u8]>::len).sum::<usize>();
    flipped[third + 40] ^= 1;
    fs::write(segment(&host, 1), &flipped).unwrap();
    let broken = "does not hold: 000001.jsonl, line 3, record 3: the record was changed";
    let ran = host.cli(&["audit", "verify", "--data", &data]);
    assert!(ran.code == 1 && ran.refusal().contains(broken), "{ran:#?}");
    host.start_again();
    let ran = host.cli(&["audit", "verify"]);
    assert!(ran.code == 1 && ran.refusal().contains(broken), "{ran:#?}");
    assert_eq!(host.api.get("/api/audit/verify").await.ok()["broken"]["line"], 3);

    host.terminate();
    let last = whole.split_inclusive(|byte| *byte == b'\n').next_back().unwrap().len();
    fs::write(segment(&host, 1), &whole[..whole.len() - last]).unwrap();
    let ran = host.cli(&["audit", "verify", "--data", &data]);
    assert!(ran.code == 1 && ran.refusal().contains("the log is cut off here"), "{ran:#?}");
}

#[tokio::test]
async fn without_a_record_nothing_is_done_and_messages_go_on() {
    let mut host = host().await;
    host.terminate();
    // The file is filled so far that the next one is begun once the host is up; a folder is in its place then.
    let log = fs::read(segment(&host, 1)).unwrap();
    let mut full = vec![b'x'; SEGMENT_LEN_MAX - 300 - log.len() - 1];
    full.push(b'\n');
    full.extend_from_slice(&log);
    fs::write(segment(&host, 1), full).unwrap();
    host.start_again();
    host.ready().await;
    eventually("the start is recorded", async || {
        // This start's and the one's before, each with its outcome.
        (said(&host, "&action=host.start").await.len() == 4).then_some(())
    })
    .await;
    fs::create_dir(segment(&host, 2)).unwrap();

    host.api.steer("acme", "zoo", "stop").await.refused(503, "audit-unavailable");
    host.api.post("/api/tenants", json!({ "tenantId": "late" })).await.refused(503, "audit-unavailable");
    let readiness = host.api.get("/readyz").await;
    assert_eq!((readiness.status, readiness.json()["status"].as_str()), (200, Some("degraded")));
    host.api.ask("acme", "zoo", "mirror", &json!("x")).await.ok();
    assert_eq!(host.api.agent("acme", "zoo").await["state"], "ready");

    fs::remove_dir(segment(&host, 2)).unwrap();
    eventually("the audit is written again", async || {
        (host.api.get("/readyz").await.json()["status"] == "ready").then_some(())
    })
    .await;
    host.api.steer("acme", "zoo", "stop").await.ok();
    assert_eq!(said(&host, "&action=audit.resume").await, ["host audit.resume - done -"]);
}

#[tokio::test]
async fn usage_is_told_by_tenant_and_survives_a_restart() {
    let mut host = host().await;
    for _ in 0..3 {
        host.api.ask("acme", "zoo", "mirror", &json!("x")).await.ok();
    }
    let handled = async |host: &Host, tenant: &str| {
        host.api.get(&format!("/api/usage?tenant={tenant}")).await.ok()["items"][0]["handled"].as_u64().unwrap()
    };
    assert_eq!([handled(&host, "acme").await, handled(&host, "globex").await], [3, 0]);
    host.terminate();
    host.start_again();
    host.ready().await;
    host.api.ask("acme", "zoo", "mirror", &json!("x")).await.ok();
    assert_eq!(handled(&host, "acme").await, 4);
    let table = host.cli(&["usage", "--tenant", "acme"]).ok();
    assert_eq!(table.lines().count(), 2, "{table}");
    host.api.get("/api/usage?tenant=nobody").await.refused(404, "not-found");
}
