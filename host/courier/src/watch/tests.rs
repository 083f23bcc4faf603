//! What a watcher sees, and what it misses.

use tests_kit::gate::{body, born};

use super::*;
use crate::samples::{World, publish};

async fn seen(watch: &mut Watch) -> String {
    match watch.next().await {
        Some(Seen::Message(accepted)) => body(accepted.envelope()),
        Some(Seen::Missed(count)) => format!("missed {count}"),
        None => "end".to_owned(),
    }
}

#[tokio::test]
async fn a_watcher_sees_its_own_tenant_only() {
    let world = World::new();
    let [acme, globex] = ["acme", "globex"].map(|tenant| world.join(tenant, "sender", &[], 10));
    let mut watch = world.courier.watch(born("globex", "watcher"), ">".parse().unwrap());
    assert!(world.now(&acme, publish("a", "of acme")).is_ok());
    assert!(world.now(&globex, publish("a", "of globex")).is_ok());
    assert_eq!(seen(&mut watch).await, "of globex");
}

#[tokio::test]
async fn a_slow_watcher_is_told_how_many_messages_it_missed_and_senders_do_not_wait() {
    let world = World::new();
    let sender = world.join("acme", "sender", &[], 10);
    let mut watch = world.courier.watch(born("acme", "watcher"), ">".parse().unwrap());
    for number in 0..LAG_MAX + 5 {
        assert!(world.now(&sender, publish("a", &number.to_string())).is_ok());
    }
    assert_eq!(seen(&mut watch).await, "missed 5");
    assert_eq!(seen(&mut watch).await, "0");
}
