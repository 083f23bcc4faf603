//! What one tenant tries against another, and an external agent against its own tenant.

use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::bench::{Bench, account, asked, keep, pull, settled, stream, unacknowledged};

/// What external agents' subscriptions may not reach, each in one of the ways there are to ask for it.
const NOT_TO_SUBSCRIBE: [&str; 26] = [
    ">",
    "*",
    "*.>",
    "_INBOX.>",
    "_INBOX.*",
    "_INBOX.*.*",
    "_INBOX_other.>",
    "*.a",
    "$JS.>",
    "$JS.API.>",
    "$JS.ACK.>",
    "$KV.>",
    "$SYS.>",
    "$SYS.REQ.CLAIMS.UPDATE",
    "$SYS.ACCOUNT.*.CONNECT",
    "$SRV.>",
    "bailiwick.>",
    "bailiwick.hosts.*",
    "kept.>",
    "tenants.>",
    "tenants.globex.>",
    "tenants.*.deliveries.meter.>",
    "tenants.acme.>",
    "tenants.acme.queues.meter",
    "tenants.acme.deliveries.*.>",
    "tenants.acme.ingress.*",
];

/// What they may not publish to.
const NOT_TO_PUBLISH: [&str; 11] = [
    "tenants.acme.queues.echo",
    "tenants.acme.deliveries.meter.messages",
    "tenants.acme.ingress.other",
    "tenants.globex.ingress.meter",
    "kept.acme.echo.0.x.queues.echo",
    "bailiwick.hosts.h1",
    "bailiwick.done.acme",
    "_INBOX.abc",
    "$JS.API.STREAM.DELETE.tenant-acme",
    "$JS.ACK.tenant-acme.echo.1.1.1.1.0",
    "$SYS.REQ.CLAIMS.DELETE",
];

#[tokio::test]
async fn a_spy_sees_none_of_10_000_replies() {
    let bench = Bench::new().await;
    let (asks, answers) = (bench.host("acme").await, bench.host("acme").await);
    // All rights in another account, and the least in the same.
    let globex = bench.host("globex").await;
    let mut spies = [globex.subscribe(">").await.unwrap(), globex.subscribe("_INBOX.>").await.unwrap()];
    let mut meter = bench.with(&bench.meter("acme")).await;
    let mut refused = meter.client.subscribe("_INBOX.>").await.unwrap();
    assert!(meter.told().await.contains("permissions violation"));
    let mut serving = answers.subscribe("tenants.acme.queues.echo").await.unwrap();
    settled(&answers).await;
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        for _ in 0..10_000 {
            let asked = serving.next().await.unwrap();
            answers.publish(asked.reply.unwrap(), "secret".into()).await.unwrap();
        }
        answers.flush().await.unwrap();
    });
    for _ in 0..20 {
        let asks = asks.clone();
        tasks.spawn(async move {
            for _ in 0..500 {
                let answer = asks.request("tenants.acme.queues.echo", "".into()).await.unwrap();
                assert_eq!(answer.payload, "secret");
            }
        });
    }
    assert_eq!(tasks.join_all().await.len(), 21);
    // What they may see comes, and comes first.
    for (spy, subject) in spies.iter_mut().zip(["last", "_INBOX.last"]) {
        globex.publish(subject, "".into()).await.unwrap();
        assert_eq!(spy.next().await.unwrap().subject.as_str(), subject);
    }
    let mut allowed = meter.client.subscribe("_INBOX_meter.last").await.unwrap();
    let mut drafts = asks.subscribe("tenants.acme.ingress.meter").await.unwrap();
    settled(&asks).await;
    meter.client.publish("tenants.acme.ingress.meter", "".into()).await.unwrap();
    drafts.next().await.unwrap();
    asks.publish("_INBOX_meter.last", "".into()).await.unwrap();
    allowed.next().await.unwrap();
    assert!(refused.next().now_or_never().is_none());
}

#[tokio::test]
async fn a_forged_acknowledgement_leaves_the_message_pending() {
    let bench = Bench::new().await;
    let acme = bench.host("acme").await;
    stream(&acme, "acme").await;
    keep(&acme, "acme", "m1").await;
    let acknowledge = pull(&acme, "acme").await.reply.unwrap().to_string();
    assert!(acknowledge.starts_with("$JS.ACK.tenant-acme.echo.1."), "{acknowledge}");

    // Everything that a forger could guess is right, but for the account: with a host's credentials, the best there are.
    let globex = bench.host("globex").await;
    stream(&globex, "globex").await;
    globex.publish(acknowledge.clone(), "+ACK".into()).await.unwrap();
    settled(&globex).await;
    let mut meter = bench.with(&bench.meter("acme")).await;
    meter.client.publish(acknowledge.clone(), "+ACK".into()).await.unwrap();
    assert!(meter.told().await.contains("permissions violation for publish"));
    assert_eq!(unacknowledged(&acme, "acme").await, 1);

    // The same bytes from the account itself are what ends it.
    acme.request(acknowledge, "+ACK".into()).await.unwrap();
    assert_eq!(unacknowledged(&acme, "acme").await, 0);
}

#[tokio::test]
async fn anothers_message_id_makes_no_message_a_duplicate() {
    let bench = Bench::new().await;
    let (acme, globex) = (bench.host("acme").await, bench.host("globex").await);
    for (host, name) in [(&acme, "acme"), (&globex, "globex")] {
        stream(host, name).await;
        assert!(!keep(host, name, "01JD").await, "{name}");
        assert_eq!(pull(host, name).await.payload, name);
    }
    assert!(keep(&acme, "acme", "01JD").await, "within a tenant it is one");
}

#[tokio::test]
async fn stolen_credentials_of_one_tenant_read_nothing_of_another() {
    let bench = Bench::new().await;
    let globex = bench.host("globex").await;
    stream(&globex, "globex").await;
    keep(&globex, "globex", "m1").await;

    let thief = bench.host("acme").await;
    let mut everything = thief.subscribe(">").await.unwrap();
    let questions =
        [("INFO", Value::Null), ("MSG.GET", json!({ "seq": 1 })), ("PURGE", Value::Null), ("DELETE", Value::Null)];
    for (question, body) in questions {
        let found = asked(&thief, format!("$JS.API.STREAM.{question}.tenant-globex"), body).await;
        assert!(found.as_ref().is_err_and(|refusal| refusal.contains("stream not found")), "{question}: {found:?}");
    }
    let names = asked(&thief, "$JS.API.STREAM.NAMES".to_owned(), Value::Null).await.unwrap();
    assert_eq!(names["total"], 0, "{names}");

    let mut listens = globex.subscribe("tenants.globex.>").await.unwrap();
    globex.publish("tenants.globex.queues.echo", "secret".into()).await.unwrap();
    assert_eq!(listens.next().await.unwrap().payload, "secret");
    thief.publish("last", "".into()).await.unwrap();
    loop {
        let seen = everything.next().await.unwrap();
        assert!(seen.payload != "secret" && !seen.subject.starts_with("tenants."), "{seen:?}");
        if seen.subject.as_str() == "last" {
            break;
        }
    }
    // An external agent's are worth less still, and prove nothing in another account.
    let stolen = bench.with(&bench.meter("acme")).await;
    let silent = asked(&stolen.client, "$JS.API.STREAM.INFO.tenant-globex".to_owned(), Value::Null);
    assert!(tokio::time::timeout(Duration::from_millis(200), silent).await.is_err());
    assert_ne!(bench.minter.account_id(&account("acme")), bench.minter.account_id(&account("globex")));
}

#[tokio::test]
async fn an_agents_credentials_subscribe_to_nothing_but_their_own() {
    let bench = Bench::new().await;
    let mut meter = bench.with(&bench.meter("acme")).await;
    let mut opened = Vec::new();
    for subject in NOT_TO_SUBSCRIBE {
        opened.push(meter.client.subscribe(subject).await.unwrap());
        let alone = meter.told().await;
        opened.push(meter.client.queue_subscribe(subject, "bailiwick-ingress".to_owned()).await.unwrap());
        for told in [alone, meter.told().await] {
            let wanted = format!("permissions violation for subscription to \"{}\"", subject.to_lowercase());
            assert!(told.contains(&wanted), "{subject}: {told}");
        }
    }
    let acme = bench.host("acme").await;
    for subject in ["tenants.acme.deliveries.meter.messages", "_INBOX_meter.a.b"] {
        let mut own = meter.client.subscribe(subject).await.unwrap();
        // The subscription is there when its own draft has come to a host.
        let mut drafts = acme.subscribe("tenants.acme.ingress.meter").await.unwrap();
        settled(&acme).await;
        meter.client.publish("tenants.acme.ingress.meter", "".into()).await.unwrap();
        drafts.next().await.unwrap();
        acme.publish(subject, "own".into()).await.unwrap();
        assert_eq!(own.next().await.unwrap().payload, "own");
    }
}

#[tokio::test]
async fn an_agents_credentials_publish_to_their_ingress_subject_alone() {
    let bench = Bench::new().await;
    let acme = bench.host("acme").await;
    let mut heard = [acme.subscribe("tenants.>").await.unwrap(), acme.subscribe("kept.>").await.unwrap()];
    settled(&acme).await;
    let mut meter = bench.with(&bench.meter("acme")).await;
    for subject in NOT_TO_PUBLISH {
        meter.client.publish(subject, "forged".into()).await.unwrap();
        let told = meter.told().await;
        assert!(told.contains("permissions violation for publish"), "{subject}: {told}");
    }
    meter.client.publish("tenants.acme.ingress.meter", "own".into()).await.unwrap();
    let first = heard[0].next().await.unwrap();
    assert_eq!((first.subject.as_str(), first.payload), ("tenants.acme.ingress.meter", "own".into()));
    acme.publish("kept.last", "".into()).await.unwrap();
    assert_eq!(heard[1].next().await.unwrap().subject.as_str(), "kept.last");
}
