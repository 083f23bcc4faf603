//! Bad input through the command line: one line that names the thing and the next step, exit code 1 or 2, and nothing left behind.

use std::fs;
use std::path::Path;

use serde_json::json;
use tests_kit::{Host, Package, Ran, Setup, repo};

/// `\0asm`, then the version of a core module or of a component. Nothing in it, so it exports nothing.
const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";
const EMPTY_COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

fn check(ran: &Ran, code: i32, parts: &[&str]) {
    let line = ran.refusal();
    assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{ran:#?}");
    assert!(line.starts_with("error: "), "{line}");
    for part in parts {
        assert!(line.contains(part), "'{part}' is not in: {line}");
    }
}

fn deploy(host: &Host, path: &Path) -> Ran {
    host.cli(&["agent", "deploy", path.to_str().unwrap(), "--tenant", "acme"])
}

async fn nothing_is_left(host: &Host) {
    assert_eq!(host.api.get("/api/agents?tenant=acme").await.ok()["items"], json!([]));
    assert_eq!(host.api.get("/api/registry/agents?tenant=acme").await.ok()["items"], json!([]));
}

#[tokio::test]
async fn what_is_no_component_or_asks_for_too_much_is_named() {
    let host = Host::with_tenants(&["acme"]).await;
    let written = |name: &str, bytes: &[u8]| {
        let path = host.home().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    check(&deploy(&host, &written("text.wasm", b"hello")), 1, &["text.wasm", "not WebAssembly", "wasm32-wasip2"]);
    check(&deploy(&host, &written("core.wasm", CORE_MODULE)), 1, &["core.wasm", "core module", "wasm32-wasip2"]);
    check(&deploy(&host, &written("elf.wasm", b"\x7fELF\x02")), 1, &["elf.wasm", "ELF", "upload the component"]);
    let no_inbox = deploy(&host, &written("empty.wasm", EMPTY_COMPONENT));
    check(&no_inbox, 1, &["empty.wasm", "does not export bailiwick:agent/inbox", "wit/agent-0.1"]);
    let greedy = deploy(&host, &repo().join("tests/guests/greedy-import.toml"));
    check(
        &greedy,
        1,
        &["greedy_import.wasm", "imports wasi:sockets/", "does not offer", "build the component without it"],
    );
    check(&deploy(&host, &host.home().join("none.toml")), 1, &["none.toml", "cannot read"]);
    nothing_is_left(&host).await;
}

#[tokio::test]
async fn a_manifest_that_cannot_be_meant_is_refused_by_its_key() {
    let host = Host::with_tenants(&["acme"]).await;
    let check = |package: Package, parts: &[&str]| check(&deploy(&host, &package.write(host.home())), 1, parts);
    let zoo = Package::zoo;
    check(zoo().with("limits.memroy", "16MiB"), &["zoo.toml", "limits.memroy", "unknown key"]);
    check(zoo().with("agent.colour", "red"), &["agent.colour", "unknown key"]);
    check(zoo().with("limits.fuel", 0), &["fuel"]);
    check(zoo().with("limits.memory", "1GiB"), &["memory"]);
    check(zoo().with("limits.deadline", "0s"), &["deadline"]);
    check(zoo().with("run.instances", "forever"), &["run.instances"]);
    check(zoo().with("grants.models", vec!["gpt"]), &["grants.models", "not available", "remove it"]);
    check(zoo().with("grants.http", vec!["https://example.org/path"]), &["grants.http", "not a host"]);
    check(zoo().with("grants.publish", vec!["queues.>"]), &["grants.publish"]);
    for id in ["Zoo", "dlq", "-zoo", &"z".repeat(41)] {
        let path = zoo().named("bad-id").write(host.home());
        fs::write(&path, zoo().named(id).text()).unwrap();
        self::check(&deploy(&host, &path), 1, &["bad-id.toml", "agent.id"]);
    }
    nothing_is_left(&host).await;
}

#[tokio::test]
async fn what_a_host_gets_past_the_command_line_it_refuses_itself() {
    let host = Host::with_tenants(&["acme"]).await;
    for (bytes, part) in [(&b"hello"[..], "not WebAssembly"), (CORE_MODULE, "core module"), (b"\x7fELF\x02", "ELF")] {
        let problem = host.api.upload(bytes).await.refused(400, "bad-component");
        assert!(problem["detail"].as_str().unwrap().contains(part), "{problem:#}");
    }
    let greedy = host.api.try_deploy("acme", &Package::read("tests/guests/greedy-import.toml")).await;
    let problem = greedy.refused(422, "not-granted");
    assert!(problem["detail"].as_str().unwrap().contains("wasi:sockets/"), "{problem:#}");
    host.api.try_deploy("acme", &Package::zoo().with("limits.memroy", 1)).await.refused(400, "bad-manifest");
    let mut empty = Package::zoo();
    empty.component = EMPTY_COMPONENT.to_vec();
    host.api.try_deploy("acme", &empty).await.refused(422, "not-granted");
    let other = format!("sha256:{}", "0".repeat(64));
    let body = json!({ "manifest": Package::zoo().text(), "digest": other });
    host.api.post("/api/agents?tenant=acme", body).await.refused(409, "no-component");
    nothing_is_left(&host).await;
}

#[tokio::test]
async fn an_import_that_was_not_granted_is_named_with_its_grant() {
    let host = Host::with_tenants(&["acme"]).await;
    let mut package = Package::zoo();
    package.manifest.remove("grants");
    let refused = deploy(&host, &package.write(host.home()));
    check(
        &refused,
        1,
        &["imports bailiwick:agent/messaging@0.1", "imports bailiwick:discovery/registry@0.1", "grants"],
    );
    nothing_is_left(&host).await;
}

#[tokio::test]
async fn whom_or_what_the_host_does_not_know_is_told_with_the_next_step() {
    let host = Host::with_tenants(&["acme"]).await;
    let unknown = ["not-found", "no such tenant", "list the tenant"];
    check(&host.cli(&["agent", "show", "nobody", "--tenant", "acme"]), 1, &unknown);
    check(&host.cli(&["agent", "send", "nobody", "--tenant", "acme", "--type", "t", "--data", "1"]), 1, &unknown);
    check(&host.cli(&["agent", "list", "--tenant", "nobody"]), 1, &unknown);
    check(&host.cli(&["tenant", "create", "acme"]), 1, &["acme", "taken", "choose another"]);
    check(&host.cli(&["agent", "list"]), 2, &["no tenant named", "--tenant"]);
    check(
        &host.cli(&["agent", "list", "--tenant", "acme", "--token", "wrong"]),
        1,
        &["unauthorized", "operator.token"],
    );
    check(&host.cli(&["agent", "list", "--tenant", "acme", "--token", "@/none"]), 1, &["/none", "cannot read"]);
    let data = ["agent", "send", "zoo", "--tenant", "acme", "--type", "t", "--data", "{"];
    check(&host.cli(&data), 2, &["--data"]);
}

#[tokio::test]
async fn a_bad_id_is_bad_usage_in_one_line() {
    let host = Host::with_tenants(&["acme"]).await;
    check(&host.cli(&["tenant", "create", "ACME"]), 2, &["'ACME' is not an id", "a-z"]);
    check(&host.cli(&["agent", "show", "Zoo", "--tenant", "acme"]), 2, &["'Zoo' is not an id", "a-z"]);
    check(&host.cli(&["agent", "show", "dlq", "--tenant", "acme"]), 2, &["'dlq' is reserved"]);
}

#[test]
fn a_host_that_is_not_there_is_named_by_its_address() {
    let mut host = Setup::new().start();
    host.terminate();
    let gone = host.cli(&["tenant", "list"]);
    check(&gone, 1, &["cannot reach", &host.url, "bailiwick host"]);
}

#[tokio::test]
async fn a_payload_that_is_too_large_is_refused_with_its_numbers() {
    let host = Setup::new().env("BAILIWICK_MESSAGE__PAYLOAD_BYTES_MAX", "1000").start().and_tenants(&["acme"]).await;
    host.api.deploy("acme", &Package::zoo()).await;
    let file = host.home().join("big.json");
    fs::write(&file, format!("\"{}\"", "x".repeat(999))).unwrap();
    let data = format!("@{}", file.display());
    let ran = host.cli(&["agent", "send", "zoo", "--tenant", "acme", "--type", "mirror", "--data", &data]);
    check(&ran, 1, &["payload-bytes", "limit 1000", "actual 1001", "send less"]);
}
