//! A bit of what a NATS server stored is another: no message is altered by it, and none that was kept is lost.

use std::collections::BTreeSet;

use host_bus::{Binding, Bus as _, KeepHealth};
use host_model::{Draft, Target};
use tests_kit::chance::Chance;
use tests_kit::gate::{Sender, born, draft};
use tests_kit::{NatsServer, eventually};

use crate::desk::Desk;
use crate::nats_host::NatsHost;

/// Messages of which one is hurt.
const MANY: usize = 30;

#[tokio::test(flavor = "multi_thread")]
async fn a_bit_that_was_flipped_in_a_servers_blocks_alters_no_message_and_loses_none() {
    let chance = &mut Chance::new(20);
    let mut server = NatsServer::start();
    let host = NatsHost::on(&server, 1).await;
    let (acme, agent) = ("acme".parse().unwrap(), "kb".parse().unwrap());
    host.bus.bind(Binding { tenant: "acme".parse().unwrap(), agent, topics: Vec::new(), shared: Vec::new() });
    let sender = Sender::in_tenant("acme");
    let texts: Vec<String> = (0..MANY).map(|number| format!("\"canary {number:03}\"")).collect();
    for text in &texts {
        // JSON lies in a frame as it is.
        let draft = Draft { content_type: "application/json".to_owned(), ..draft(text) };
        host.bus.keep(sender.says(Target::Queue("kb".parse().unwrap()), draft)).await.unwrap();
    }
    let jetstream = tests_kit::async_nats::jetstream::new(server.connect().await);
    let all_there = async || {
        let mut stream = jetstream.get_stream("tenant-acme").await.ok()?;
        (stream.info().await.ok()?.state.messages == MANY as u64).then_some(())
    };
    eventually("all are in the stream", all_there).await;
    server.kill();
    let hurt = &texts[chance.below(MANY)];
    assert_eq!(server.flip("tenant-acme", hurt, chance), 1, "one copy of {hurt}");
    server.start_again();
    eventually("the server is back", async || {
        matches!(host.bus.health(), KeepHealth::Good | KeepHealth::Rebuilt).then_some(())
    })
    .await;

    let desk = Desk::at(&host.bus, born("acme", "kb"), 8);
    let mut come = Vec::new();
    let over = async || {
        host.bus.tend().await;
        while !desk.has_none() {
            come.push(desk.done(&host.bus).await.0);
        }
        host.bus.queues(&acme).iter().all(|queue| queue.messages == 0).then_some(())
    };
    eventually("nothing waits any more", over).await;
    let (count, come) = (come.len(), come.into_iter().collect::<BTreeSet<_>>());
    assert_eq!(count, come.len(), "none comes twice");
    assert!(come.iter().all(|text| texts.contains(text)), "one was altered: {come:?}");
    assert_eq!(come.len(), MANY, "lost: {:?}", texts.iter().filter(|text| !come.contains(*text)).collect::<Vec<_>>());
}
