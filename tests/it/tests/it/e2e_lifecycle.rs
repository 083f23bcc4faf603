//! The life of an agent: nothing is delivered before it is ready, nothing begun is lost when it stops, and what fails to start
//! leaves what was there.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests_kit::{Api, Host, Package, Setup, aside, eventually};

/// The first pause before an instance is started again; it doubles.
const PAUSE_MIN: Duration = Duration::from_millis(100);

async fn host() -> Host {
    Host::with_tenants(&["acme"]).await
}

async fn count(api: &Api, agent: &str) -> Value {
    api.ask("acme", agent, "count", &Value::Null).await.said()
}

/// Returns when the agent is handling so many messages.
async fn handling(api: &Api, agent: &str, messages: u64) {
    eventually("messages are being handled", async || {
        (api.agent("acme", agent).await["counters"]["inFlight"] == messages).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_deploy_shows_each_step_up_to_ready_and_then_the_agent_has_a_card() {
    let host = host().await;
    let manifest = Package::zoo().write(host.home());
    let shown = host.cli(&["agent", "deploy", manifest.to_str().unwrap(), "--tenant", "acme"]).ok();
    assert!(shown.contains("steps: load, validate, subscribe, register, discover (0 peers), ready"), "{shown}");
    let agent = host.api.agent("acme", "zoo").await;
    assert_eq!((&agent["state"], &agent["step"]), (&json!("ready"), &json!("ready")));
    assert_eq!(host.api.cards("acme", "&skill=misbehave").await.len(), 1);
}

#[tokio::test]
async fn nothing_is_delivered_before_ready_and_everything_taken_is_handled() {
    // Without compiled code at hand, there is time between the request and the agent.
    let host = Setup::new().blank().start().and_tenants(&["acme"]).await;
    let (api, zoo) = (host.api.clone(), Package::zoo());
    let deploying = aside(async move { api.deploy("acme", &zoo).await });
    let (mut refused, mut taken) = (0, 0);
    while taken < 3 {
        let answer = host.api.send("acme", "zoo", "mirror", &Value::Null).await;
        match answer.status {
            202 => taken += 1,
            _ => refused += i32::from(answer.refused(404, "not-found").is_object()),
        }
    }
    assert_eq!(deploying.await.unwrap()["state"], "ready");
    assert!(refused > 0, "it was ready too soon to prove a thing");
    eventually("what was taken is handled", async || {
        (host.api.agent("acme", "zoo").await["counters"]["handled"] == taken).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_agent_that_is_not_started_gets_nothing() {
    let host = host().await;
    let manifest = Package::zoo().write(host.home());
    host.cli(&["agent", "deploy", manifest.to_str().unwrap(), "--tenant", "acme", "--no-start"]).ok();
    let agent = host.api.agent("acme", "zoo").await;
    assert_eq!((&agent["state"], &agent["desired"]), (&json!("stopped"), &json!("stopped")));
    host.api.send("acme", "zoo", "mirror", &Value::Null).await.refused(404, "not-found");
    host.api.publish("acme", "zoo.in", "mirror", &Value::Null).await.ok();
    host.api.steer("acme", "zoo", "start").await.ok();
    host.api.ask("acme", "zoo", "mirror", &Value::Null).await.ok();
    assert_eq!(host.api.agent("acme", "zoo").await["counters"]["received"], 1, "what was sent before is not kept");
}

#[tokio::test]
async fn a_stop_lets_finish_what_was_taken_and_takes_the_agent_off_the_registry() {
    let host = host().await;
    host.api.deploy("acme", &Package::zoo().with("limits.concurrency", 1)).await;
    let asking = |api: Api| aside(async move { api.ask("acme", "zoo", "sleep", &json!(300)).await });
    let first = asking(host.api.clone());
    handling(&host.api, "zoo", 1).await;
    let second = asking(host.api.clone());
    eventually("the second waits", async || {
        (host.api.agent("acme", "zoo").await["counters"]["waiting"] == 1).then_some(())
    })
    .await;

    assert_eq!(host.api.steer("acme", "zoo", "stop").await.ok()["state"], "stopped");
    for answer in [first, second] {
        assert!(answer.await.unwrap().said()["elapsed_ms"].as_u64().unwrap() >= 299);
    }
    let counters = host.api.agent("acme", "zoo").await["counters"].take();
    assert_eq!((&counters["handled"], &counters["dropped"]), (&json!(2), &json!(0)));
    assert_eq!(host.api.cards("acme", "").await, Vec::<Value>::new());
    host.api.send("acme", "zoo", "mirror", &Value::Null).await.refused(404, "not-found");
}

#[tokio::test]
async fn a_resident_is_told_that_it_will_be_stopped() {
    let host = host().await;
    host.api.deploy("acme", &Package::resident()).await;
    host.api.steer("acme", "zoo-resident", "stop").await.ok();
    let logs = host.api.logs("acme", "zoo-resident").await;
    assert_eq!(logs.iter().filter(|line| line["message"] == "stopped").count(), 1, "{logs:#?}");
}

#[tokio::test]
async fn a_resident_remembers_until_it_is_restarted_and_a_fresh_instance_never_does() {
    let host = host().await;
    host.api.deploy("acme", &Package::resident()).await;
    host.api.deploy("acme", &Package::zoo()).await;
    for n in 1..=3 {
        assert_eq!(count(&host.api, "zoo-resident").await, n);
        assert_eq!(count(&host.api, "zoo").await, 1);
    }
    assert_eq!(host.api.steer("acme", "zoo-resident", "restart").await.ok()["state"], "ready");
    assert_eq!(count(&host.api, "zoo-resident").await, 1);
}

#[tokio::test]
async fn a_resident_that_traps_comes_back_without_its_memory_after_pauses_that_double() {
    let host = host().await;
    host.api.deploy("acme", &Package::resident()).await;
    assert_eq!(count(&host.api, "zoo-resident").await, 1);
    let began = Instant::now();
    for _ in 0..4 {
        host.api.send("acme", "zoo-resident", "trap", &Value::Null).await.ok();
    }
    eventually("it shows that it pauses", async || {
        (host.api.agent("acme", "zoo-resident").await["state"] == "backing-off").then_some(())
    })
    .await;
    assert_eq!(count(&host.api, "zoo-resident").await, 1, "the message that waited is handled by a new instance");
    let took = began.elapsed();
    assert!(took >= PAUSE_MIN * (1 + 2 + 4 + 8), "four pauses in {took:?}");
    let agent = host.api.agent("acme", "zoo-resident").await;
    assert_eq!((&agent["counters"]["restarts"], &agent["state"]), (&json!(4), &json!("ready")));

    let began = Instant::now();
    host.api.send("acme", "zoo-resident", "trap", &Value::Null).await.ok();
    count(&host.api, "zoo-resident").await;
    assert!(began.elapsed() < PAUSE_MIN * 16, "after a success the pauses begin again");
}

#[tokio::test]
async fn a_command_reaches_a_running_resident_and_nobody_else() {
    let host = host().await;
    host.api.deploy("acme", &Package::resident()).await;
    host.api.deploy("acme", &Package::zoo()).await;
    let command = async |agent, name, data| host.api.command("acme", agent, name, data).await;
    assert_eq!(command("zoo-resident", "echo", json!({ "n": 1 })).await.ok(), json!({ "result": { "n": 1 } }));
    let refused = command("zoo-resident", "dance", Value::Null).await.refused(422, "command-refused");
    assert!(refused["detail"].as_str().unwrap().contains("unknown command dance"), "{refused:#}");
    command("zoo-resident", "trap", Value::Null).await.refused(422, "command-refused");
    assert_eq!(command("zoo-resident", "echo", json!("again")).await.ok()["result"], "again", "a new instance answers");
    command("zoo", "echo", Value::Null).await.refused(422, "no-commands");
    command("nobody", "echo", Value::Null).await.refused(404, "not-found");
    host.api.steer("acme", "zoo-resident", "stop").await.ok();
    command("zoo-resident", "echo", Value::Null).await.refused(409, "not-running");
}

#[tokio::test]
async fn a_deleted_agents_id_stays_taken_in_its_tenant_alone() {
    let mut host = Host::with_tenants(&["acme", "globex"]).await;
    host.api.deploy("acme", &Package::zoo()).await;
    assert_eq!(host.api.delete("acme", "zoo").await.status, 204);
    for _ in 0..2 {
        host.api.get("/api/agents/zoo?tenant=acme").await.refused(404, "not-found");
        host.api.try_deploy("acme", &Package::zoo()).await.refused(409, "taken");
        assert_eq!(host.api.get("/api/agents?tenant=acme").await.ok()["items"], json!([]));
        host.terminate();
        host.start_again();
        host.ready().await;
    }
    host.api.deploy("globex", &Package::zoo()).await;
}

#[tokio::test]
async fn an_agent_that_is_deleted_while_somebody_starts_it_stays_away() {
    let host = host().await;
    host.api.deploy("acme", &Package::zoo()).await;
    host.api.send("acme", "zoo", "sleep", &json!(500)).await.ok();
    handling(&host.api, "zoo", 1).await;
    let api = host.api.clone();
    let deleting = aside(async move { api.delete("acme", "zoo").await });
    eventually("it drains", async || (host.api.agent("acme", "zoo").await["state"] == "stopping").then_some(())).await;
    let verbs = ["start", "restart"].map(|verb| {
        let api = host.api.clone();
        aside(async move { api.steer("acme", "zoo", verb).await })
    });
    assert_eq!(deleting.await.unwrap().status, 204);
    for verb in verbs {
        verb.await.unwrap().refused(404, "not-found");
    }
    assert_eq!(host.api.cards("acme", "").await, Vec::<Value>::new(), "nobody is in the registry");
    host.api.send("acme", "zoo", "mirror", &Value::Null).await.refused(404, "not-found");
}

#[tokio::test]
async fn of_two_first_deploys_at_once_one_is_in_force() {
    let host = host().await;
    let deploy = |version: &'static str| {
        let (api, zoo) = (host.api.clone(), Package::resident().with("agent.version", version));
        aside(async move { api.try_deploy("acme", &zoo).await })
    };
    let deploys = [deploy("1.0.0"), deploy("2.0.0"), deploy("3.0.0"), deploy("4.0.0")];
    for deployed in deploys {
        assert!([201, 409].contains(&deployed.await.unwrap().status));
    }
    let version = host.api.agent("acme", "zoo-resident").await["version"].take();
    for _ in 0..8 {
        let me = host.api.ask("acme", "zoo-resident", "identity", &Value::Null).await.said();
        assert_eq!(me["version"], version, "two agents answer under one id");
    }
    host.api.steer("acme", "zoo-resident", "stop").await.ok();
    host.api.send("acme", "zoo-resident", "count", &Value::Null).await.refused(404, "not-found");
}

#[tokio::test]
async fn a_first_start_that_fails_is_refused_with_the_reason_and_leaves_nothing() {
    let mut host = host().await;
    let check = async |package: Package, reason: &str| {
        let refused = host.api.try_deploy("acme", &package).await;
        let refused = refused.refused(422, "did-not-start");
        assert!(refused["detail"].as_str().unwrap().contains(reason), "{refused:#}");
        host.api.send("acme", package.id(), "count", &Value::Null).await.refused(404, "not-found");
        assert_eq!(host.api.get("/api/agents?tenant=acme").await.ok()["items"], json!([]));
        assert_eq!(host.api.cards("acme", "").await, Vec::<Value>::new());
    };
    let resident = Package::resident();
    check(resident.clone().named("says-no").with("config.fail_start", "no coffee"), "no coffee").await;
    check(resident.clone().named("traps").with("config.trap_start", "yes"), "unreachable").await;
    host.terminate();
    host.start_again();
    host.ready().await;
    assert_eq!(host.api.get("/api/agents?tenant=acme").await.ok()["items"], json!([]), "nor after a restart");

    let repaired = host.api.deploy("acme", &resident.named("says-no")).await;
    assert_eq!((&repaired["state"], &repaired["revision"]), (&json!("ready"), &json!(1)), "its id is still free");
}

#[tokio::test]
async fn an_upgrade_that_does_not_start_leaves_the_old_version_serving() {
    let mut host = host().await;
    let old = Package::resident();
    host.api.deploy("acme", &old).await;
    let broken = old.with("agent.version", "0.2.0").with("config.fail_start", "no coffee");
    host.api.try_deploy("acme", &broken).await.refused(422, "did-not-start");
    for _ in 0..2 {
        let agent = host.api.agent("acme", "zoo-resident").await;
        let facts = ["state", "version", "revision"].map(|fact| agent[fact].clone());
        assert_eq!(facts, [json!("ready"), json!("0.1.0"), json!(1)]);
        let me = host.api.ask("acme", "zoo-resident", "identity", &Value::Null).await.said();
        assert_eq!(me["version"], "0.1.0");
        host.terminate();
        host.start_again();
        host.ready().await;
    }
}

#[tokio::test]
async fn a_new_revision_takes_over_and_is_the_one_that_comes_back() {
    let mut host = host().await;
    host.api.deploy("acme", &Package::zoo()).await;
    host.api.deploy("acme", &Package::zoo().with("agent.version", "0.2.0")).await;
    for _ in 0..2 {
        let me = host.api.ask("acme", "zoo", "identity", &Value::Null).await.said();
        assert_eq!(me["version"], "0.2.0");
        assert_eq!(host.api.agent("acme", "zoo").await["revision"], 2);
        host.terminate();
        host.start_again();
        host.ready().await;
    }
}
