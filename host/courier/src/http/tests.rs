//! Handles: whose they are, how many there are, and when they end.

use std::io;
use std::net::SocketAddr;

use host_calls::HostCall;
use host_egress::{Authorities, EgressLimits, EgressParts, EgressPolicy, NoSecrets, Resolve};
use host_model::{Scheme, SecretBinding, SecretName, TenantId};
use host_quota::Budget;
use tests_kit::gate::born;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::samples::{Peer, World};
use crate::{Counters, Shadow, ShadowTally};

/// Allows everything.
struct Open;

impl EgressPolicy for Open {
    fn may_call(&self, _: &TenantId, _: Scheme, _: &str, _: u16) -> bool {
        true
    }

    fn private_allowed(&self, _: &TenantId, _: &str, _: u16) -> bool {
        true
    }

    fn secret_binding(&self, _: &TenantId, _: &SecretName) -> Option<SecretBinding> {
        None
    }
}

/// Every name stands for one server.
struct Home(SocketAddr);

#[async_trait::async_trait]
impl Resolve for Home {
    async fn resolve(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(vec![self.0])
    }
}

/// A host whose way out leads to a server that answers each connection once, with `hello`.
async fn world(total_ms_max: u32) -> (World, tokio::task::JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let home = listener.local_addr().unwrap();
    let mut serving = tokio::task::JoinSet::new();
    serving.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello").await.unwrap();
        }
    });
    let egress = Egress::new(EgressParts {
        policy: Arc::new(Open),
        secrets: Arc::new(NoSecrets),
        resolve: Arc::new(Home(home)),
        authorities: Authorities::public(),
        limits: EgressLimits { total_ms_max, ..EgressLimits::default() },
    });
    (World::with_egress(egress), serving)
}

fn join(world: &World, agent: &str, budget: &Arc<Budget>) -> Peer {
    let grants = Grants { http: vec!["http://a.test".parse().unwrap()], ..Grants::default() };
    let party = Party::new(born("acme", agent), grants, Budget::new(1), false, Arc::<Counters>::default());
    world.join_as(party.with_http(budget.clone()), 1)
}

async fn ask(world: &World, peer: &Peer, call: HttpCall) -> Result<HttpReply, Refusal> {
    let reply = match world.call(peer, HostCall::Http(call)) {
        Answer::Now(reply) => reply,
        Answer::Later(reply) => reply.await,
    };
    reply.map(|reply| match reply {
        HostReply::Http(reply) => reply,
        other => panic!("{other:?}"),
    })
}

fn open(url: &str) -> HttpCall {
    let (method, url) = ("GET".to_owned(), url.to_owned());
    HttpCall::Open(Box::new(HttpOpen { method, url, headers: vec![], body: vec![], waits: HttpWaits::default() }))
}

async fn opened_by(world: &World, peer: &Peer) -> u32 {
    match ask(world, peer, open("http://a.test/")).await {
        Ok(HttpReply::Opened { status: 200, handle, .. }) => handle,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_response_is_read_to_its_end_by_who_opened_it_and_nobody_else() {
    let (world, _serving) = world(60_000).await;
    let budget = Budget::new(8);
    let (one, two) = (join(&world, "one", &budget), join(&world, "two", &budget));
    let handle = opened_by(&world, &one).await;
    let read = |max| HttpCall::Read { handle, max };
    assert_eq!(ask(&world, &two, read(9)).await, Err(Refusal::NotFound));
    ask(&world, &two, HttpCall::Close { handle }).await.unwrap();
    assert_eq!(ask(&world, &one, read(2)).await, Ok(HttpReply::Chunk(b"he".to_vec())));
    assert_eq!(ask(&world, &one, read(9)).await, Ok(HttpReply::Chunk(b"llo".to_vec())));
    assert_eq!(ask(&world, &one, read(9)).await, Ok(HttpReply::End));
    assert_eq!(ask(&world, &one, read(9)).await, Err(Refusal::NotFound));
    assert_eq!(budget.used(), 0);
}

#[tokio::test]
async fn a_response_ends_when_it_is_closed_its_reader_is_dropped_or_its_agent_leaves() {
    let (world, _serving) = world(60_000).await;
    let budget = Budget::new(8);
    let one = join(&world, "one", &budget);
    let handle = opened_by(&world, &one).await;
    ask(&world, &one, HttpCall::Close { handle }).await.unwrap();
    assert_eq!(budget.used(), 0);
    let handle = opened_by(&world, &one).await;
    drop(world.call(&one, HostCall::Http(HttpCall::Read { handle, max: 1 })));
    assert_eq!(budget.used(), 0);
    opened_by(&world, &one).await;
    assert_eq!(budget.used(), 1);
    world.courier.leave(&one.party.caller);
    assert_eq!(budget.used(), 0);
}

#[tokio::test]
async fn an_agent_has_so_many_responses_open_and_no_more() {
    let (world, _serving) = world(60_000).await;
    let one = join(&world, "one", &Budget::new(1_000));
    for _ in 0..OPEN_MAX {
        opened_by(&world, &one).await;
    }
    assert_eq!(ask(&world, &one, open("http://a.test/")).await, Err(too_many_open()));
    let two = join(&world, "two", &Budget::new(1_000));
    opened_by(&world, &two).await;
}

#[tokio::test]
async fn a_response_that_nobody_reads_gives_its_share_back_after_its_time() {
    let (world, _serving) = world(1).await;
    let budget = Budget::new(1);
    let one = join(&world, "one", &budget);
    // As often as it takes to get the head of a response within a millisecond.
    while budget.used() == 0 {
        let _ = ask(&world, &one, open("http://a.test/")).await;
    }
    let began = Instant::now();
    while let Err(Refusal::OverQuota(_)) = ask(&world, &one, open("http://a.test/")).await {
        assert!(began.elapsed() < Duration::from_secs(10), "it is held for ever");
    }
}

#[tokio::test]
async fn without_the_grant_there_is_no_http_and_without_a_host_no_request() {
    let (world, _serving) = world(60_000).await;
    let refused = |code: &str| Err(Refusal::NotGranted(RefusalNumbers::of(code)));
    let none = world.join("acme", "none", &[], 1);
    assert_eq!(ask(&world, &none, open("http://a.test/")).await, refused("http-not-granted"));
    let one = join(&world, "one", &Budget::new(1));
    for url in ["http://b.test/", "https://a.test/", "http://a.test:81/"] {
        assert_eq!(ask(&world, &one, open(url)).await, refused("http-not-granted"), "{url}");
    }
    assert_eq!(ask(&world, &one, open("http://a@a.test/")).await, Err(Refusal::Invalid(RefusalNumbers::of("url"))));
}

#[tokio::test]
async fn a_response_of_a_host_that_is_allowed_no_longer_is_not_read_on_and_can_be_closed() {
    let (world, _serving) = world(60_000).await;
    let budget = Budget::new(8);
    let one = join(&world, "one", &budget);
    let check = async |hosts: &[&str]| {
        let handle = opened_by(&world, &one).await;
        let http = hosts.iter().map(|host| host.parse().unwrap()).collect();
        one.party.set_grants(Grants { http, ..Grants::default() });
        let read = ask(&world, &one, HttpCall::Read { handle, max: 9 }).await;
        assert_eq!(ask(&world, &one, HttpCall::Close { handle }).await, Ok(HttpReply::Closed), "{hosts:?}");
        assert_eq!(budget.used(), 0, "{hosts:?}");
        one.party.set_grants(Grants { http: vec!["http://a.test".parse().unwrap()], ..Grants::default() });
        read
    };
    for hosts in [&[][..], &["http://b.test"], &["https://a.test"], &["http://a.test:81"]] {
        assert_eq!(check(hosts).await, Err(not_granted()), "{hosts:?}");
    }
    assert_eq!(check(&["http://*.b.test", "http://a.test"]).await, Ok(HttpReply::Chunk(b"hello".to_vec())));
}

#[tokio::test]
async fn a_policy_that_is_tried_counts_the_hosts_and_secrets_it_would_deny() {
    let (world, _serving) = world(60_000).await;
    let one = join(&world, "one", &Budget::new(8));
    let grants = |hosts: [&str; 2], secrets: &[&str]| Grants {
        http: hosts.map(|host| host.parse().unwrap()).into(),
        secrets: secrets.iter().map(|name| name.parse().unwrap()).collect(),
        ..Grants::default()
    };
    one.party.set_grants(grants(["http://a.test", "http://b.test"], &["in", "out"]));
    let tally = Arc::<ShadowTally>::default();
    let tried = grants(["http://a.test", "https://b.test"], &["in"]);
    one.party.set_shadow(Some(Arc::new(Shadow { grants: tried, tally: tally.clone() })));
    for url in ["http://a.test/", "http://b.test/x", "http://b.test/y", "http://c.test/", "http://b.test:81/"] {
        let HttpCall::Open(mut request) = open(url) else { unreachable!() };
        let value = b"{{secret:in}}{{secret:out}}{{secret:foreign}}".to_vec();
        request.headers = vec![HttpHeader { name: "x-keys".into(), value }];
        let _ = ask(&world, &one, HttpCall::Open(request)).await;
    }
    let counted: Vec<_> = tally.view().0.into_iter().map(|kind| (kind.key, kind.what, kind.count)).collect();
    assert_eq!(counted, [("http", "http://b.test".to_owned(), 2), ("secrets", "out".to_owned(), 3)]);
}
