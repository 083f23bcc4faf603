//! A secret reaches the host it is bound to, and nothing and nobody else.

use super::server::{Server, ok};
use super::world::{Ask, CANARY, Policy, Setup, World, kind, url};
use host_model::SecretBinding;

#[tokio::test]
async fn a_secret_reaches_its_own_host_and_path_and_no_sink() {
    let (home, sink) = (Server::start(|_| ok("")).await, Server::start(|_| ok("")).await);
    let host = format!("http://a.test:{}", home.address.port()).parse().unwrap();
    let binding = SecretBinding { name: "key".parse().unwrap(), host, path_prefix: "/v1".into() };
    let mut policy = Policy { private: vec!["a.test".into(), "b.test".into()], ..Policy::default() };
    policy.bindings.extend([("key".to_owned(), binding.clone()), ("other".to_owned(), binding)]);
    let world = World::with(Setup { policy, ..Setup::default() });
    world.name("a.test", &home);
    world.name("b.test", &sink);
    let check = async |url: &str, value: &str, expected: &str| {
        let headers = [("authorization", value), ("x-again", value)];
        let sent = world.send(&Ask { url, headers: &headers, ..Ask::default() }).await;
        assert_eq!(kind(&sent), expected, "{value} to {url}");
        assert!(!format!("{sent:?}").contains(CANARY), "{sent:?}");
    };
    check(&url("a.test", &home, "/v1/x"), "Bearer {{secret:key}}", "ok").await;
    let refused = "the secret is not granted for this URL";
    check(&url("b.test", &sink, "/v1/x"), "Bearer {{secret:key}}", refused).await;
    check(&url("a.test", &home, "/v2"), "Bearer {{secret:key}}", refused).await;
    check(&url("a.test", &home, "/v1/{{secret:key}}"), "Bearer {{secret:key}}", refused).await;
    // The agent was granted `key` alone.
    check(&url("a.test", &home, "/v1"), "Bearer {{secret:other}}", refused).await;
    let [request] = home.requests().try_into().unwrap();
    assert_eq!(request.matches(&format!("Bearer {CANARY}\r\n")).count(), 2, "{request}");
    assert!(sink.requests().is_empty());
}

#[tokio::test]
async fn a_placeholder_in_a_body_stays_text() {
    let (world, server) = (World::new(), Server::start(|_| ok("")).await);
    world.name("a.test", &server);
    let url = url("a.test", &server, "/");
    world.send(&Ask { method: "POST", url: &url, body: "{{secret:key}}", ..Ask::default() }).await.unwrap();
    let [request] = server.requests().try_into().unwrap();
    assert!(request.ends_with("\r\n\r\n{{secret:key}}"), "{request}");
}
