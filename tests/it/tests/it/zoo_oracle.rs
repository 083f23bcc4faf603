//! The leakage oracle itself: what was put where it must not be is found, in every sink.

use std::collections::BTreeSet;
use std::fs;

use serde_json::json;
use tests_kit::{Host, Oracle, Report};

/// Two tenants that said everything they may, and an oracle that found nothing amiss.
async fn clean() -> (Host, Oracle) {
    let (host, oracle) = (Host::start(), Oracle::new(&["acme", "globex"]));
    oracle.create_tenants(&host).await;
    oracle.spread(&host, "acme").await;
    oracle.spread(&host, "globex").await;
    (host, oracle)
}

fn leaks(report: &Report) -> BTreeSet<(&str, &str)> {
    report.leaks.iter().map(|leak| (leak.sink, leak.whose.as_str())).collect()
}

#[tokio::test]
async fn a_foreign_word_that_was_planted_is_found_in_every_sink() {
    let (host, oracle) = clean().await;
    let foreign = oracle.canary("globex");
    let said = host.api.ask("acme", "zoo", "mirror", &json!(foreign)).await.said();
    oracle.hear("acme", "answers", said.to_string());
    host.api.ask("acme", "zoo", "log", &json!(foreign)).await.ok();
    let (state, files) = (json!([["set", "k", foreign]]), json!([["write", "g", foreign]]));
    host.api.ask("acme", "keeper", "state", &state).await.ok();
    host.api.ask("acme", "keeper", "files", &files).await.ok();
    let reason = json!({ "reason": foreign });
    host.api.post("/api/agents/zoo/quarantine?tenant=acme", reason).await.ok();

    let report = oracle.scan(&host).await;
    let expected = ["answers", "api", "audit", "files", "log", "rows"].map(|sink| (sink, "globex"));
    assert_eq!(leaks(&report), expected.into(), "{report}");
}

#[tokio::test]
async fn a_sealed_word_is_found_in_the_clear_wherever_it_lies() {
    let (host, oracle) = clean().await;
    let check = async |file: &str, sink: &str| {
        fs::write(host.data.join(file), oracle.secret("acme")).unwrap();
        assert!(leaks(&oracle.scan(&host).await).contains(&(sink, "acme")), "{file}");
    };
    check("tenants/acme/keeper/stray", "files").await;
    check("artifacts/stray", "artefacts").await;
    check("stray", "others").await;
}
