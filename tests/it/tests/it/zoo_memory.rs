//! A hundred agents of one tenant that take all the memory there is: it is their tenant's, and no more.

use serde_json::{Value, json};
use tests_kit::{Package, Setup, aside};

const AGENTS: usize = 100;
const TENANT_MIB: u64 = 64;

#[tokio::test]
async fn a_hundred_agents_that_take_all_they_get_stay_within_their_tenants_memory() {
    let setup = Setup::new().env("BAILIWICK_TENANT__MEMORY_MIB_MAX", &TENANT_MIB.to_string());
    let host = setup.start().and_tenants(&["acme", "globex"]).await;
    host.api.deploy("globex", &Package::zoo()).await;
    host.api.ask("globex", "zoo", "grow", &Value::Null).await.ok();
    let greedy = Package::zoo().with("limits.memory", "64MiB").with("limits.fuel", 1_000_000_000_000_i64);
    for number in 0..AGENTS {
        host.api
            .deploy("acme", &greedy.clone().named(&format!("greedy-{number}")).with("limits.deadline", "10s"))
            .await;
    }
    let before = host.resident_bytes_max();
    let all: Vec<_> = (0..AGENTS)
        .map(|number| {
            let api = host.api.clone();
            aside(async move { api.ask("acme", &format!("greedy-{number}"), "grow", &Value::Null).await })
        })
        .collect();
    assert_eq!(host.api.ask("globex", "zoo", "mirror", &json!("mine")).await.said()["payload"], "mine");
    let mut given = 0;
    for one in all {
        let answer = one.await.unwrap();
        // Who found no room for as much as a beginning failed; who got some says how much.
        assert!(matches!(answer.status, 200 | 422), "{answer:?}");
        given += u64::from(answer.status == 200);
    }
    assert!(given > 0, "nobody was given any");
    let more = host.resident_bytes_max() - before;
    let bound = TENANT_MIB * 5 / 4 + 64;
    assert!(more <= bound << 20, "the host grew by {} MiB, where {bound} are the most", more >> 20);
    let shown = host.api.ask("globex", "zoo", "grow", &Value::Null).await.said();
    assert!(shown["bytes"].as_u64().unwrap() > 8 << 20, "another tenant has its own: {shown}");
}
