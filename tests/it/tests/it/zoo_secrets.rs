//! Secrets and keys through everything that a host does, and then a search for them in all that it left: nothing is found.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tests_kit::{Host, Package, Setup, canary};

use crate::zoo_http::Server;

/// Secrets of each tenant. With the host's own four keys, more than fifty canaries.
pub(crate) const SECRETS: usize = 24;
/// The host's own keys: where they are, nothing else may be.
const KEY_FILES: [&str; 4] = ["kek", "artifact.key", "audit.key", "operator.token"];

/// What must not be found, as it was given and in the spellings that bytes take in texts.
struct Canaries(Vec<Vec<u8>>);

impl Canaries {
    fn new(plain: &[Vec<u8>]) -> Self {
        let spelt = |bytes: &Vec<u8>| [bytes.clone(), hex(bytes), base64(bytes)];
        Self(plain.iter().flat_map(spelt).collect())
    }

    /// Fails the test if one of them is in these bytes.
    fn absent(&self, place: &str, bytes: &[u8]) {
        for canary in &self.0 {
            let found = bytes.windows(canary.len()).position(|part| part == canary);
            assert_eq!(found, None, "{place} holds {}", String::from_utf8_lossy(canary));
        }
    }
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
}

/// The whole groups of three bytes.
fn base64(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |three: &[u8]| {
        let bits = three.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        [18, 12, 6, 0].map(|shift| DIGITS[bits >> shift & 63])
    };
    bytes.chunks_exact(3).flat_map(group).collect()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// The host's own keys as they are on the disk; the token is text.
fn keys_of(host: &Host) -> Vec<Vec<u8>> {
    KEY_FILES.iter().map(|name| fs::read(host.data.join(name)).unwrap().trim_ascii_end().to_vec()).collect()
}

/// Everything that the API tells by GET of two tenants and of the host.
async fn all_told(host: &Host) -> Vec<(String, Vec<u8>)> {
    let described = host.api.get("/api/openapi.json").await.ok();
    let mut told = Vec::new();
    for (path, methods) in described["paths"].as_object().unwrap() {
        // A stream does not end.
        if methods.get("get").is_none() || path.ends_with("/stream") {
            continue;
        }
        for (tenant, agent) in [("acme", "caller"), ("globex", "zoo")] {
            let path = path.replace("{tenant}", tenant).replace("{id}", agent);
            for query in ["", "?limit=1000", &format!("?tenant={tenant}"), &format!("?tenant={tenant}&limit=1000")] {
                let asked = format!("{path}{query}");
                let answer = host.api.get(&asked).await;
                told.push((asked, answer.body));
            }
        }
    }
    let answered = told.iter().filter(|(_, body)| body.starts_with(b"{\"items\":[{")).count();
    assert!(answered >= 8, "{answered} lists with something in them");
    told
}

/// The policy that binds `s0` to `s23` to a server's `/v1/`.
fn policy(server: &Server) -> String {
    let host = server.host();
    let names: Vec<String> = (0..SECRETS).map(|number| format!("s{number}")).collect();
    let bound = |name: &String| format!("[[secrets]]\nname = '{name}'\nhost = '{host}'\npath = '/v1/'\n");
    let allow = format!("private_hosts = ['{host}']\n[[allow]]\nhttp = ['{host}']\nsecrets = {names:?}\n");
    allow + &names.iter().map(bound).collect::<String>()
}

async fn set_secret(host: &Host, tenant: &str, name: &str, value: &str) {
    let body = json!({ "value": value });
    host.api.call("PUT", &format!("/api/tenants/{tenant}/secrets/{name}"), Some(&body)).await.ok();
}

pub(crate) async fn call_out(host: &Host, server: &Server, path: &str, name: &str) -> Value {
    let headers = json!([["authorization", format!("Bearer {{{{secret:{name}}}}}")]]);
    let order = json!({ "host": server.authority(), "path": path, "headers": headers });
    host.api.ask("acme", "caller", "fetch", &order).await.said()
}

/// Two tenants with their secrets, an agent that calls out with them, and one that fails.
pub(crate) async fn seeded(setup: Setup, server: &Server, canaries: &[String]) -> Host {
    let host = setup.start().and_tenants(&["acme", "globex"]).await;
    host.api.call("PUT", "/api/tenants/acme/policy", Some(&json!({ "policy": policy(server) }))).await.ok();
    for (number, canary) in canaries.iter().enumerate() {
        let tenant = if number < SECRETS { "acme" } else { "globex" };
        set_secret(&host, tenant, &format!("s{}", number % SECRETS), canary).await;
    }
    let names: Vec<String> = (0..SECRETS).map(|number| format!("s{number}")).collect();
    let caller = Package::read("tests/guests/caller.toml").with("grants.http", vec![server.host()]);
    host.api.deploy("acme", &caller.with("grants.secrets", names)).await;
    host.api.deploy("globex", &Package::zoo()).await;
    host
}

/// What goes wrong around secrets: where they may not go, what is too long, what has the wrong shape, guests that fail, keys that
/// change.
async fn go_wrong(host: &Host, server: &Server, canary: &str) {
    assert!(call_out(host, server, "/v2/x", "s0").await["error"].is_string());
    assert!(call_out(host, server, "/v1/x", "none").await["error"].is_string());
    let put = async |name: &str, body: Value| {
        host.api.call("PUT", &format!("/api/tenants/acme/secrets/{name}"), Some(&body)).await
    };
    put("s0", json!({ "value": canary.repeat(1_000) })).await.refused(400, "bad-secret");
    for wrong in
        [json!(canary), json!({ "value": [canary] }), json!({ "value": "x", canary: "x" }), json!([canary, canary])]
    {
        let answer = put("s0", wrong).await;
        assert_eq!(answer.status, 400);
        let told = String::from_utf8(answer.body).unwrap();
        assert!(!told.contains(canary), "{told}");
    }
    for kind in ["panic", "trap", "fail-reject"] {
        let text = if kind == "trap" { Value::Null } else { json!("{{secret:s0}}") };
        assert_eq!(host.api.ask("globex", "zoo", kind, &text).await.status, 422);
    }
    for tenant in ["acme", "globex"] {
        host.cli(&["tenant", "key", "rotate", "--tenant", tenant]).ok();
    }
    host.cli(&["vault", "rotate"]).ok();
}

/// C08: what was told, logged and kept holds no secret and none of the host's keys, in no spelling.
#[tokio::test]
async fn no_secret_is_in_anything_that_a_host_tells_logs_or_keeps() {
    let server = Server::start("hello").await;
    let secrets: Vec<String> = (0..SECRETS * 2).map(|_| canary()).collect();
    let mut host = seeded(Setup::new().env("BAILIWICK_LOG__LEVEL", "trace"), &server, &secrets).await;
    let plain = secrets.iter().map(|secret| secret.clone().into_bytes());
    let canaries = Canaries::new(&plain.chain(keys_of(&host)).collect::<Vec<_>>());
    let mut watch = host.api.watch("acme").await;
    for number in 0..SECRETS {
        assert_eq!(call_out(&host, &server, "/v1/x", &format!("s{number}")).await["status"], 200);
    }
    assert_eq!(server.heads().iter().filter(|head| head.contains("authorization: Bearer canary")).count(), SECRETS);
    go_wrong(&host, &server, &canary()).await;
    go_wrong(&host, &server, &secrets[0]).await;
    let mut told = all_told(&host).await;
    let first = host.kill();
    host.start_again();
    host.ready().await;
    assert_eq!(call_out(&host, &server, "/v1/x", "s1").await["status"], 200, "it is still there");
    told.extend(all_told(&host).await);
    for verb in
        [&["tenant", "secret", "list", "--tenant", "acme"][..], &["audit", "list"], &["usage"], &["tenant", "list"]]
    {
        told.push((verb.join(" "), host.cli(verb).ok().into_bytes()));
    }
    let second = host.terminate();
    while let Some(seen) = watch.next().await {
        told.push(("a stream".to_owned(), seen.data.to_string().into_bytes()));
    }

    for (place, bytes) in &told {
        canaries.absent(place, bytes);
    }
    for ended in [first, second] {
        canaries.absent("the log", [ended.stdout, ended.stderr].concat().join("\n").as_bytes());
    }
    for path in files_below(&host.data) {
        if !KEY_FILES.iter().any(|name| path == host.data.join(name)) {
            canaries.absent(&path.display().to_string(), &fs::read(&path).unwrap());
        }
    }
}

/// C13: who may see the processes of the machine sees no secret, neither the host's nor one that was lent to it.
#[tokio::test]
async fn no_process_of_a_host_shows_a_secret_and_its_compiler_gets_none() {
    let lent = canary();
    // Without compiled code, so that there is a compiling child to look at.
    let host = Setup::new().env("LENT_TO_THE_HOST", &lent).blank().start().and_tenants(&["acme"]).await;
    let secret = canary();
    set_secret(&host, "acme", "s0", &secret).await;
    let api = host.api.clone();
    let deploying = tests_kit::aside(async move { api.deploy("acme", &Package::zoo()).await });
    let child = tests_kit::eventually("the compiler runs", async || host.children().into_iter().find_map(shown)).await;
    let own = shown(host.id()).unwrap();
    deploying.await.unwrap();

    let mut keys = keys_of(&host);
    keys.push(secret.into_bytes());
    Canaries::new(&keys).absent("the host's process", &[own.0.clone(), own.1].concat());
    keys.push(lent.clone().into_bytes());
    Canaries::new(&keys).absent("the host's arguments", &own.0);
    Canaries::new(&keys).absent("the compiler's process", &[child.0.clone(), child.1.clone()].concat());
    assert!(child.0.ends_with(b"compile-component\0"), "{}", String::from_utf8_lossy(&child.0));
    let variables = String::from_utf8(child.1).unwrap();
    assert!(variables.starts_with("BAILIWICK_COMPILE_LIMITS=") && variables.matches('\0').count() == 1, "{variables}");
}

/// The arguments and the variables of a process, once it is the program that it is to become.
fn shown(process: u32) -> Option<(Vec<u8>, Vec<u8>)> {
    let read = |name: &str| fs::read(format!("/proc/{process}/{name}")).ok().filter(|bytes| !bytes.is_empty());
    let (arguments, variables) = (read("cmdline")?, read("environ")?);
    let is_ours = arguments.windows(7).any(|part| part == b"compile" || part == b"--data\0");
    is_ours.then_some((arguments, variables))
}
