//! What external agents publish, and what they have the host publish for them: nothing.

use std::sync::Arc;

use async_nats::Client;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use host_bus::accounts::{AgentSubjects, Door, Ingress, Posted};
use host_model::Envelope;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::bench::{Bench, keep, pull, settled, stream, tenant, unacknowledged};

/// A door that keeps what comes, and answers with whose it was.
struct Keeps(mpsc::Sender<Posted>);

#[async_trait]
impl Door for Keeps {
    async fn post(&self, posted: Posted) -> Bytes {
        let answer = format!("{}/{}", posted.tenant, posted.agent);
        self.0.send(posted).await.unwrap();
        answer.into()
    }

    fn busy(&self, limit: usize) -> Bytes {
        format!("more than {limit}").into()
    }

    fn told(&self, envelope: &Envelope) -> Bytes {
        envelope.id.to_string().into()
    }
}

/// Takes in what the external agents of `acme` publish, while the set lives.
async fn taking_in(host: &Client) -> (mpsc::Receiver<Posted>, JoinSet<()>) {
    let (keeps, posted) = mpsc::channel(100);
    let ingress = Ingress::open(host.clone(), tenant("acme"), Arc::new(Keeps(keeps))).await.unwrap();
    settled(host).await;
    let mut running = JoinSet::new();
    running.spawn(ingress.run(CancellationToken::new()));
    (posted, running)
}

#[tokio::test]
async fn a_draft_is_its_agents_own_and_is_answered_in_its_inbox_alone() {
    let bench = Bench::new().await;
    let acme = bench.host("acme").await;
    stream(&acme, "acme").await;
    keep(&acme, "acme", "m1").await;
    let acknowledge = pull(&acme, "acme").await.reply.unwrap().to_string();
    let (mut posted, _running) = taking_in(&acme).await;
    let mut victim = acme.subscribe("_INBOX.victim").await.unwrap();

    let mut meter = bench.with(&bench.meter("acme")).await;
    let ingress = AgentSubjects::of(&tenant("acme"), &"meter".parse().unwrap()).ingress;
    meter.client.publish_with_reply(ingress.clone(), acknowledge, "forged".into()).await.unwrap();
    assert!(meter.told().await.contains("permissions violation for publish with reply"));
    // Other replies the server lets pass, although their sender may neither publish nor subscribe to them.
    for reply in ["_INBOX.victim", "tenants.acme.queues.echo", "_INBOX_other.a"] {
        meter.client.publish_with_reply(ingress.clone(), reply, "forged".into()).await.unwrap();
        assert_eq!(posted.recv().await.unwrap().body, "forged");
    }
    let answer = meter.client.request(ingress, "draft".into()).await.unwrap();
    assert_eq!(answer.payload, "acme/meter");
    let posted = posted.recv().await.unwrap();
    assert_eq!((posted.tenant.as_str(), posted.agent.as_str(), posted.body), ("acme", "meter", "draft".into()));
    assert_eq!(unacknowledged(&acme, "acme").await, 1);
    acme.publish("_INBOX.victim", "last".into()).await.unwrap();
    assert_eq!(victim.next().await.unwrap().payload, "last");
}

#[tokio::test]
async fn what_another_tenants_subject_says_in_an_account_is_dropped() {
    let bench = Bench::new().await;
    let acme = bench.host("acme").await;
    let (mut posted, _running) = taking_in(&acme).await;
    // Nobody but a host could: an agent's credentials do not reach as far.
    for subject in ["tenants.globex.ingress.meter", "tenants.ACME.ingress.meter", "tenants.acme.ingress.dlq"] {
        acme.publish(subject, "forged".into()).await.unwrap();
    }
    acme.publish("tenants.acme.ingress.meter", "own".into()).await.unwrap();
    assert_eq!(posted.recv().await.unwrap().body, "own");
}
