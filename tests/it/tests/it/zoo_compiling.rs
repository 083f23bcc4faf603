//! A component made to keep the compiler busy: it is given up in time, and meanwhile everybody else is served.

use std::time::{Duration, Instant};

use serde_json::json;
use tests_kit::guest::compile_bomb;
use tests_kit::{Package, Setup, aside};

/// What an answer may at most take meanwhile, on a busy machine. The compiler takes what others leave.
const ANSWER_MAX: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_component_made_to_keep_the_compiler_busy_is_given_up_and_keeps_nobody_waiting() {
    let host = Setup::new().env("BAILIWICK_ENGINE__COMPILE_CPU_SECONDS", "2").start();
    let host = host.and_tenants(&["acme", "globex"]).await;
    host.api.deploy("globex", &Package::zoo()).await;
    let bomb = Package { component: compile_bomb(), ..Package::zoo().named("bomb") };
    let api = host.api.clone();
    let deploying = aside(async move { api.try_deploy("acme", &bomb).await });
    let (mut answers, mut slowest) = (0, Duration::ZERO);
    while !deploying.is_finished() {
        let began = Instant::now();
        assert_eq!(host.api.ask("globex", "zoo", "mirror", &json!(answers)).await.said()["payload"], answers);
        (answers, slowest) = (answers + 1, slowest.max(began.elapsed()));
    }
    let refused = deploying.await.unwrap();
    assert_eq!(refused.status, 422, "{refused:?}");
    assert!(refused.json()["detail"].as_str().unwrap().contains("time"), "{refused:?}");
    assert!(answers > 20, "{answers} answers in two seconds");
    assert!(slowest < ANSWER_MAX, "the slowest answer took {slowest:?}");
    // The compiler is free for the next one.
    host.api.deploy("acme", &Package::resident()).await;
}
