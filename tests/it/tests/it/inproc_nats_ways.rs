//! The way between a host and its NATS server is slow, closed without a word, or open in one direction only.

use std::sync::Arc;
use std::time::{Duration, Instant};

use host_bus::{Binding, Bus as _, BusError, KeepHealth, NatsSettings};
use tests_kit::gate::{Sender, born};
use tests_kit::{NatsServer, Proxy, eventually};

use crate::desk::Desk;
use crate::nats_host::{NatsHost, settings};

/// What a call that waits for nothing but this host's disk may take on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(2);
/// Messages that are kept while the way is not as it should be.
const MANY: u32 = 100;
/// For how long a server is not heard: longer than a host waits for an acknowledgement before it sends again.
const SILENT: Duration = Duration::from_secs(7);
/// More volatile messages than fit into what lies between two hosts.
const FLOOD: usize = 20_000;

fn bind(host: &NatsHost) {
    let (tenant, agent) = ("acme".parse().unwrap(), "kb".parse().unwrap());
    host.bus.bind(Binding { tenant, agent, topics: Vec::new(), shared: Vec::new() });
}

/// A host that reaches the server over a way of the test's.
async fn beyond(proxy: &Proxy, server: &NatsServer) -> NatsHost {
    let settings = NatsSettings { servers: vec![proxy.url()], ..settings(server, 1) };
    let host = NatsHost::over(tempfile::tempdir().unwrap(), settings).await;
    host.is(KeepHealth::Good).await;
    bind(&host);
    host
}

/// Another host, which reaches it without, and has `kb`.
async fn with_desk(server: &NatsServer) -> (NatsHost, Arc<Desk>) {
    let host = NatsHost::on(server, 2).await;
    let desk = Desk::at(&host.bus, born("acme", "kb"), 8);
    bind(&host);
    (host, desk)
}

async fn keep(host: &NatsHost, sender: &Sender, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let began = Instant::now();
        host.bus.keep(sender.to_agent("kb", &number.to_string())).await.unwrap();
        assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    }
}

/// Each of these comes, in this order and once.
async fn come(host: &NatsHost, desk: &Desk, numbers: std::ops::Range<u32>) {
    for number in numbers {
        assert_eq!(desk.done(&host.bus).await.0, number.to_string());
    }
}

async fn holds_nothing(host: &NatsHost) {
    let acme = "acme".parse().unwrap();
    let empty = async || host.bus.queues(&acme).iter().all(|queue| queue.messages == 0).then_some(());
    eventually("nothing is left on the host that took it", empty).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_a_way_that_takes_a_second_and_loses_a_tenth_senders_do_not_wait_and_each_message_comes_once() {
    let server = NatsServer::start();
    let proxy = Proxy::to(server.url());
    let host = beyond(&proxy, &server).await;
    let (sender, desk) = (Sender::in_tenant("acme"), Desk::at(&host.bus, born("acme", "kb"), 8));
    keep(&host, &sender, 0..1).await;
    come(&host, &desk, 0..1).await;
    proxy.slow(Duration::from_secs(1));
    proxy.lossy(100);
    keep(&host, &sender, 1..20).await;
    come(&host, &desk, 1..20).await;
    proxy.restore();
    holds_nothing(&host).await;
    assert!(desk.has_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_while_nothing_passes_comes_in_order_and_once_when_it_does() {
    let server = NatsServer::start();
    let proxy = Proxy::to(server.url());
    let (host, (other, desk)) = (beyond(&proxy, &server).await, with_desk(&server).await);
    let sender = Sender::in_tenant("acme");
    keep(&host, &sender, 0..MANY).await;
    proxy.stall();
    keep(&host, &sender, MANY..2 * MANY).await;
    proxy.restore();
    come(&other, &desk, 0..2 * MANY).await;
    holds_nothing(&host).await;
    assert!(desk.has_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nothing_passes_volatile_messages_are_refused_and_neither_wait_nor_pile_up() {
    let server = NatsServer::start();
    let proxy = Proxy::to(server.url());
    let (host, (_other, _desk)) = (beyond(&proxy, &server).await, with_desk(&server).await);
    host.bus.peer_in(&"acme".parse().unwrap()).await;
    let (sender, body) = (Sender::in_tenant("acme"), "x".repeat(1 << 10));
    proxy.stall();
    let told = (0..FLOOD).map(|_| {
        let began = Instant::now();
        let told = host.bus.publish(sender.to_agent("kb", &body));
        assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
        told
    });
    let refused = told.filter_map(Result::err).collect::<Vec<_>>();
    assert!(!refused.is_empty(), "all of it was taken");
    // The host may have found out meanwhile that the other one is not heard any more.
    let known = [BusError::Unreachable, BusError::NoReceiver];
    assert!(refused.iter().all(|refusal| known.contains(refusal)), "{:?}", refused[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_host_sends_that_hears_no_answers_is_handled_once() {
    let server = NatsServer::start();
    let proxy = Proxy::to(server.url());
    let (host, (other, desk)) = (beyond(&proxy, &server).await, with_desk(&server).await);
    let sender = Sender::in_tenant("acme");
    let falls_silent = async {
        come(&other, &desk, 0..20).await;
        proxy.stall_answers();
    };
    tokio::join!(keep(&host, &sender, 0..5 * MANY), falls_silent);
    tokio::time::sleep(SILENT).await;
    proxy.restore();
    come(&other, &desk, 20..5 * MANY).await;
    holds_nothing(&host).await;
    assert!(desk.has_none());
}
