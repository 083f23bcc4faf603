//! Guests that spin where no message is being handled yet, or not any more: they are cut off all the same, and nobody waits for them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests_kit::guest::{MEMORY, NO_ANSWER, REALLOC, SPIN, agent, lasting_agent};
use tests_kit::{Host, Package};

const DEADLINE: Duration = Duration::from_millis(300);
/// How long after its deadline a guest may at most be gone, on a busy machine.
const MARGIN: Duration = Duration::from_secs(3);

fn spinner(package: Package, id: &str, component: Vec<u8>) -> Package {
    let patient = package.named(id).with("limits.fuel", 1_000_000_000_000_i64).with("limits.deadline", "300ms");
    Package { component, ..patient }
}

async fn host() -> Host {
    let host = Host::with_tenants(&["acme", "globex"]).await;
    host.api.deploy("globex", &Package::zoo()).await;
    host
}

async fn neighbour_answers(host: &Host) {
    assert_eq!(host.api.ask("globex", "zoo", "mirror", &json!("mine")).await.said()["payload"], "mine");
}

#[tokio::test]
async fn a_guest_that_spins_before_or_after_its_message_ends_in_time_and_its_neighbour_is_answered() {
    let host = host().await;
    let check = async |id: &str, component: Vec<u8>| {
        host.api.deploy("acme", &spinner(Package::zoo(), id, component)).await;
        for _ in 0..3 {
            let began = Instant::now();
            host.api.ask("acme", id, "anything", &Value::Null).await.refused(422, "receiver-failed");
            assert!((DEADLINE..DEADLINE + MARGIN).contains(&began.elapsed()), "{id} took {:?}", began.elapsed());
            neighbour_answers(&host).await;
        }
        let shown = host.api.agent("acme", id).await;
        assert_eq!((&shown["lastFailure"]["cause"], &shown["counters"]["inFlight"]), (&json!("timeout"), &json!(0)));
    };
    let start = format!("{MEMORY} {REALLOC} (func $start {SPIN}) (start $start)");
    check("as-it-begins", agent(&start, NO_ANSWER)).await;
    let realloc = format!(r#"(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) {SPIN} unreachable)"#);
    check("as-it-takes", agent(&format!("{MEMORY} {realloc}"), NO_ANSWER)).await;
    let post = format!(r#"(func (export "cabi_post_bailiwick:agent/inbox@0.1.0#handle") (param i32) {SPIN})"#);
    check("as-it-returns", agent(&format!("{MEMORY} {REALLOC} {post}"), NO_ANSWER)).await;
}

#[tokio::test]
async fn a_resident_that_spins_as_it_begins_is_not_deployed_and_its_place_is_free_again() {
    let host = host().await;
    let check = async |id: &str, parts: &str, start: &str| {
        let began = Instant::now();
        let resident = spinner(Package::resident(), id, lasting_agent(&format!("{MEMORY} {REALLOC} {parts}"), start));
        host.api.try_deploy("acme", &resident).await.refused(422, "did-not-start");
        assert!(began.elapsed() < DEADLINE + MARGIN, "{id} took {:?}", began.elapsed());
        neighbour_answers(&host).await;
        let repaired = Package { component: lasting_agent(&format!("{MEMORY} {REALLOC}"), NO_ANSWER), ..resident };
        assert_eq!(host.api.deploy("acme", &repaired).await["state"], "ready");
    };
    check("at-its-birth", &format!("(func $start {SPIN}) (start $start)"), NO_ANSWER).await;
    check("at-its-start", "", &format!("{SPIN} unreachable")).await;
}
