//! Credentials that end, and those that do not show it.

use std::time::Duration;

use async_nats::Event;
use futures_util::StreamExt as _;
use host_bus::accounts::{options, renew};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::bench::{Bench, account, asked, keep, stream, try_keep, watched};

/// As short as the whole seconds of a token allow without chance in it.
const SHORT: Duration = Duration::from_secs(3);

#[tokio::test]
async fn credentials_that_expire_in_use_read_nothing_more() {
    let bench = Bench::with_host_lifetime(SHORT).await;
    let mut thief = bench.with(&bench.minter.host_user(&account("acme")).unwrap()).await;
    let mut reads = thief.client.subscribe("tenants.acme.>").await.unwrap();
    thief.client.publish("tenants.acme.a", "before".into()).await.unwrap();
    assert_eq!(reads.next().await.unwrap().payload, "before");
    assert!(thief.told().await.contains("user authentication expired"));
    thief.until(&Event::Disconnected).await;
    let acme = bench.host("acme").await;
    acme.publish("tenants.acme.a", "after".into()).await.unwrap();
    acme.flush().await.unwrap();
    // The client tries to come back as often as it may, with what it has.
    thief.ended().await;
    assert!(reads.next().await.is_none());
}

#[tokio::test]
async fn a_hosts_own_credentials_are_renewed_without_a_gap() {
    let bench = Bench::with_host_lifetime(SHORT).await;
    let mut host = watched(options(&bench.minter, account("acme")), bench.server.url()).await.unwrap();
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(renew(host.client.clone(), bench.minter.clone(), stop.clone()));
    stream(&host.client, "acme").await;
    let (mut connected, mut kept) = (0, 0_u32);
    // Over three lifetimes. What was under way in such a moment is asked again, as it would be over any other lost connection.
    while connected < 5 {
        let id = format!("m{kept}");
        if try_keep(&host.client, "acme", &id).await.is_err() {
            keep(&host.client, "acme", &id).await;
        }
        kept += 1;
        for event in host.events() {
            connected += u32::from(event == Event::Connected);
            assert!(!matches!(event, Event::ServerError(_)), "{event:?}");
        }
    }
    stop.cancel();
    tasks.join_all().await;
    let info = asked(&host.client, "$JS.API.STREAM.INFO.tenant-acme".to_owned(), Value::Null).await.unwrap();
    // By its numbers: the stream has room for a MiB, and the oldest make way.
    assert_eq!(info["state"]["last_seq"], kept, "none is lost and none is there twice");
    assert!(kept > 10, "{kept}");
}
