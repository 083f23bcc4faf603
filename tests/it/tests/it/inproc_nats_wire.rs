//! What another client puts on the wire: it reaches no receiver, is told to the audit, and takes nothing from what is true.

use std::sync::Arc;

use host_bus::{Binding, Bus as _};
use host_gate::{Gate, MessageLimits, Stamped};
use tests_kit::async_nats::Client;
use tests_kit::gate::{Sender, born, one_key};
use tests_kit::{NatsServer, eventually};

use crate::desk::Desk;
use crate::nats_host::NatsHost;

/// A host with `kb` in `acme` and in `globex`, and somebody with the same credentials who is no host.
struct Scene {
    host: NatsHost,
    kb: Arc<Desk>,
    foreign: Arc<Desk>,
    intruder: Client,
    _server: NatsServer,
}

async fn scene() -> Scene {
    let server = NatsServer::start();
    let host = NatsHost::on(&server, 1).await;
    let desk = |tenant| {
        let desk = Desk::at(&host.bus, born(tenant, "kb"), 8);
        desk.listen(&host.bus, ">");
        let (tenant, agent) = (tenant.parse().unwrap(), "kb".parse().unwrap());
        host.bus.bind(Binding { tenant, agent, topics: Vec::new(), shared: Vec::new() });
        desk
    };
    let (kb, foreign) = (desk("acme"), desk("globex"));
    let intruder = server.connect().await;
    // Its first word is heard once the host listens.
    let listens = async || {
        intruder.publish("tenants.acme.probe", "x".into()).await.unwrap();
        intruder.publish("tenants.globex.probe", "x".into()).await.unwrap();
        (!kb.refused().is_empty() && !foreign.refused().is_empty()).then_some(())
    };
    eventually("the host listens", listens).await;
    Scene { host, kb, foreign, intruder, _server: server }
}

/// The frame that a host would send.
fn frame(stamped: &Stamped) -> Vec<u8> {
    let sealed = Gate::new(MessageLimits::default()).seal(stamped, &*one_key()).unwrap();
    sealed.bytes().to_vec()
}

impl Scene {
    async fn puts(&self, subject: &str, frame: Vec<u8>) {
        self.intruder.publish(subject.to_owned(), frame.into()).await.unwrap();
        self.intruder.flush().await.unwrap();
    }

    async fn refuses(&self, desk: &Desk, code: &str) {
        eventually(code, async || desk.refused().contains(&code).then_some(())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_foreign_and_malformed_messages_reach_no_receiver() {
    let scene = scene().await;
    let sender = Sender::in_tenant("acme");
    let true_one = frame(&sender.on_topic("news", "true"));
    scene.puts("tenants.globex.news", true_one.clone()).await;
    scene.refuses(&scene.foreign, "foreign-tenant").await;
    scene.puts("tenants.acme.other", true_one.clone()).await;
    scene.refuses(&scene.kb, "wrong-subject").await;
    let text = String::from_utf8(true_one.clone()).unwrap();
    scene.puts("tenants.acme.news", text.replace("\"said\"", "\"sang\"").into()).await;
    scene.refuses(&scene.kb, "bad-signature").await;
    scene.puts("tenants.acme.news", "{\"id\":".into()).await;
    scene.puts("tenants.acme.queues.kb", vec![0xff; 64]).await;
    // The true one does arrive, and is the only one that does.
    scene.puts("tenants.acme.news", true_one).await;
    eventually("the true one arrives", async || (scene.kb.heard() == ["true"]).then_some(())).await;
    assert!(scene.foreign.heard().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forged_or_copied_into_a_stream_is_handed_to_nobody_and_takes_nothing_from_what_is_true() {
    let scene = scene().await;
    let (sender, bus) = (Sender::in_tenant("acme"), &scene.host.bus);
    let stamped = sender.to_agent("kb", "true");
    let (id, true_one) = (stamped.envelope().id, frame(&stamped));
    bus.keep(stamped).await.unwrap();
    let place = format!("kept.acme.kb.{id}.queues.kb");
    assert_eq!(scene.kb.done(bus).await.0, "true");
    let acme = "acme".parse().unwrap();
    eventually("it is handled", async || (bus.queues(&acme)[0].messages == 0).then_some(())).await;
    // A copy of what was handled, a copy under another id, a copy in another tenant's stream, a forgery, and no frame at all.
    scene.puts(&place, true_one.clone()).await;
    let other = "00000000-0000-7000-8000-0000000000ff";
    scene.puts(&format!("kept.acme.kb.{other}.queues.kb"), true_one.clone()).await;
    scene.refuses(&scene.kb, "copied").await;
    bus.keep(Sender::in_tenant("globex").to_agent("kb", "globex's own")).await.unwrap();
    assert_eq!(scene.foreign.done(bus).await.0, "globex's own");
    scene.puts(&format!("kept.globex.kb.{other}.queues.kb"), true_one.clone()).await;
    scene.refuses(&scene.foreign, "foreign-tenant").await;
    let forged = String::from_utf8(true_one.clone()).unwrap().replace("\"said\"", "\"sang\"");
    scene.puts("kept.acme.kb.00000000-0000-7000-8000-0000000000fe.queues.kb", forged.into()).await;
    scene.refuses(&scene.kb, "bad-signature").await;
    scene.puts("kept.acme.kb.not-an-id.queues.kb", "x".into()).await;
    bus.keep(sender.to_agent("kb", "after")).await.unwrap();
    assert_eq!(scene.kb.done(bus).await, ("after".to_owned(), 1));
    assert!(scene.kb.has_none() && scene.foreign.has_none());
}
