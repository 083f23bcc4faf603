//! Calling another host on the real binary: manifest, policy, vault and socket in one line.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tests_kit::{Host, Package};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

const SECRET: &str = "canary-7d1e";

/// A server on a port of its own that answers each request, and shows the heads it got.
struct Server {
    port: u16,
    heads: UnboundedReceiver<String>,
    connections: Arc<AtomicUsize>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        #[expect(clippy::disallowed_methods, reason = "bounded by the requests of one test")]
        let (sender, heads) = unbounded_channel();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = connections.clone();
        #[expect(clippy::disallowed_methods, reason = "ends with its test")]
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let sender = sender.clone();
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        let Ok(byte) = stream.read_u8().await else { return };
                        head.push(byte);
                    }
                    sender.send(String::from_utf8(head).unwrap()).unwrap();
                    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello";
                    stream.write_all(answer.as_bytes()).await.unwrap();
                });
            }
        });
        Self { port, heads, connections }
    }

    fn host(&self) -> String {
        format!("http://localhost:{}", self.port)
    }
}

async fn set_policy(host: &Host, text: &str) {
    host.api.call("PUT", "/api/tenants/acme/policy", Some(&json!({ "policy": text }))).await.ok();
}

/// A policy that allows one host, its private address, and the secret below `/v1/` of it.
fn policy(server: &Server) -> String {
    let host = server.host();
    format!(
        "private_hosts = ['{host}']\n[[allow]]\nhttp = ['{host}']\nsecrets = ['key']\n[[secrets]]\nname = 'key'\nhost = '{host}'\npath = '/v1/'\n"
    )
}

fn caller(server: &Server) -> Package {
    Package::read("tests/guests/caller.toml").with("grants.http", vec![server.host()])
}

async fn fetch(host: &Host, server: &Server, path: &str) -> Value {
    let headers = json!([["authorization", "Bearer {{secret:key}}"]]);
    let order = json!({ "host": format!("localhost:{}", server.port), "path": path, "headers": headers });
    host.api.ask("acme", "caller", "fetch", &order).await.said()
}

#[tokio::test]
async fn a_granted_call_carries_the_secret_to_its_host_and_to_nobody_else() {
    let mut server = Server::start().await;
    let host = Host::with_tenants(&["acme"]).await;
    set_policy(&host, &policy(&server)).await;
    host.api.deploy("acme", &caller(&server)).await;
    assert!(fetch(&host, &server, "/v1/ask").await["error"].is_string(), "the tenant has no such secret yet");
    let set = json!({ "value": SECRET });
    host.api.call("PUT", "/api/tenants/acme/secrets/key", Some(&set)).await.ok();

    let fetched = fetch(&host, &server, "/v1/ask").await;
    assert_eq!((&fetched["status"], &fetched["body"]), (&json!(200), &json!("hello")), "{fetched:#}");
    let head = server.heads.recv().await.unwrap();
    assert!(head.contains(&format!("authorization: Bearer {SECRET}\r\n")), "{head}");
    assert!(fetch(&host, &server, "/v2/ask").await["error"].is_string(), "bound to another path");
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);

    let audit = host.api.get("/api/audit?limit=1000").await.ok().to_string();
    let told = [host.log().join("\n"), audit, fetched.to_string()].concat();
    assert!(!told.contains(SECRET), "{told}");
}

#[tokio::test]
async fn a_private_address_is_reached_only_by_a_name_the_operator_gave() {
    let server = Server::start().await;
    let host = Host::with_tenants(&["acme"]).await;
    set_policy(&host, &format!("[[allow]]\nhttp = ['{}']\nsecrets = ['key']\n", server.host())).await;
    host.api.deploy("acme", &caller(&server)).await;
    let order = json!({ "host": format!("localhost:{}", server.port) });
    let fetched = host.api.ask("acme", "caller", "fetch", &order).await.said();
    assert!(fetched["error"].is_string(), "{fetched:#}");
    assert_eq!(server.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_narrower_policy_ends_the_calls_of_a_running_agent() {
    let mut server = Server::start().await;
    let host = Host::with_tenants(&["acme"]).await;
    set_policy(&host, &policy(&server)).await;
    host.api.deploy("acme", &caller(&server)).await;
    let order = json!({ "host": format!("localhost:{}", server.port) });
    let fetch = async || host.api.ask("acme", "caller", "fetch", &order).await.said();
    assert_eq!(fetch().await["status"], 200);
    server.heads.recv().await.unwrap();
    set_policy(&host, "").await;
    let fetched = fetch().await;
    assert!(fetched["error"].as_str().is_some_and(|error| error.contains("Denied")), "{fetched:#}");
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}
