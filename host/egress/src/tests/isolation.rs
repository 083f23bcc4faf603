//! What one tenant's requests tell of another's, and what errors tell of the network: nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::server::{Answer, Server, ok};
use super::world::{Ask, Setup, World, body, kind, url};
use crate::connector::LOOKUPS_MAX;
use crate::{Authorities, EgressError, EgressLimits};

#[tokio::test]
async fn two_tenants_share_no_connection_and_one_keeps_its_own() {
    let (world, server) = (
        World::new(),
        Server::start(|_| {
            Answer::Bytes(b"HTTP/1.1 200 OK\r\nset-cookie: who=you\r\ncontent-length: 0\r\n\r\n".to_vec())
        })
        .await,
    );
    world.name("a.test", &server);
    let url = url("a.test", &server, "/");
    for tenant in ["acme", "globex", "acme", "globex"] {
        body(&mut world.send(&Ask { tenant, url: &url, ..Ask::default() }).await.unwrap()).await.unwrap();
    }
    assert_eq!((server.requests().len(), server.connections()), (4, 2));
    assert!(server.requests().iter().all(|request| !request.to_lowercase().contains("cookie")));
}

#[tokio::test]
async fn the_tenant_that_asked_longest_ago_is_left_out_and_a_forgotten_one_starts_afresh() {
    let limits = EgressLimits { pools_max: 2, ..EgressLimits::default() };
    let (world, server) = (World::with(Setup { limits, ..Setup::default() }), Server::start(|_| ok("")).await);
    world.name("a.test", &server);
    let url = url("a.test", &server, "/");
    let check = async |tenant, connections| {
        body(&mut world.send(&Ask { tenant, url: &url, ..Ask::default() }).await.unwrap()).await.unwrap();
        assert_eq!(server.connections(), connections, "{tenant}");
    };
    check("acme", 1).await;
    check("globex", 2).await;
    check("acme", 2).await;
    check("initech", 3).await;
    check("acme", 3).await;
    check("globex", 4).await;
    world.egress.forget(&"globex".parse().unwrap());
    check("globex", 5).await;
}

#[tokio::test]
async fn an_error_tells_nothing_of_what_listens_behind_it() {
    let (world, open) = (World::new(), Server::start(|_| ok("")).await);
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    world.name("open.test", &open);
    world.name_each("closed.test", &[&[closed]]);
    world.name_each("a.test", &[&[closed]]);
    let check = async |host: &str, port: u16, expected: &str| {
        assert_eq!(kind(&world.get(&format!("http://{host}:{port}/")).await), expected, "{host}");
    };
    // Filtered with and without a listener, no such name, and nobody there: one answer.
    let unreachable = "it cannot be reached";
    check("open.test", open.address.port(), unreachable).await;
    check("closed.test", closed.port(), unreachable).await;
    check("nowhere.test", 80, unreachable).await;
    check("a.test", closed.port(), unreachable).await;
    // Not granted by the manifest or not allowed by the policy, with and without a listener: one answer, and no lookup.
    let asked = world.names.asked.load(Ordering::Relaxed);
    for host in ["ungranted.test", "forbidden.test"] {
        check(host, open.address.port(), "the host is not granted").await;
        check(host, closed.port(), "the host is not granted").await;
    }
    assert_eq!(world.names.asked.load(Ordering::Relaxed), asked);
    assert!(open.requests().is_empty());
}

#[tokio::test]
async fn a_tenant_has_as_many_requests_under_way_as_it_may_until_their_bodies_end() {
    let (world, server) = (World::new(), Server::start(|_| ok("body")).await);
    world.name("a.test", &server);
    let url = url("a.test", &server, "/");
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(world.get(&url).await.unwrap());
    }
    let refused = world.get(&url).await;
    assert!(matches!(&refused, Err(EgressError::TooMany(over)) if over.max == 8), "{refused:?}");
    let mut ended = held.pop().unwrap();
    assert_eq!(body(&mut ended).await.unwrap(), "body");
    // At its end, not only when it is dropped.
    held.push(world.get(&url).await.unwrap());
    drop((held, ended));
    assert_eq!(world.budget.used(), 0);
}

#[tokio::test]
async fn ten_thousand_requests_at_once_are_eight_and_the_rest_is_told_at_once() {
    let (world, server) = (World::new(), Server::start(|_| Answer::Silence).await);
    world.name("a.test", &server);
    let url = url("a.test", &server, "/");
    let world = Arc::new(world);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..10_000 {
        let (world, url) = (world.clone(), url.clone());
        tasks.spawn(async move { kind(&world.get(&url).await) });
    }
    for _ in 0..9_992 {
        assert_eq!(tasks.join_next().await.unwrap().unwrap(), "too many requests are under way");
    }
    assert_eq!((tasks.len(), world.budget.used()), (8, 8));
    tasks.shutdown().await;
    assert_eq!(world.budget.used(), 0);
}

#[tokio::test]
async fn a_silent_name_server_costs_the_time_to_connect_and_no_more() {
    struct Silent;
    #[async_trait::async_trait]
    impl crate::Resolve for Silent {
        async fn resolve(&self, _: &str, _: u16) -> std::io::Result<Vec<std::net::SocketAddr>> {
            std::future::pending().await
        }
    }
    let egress = crate::Egress::new(crate::EgressParts {
        policy: Arc::new(super::world::Policy::default()),
        secrets: Arc::new(crate::NoSecrets),
        resolve: Arc::new(Silent),
        authorities: Authorities::public(),
        limits: EgressLimits { connect_ms_max: 100, ..EgressLimits::default() },
    });
    let world = World { egress, ..World::new() };
    let began = Instant::now();
    let ended = world.get("https://a.test/").await;
    assert!(matches!(ended, Err(EgressError::TimedOut { .. })), "{ended:?}");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_lookup_that_nobody_waits_for_any_more_keeps_its_tenants_place_and_no_other_tenants() {
    /// Answers when it is told to.
    struct Slow {
        answers: tokio::sync::Semaphore,
        asked: AtomicUsize,
    }
    #[async_trait::async_trait]
    impl crate::Resolve for Slow {
        async fn resolve(&self, host: &str, _: u16) -> std::io::Result<Vec<std::net::SocketAddr>> {
            if host == "slow.test" {
                self.asked.fetch_add(1, Ordering::Relaxed);
                let _answered = self.answers.acquire().await.unwrap();
            }
            Ok(vec![])
        }
    }
    let slow = Arc::new(Slow { answers: tokio::sync::Semaphore::new(0), asked: AtomicUsize::new(0) });
    let egress = crate::Egress::new(crate::EgressParts {
        policy: Arc::new(super::world::Policy::default()),
        secrets: Arc::new(crate::NoSecrets),
        resolve: slow.clone(),
        authorities: Authorities::public(),
        limits: EgressLimits { connect_ms_max: 50, ..EgressLimits::default() },
    });
    let world = World { egress, ..World::new() };
    let unreachable = "it cannot be reached";
    for _ in 0..LOOKUPS_MAX * 3 {
        let ended = world.get("https://slow.test/").await;
        assert!(matches!(ended, Err(EgressError::TimedOut { .. })), "{ended:?}");
    }
    assert_eq!(slow.asked.load(Ordering::Relaxed), LOOKUPS_MAX);
    let ended = world.get("https://a.test/").await;
    assert!(matches!(ended, Err(EgressError::TimedOut { .. })), "its tenant has no place: {ended:?}");
    let other = Ask { tenant: "globex", url: "https://a.test/", ..Ask::default() };
    assert_eq!(kind(&world.send(&other).await), unreachable);
    slow.answers.add_permits(1);
    while kind(&world.get("https://a.test/").await) != unreachable {}
}

/// A server with a certificate for `a.test`, and who vouches for it.
async fn with_certificate() -> (Server, String) {
    let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key.into()).unwrap();
    (Server::behind(Some(TlsAcceptor::from(Arc::new(config))), |_| ok("sealed")).await, cert.pem())
}

#[tokio::test]
async fn a_certificate_is_checked_against_the_name_and_not_against_the_address() {
    let (server, pem) = with_certificate().await;
    let authorities = Authorities::public().with_pem(pem.as_bytes()).unwrap();
    let world = World::with(Setup { authorities, ..Setup::default() });
    world.name("a.test", &server);
    world.name("b.test", &server);
    let port = server.address.port();
    let mut response = world.get(&format!("https://a.test:{port}/")).await.unwrap();
    assert_eq!(body(&mut response).await.unwrap(), "sealed");
    let [request] = server.requests().try_into().unwrap();
    assert!(request.to_lowercase().contains(&format!("host: a.test:{port}\r\n")), "{request}");
    // Another name with the same address, and the same name without its authority.
    let other = world.get(&format!("https://b.test:{port}/")).await;
    assert!(matches!(other, Err(EgressError::Unavailable(_))), "{other:?}");
    let distrusting = World::new();
    distrusting.name("a.test", &server);
    let distrusted = distrusting.get(&format!("https://a.test:{port}/")).await;
    assert!(matches!(distrusted, Err(EgressError::Unavailable(_))), "{distrusted:?}");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn only_certificates_are_authorities() {
    let check = |pem: &str| Authorities::public().with_pem(pem.as_bytes()).unwrap_err().to_string();
    assert_eq!(check(""), "there is no certificate in it");
    assert_eq!(
        check("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        "a certificate that cannot be an authority"
    );
}
