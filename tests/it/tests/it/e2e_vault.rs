//! Signing keys and secrets through the command line and the API: what is told, what is not, and what a restart keeps.

use std::fs;

use serde_json::{Value, json};
use tests_kit::Host;

fn states(keys: &Value) -> Vec<&str> {
    keys.as_array().unwrap().iter().map(|key| key["state"].as_str().unwrap()).collect()
}

fn keys(host: &Host) -> Value {
    host.cli(&["tenant", "key", "list", "--tenant", "acme", "-o", "json"]).json()
}

#[tokio::test]
async fn a_tenants_keys_are_made_rotated_and_revoked_and_outlive_a_restart() {
    let mut host = Host::with_tenants(&["acme", "globex"]).await;
    assert_eq!(states(&keys(&host)), ["active"]);
    let first = keys(&host)[0]["keyId"].as_str().unwrap().to_owned();
    let second = host.cli(&["tenant", "key", "rotate", "--tenant", "acme", "-o", "json"]).json();
    host.cli(&["tenant", "key", "revoke", &first, "--tenant", "acme"]).ok();
    host.terminate();
    host.start_again();
    host.ready().await;
    let kept = keys(&host);
    let state_of = |id: &Value| {
        let all = kept.as_array().unwrap();
        all.iter().find(|key| key["keyId"] == *id).map(|key| key["state"].as_str().unwrap().to_owned())
    };
    assert_eq!(state_of(&second["keyId"]).as_deref(), Some("active"));
    assert_eq!(state_of(&json!(first)).as_deref(), Some("revoked"));
    assert_eq!(kept.as_array().unwrap().len(), 2);
    host.api.post(&format!("/api/tenants/globex/keys/{first}/revoke"), json!({})).await.refused(404, "not-found");
}

#[tokio::test]
async fn a_secret_is_set_from_a_file_named_and_never_told() {
    let host = Host::with_tenants(&["acme", "globex"]).await;
    let file = host.home().join("token.txt");
    fs::write(&file, "canary-51c0\n").unwrap();
    let file = file.to_str().unwrap();
    host.cli(&["tenant", "secret", "set", "api", "--tenant", "acme", "--from-file", file]).ok();
    let listed = host.cli(&["tenant", "secret", "list", "--tenant", "acme", "-o", "json"]).json();
    assert_eq!(listed[0]["name"], "api");
    assert_eq!(host.api.get("/api/tenants/globex/secrets").await.ok()["items"], json!([]));
    let told = [listed.to_string(), host.log().join("\n")].concat();
    let files = fs::read_dir(&host.data).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let kept: Vec<u8> = files.flat_map(|path| fs::read(path).unwrap()).collect();
    assert!(!told.contains("canary-51c0") && !kept.windows(11).any(|part| part == b"canary-51c0"));
    host.cli(&["tenant", "secret", "remove", "api", "--tenant", "acme"]).ok();
    host.api.call("DELETE", "/api/tenants/acme/secrets/api", None).await.refused(404, "not-found");
}

#[tokio::test]
async fn another_tenants_keys_and_secrets_read_as_none_and_nobody_asks_without_a_token() {
    let host = Host::with_tenants(&["acme"]).await;
    let stranger = host.api.with_token(None);
    let body = json!({ "value": "x" });
    let routes = [
        ("GET", "keys", None),
        ("POST", "keys/rotate", None),
        ("POST", "keys/0123456789abcdef/revoke", None),
        ("GET", "secrets", None),
        ("PUT", "secrets/api", Some(&body)),
        ("DELETE", "secrets/api", None),
    ];
    for (method, path, body) in routes {
        let unknown = host.api.call(method, &format!("/api/tenants/nobody/{path}"), body).await;
        unknown.refused(404, "not-found");
        let answer = stranger.call(method, &format!("/api/tenants/acme/{path}"), body).await;
        assert_eq!(answer.status, 401, "{method} {path}");
    }
}

#[tokio::test]
async fn a_bad_key_id_name_or_secret_is_refused_by_its_rule() {
    let host = Host::with_tenants(&["acme"]).await;
    let put = async |name: &str, body: Value| {
        host.api.call("PUT", &format!("/api/tenants/acme/secrets/{name}"), Some(&body)).await
    };
    assert_eq!(put("API", json!({ "value": "x" })).await.status, 400);
    put("api", json!({ "value": "" })).await.refused(400, "bad-secret");
    put("api", json!({ "value": "a".repeat(16_385) })).await.refused(400, "bad-secret");
    put("api", json!({ "value": "a".repeat(16_384) })).await.ok();
    assert_eq!(put("api", json!({ "value": "x", "tenantId": "globex" })).await.status, 400);
    assert_eq!(host.api.post("/api/tenants/acme/keys/..%2Fx/revoke", json!({})).await.status, 400);
}
