//! What hostile agents, names and servers try (docs/egress.md).

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::server::{Answer, Server, ok};
use super::world::{Ask, Setup, World, body, kind, url};
use crate::{EgressError, EgressLimits, Waits};

#[tokio::test]
async fn a_granted_host_is_called_and_answers() {
    let (world, server) = (World::new(), Server::start(|_| ok("hello")).await);
    world.name("a.test", &server);
    let url = url("a.test", &server, "/x?y=1");
    let ask = Ask {
        method: "POST",
        headers: &[("x-one", "1"), ("content-length", "4")],
        url: &url,
        body: "body",
        ..Ask::default()
    };
    let mut response = world.send(&ask).await.unwrap();
    assert_eq!((response.status, body(&mut response).await.unwrap().as_str()), (200, "hello"));
    let [request] = server.requests().try_into().unwrap();
    assert!(request.starts_with("POST /x?y=1 HTTP/1.1\r\n") && request.ends_with("\r\n\r\nbody"), "{request}");
    assert_eq!(request.matches("content-length").count(), 1, "{request}");
    assert_eq!(world.budget.used(), 0);
}

#[tokio::test]
async fn a_name_that_stands_for_a_special_address_is_never_connected_to() {
    let (world, server) = (World::new(), Server::start(|_| ok("secret")).await);
    let public = "93.184.215.14:80".parse().unwrap();
    // Not among the names that may stand for private addresses: alone, beside a public one, and in its second answer.
    world.name_each("private.test", &[&[server.address]]);
    world.name_each("mixed.test", &[&[public, server.address]]);
    world.name_each("late.test", &[&["127.0.0.1:1".parse().unwrap()], &[server.address]]);
    for host in ["private.test", "mixed.test", "late.test", "late.test"] {
        let refused = world.get(&url(host, &server, "/")).await;
        assert!(matches!(refused, Err(EgressError::Unavailable(_))), "{host}: {refused:?}");
    }
    let literal = world.get(&format!("http://{}/", server.address)).await;
    assert!(matches!(literal, Err(EgressError::Unavailable(_))), "{literal:?}");
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_name_is_resolved_once_for_a_connection_and_what_was_checked_is_connected_to() {
    let (world, server, other) =
        (World::new(), Server::start(|_| ok("right")).await, Server::start(|_| ok("wrong")).await);
    world.name_each("a.test", &[&[server.address], &[other.address]]);
    let url = url("a.test", &server, "/");
    for _ in 0..3 {
        assert_eq!(body(&mut world.get(&url).await.unwrap()).await.unwrap(), "right");
    }
    assert_eq!((world.names.asked.load(Ordering::Relaxed), server.connections(), other.connections()), (1, 1, 0));
}

#[tokio::test]
async fn a_redirect_is_handed_back_and_not_followed() {
    let (world, sink) = (World::new(), Server::start(|_| ok("followed")).await);
    world.name("b.test", &sink);
    for location in
        [url("b.test", &sink, "/"), "http://169.254.169.254/latest".to_owned(), "file:///etc/passwd".to_owned()]
    {
        let to = location.clone();
        let redirect = move |_: &str| {
            Answer::Bytes(format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n").into_bytes())
        };
        let server = Server::start(redirect).await;
        world.name("a.test", &server);
        let response = world.get(&url("a.test", &server, "/")).await.unwrap();
        assert_eq!(response.status, 302);
        assert!(response.headers.iter().any(|header| header.name == "location" && header.value == location.as_bytes()));
    }
    assert!(sink.requests().is_empty());
}

#[tokio::test]
async fn nothing_that_a_guest_writes_makes_a_second_request() {
    let (world, server) = (World::new(), Server::start(|_| ok("")).await);
    world.name("a.test", &server);
    let url = url("a.test", &server, "/");
    let check = async |ask: Ask<'_>| {
        let refused = world.send(&ask).await;
        assert!(refused.is_err(), "{} {} {:?}", ask.method, ask.url, ask.headers);
    };
    for method in ["GET / HTTP/1.1\r\nx: y\r\n\r\nGET", "GET /", "", "CONNECT", "TRACE", "G\tT"] {
        check(Ask { method, url: &url, ..Ask::default() }).await;
    }
    for path in ["\r\nx: y", " HTTP/1.1\r\n\r\nGET /second", "\n"] {
        check(Ask { url: &format!("{url}{path}"), ..Ask::default() }).await;
    }
    for header in [
        ("content-length", "0"),
        ("content-length", "40"),
        ("transfer-encoding", "chunked"),
        ("host", "b.test"),
        ("connection", "upgrade"),
        ("expect", "100-continue"),
        ("a", "b\r\n\r\nGET /second HTTP/1.1"),
        ("a: b\r\nc", "d"),
    ] {
        check(Ask {
            method: "POST",
            url: &url,
            headers: &[header],
            body: "GET /second HTTP/1.1\r\n\r\n",
            ..Ask::default()
        })
        .await;
    }
    check(Ask { url: &url, headers: &[("content-length", "0"), ("content-length", "5")], body: "", ..Ask::default() })
        .await;
    assert!(server.requests().is_empty());
    let body = "GET /second HTTP/1.1\r\n\r\n";
    world.send(&Ask { method: "POST", url: &url, body, ..Ask::default() }).await.unwrap();
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn an_answer_ends_at_its_bounds() {
    let limits = EgressLimits {
        response_bytes_max: 10_000,
        head_bytes_max: 8 << 10,
        headers_max: 50,
        first_byte_ms_max: 200,
        between_bytes_ms_max: 200,
        total_ms_max: 600,
        ..EgressLimits::default()
    };
    let head = "HTTP/1.1 200 OK\r\n";
    let answer = move |request: &str| match request.split(' ').nth(1) {
        Some("/endless") => Answer::Endless(format!("{head}\r\n").into_bytes(), vec![b'x'; 1000]),
        Some("/chunks") => Answer::Endless(
            format!("{head}transfer-encoding: chunked\r\n\r\n").into_bytes(),
            format!("400\r\n{}\r\n", "x".repeat(1024)).into_bytes(),
        ),
        Some("/long") => Answer::Bytes(format!("{head}content-length: 10001\r\n\r\n").into_bytes()),
        Some("/exact") => ok(&"x".repeat(10_000)),
        Some("/headers") => Answer::Endless(head.into(), b"a: b\r\n".to_vec()),
        Some("/header") => Answer::Endless(format!("{head}a: ").into_bytes(), vec![b'x'; 1000]),
        Some("/many") => Answer::Bytes(format!("{head}{}\r\n", "a: b\r\n".repeat(51)).into_bytes()),
        Some("/stall") => Answer::Bytes(format!("{head}content-length: 5\r\n\r\nhe").into_bytes()),
        Some("/informed") => Answer::Endless(Vec::new(), b"HTTP/1.1 103 Early Hints\r\n\r\n".to_vec()),
        Some("/switch") => {
            Answer::Bytes(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n".to_vec())
        }
        Some("/torn") => Answer::Bytes(b"HTP/9 what\r\n\r\n".to_vec()),
        _ => Answer::Silence,
    };
    let (world, server) = (World::with(Setup { limits, ..Setup::default() }), Server::start(answer).await);
    world.name("a.test", &server);
    let check = async |path: &str, expected: &[&str]| {
        let began = Instant::now();
        let ended = match world.get(&url("a.test", &server, path)).await {
            Ok(mut response) => body(&mut response).await,
            Err(error) => Err(error),
        };
        assert!(expected.contains(&kind(&ended).as_str()), "{path}: {ended:?}");
        assert!(began.elapsed() < Duration::from_secs(10), "{path} took {:?}", began.elapsed());
        assert_eq!(world.budget.used(), 0, "{path}");
    };
    let too_large = "a response past 10000 bytes";
    check("/exact", &["ok"]).await;
    check("/endless", &[too_large]).await;
    check("/chunks", &[too_large]).await;
    check("/long", &[too_large]).await;
    for path in ["/headers", "/header", "/many"] {
        check(path, &["a response past 8192 bytes"]).await;
    }
    check("/stall", &["nothing came for 200ms"]).await;
    check("/silence", &["nothing came for 600ms"]).await;
    check("/informed", &["nothing came for 600ms", "a response past 8192 bytes"]).await;
    check("/switch", &["it cannot be reached"]).await;
    check("/torn", &["it cannot be reached"]).await;
}

#[tokio::test]
async fn a_body_that_drips_ends_with_the_total_time() {
    let limits = EgressLimits { total_ms_max: 300, ..EgressLimits::default() };
    let drip = |_: &str| {
        Answer::Drip(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(), b"1\r\nx\r\n".to_vec())
    };
    let (world, server) = (World::with(Setup { limits, ..Setup::default() }), Server::start(drip).await);
    world.name("a.test", &server);
    let began = Instant::now();
    let ended = body(&mut world.get(&url("a.test", &server, "/")).await.unwrap()).await;
    assert!(matches!(ended, Err(EgressError::TimedOut { .. })), "{ended:?}");
    assert!((Duration::from_millis(250)..Duration::from_secs(5)).contains(&began.elapsed()));
}

#[tokio::test]
async fn absurd_waits_of_a_guest_are_the_hosts() {
    let (world, server) = (World::new(), Server::start(|_| Answer::Silence).await);
    world.name("a.test", &server);
    let url = url("a.test", &server, "/");
    let zero = Some(Duration::ZERO);
    let waits = Waits { connect: zero, first_byte: zero, between_bytes: zero, total: None };
    let ended = world.send(&Ask { url: &url, waits, ..Ask::default() }).await;
    assert!(matches!(ended, Err(EgressError::TimedOut { after }) if after == Duration::from_millis(2)), "{ended:?}");
}

#[tokio::test]
async fn a_request_is_as_large_as_allowed_and_no_larger() {
    let limits = EgressLimits { request_bytes_max: 10, ..EgressLimits::default() };
    let (world, server) = (World::with(Setup { limits, ..Setup::default() }), Server::start(|_| ok("")).await);
    world.name("a.test", &server);
    let url = url("a.test", &server, "/");
    let check = async |body: &str, expected: &str| {
        assert_eq!(kind(&world.send(&Ask { method: "PUT", url: &url, body, ..Ask::default() }).await), expected);
    };
    check("0123456789", "ok").await;
    check("0123456789a", "a request of 11 bytes, where 10 are allowed").await;
    assert_eq!(server.requests().len(), 1);
}
