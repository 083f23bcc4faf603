//! Names that are made to be taken for others, at the edge where tenants and agents get theirs; and how long an answer takes.

use std::time::{Duration, Instant};

use serde_json::json;
use tests_kit::{Host, Package};

/// What differs from `acme` for a machine and not for a person, or the other way round, or means something to a broker, a
/// path, a shell or a terminal.
fn hostile_names() -> Vec<String> {
    let mut names: Vec<String> = [
        "",
        " ",
        "acme.b",
        "acme-",
        "-acme",
        "ACME",
        "Acme",
        "a*",
        "*",
        ">",
        "acme.>",
        "tenants.acme",
        ".",
        "..",
        "../acme",
        "a/b",
        "/acme",
        "%2e",
        "%2e%2e",
        "acme%00",
        "acme\0",
        "acme\n",
        "acme\r\nX: y",
        "acme\t",
        "a b",
        " acme",
        "acme ",
        "caf\u{e9}",
        "cafe\u{301}",
        "acm\u{435}",
        "\u{202e}emca",
        "acme\u{200b}",
        "\u{feff}acme",
        "acme\u{7f}",
        "ａｃｍｅ",
        "acme_",
        "acme$",
        "$JS",
        "$SYS",
        "_INBOX",
        "\u{1b}[31m",
        "acme;",
        "acme'--",
        "acme\"",
        "<b>",
        "{id}",
        "acme:",
    ]
    .map(str::to_owned)
    .to_vec();
    names.extend([41, 300, 100_000].map(|len| "a".repeat(len)));
    names
}

/// M05.
#[tokio::test]
async fn a_name_that_could_be_taken_for_another_is_nobodys() {
    let host = Host::with_tenants(&["acme"]).await;
    for name in hostile_names() {
        let shown: String = name.chars().take(20).collect();
        let answer = host.api.post("/api/tenants", json!({ "tenantId": name })).await;
        assert_eq!(answer.status, 400, "{shown:?}");
        assert!(answer.body.len() < 2_000, "{shown:?} is not told back whole");
        let package = Package::zoo().named(&name);
        assert_eq!(host.api.try_deploy("acme", &package).await.status, 400, "an agent {shown:?}");
    }
    let kept = host.api.get("/api/tenants").await.ok();
    assert_eq!(kept["items"].as_array().unwrap().len(), 1);
    assert_eq!(host.api.get("/api/agents?tenant=acme").await.ok()["items"], json!([]));
}

/// M30, incident 13: asked in turn, so that whatever slows the machine slows both alike, and compared by their medians.
#[tokio::test]
async fn another_tenants_agent_and_none_are_answered_in_the_same_time() {
    const EACH: usize = 300;
    let host = Host::with_tenants(&["acme", "globex"]).await;
    host.api.deploy("acme", &Package::zoo().named("theirs")).await;
    for path in ["/api/agents/{id}", "/api/agents/{id}/logs", "/api/registry/agents/{id}"] {
        let took = async |id: &str| {
            let began = Instant::now();
            let path = path.replace("{id}", id);
            host.api.get(&format!("{path}?tenant=globex")).await.refused(404, "not-found");
            began.elapsed()
        };
        let (mut foreign, mut unknown) = (Vec::new(), Vec::new());
        for _ in 0..EACH {
            foreign.push(took("theirs").await);
            unknown.push(took("nobody").await);
        }
        let ratio = median(foreign) / median(unknown);
        assert!((0.67..1.5).contains(&ratio), "{path}: foreign / unknown = {ratio}");
    }
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}
