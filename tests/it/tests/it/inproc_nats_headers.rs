//! No header decides anything: what a guest calls one is inert within the frame, and what another client puts on the wire is ignored.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::StreamExt as _;
use host_bus::{Binding, Bus as _};
use host_gate::{Gate, MessageLimits, Stamped};
use host_model::{Draft, Header, Target};
use tests_kit::async_nats::{self, HeaderMap};
use tests_kit::gate::{Sender, born, draft, one_key};
use tests_kit::{NatsServer, canary, eventually};

use crate::desk::Desk;
use crate::nats_host::NatsHost;

/// Headers by which a client tells a server what to do (nats-server 2.12 to 2.15), and words of our own that might be believed.
const STEERING: [(&str, &str); 30] = [
    ("Nats-Rollup", "all"),
    ("Nats-Rollup", "sub"),
    ("Nats-TTL", "1s"),
    ("Nats-Marker-Reason", "Purge"),
    ("Nats-Schedule", "@every 1s"),
    ("Nats-Schedule-Target", "kept.globex.kb.x.queues.kb"),
    ("Nats-Schedule-TTL", "1s"),
    ("Nats-Schedule-Source", "kept.acme.>"),
    ("Nats-Scheduler", "kept.acme.kb"),
    ("Nats-Schedule-Next", "purge"),
    ("Nats-Schedule-Time-Zone", "UTC"),
    ("Nats-Expected-Stream", "tenant-globex"),
    ("Nats-Expected-Last-Sequence", "0"),
    ("Nats-Expected-Last-Msg-Id", "x"),
    ("Nats-Expected-Last-Subject-Sequence", "0"),
    ("Nats-Expected-Last-Subject-Sequence-Subject", "kept.acme.>"),
    ("Nats-Trace-Dest", "tenants.globex.news"),
    ("Nats-Trace-Only", "true"),
    ("Nats-Batch-Id", "x"),
    ("Nats-Batch-Sequence", "1"),
    ("Nats-Batch-Commit", "1"),
    ("Nats-Incr", "1"),
    ("Nats-Counter-Sources", "{}"),
    ("Nats-Msg-Id", "x"),
    ("Nats-Msg-Size", "1"),
    ("Nats-Required-Api-Level", "99"),
    ("Nats-Stream-Source", "x"),
    ("tenant", "globex"),
    ("tenantId", "globex"),
    ("signature", "v1.x"),
];

/// A host with `kb` in `acme`, and whoever has the same credentials.
struct Scene {
    host: NatsHost,
    other: NatsHost,
    intruder: async_nats::Client,
    _server: NatsServer,
}

fn bind(host: &NatsHost, tenant: &str) {
    let (tenant, agent) = (tenant.parse().unwrap(), "kb".parse().unwrap());
    host.bus.bind(Binding { tenant, agent, topics: Vec::new(), shared: Vec::new() });
}

async fn scene() -> Scene {
    let server = NatsServer::start();
    let (host, other) = (NatsHost::on(&server, 1).await, NatsHost::on(&server, 2).await);
    bind(&host, "acme");
    let intruder = server.connect().await;
    Scene { host, other, intruder, _server: server }
}

/// A receiver on the other host, once this one knows of it.
async fn desk_of(scene: &Scene, tenant: &str) -> Arc<Desk> {
    let desk = Desk::at(&scene.other.bus, born(tenant, "kb"), 8);
    desk.listen(&scene.other.bus, ">");
    bind(&scene.other, tenant);
    scene.host.bus.peer_in(&tenant.parse().unwrap()).await;
    desk
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_guest_calls_a_header_or_an_id_is_in_the_frame_and_nowhere_else_on_the_wire() {
    let scene = scene().await;
    let desk = desk_of(&scene, "acme").await;
    let (sender, word) = (Sender::in_tenant("acme"), canary());
    let mut wire = scene.intruder.subscribe(">").await.unwrap();
    scene.intruder.flush().await.unwrap();
    for (name, value) in STEERING {
        let headers = vec![
            Header { name: name.to_owned(), value: value.to_owned() },
            Header { name: format!("{word}-name"), value: word.clone() },
        ];
        let says = Draft { correlation_id: Some(word.clone()), message_type: word.clone(), headers, ..draft(&word) };
        let to_kb = Target::Queue("kb".parse().unwrap());
        scene.host.bus.publish(sender.says(Target::Topic("news".parse().unwrap()), says.clone())).unwrap();
        scene.host.bus.publish(sender.says(to_kb.clone(), says.clone())).unwrap();
        scene.host.bus.keep(sender.says(to_kb, says)).await.unwrap();
        assert_eq!(desk.done(&scene.other.bus).await.0, word);
    }
    let heard = async || (desk.heard().len() == 2 * STEERING.len()).then_some(());
    eventually("the volatile ones arrive", heard).await;
    scene.intruder.publish("over", "".into()).await.unwrap();
    let mut frames = 0;
    loop {
        let message = wire.next().await.unwrap();
        if message.subject.as_str() == "over" {
            break;
        }
        assert!(!message.subject.contains(&word), "{}", message.subject);
        assert!(message.reply.as_ref().is_none_or(|reply| !reply.contains(&word)), "{:?}", message.reply);
        let names: Vec<String> =
            message.headers.iter().flat_map(HeaderMap::iter).map(|(name, _)| name.to_string()).collect();
        assert!(!format!("{:?}", message.headers).contains(&word), "{:?}", message.headers);
        let is_ours = ["tenants.", "kept."].iter().any(|begins| message.subject.starts_with(begins));
        if is_ours {
            frames += 1;
            assert!(names.iter().all(|name| name == "Nats-Msg-Id"), "{} {names:?}", message.subject);
        }
    }
    assert!(frames >= 3 * STEERING.len(), "only {frames} frames were on the wire");
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_another_client_puts_on_the_wire_change_nothing() {
    let scene = scene().await;
    let sender = Sender::in_tenant("acme");
    for number in 0..20 {
        scene.host.bus.keep(sender.to_agent("kb", &number.to_string())).await.unwrap();
    }
    let jetstream = async_nats::jetstream::new(scene.intruder.clone());
    let all_there = async || {
        let mut stream = jetstream.get_stream("tenant-acme").await.ok()?;
        (stream.info().await.ok()?.state.messages == 20).then_some(())
    };
    eventually("all are in the stream", all_there).await;
    for (at, header) in STEERING.into_iter().enumerate() {
        // The server may take it or refuse it.
        let id = format!("00000000-0000-7000-8000-0000000001{at:02x}");
        scene.puts(format!("kept.acme.kb.{id}.queues.kb"), header, b"forged".to_vec()).await;
    }
    let (desk, foreign) = (desk_of(&scene, "acme").await, desk_of(&scene, "globex").await);
    for number in 0..20 {
        assert_eq!(desk.done(&scene.other.bus).await.0, number.to_string());
    }
    for (at, header) in STEERING.into_iter().enumerate() {
        scene.puts("tenants.acme.news".to_owned(), header, frame(&sender.on_topic("news", &at.to_string()))).await;
    }
    // One connection's messages come in their order: with the last one all are there that the server carries to anybody.
    let last = (STEERING.len() - 1).to_string();
    eventually("they arrive", async || desk.heard().contains(&last).then_some(())).await;
    let heard = desk.heard();
    let once: BTreeSet<_> = heard.iter().collect();
    assert_eq!(once.len(), heard.len(), "each once: {heard:?}");
    // With `Nats-Trace-Only` a server only says where it would carry a message.
    assert!(heard.len() >= STEERING.len() - 1, "{heard:?}");
    assert!(desk.has_none() && foreign.has_none() && foreign.heard().is_empty());
}

/// The frame that a host would send.
fn frame(stamped: &Stamped) -> Vec<u8> {
    let sealed = Gate::new(MessageLimits::default()).seal(stamped, &*one_key()).unwrap();
    sealed.bytes().to_vec()
}

impl Scene {
    async fn puts(&self, subject: String, (name, value): (&str, &str), frame: Vec<u8>) {
        let mut headers = HeaderMap::new();
        headers.insert(name, value);
        self.intruder.publish_with_headers(subject, headers, frame.into()).await.unwrap();
        self.intruder.flush().await.unwrap();
    }
}
