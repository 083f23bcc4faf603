//! Words that a component carries in its binary, made to fool whoever reads about its failure.

use serde_json::Value;
use tests_kit::guest::{MEMORY, NO_ANSWER, REALLOC, agent};
use tests_kit::{Answer, Host, Package, Setup};

/// What a terminal, a line reader or a browser would act upon, as text of WAT. With a canary, to find it by.
const NASTY: &str = r"\1b[31mcanary-4711\0d\0a<script>alert(1)</script>{\22level\22:\22error\22}\e2\80\ae\07";
const CANARY: &str = "canary-4711";

fn is_active(c: char) -> bool {
    (c.is_control() && c != '\n') || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202e}')
}

fn package(id: &str, parts: &str, handle: &str) -> Package {
    Package { component: agent(&format!("{MEMORY} {REALLOC} {parts}"), handle), ..Package::zoo().named(id) }
}

async fn host() -> Host {
    Setup::new().env("BAILIWICK_LOG__FORMAT", "json").start().and_tenants(&["acme"]).await
}

/// Everything that is shown about an agent.
async fn shown(host: &Host, id: &str, said: &Answer) -> String {
    let mut all = vec![String::from_utf8(said.body.clone()).unwrap(), host.api.agent("acme", id).await.to_string()];
    all.push(host.cli(&["agent", "show", id, "--tenant", "acme"]).ok());
    all.push(Value::from(host.api.logs("acme", id).await).to_string());
    all.extend(host.log());
    all.join("\n")
}

#[tokio::test]
async fn names_of_functions_in_a_binary_show_nowhere_when_it_traps() {
    let host = host().await;
    let long = format!("{NASTY}{}", "n".repeat(90_000));
    let check = async |id: &str, parts: &str, handle: &str| {
        host.api.deploy("acme", &package(id, parts, handle)).await;
        let said = host.api.ask("acme", id, "anything", &Value::Null).await;
        said.refused(422, "receiver-failed");
        let shown = shown(&host, id, &said).await;
        assert!(shown.contains("unreachable"), "the cause is told: {shown}");
        assert!(!shown.contains(CANARY) && !shown.contains(is_active), "{id}: {shown:?}");
        assert!(shown.len() < 64 << 10, "{id}: {} bytes", shown.len());
    };
    let named = |name: &str| format!(r#"(func $"{name}" unreachable)"#);
    check("named", &named(NASTY), &format!(r#"(call $"{NASTY}") {NO_ANSWER}"#)).await;
    check("long", &named(&long), &format!(r#"(call $"{long}") {NO_ANSWER}"#)).await;
    let exported = format!(r#"(func $trap (export "{NASTY}") unreachable)"#);
    check("exported", &exported, &format!("(call $trap) {NO_ANSWER}")).await;
}

#[tokio::test]
async fn a_component_whose_words_are_no_names_is_refused_in_plain_words() {
    let host = host().await;
    // Names in a component are kebab-case; the parser says which one is not, and says it here.
    let mut bytes = wat::parse_str(r#"(component (import "plain-name" (func)))"#).unwrap();
    let at = bytes.windows(10).position(|window| window == b"plain-name").unwrap();
    bytes[at..at + 10].copy_from_slice(b"\x1b[31m<s>\r\n");
    let refused = host.api.upload(&bytes).await;
    assert!((400..500).contains(&refused.status), "{refused:?}");
    assert!(!String::from_utf8(refused.body).unwrap().contains(is_active));
    assert!(!host.log().concat().contains(is_active));
}
