//! `wasi:http` end to end in this process: a real guest, the courier, the way out, and a server on the loopback.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use host_egress::{Authorities, EgressLimits, EgressParts, EgressPolicy, Resolve, SecretSource};
use host_model::{Outcome, Scheme, SecretBinding, SecretName, TenantId, TrapCause};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Bytes, Frame};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use wasmtime_wasi_http::{Error, WasiBody, WasiHttpView as _};

use super::*;
use crate::http::WRITTEN_AT_ONCE_MAX;
use crate::state::{AgentState, Run};

/// The guest's secret, which it must never see.
const CANARY: &str = "canary-90210";

/// Allows everything but to a host named `private.test` on private addresses; binds every secret to `a.test`.
struct Policy;

impl EgressPolicy for Policy {
    fn may_call(&self, _: &TenantId, _: Scheme, _: &str, _: u16) -> bool {
        true
    }

    fn private_allowed(&self, _: &TenantId, host: &str, _: u16) -> bool {
        host != "private.test"
    }

    fn secret_binding(&self, _: &TenantId, name: &SecretName) -> Option<SecretBinding> {
        Some(SecretBinding { name: name.clone(), host: "http://a.test".parse().unwrap(), path_prefix: "/".into() })
    }
}

impl SecretSource for Policy {
    fn secret(&self, _: &TenantId, _: &SecretName) -> Option<zeroize::Zeroizing<String>> {
        Some(CANARY.to_owned().into())
    }
}

/// Every name stands for one server, whatever the port.
struct Home(SocketAddr);

#[async_trait::async_trait]
impl Resolve for Home {
    async fn resolve(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(vec![self.0])
    }
}

/// A server, and an agent that may call it under the names `a.test`, `b.test` and `private.test`.
struct World {
    agent: Agent,
    program: Arc<Program>,
    under_way: Arc<Budget>,
    seen: Arc<parking_lot::Mutex<Vec<String>>>,
    _sandbox: Sandbox,
    _serving: JoinSet<()>,
}

impl World {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (home, seen) = (listener.local_addr().unwrap(), Arc::<parking_lot::Mutex<Vec<_>>>::default());
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, seen.clone()));
        let egress = Egress::new(EgressParts {
            policy: Arc::new(Policy),
            secrets: Arc::new(Policy),
            resolve: Arc::new(Home(home)),
            authorities: Authorities::public(),
            limits: EgressLimits { connect_ms_max: 1_000, first_byte_ms_max: 500, ..EgressLimits::default() },
        });
        let http = ["http://a.test", "http://b.test", "http://private.test"].map(|host| host.parse().unwrap()).into();
        let grants = Grants { http, secrets: vec!["key".parse().unwrap()], ..Grants::default() };
        let limits =
            Limits { fuel_per_message: 100_000_000_000, deadline: Duration::from_mins(1), ..Limits::default() };
        let under_way = Budget::new(8);
        let sandbox = Sandbox::new(Pool::Fast, 4);
        let program = sandbox.program(&guest("tests/guests/target/wasm32-wasip2/release/caller.wasm")).await;
        let agent = Agent::with_egress(limits, egress, grants, under_way.clone());
        Self { agent, program, under_way, seen, _sandbox: sandbox, _serving: serving }
    }

    async fn handled(&self, message_type: &str, order: &Value) -> Handled {
        let stamped = Sender::in_tenant("acme").to_agent("guest", &order.to_string());
        let message = Envelope { message_type: message_type.to_owned(), ..stamped.envelope().clone() };
        self.program.handle_fresh(&self.agent.birth, &message).await
    }

    async fn ask(&self, message_type: &str, order: Value) -> (Value, u64) {
        let handled = self.handled(message_type, &order).await;
        match handled.outcome {
            Outcome::Done(Some(draft)) => (serde_json::from_slice(&draft.payload).unwrap(), handled.fuel_used),
            other => panic!("{order}: {other:?}"),
        }
    }

    async fn fetch(&self, order: Value) -> Value {
        self.ask("fetch", order).await.0
    }
}

/// Answers what the path asks for; a request's body is taken as far as its length says.
async fn serve(listener: TcpListener, seen: Arc<parking_lot::Mutex<Vec<String>>>) {
    let mut connections = JoinSet::new();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let seen = seen.clone();
        connections.spawn(async move {
            let mut bytes = Vec::new();
            while !is_whole(&bytes) {
                if stream.read_buf(&mut bytes).await.unwrap() == 0 {
                    return;
                }
            }
            let request = String::from_utf8_lossy(&bytes).into_owned();
            let path = request.split(' ').nth(1).unwrap().to_owned();
            seen.lock().push(request);
            let body = match path.as_str() {
                "/silence" => return std::future::pending().await,
                "/large" => "x".repeat(100_000),
                "/cut" => "cut".to_owned(),
                _ => "hello".to_owned(),
            };
            let len = if path == "/cut" { 100 } else { body.len() };
            let head =
                format!("HTTP/1.1 200 OK\r\nx-server: loopback\r\nconnection: close\r\ncontent-length: {len}\r\n\r\n");
            // The other side may have read enough.
            let _ = stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).await;
        });
    }
}

fn is_whole(bytes: &[u8]) -> bool {
    let Some(head) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
    let len = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    bytes.len() >= head + 4 + len.unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_calls_a_granted_host_and_pays_for_each_byte() {
    let world = World::new().await;
    let answer = world.fetch(json!({ "host": "a.test", "path": "/x?y=1", "headers": [["x-one", "1"]] })).await;
    assert_eq!((&answer["status"], &answer["body"]), (&json!(200), &json!("hello")), "{answer}");
    assert!(answer["headers"].as_array().unwrap().contains(&json!(["x-server", "loopback"])), "{answer}");
    let request = world.seen.lock()[0].clone();
    assert!(request.starts_with("GET /x?y=1 HTTP/1.1\r\n") && request.contains("x-one: 1\r\n"), "{request}");
    assert!(request.contains("host: a.test\r\n"), "{request}");

    let (small, small_fuel) = world.ask("fetch", json!({ "host": "a.test", "method": "POST", "size": 1 })).await;
    let (sent, sent_fuel) = world.ask("fetch", json!({ "host": "a.test", "method": "POST", "size": 200_000 })).await;
    assert_eq!((&small["status"], &sent["status"]), (&json!(200), &json!(200)), "{small} {sent}");
    assert!(world.seen.lock()[2].ends_with(&"x".repeat(200_000)));
    assert!(sent_fuel - small_fuel >= 199_999, "{sent_fuel} after {small_fuel}");
    let (large, large_fuel) = world.ask("fetch", json!({ "host": "a.test", "path": "/large" })).await;
    assert_eq!(large["len"], 100_000);
    assert!(large_fuel - small_fuel >= 99_000, "{large_fuel} after {small_fuel}");
    assert_eq!(world.under_way.used(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_is_told_the_kind_of_a_refusal_and_no_more() {
    let world = World::new().await;
    let check = async |order: Value, expected: &str| {
        let answer = world.fetch(order.clone()).await;
        let error = answer["error"].as_str().unwrap_or_default();
        assert!(error.contains(expected), "{order}: {answer}");
    };
    for host in ["c.test", "a.test:81", "127.0.0.1", "a.test.evil.test"] {
        check(json!({ "host": host }), "HttpRequestDenied").await;
    }
    check(json!({ "host": "a.test", "http": false }), "HttpRequestDenied").await;
    check(json!({ "host": "private.test" }), "DestinationUnavailable").await;
    for host in ["u@a.test", "0177.0.0.1", "2130706433", "[::1]"] {
        check(json!({ "host": host }), "HttpRequestUriInvalid").await;
    }
    check(json!({ "host": "a.test", "method": "CONNECT" }), "HttpRequestMethodInvalid").await;
    check(json!({ "host": "a.test", "headers": [["authorization", "Bearer mine"]] }), "HttpRequestDenied").await;
    for name in ["host", "cookie", "X-Forwarded-For", "via", "x-tenant-id", "transfer-encoding"] {
        check(json!({ "host": "a.test", "headers": [[name, "b"]] }), "Forbidden").await;
    }
    check(json!({ "host": "a.test", "method": "POST", "size": 1_048_577 }), "HttpRequestBodySize").await;
    check(json!({ "host": "a.test", "method": "POST", "size": (4 << 20) + 1 }), "HttpRequestBodySize").await;
    assert!(world.seen.lock().is_empty(), "{:?}", world.seen.lock());
    check(json!({ "host": "a.test", "path": "/silence" }), "HttpResponseTimeout").await;
    // The stream fails; wasmtime-wasi-http 48 has no code for an error in the middle of a body.
    check(json!({ "host": "a.test", "path": "/cut" }), "unknown").await;
    assert_eq!(world.under_way.used(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn absurd_fields_cut_a_guest_off_and_absurd_timeouts_are_the_hosts() {
    let world = World::new().await;
    // WASI 0.2 has no word for it. The one is stopped by the size of fields, the other by the bytes of one host call.
    for (behaviour, words) in [("many-fields", "total size of fields exceeds limit"), ("large-field", "")] {
        let handled = world.handled(behaviour, &json!({})).await;
        let Outcome::Trapped { cause: TrapCause::Trap, detail } = handled.outcome else { panic!("{handled:?}") };
        assert!(detail.contains(words), "{behaviour}: {detail}");
    }
    for (nanos, path, expected) in
        [(0, "/silence", "HttpResponseTimeout"), (u64::MAX, "/silence", "HttpResponseTimeout"), (u64::MAX, "/", "")]
    {
        let answer = world.fetch(json!({ "host": "a.test", "path": path, "timeout_ns": nanos })).await;
        assert!(answer["error"].as_str().unwrap_or_default().contains(expected), "{nanos}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_names_a_secret_and_never_holds_it() {
    let world = World::new().await;
    let headers = json!([["authorization", "Bearer {{secret:key}}"]]);
    let answer = world.fetch(json!({ "host": "a.test", "headers": headers })).await;
    assert_eq!(answer["status"], 200, "{answer}");
    assert!(world.seen.lock()[0].contains(&format!("authorization: Bearer {CANARY}\r\n")));
    assert!(!answer.to_string().contains(CANARY));
    let refused = world.fetch(json!({ "host": "b.test", "headers": headers })).await;
    assert!(refused["error"].as_str().unwrap().contains("HttpRequestDenied"), "{refused}");
    assert_eq!(world.seen.lock().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_run_holds_open_is_bounded_and_ends_with_it() {
    let world = World::new().await;
    let (held, _) = world.ask("hold", json!({ "host": "a.test" })).await;
    assert_eq!(held[0], 8, "{held}");
    assert!(held[1].as_str().unwrap().contains("ConnectionLimitReached"), "{held}");
    assert_eq!(world.under_way.used(), 0);
}

/// A body of which this was written, and which has not ended.
struct HalfWritten(Option<Bytes>);

impl Body for HalfWritten {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.0.take().map_or(Poll::Pending, |bytes| Poll::Ready(Some(Ok(Frame::data(bytes)))))
    }
}

/// A request of an instance: still to be written, or why it is not.
type Begun = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

fn begin(state: &mut AgentState, body: WasiBody) -> Option<Result<Begun, Error>> {
    let request = ::http::Request::post("http://a.test/").body(body).unwrap();
    let sent = Pin::from(state.http().hooks.send_request(request, None, Box::new(std::future::ready(Ok(())))));
    let mut sent: Begun = Box::pin(async move { sent.await.map(drop) });
    match sent.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Pending => Some(Ok(sent)),
        Poll::Ready(Err(error)) => Some(Err(error)),
        Poll::Ready(Ok(())) => None,
    }
}

#[tokio::test]
async fn requests_that_a_guest_does_not_finish_are_few_paid_for_and_within_its_tenants_memory() {
    const LEN: usize = 1 << 20;
    let agent = Agent::new(Limits::default());
    let run = Run { id: 1, deadline: Instant::now() + Duration::from_mins(1), cause: None };
    let mut state = AgentState::new(agent.birth.clone(), run).ok().unwrap();
    let memory = &agent.birth.tenant_memory;
    let mut half = || begin(&mut state, HalfWritten(Some(vec![b'x'; LEN].into())).boxed_unsync()).unwrap();

    let (written, refused): (Vec<_>, Vec<_>) = (0..500).map(|_| half()).partition(Result::is_ok);
    assert_eq!(written.len(), WRITTEN_AT_ONCE_MAX);
    assert!(refused.iter().all(|refused| matches!(refused, Err(Error::ConnectionLimitReached))));
    assert_eq!(memory.used(), (WRITTEN_AT_ONCE_MAX * LEN) as u64);
    drop(written);
    assert_eq!(memory.used(), 0);

    memory.set_max(LEN as u64);
    let last = half();
    assert!(last.is_ok() && matches!(half(), Err(Error::ConnectionLimitReached)));
    drop(last);
    assert_eq!(memory.used(), 0);

    let debt = state.debt.load(Ordering::Relaxed);
    assert_eq!(debt, ((WRITTEN_AT_ONCE_MAX + 2) * LEN) as u64, "what was taken is paid for, refused or not");
    // One that has nothing to write is asked for at once, whoever else writes.
    let mut half = || begin(&mut state, HalfWritten(None).boxed_unsync()).unwrap();
    let _written: Vec<_> = (0..WRITTEN_AT_ONCE_MAX).map(|_| half()).collect();
    let empty = http_body_util::Empty::new().map_err(|never| match never {}).boxed_unsync();
    assert!(matches!(begin(&mut state, empty), Some(Err(Error::HttpRequestDenied))));
}

#[test]
fn a_request_is_written_in_parts_that_the_host_has_room_for() {
    let agent = Agent::new(Limits::default());
    let run = Run { id: 1, deadline: Instant::now(), cause: None };
    let mut state = AgentState::new(agent.birth.clone(), run).ok().unwrap();
    let hooks = state.http().hooks;
    assert_eq!((hooks.p2_outgoing_body_chunk_size(), hooks.p2_outgoing_body_buffer_chunks()), (64 << 10, 2));
    let forbidden = hooks.forbidden_header_filter();
    for name in
        ["host", "connection", "transfer-encoding", "proxy-authorization", "forwarded", "x-forwarded-for", "via"]
    {
        assert!(forbidden(&name.parse().unwrap()), "{name}");
    }
    assert!(!forbidden(&"accept".parse().unwrap()));
}

#[tokio::test]
async fn without_its_grant_nothing_of_http_is_linked() {
    let sandbox = Sandbox::new(Pool::Fast, 2);
    let bytes = guest("tests/guests/target/wasm32-wasip2/release/caller.wasm");
    let granted: Vec<_> = Capability::ALL.into_iter().filter(|capability| *capability != Capability::Http).collect();
    let refused = sandbox.engine.program(Digest::of(&bytes), &bytes, &granted).await.err().unwrap();
    assert!(refused.to_string().contains("wasi:http/"), "{refused}");
}
