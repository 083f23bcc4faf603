//! What agents log: inert wherever it is read, bounded however much it is, and never without its tenant.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests_kit::{Host, Package, Setup, eventually};

/// Lines one agent may log in a second, and lines that are kept of it.
const PER_SECOND_MAX: u64 = 500;
const KEPT_MAX: usize = 1_000;

/// What the guest logs to fool a reader, made inert.
const NASTY: &str = r"\u{1b}[31mred\u{1b}[0m\u{d}\u{a}forged=line\u{2028}after\u{7}";

async fn host() -> Host {
    let host = Setup::new().env("BAILIWICK_LOG__FORMAT", "json").start().and_tenants(&["acme", "globex"]).await;
    host.api.deploy("acme", &Package::zoo()).await;
    host
}

fn is_active(c: char) -> bool {
    (c.is_control() && c != '\n') || matches!(c, '\u{2028}' | '\u{2029}')
}

/// The host's own log, each line of which must be one JSON object.
fn parsed(host: &Host) -> Vec<Value> {
    let parse = |line: String| serde_json::from_str(&line).unwrap_or_else(|_| unreachable!("not JSON: {line}"));
    host.log().into_iter().map(parse).collect()
}

#[tokio::test]
async fn a_line_meant_to_fool_its_reader_is_one_plain_record_everywhere() {
    let host = host().await;
    host.api.ask("acme", "zoo", "log", &Value::Null).await.ok();
    host.api.ask("acme", "zoo", "stdout", &json!("\u{1b}[2J\u{2028}forged")).await.ok();

    let records = host.api.logs("acme", "zoo").await;
    let logged: Vec<_> = records.iter().filter(|record| record["source"] == "log").collect();
    assert_eq!(logged.len(), 1);
    let expected = [("tenantId", "acme"), ("agentId", "zoo"), ("level", "warn"), ("message", NASTY)];
    for (name, value) in expected {
        assert_eq!(logged[0][name], value);
    }
    let fields = json!([{ "name": "plain", "value": "value" }, { "name": "nasty", "value": NASTY }]);
    assert_eq!(logged[0]["fields"], fields);
    let printed: BTreeSet<_> =
        records.iter().filter(|record| record["source"] != "log").map(|r| r["source"].as_str()).collect();
    assert_eq!(printed, BTreeSet::from([Some("stdout"), Some("stderr")]));

    for format in ["table", "json", "yaml"] {
        let shown = host.cli(&["agent", "logs", "zoo", "--tenant", "acme", "-o", format]).ok();
        assert!(shown.contains("forged=line") && !shown.contains(is_active), "{format}: {shown:?}");
        assert!(format != "table" || shown.lines().count() == records.len(), "{shown}");
    }

    let own = eventually("the host's own log has each of them", async || {
        let own: Vec<_> = parsed(&host).into_iter().filter(|line| line["target"] == "agent").collect();
        (own.len() == records.len()).then_some(own)
    })
    .await;
    assert!(own.iter().all(|line| line["tenant"] == "acme" && line["agent"] == "zoo"), "{own:#?}");
    assert!(own.iter().any(|line| line["message"] == NASTY), "{own:#?}");
    assert!(!host.log().concat().contains(is_active));
}

#[tokio::test]
async fn a_panic_or_a_refusal_meant_to_fool_is_plain_in_the_agents_last_failure() {
    let host = host().await;
    host.api.ask("acme", "zoo", "fail-reject", &json!("\u{1b}[31m\r\nforged \u{2028}")).await.refused(422, "rejected");
    // The payload is JSON text, so the quotes and JSON's own escapes are the agent's words too.
    let detail = host.api.agent("acme", "zoo").await["lastFailure"]["detail"].take();
    assert!(detail.as_str().unwrap().contains("forged") && !detail.as_str().unwrap().contains(is_active), "{detail}");
    let shown = host.cli(&["agent", "show", "zoo", "--tenant", "acme"]).ok();
    assert!(shown.contains("forged") && !shown.contains(is_active), "{shown:?}");
    assert!(!host.log().concat().contains(is_active));
}

#[tokio::test]
async fn every_line_of_the_json_log_about_an_agent_names_its_tenant() {
    let mut host = host().await;
    host.api.deploy("globex", &Package::resident()).await;
    for (tenant, agent) in [("acme", "zoo"), ("globex", "zoo-resident")] {
        host.api.ask(tenant, agent, "log", &json!("a line")).await.ok();
        host.api.ask(tenant, agent, "trap", &Value::Null).await.refused(422, "receiver-failed");
        host.api.steer(tenant, agent, "restart").await.ok();
    }
    host.api.command("globex", "zoo-resident", "echo", Value::Null).await.ok();
    host.api.delete("acme", "zoo").await;
    host.terminate();

    let (mut about, mut tenants) = (0, BTreeSet::new());
    for line in parsed(&host) {
        assert!(line["level"].is_string() && line["timestamp"].is_string(), "{line}");
        if line.to_string().contains("zoo") {
            about += 1;
            tenants.insert(line["tenant"].as_str().unwrap_or_else(|| unreachable!("no tenant: {line}")).to_owned());
        }
    }
    assert!(about >= 30, "{about} lines");
    assert_eq!(tenants, BTreeSet::from(["acme".to_owned(), "globex".to_owned()]));
}

#[tokio::test]
async fn a_flood_is_cut_to_its_rate_and_what_was_left_out_is_counted() {
    const FLOOD: u64 = 3_000;
    let host = host().await;
    host.api.ask("acme", "zoo", "log-flood", &json!(FLOOD)).await.ok();
    // In a later second there is room again, and the next line tells what was left out.
    let records = eventually("the next line is taken", async || {
        host.api.ask("acme", "zoo", "log", &json!("after")).await.ok();
        let records = host.api.logs("acme", "zoo").await;
        records.iter().any(|record| record["message"] == "\"after\"").then_some(records)
    })
    .await;
    let kept =
        u64::try_from(records.iter().filter(|record| record["message"].as_str().unwrap().starts_with("line ")).count());
    let kept = kept.unwrap();
    let dropped: u64 = records.iter().filter_map(|record| record["dropped"].as_u64()).sum();
    // The flood may lie over the border between two seconds.
    assert!((1..=2 * PER_SECOND_MAX).contains(&kept) && records.len() <= KEPT_MAX, "{kept} kept");
    assert!(kept + dropped >= FLOOD, "{kept} kept and {dropped} counted of {FLOOD}");
    let own = parsed(&host).iter().filter(|line| line["target"] == "agent").count();
    assert!(own <= records.len() + 1, "the host's own log holds {own} lines of it");
    // A neighbour's lines are not what is left out.
    host.api.deploy("globex", &Package::zoo()).await;
    host.api.ask("globex", "zoo", "log", &json!("mine")).await.ok();
    assert_eq!(host.api.logs("globex", "zoo").await.len(), 1);
}

#[tokio::test]
async fn a_text_longer_than_a_record_is_cut() {
    const MESSAGE_LEN_MAX: usize = 8 << 10;
    let host = host().await;
    host.api.ask("acme", "zoo", "log", &json!("x".repeat(MESSAGE_LEN_MAX * 2))).await.ok();
    let records = host.api.logs("acme", "zoo").await;
    let message = records[0]["message"].as_str().unwrap();
    assert_eq!(message.trim_end_matches('…').len(), MESSAGE_LEN_MAX);
}
