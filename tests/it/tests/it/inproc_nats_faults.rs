//! NATS servers that are down, old, unsynced, or lose what they took: a clear state, nothing lost, nothing promised that is not so.

use std::sync::Arc;

use host_bus::{Binding, Bus as _, BusError, KeepHealth};
use tests_kit::gate::{Sender, born};
use tests_kit::{NatsServer, NatsSetup, eventually};

use crate::desk::Desk;
use crate::nats_host::{NatsHost, settings};

fn bind(host: &NatsHost) {
    let (tenant, agent) = ("acme".parse().unwrap(), "kb".parse().unwrap());
    host.bus.bind(Binding { tenant, agent, topics: Vec::new(), shared: Vec::new() });
}

async fn are_in_the_stream(server: &NatsServer, count: u64) {
    let jetstream = tests_kit::async_nats::jetstream::new(server.connect().await);
    let all_there = async || {
        let mut stream = jetstream.get_stream("tenant-acme").await.ok()?;
        (stream.info().await.ok()?.state.messages == count).then_some(())
    };
    eventually("all are in the stream", all_there).await;
}

async fn handles_in_order(host: &NatsHost, desk: &Arc<Desk>, numbers: std::ops::Range<u32>) {
    for number in numbers {
        assert_eq!(desk.done(&host.bus).await.0, number.to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_nats_down_messages_wait_here_and_then_go_on_in_their_order() {
    let mut server = NatsServer::start();
    let host = NatsHost::on(&server, 1).await;
    bind(&host);
    let sender = Sender::in_tenant("acme");
    let keep = async |numbers: std::ops::Range<u32>| {
        for number in numbers {
            host.bus.keep(sender.to_agent("kb", &number.to_string())).await.unwrap();
        }
    };
    keep(0..100).await;
    // What is on its way when the line is cut may be overtaken by what is sent after it.
    are_in_the_stream(&server, 100).await;
    server.kill();
    host.is(KeepHealth::Disconnected).await;
    keep(100..700).await;
    server.start_again();
    host.is(KeepHealth::Good).await;
    let desk = Desk::at(&host.bus, born("acme", "kb"), 8);
    handles_in_order(&host, &desk, 0..700).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_nats_down_no_more_waits_than_the_tenant_may_keep() {
    let mut server = NatsServer::start();
    let host = NatsHost::on(&server, 1).await;
    bind(&host);
    let acme = "acme".parse().unwrap();
    host.bus.set_limits(&acme, host_bus::QueueLimits { messages_max: 3, ..crate::nats_host::LIMITS });
    server.kill();
    host.is(KeepHealth::Disconnected).await;
    let sender = Sender::in_tenant("acme");
    for _ in 0..3 {
        host.bus.keep(sender.to_agent("kb", "x")).await.unwrap();
    }
    let full = BusError::QueuesFull { limit: "queued-messages", max: 3, used: 4 };
    assert_eq!(host.bus.keep(sender.to_agent("kb", "x")).await, Err(full));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_starts_without_nats_says_so_and_goes_on_when_it_comes() {
    let mut server = NatsServer::start();
    server.stop();
    let host = NatsHost::over(tempfile::tempdir().unwrap(), settings(&server, 1)).await;
    bind(&host);
    assert_eq!(host.bus.health(), KeepHealth::Disconnected);
    let sender = Sender::in_tenant("acme");
    host.bus.keep(sender.to_agent("kb", "0")).await.unwrap();
    let desk = Desk::at(&host.bus, born("acme", "kb"), 8);
    host.bus.publish(sender.to_agent("kb", "volatile, within this host")).unwrap();
    assert_eq!(desk.heard(), ["volatile, within this host"]);
    server.start_again();
    host.is(KeepHealth::Good).await;
    handles_in_order(&host, &desk, 0..1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_sync_or_has_no_jetstream_is_promised_nothing_by() {
    let check = async |setup: NatsSetup, health: KeepHealth| {
        let server = setup.start();
        let host = NatsHost::over(tempfile::tempdir().unwrap(), settings(&server, 1)).await;
        bind(&host);
        host.is(health).await;
        let kept = host.bus.keep(Sender::in_tenant("acme").to_agent("kb", "x")).await;
        assert_eq!(kept, Err(BusError::Unkept(health)));
    };
    check(NatsSetup::new().unsynced(), KeepHealth::Unsynced).await;
    check(NatsSetup::new().without_jet_stream(), KeepHealth::NoJetStream).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_user_of_the_system_account_nothing_is_kept() {
    let server = NatsServer::start();
    let unseen = host_bus::NatsSettings { system: None, ..settings(&server, 1) };
    let host = NatsHost::over(tempfile::tempdir().unwrap(), unseen).await;
    bind(&host);
    host.is(KeepHealth::NotSeen).await;
    let kept = host.bus.keep(Sender::in_tenant("acme").to_agent("kb", "x")).await;
    assert_eq!(kept, Err(BusError::Unkept(KeepHealth::NotSeen)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_deleted_is_rebuilt_and_the_loss_is_told() {
    let server = NatsServer::start();
    let host = NatsHost::on(&server, 1).await;
    bind(&host);
    let sender = Sender::in_tenant("acme");
    for number in 0..50 {
        host.bus.keep(sender.to_agent("kb", &number.to_string())).await.unwrap();
    }
    let jetstream = tests_kit::async_nats::jetstream::new(server.connect().await);
    are_in_the_stream(&server, 50).await;
    jetstream.delete_stream("tenant-acme").await.unwrap();
    let told = async || {
        host.bus.tend().await;
        (host.bus.health() == KeepHealth::Rebuilt).then_some(())
    };
    eventually("the loss is told", told).await;
    let desk = Desk::at(&host.bus, born("acme", "kb"), 8);
    handles_in_order(&host, &desk, 0..50).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_killed_and_lost_all_its_data_loses_no_kept_message() {
    let mut server = NatsServer::start();
    let host = NatsHost::on(&server, 1).await;
    bind(&host);
    let sender = Sender::in_tenant("acme");
    for number in 0..50 {
        host.bus.keep(sender.to_agent("kb", &number.to_string())).await.unwrap();
    }
    server.kill();
    server.wipe();
    server.start_again();
    host.is(KeepHealth::Good).await;
    let desk = Desk::at(&host.bus, born("acme", "kb"), 8);
    let tend = async || {
        host.bus.tend().await;
        (!desk.has_none()).then_some(())
    };
    eventually("messages come back", tend).await;
    let mut all = Vec::new();
    for _ in 0..50 {
        all.push(desk.done(&host.bus).await.0.parse::<u32>().unwrap());
    }
    all.sort_unstable();
    assert_eq!(all, (0..50).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_what_was_handled_that_was_lost_is_begun_anew_and_hosts_hear_of_each_other_in_it() {
    let server = NatsServer::start();
    let (here, there) = (NatsHost::on(&server, 1).await, NatsHost::on(&server, 2).await);
    bind(&there);
    let (sender, acme) = (Sender::in_tenant("acme"), "acme".parse().unwrap());
    let desk = Desk::at(&there.bus, born("acme", "kb"), 8);
    let handled_there = async |text: &str| {
        eventually("the binding is known", async || here.bus.keep(sender.to_agent("kb", text)).await.ok()).await;
        assert_eq!(desk.done(&there.bus).await.0, text);
        let left = async || here.bus.queues(&acme).iter().all(|view| view.messages == 0).then_some(());
        eventually("nothing of it is left here", left).await;
    };
    handled_there("before").await;
    let jetstream = tests_kit::async_nats::jetstream::new(server.connect().await);
    jetstream.delete_stream("bailiwick-done").await.unwrap();
    handled_there("after").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_promises_less_than_it_should_is_mended_before_it_is_used() {
    use tests_kit::async_nats::jetstream::stream::{Config, RetentionPolicy};
    let server = NatsServer::start();
    let jetstream = tests_kit::async_nats::jetstream::new(server.connect().await);
    let config = Config {
        name: "tenant-acme".to_owned(),
        subjects: vec!["kept.acme.>".to_owned()],
        retention: RetentionPolicy::WorkQueue,
        max_messages: 1,
        ..Config::default()
    };
    jetstream.create_stream(config).await.unwrap();
    let host = NatsHost::on(&server, 1).await;
    bind(&host);
    let sender = Sender::in_tenant("acme");
    for number in 0..10 {
        host.bus.keep(sender.to_agent("kb", &number.to_string())).await.unwrap();
    }
    let desk = Desk::at(&host.bus, born("acme", "kb"), 8);
    handles_in_order(&host, &desk, 0..10).await;
    let mut stream = jetstream.get_stream("tenant-acme").await.unwrap();
    let config = &stream.info().await.unwrap().config;
    assert_eq!((config.max_messages_per_subject, config.max_messages), (1, -1));
}
