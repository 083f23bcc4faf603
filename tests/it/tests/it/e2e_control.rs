//! What operators decide about tenants and agents: it is whole, it is at once, it survives the host, and neighbours see nothing
//! of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests_kit::{Answer, Api, Host, Package, aside, eventually};

/// Longer than any verb that cuts off may take, and much shorter than what it cuts off.
const AT_ONCE: Duration = Duration::from_secs(5);

/// Spins for half a minute if nobody cuts it off.
fn spinner(id: &str) -> Package {
    Package::zoo().named(id).with("limits.fuel", 1_000_000_000_000_i64).with("limits.deadline", "30s")
}

async fn quarantine(api: &Api, agent: &str) -> Answer {
    api.post(&format!("/api/agents/{agent}/quarantine?tenant=acme"), json!({ "reason": "it mines" })).await
}

async fn stop_tenant(api: &Api, verb: &str) -> Answer {
    api.post(&format!("/api/tenants/acme/{verb}"), json!({ "reason": "it mines" })).await
}

async fn resume(api: &Api) -> Answer {
    api.call("POST", "/api/tenants/acme/resume", None).await
}

async fn handling(api: &Api, agent: &str, messages: u64) {
    eventually("messages are being handled", async || {
        (api.agent("acme", agent).await["counters"]["inFlight"] == messages).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_quarantined_agent_is_cut_off_at_once_and_stays_so_until_it_is_released() {
    let mut host = Host::with_tenants(&["acme"]).await;
    host.api.deploy("acme", &spinner("spinner").with("limits.concurrency", 2)).await;
    host.api.deploy("acme", &Package::zoo()).await;
    for _ in 0..5 {
        host.api.send("acme", "spinner", "spin", &Value::Null).await.ok();
    }
    handling(&host.api, "spinner", 2).await;

    let began = Instant::now();
    let said = host.cli(&["agent", "quarantine", "spinner", "--tenant", "acme", "--reason", "it mines"]).ok();
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    assert!(said.starts_with("acme/spinner is quarantined: it mines (since "), "{said}");
    let agent = host.api.agent("acme", "spinner").await;
    assert_eq!(agent["state"], "quarantined");
    let counters = &agent["counters"];
    let [waiting, in_flight, failed, dropped] =
        ["waiting", "inFlight", "failed", "dropped"].map(|name| &counters[name]);
    assert_eq!([waiting, in_flight, failed, dropped], [&json!(0), &json!(0), &json!(2), &json!(3)]);

    check_in_quarantine(&host.api).await;
    host.terminate();
    host.start_again();
    host.ready().await;
    check_in_quarantine(&host.api).await;

    let released = host.api.steer("acme", "spinner", "release").await.ok();
    assert_eq!((&released["state"], &released["desired"]), (&json!("stopped"), &json!("stopped")));
    host.api.steer("acme", "spinner", "start").await.ok();
    host.api.ask("acme", "spinner", "mirror", &Value::Null).await.ok();
}

async fn check_in_quarantine(api: &Api) {
    for verb in ["start", "restart"] {
        api.steer("acme", "spinner", verb).await.refused(409, "quarantined");
    }
    let refused = api.try_deploy("acme", &spinner("spinner")).await.refused(409, "quarantined");
    assert_eq!(refused["detail"], "agent 'spinner' is quarantined (it mines): release it first");
    api.send("acme", "spinner", "mirror", &Value::Null).await.refused(404, "not-found");
    assert_eq!(api.agent("acme", "spinner").await["state"], "quarantined");
    assert_eq!(api.cards("acme", "").await.len(), 1, "its neighbour's alone");
    api.ask("acme", "zoo", "mirror", &Value::Null).await.ok();
}

#[tokio::test]
async fn a_resident_is_cut_off_in_the_middle_of_its_start_and_of_a_command() {
    let host = Host::with_tenants(&["acme"]).await;
    host.api.deploy("acme", &Package::resident().with("limits.deadline", "30s")).await;
    let api = host.api.clone();
    let asking = aside(async move { api.ask("acme", "zoo-resident", "sleep", &json!(20_000)).await });
    handling(&host.api, "zoo-resident", 1).await;
    // Waits for the one instance, which sleeps.
    let api = host.api.clone();
    let commanding = aside(async move { api.command("acme", "zoo-resident", "echo", json!(1)).await });
    eventually("the command has the agent", async || {
        host.log().iter().any(|line| line.contains("command")).then_some(())
    })
    .await;

    let began = Instant::now();
    quarantine(&host.api, "zoo-resident").await.ok();
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    asking.await.unwrap().refused(422, "receiver-failed");
    assert_eq!(commanding.await.unwrap().status, 422);
}

#[tokio::test]
async fn an_agent_that_was_quarantined_while_it_paused_comes_back_as_any_other() {
    let host = Host::with_tenants(&["acme"]).await;
    host.api.deploy("acme", &Package::resident()).await;
    for _ in 0..6 {
        host.api.send("acme", "zoo-resident", "trap", &Value::Null).await.ok();
    }
    eventually("it pauses", async || {
        (host.api.agent("acme", "zoo-resident").await["state"] == "backing-off").then_some(())
    })
    .await;
    quarantine(&host.api, "zoo-resident").await.ok();
    assert_eq!(host.api.steer("acme", "zoo-resident", "release").await.ok()["state"], "stopped");
    assert_eq!(host.api.steer("acme", "zoo-resident", "start").await.ok()["state"], "ready");
    assert_eq!(host.api.ask("acme", "zoo-resident", "count", &Value::Null).await.said(), 1);
}

#[tokio::test]
async fn a_crash_loop_ends_in_quarantine_and_failures_with_a_success_between_do_not() {
    let host = Host::with_tenants(&["acme"]).await;
    let trap = async |times| {
        for _ in 0..times {
            host.api.ask("acme", "zoo", "trap", &Value::Null).await.refused(422, "receiver-failed");
        }
    };
    host.api.deploy("acme", &Package::zoo()).await;
    trap(9).await;
    host.api.ask("acme", "zoo", "mirror", &Value::Null).await.ok();
    trap(9).await;
    assert_eq!(host.api.agent("acme", "zoo").await["state"], "backing-off", "slowed, and in service");
    trap(1).await;
    let agent = eventually("it is quarantined", async || {
        let agent = host.api.agent("acme", "zoo").await;
        (agent["state"] == "quarantined").then_some(agent)
    })
    .await;
    let reason = agent["reason"].as_str().unwrap();
    assert!(reason.starts_with("crash loop: 10 failures in a row, the last: trap: "), "{reason}");
    host.api.steer("acme", "zoo", "start").await.refused(409, "quarantined");
}

#[tokio::test]
async fn a_resident_agent_in_a_crash_loop_ends_in_quarantine_though_each_instance_waits_longer_than_the_last() {
    let host = Host::with_tenants(&["acme"]).await;
    host.api.deploy("acme", &Package::resident().with("run.replicas", 4)).await;
    for _ in 0..10 {
        host.api.send("acme", "zoo-resident", "trap", &Value::Null).await.ok();
    }
    let agent = eventually("it is quarantined", async || {
        let agent = host.api.agent("acme", "zoo-resident").await;
        (agent["state"] == "quarantined").then_some(agent)
    })
    .await;
    let reason = agent["reason"].as_str().unwrap();
    assert!(reason.starts_with("crash loop: 10 failures in a row, the last: trap: "), "{reason}");
}

#[tokio::test]
async fn a_suspended_tenant_finishes_what_it_has_begun_and_takes_nothing_new_until_it_is_resumed() {
    let mut host = Host::with_tenants(&["acme", "globex"]).await;
    for tenant in ["acme", "globex"] {
        host.api.deploy(tenant, &Package::zoo()).await;
    }
    host.api.deploy("acme", &Package::zoo().named("idle")).await;
    host.api.steer("acme", "idle", "stop").await.ok();
    let api = host.api.clone();
    let asking = aside(async move { api.ask("acme", "zoo", "sleep", &json!(300)).await });
    handling(&host.api, "zoo", 1).await;

    let shown = host.cli(&["tenant", "suspend", "acme", "--reason", "invoice overdue"]).ok();
    assert!(shown.contains("suspended: invoice overdue (since ") && shown.contains("2, 0 ready"), "{shown}");
    assert!(asking.await.unwrap().said()["elapsed_ms"].as_u64().unwrap() >= 299);

    check_suspended(&host.api).await;
    host.terminate();
    host.start_again();
    host.ready().await;
    check_suspended(&host.api).await;

    assert_eq!(resume(&host.api).await.ok()["ready"], 1);
    host.api.ask("acme", "zoo", "mirror", &Value::Null).await.ok();
    assert_eq!(host.api.agent("acme", "idle").await["state"], "stopped");
}

async fn check_suspended(api: &Api) {
    assert_eq!(api.agent("acme", "zoo").await["state"], "suspended");
    let refused = api.send("acme", "zoo", "mirror", &Value::Null).await.refused(409, "suspended");
    assert_eq!(refused["detail"], "tenant 'acme' is suspended (invoice overdue): resume it first");
    api.publish("acme", "zoo.in", "mirror", &Value::Null).await.refused(409, "suspended");
    api.steer("acme", "zoo", "start").await.refused(409, "suspended");
    api.try_deploy("acme", &Package::zoo().named("new")).await.refused(409, "suspended");
    api.ask("globex", "zoo", "mirror", &Value::Null).await.ok();
}

/// What goes on beside the quarantine: deployments one after another, and messages of every kind.
struct Traffic {
    ended: Arc<AtomicBool>,
    deploys: tokio::task::JoinHandle<Vec<String>>,
    sends: tokio::task::JoinHandle<()>,
}

fn traffic(api: &Api) -> Traffic {
    let ended = Arc::new(AtomicBool::new(false));
    let (deploying, sending) = ((api.clone(), ended.clone()), (api.clone(), ended.clone()));
    let deploys = aside(async move {
        let ((api, ended), mut deployed) = (deploying, Vec::new());
        for n in 0_u32.. {
            let id = format!("late-{n}");
            let answer = api.try_deploy("acme", &Package::zoo().named(&id)).await;
            match answer.status {
                201 => deployed.push(id),
                _ => drop(answer.refused(409, "quarantined")),
            }
            if ended.load(Ordering::SeqCst) {
                break;
            }
        }
        deployed
    });
    let sends = aside(async move {
        let (api, ended) = sending;
        while !ended.load(Ordering::SeqCst) {
            api.send("acme", "late-0", "mirror", &Value::Null).await;
            api.publish("acme", "zoo.in", "mirror", &Value::Null).await;
            api.ask("acme", "spinner", "mirror", &Value::Null).await;
        }
    });
    Traffic { ended, deploys, sends }
}

#[tokio::test]
async fn a_tenants_quarantine_is_whole_whatever_goes_on_beside_it() {
    let host = Host::with_tenants(&["acme", "globex"]).await;
    host.api.deploy("globex", &Package::zoo()).await;
    host.api.deploy("acme", &spinner("spinner")).await;
    for _ in 0..3 {
        host.api.send("acme", "spinner", "spin", &Value::Null).await.ok();
    }
    let traffic = traffic(&host.api);
    eventually("some are deployed and work", async || {
        let handled = host.api.get("/api/agents/late-1?tenant=acme").await.status == 200;
        (handled && host.api.agent("acme", "late-0").await["counters"]["handled"].as_u64()? > 3).then_some(())
    })
    .await;

    let began = Instant::now();
    let said = stop_tenant(&host.api, "quarantine").await.ok();
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    assert_eq!((&said["state"], &said["ready"]), (&json!("quarantined"), &json!(0)));
    let before = host.api.get("/api/agents?tenant=acme").await.ok()["items"].take();
    for agent in before.as_array().unwrap() {
        let counters = &agent["counters"];
        assert_eq!((&agent["state"], &counters["inFlight"]), (&json!("quarantined"), &json!(0)), "{agent:#}");
        assert_eq!(counters["waiting"], 0);
    }
    assert_eq!(host.api.cards("acme", "").await, Vec::<Value>::new());
    host.api.send("acme", "late-0", "mirror", &Value::Null).await.refused(409, "quarantined");
    host.api.publish("acme", "zoo.in", "mirror", &Value::Null).await.refused(409, "quarantined");
    host.api.steer("acme", "late-0", "start").await.refused(409, "quarantined");
    stop_tenant(&host.api, "suspend").await.refused(409, "quarantined");
    host.api.ask("globex", "zoo", "mirror", &Value::Null).await.ok();

    traffic.ended.store(true, Ordering::SeqCst);
    traffic.sends.await.unwrap();
    let mut deployed = traffic.deploys.await.unwrap();
    deployed.push("spinner".to_owned());
    deployed.sort();
    let after = host.api.get("/api/agents?tenant=acme").await.ok()["items"].take();
    assert_eq!(after, before, "nothing moved after the verb had returned");
    let ids: Vec<_> = after.as_array().unwrap().iter().map(|agent| agent["agentId"].as_str().unwrap()).collect();
    assert_eq!(ids, deployed, "what was refused left nothing, and what was not is there");

    assert_eq!(resume(&host.api).await.ok()["ready"], json!(deployed.len()));
    host.api.ask("acme", "late-0", "mirror", &Value::Null).await.ok();
}

#[tokio::test]
async fn a_deleted_tenant_is_gone_and_its_id_is_never_given_again() {
    let mut host = Host::with_tenants(&["acme", "globex"]).await;
    host.api.deploy("acme", &spinner("spinner")).await;
    host.api.send("acme", "spinner", "spin", &Value::Null).await.ok();
    handling(&host.api, "spinner", 1).await;
    let asked = host.cli(&["tenant", "delete", "acme"]);
    assert_eq!((asked.code, asked.refusal()), (2, "error: nobody to ask here: add --yes to delete without asking"));

    let began = Instant::now();
    host.cli(&["tenant", "delete", "acme", "--yes"]).ok();
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    for restarted in [false, true] {
        let unknown = host.api.get("/api/tenants/nobody").await;
        assert_eq!(host.api.get("/api/tenants/acme").await, unknown, "restarted: {restarted}");
        host.api.get("/api/agents?tenant=acme").await.refused(404, "not-found");
        host.api.send("acme", "spinner", "mirror", &Value::Null).await.refused(404, "not-found");
        host.api.post("/api/tenants", json!({ "tenantId": "acme" })).await.refused(409, "taken");
        assert_eq!(host.api.get("/api/tenants").await.ok()["items"][0]["tenantId"], "globex");
        if !restarted {
            host.terminate();
            host.start_again();
        }
    }
}

#[tokio::test]
async fn a_quota_is_in_force_at_once_and_what_was_not_set_follows_the_host() {
    let mut host = Host::with_tenants(&["acme", "globex"]).await;
    for tenant in ["acme", "globex"] {
        host.api.deploy(tenant, &Package::zoo()).await;
    }
    let set = |host: &Host, setting: &str| host.cli(&["tenant", "quota", "set", "acme", setting, "-o", "json"]).json();
    set(&host, "requests=7");
    set(&host, "memory=64KiB");
    host.api.ask("acme", "zoo", "mirror", &Value::Null).await.refused(422, "receiver-failed");
    assert_eq!(host.api.agent("acme", "zoo").await["lastFailure"]["cause"], "memory");
    host.api.ask("globex", "zoo", "mirror", &Value::Null).await.ok();

    host.terminate();
    host.start_again();
    host.ready().await;
    host.api.ask("acme", "zoo", "mirror", &Value::Null).await.refused(422, "receiver-failed");
    let quota = set(&host, "memory=default");
    let set_ones: Vec<_> = quota["limits"].as_array().unwrap().iter().filter(|line| line["set"] == true).collect();
    assert_eq!((set_ones.len(), &set_ones[0]["name"], &set_ones[0]["limit"]), (1, &json!("requests"), &json!(7)));
    host.api.ask("acme", "zoo", "mirror", &Value::Null).await.ok();
}

#[tokio::test]
async fn a_quota_that_is_used_up_is_shown_with_what_is_in_use() {
    let host = Host::with_tenants(&["acme"]).await;
    host.api.deploy("acme", &Package::zoo().with("limits.deadline", "10s")).await;
    host.cli(&["tenant", "quota", "set", "acme", "requests=1"]).ok();
    let api = host.api.clone();
    let asking = aside(async move { api.ask("acme", "zoo", "sleep", &json!(3_000)).await });
    handling(&host.api, "zoo", 1).await;

    let refused = host.api.ask("acme", "zoo", "mirror", &Value::Null).await.refused(429, "requests-open");
    assert_eq!((&refused["limit"], &refused["actual"]), (&json!(1), &json!(2)));
    let shown = host.cli(&["tenant", "show", "acme"]).ok();
    assert!(shown.contains("requests  1      1       quota-exceeded"), "{shown}");
    asking.await.unwrap().ok();
    let shown = host.cli(&["tenant", "show", "acme"]).ok();
    assert!(shown.contains("none at 80 % or more"), "{shown}");
}

#[tokio::test]
async fn a_quota_that_cannot_be_meant_is_refused_and_changes_nothing() {
    let host = Host::with_tenants(&["acme"]).await;
    let before = host.api.get("/api/tenants/acme/quota").await.ok();
    let put = async |body: Value| host.api.call("PUT", "/api/tenants/acme/quota", Some(&body)).await;
    let refused = put(json!({ "limits": { "state": 4096, "instances": 0 } })).await.refused(400, "bad-quota");
    assert_eq!(refused["detail"], "instances is 0: it must lie between 1 and 100000");
    let unknown = put(json!({ "limits": { "memry": 1 } })).await.refused(400, "bad-body");
    assert!(unknown["detail"].as_str().unwrap().contains("no limit is called 'memry': use memory, "), "{unknown}");
    put(json!({ "limits": {}, "limit": {} })).await.refused(400, "bad-body");
    let without_clock = |mut quota: Value| {
        let lines = quota["limits"].as_array_mut().unwrap().iter_mut();
        lines.for_each(|line| drop(line.as_object_mut().unwrap().remove("resetsAt")));
        quota
    };
    assert_eq!(without_clock(host.api.get("/api/tenants/acme/quota").await.ok()), without_clock(before));
}

#[tokio::test]
async fn control_is_for_the_operator_and_what_is_unknown_is_not_found() {
    let host = Host::with_tenants(&["acme"]).await;
    let stranger = host.api.with_token(None);
    let reason = json!({});
    let quota = json!({ "limits": {} });
    for (method, path, body) in [
        ("GET", "/api/tenants/nobody", None),
        ("DELETE", "/api/tenants/nobody", None),
        ("POST", "/api/tenants/nobody/suspend", Some(&reason)),
        ("POST", "/api/tenants/nobody/resume", None),
        ("POST", "/api/tenants/nobody/quarantine", Some(&reason)),
        ("GET", "/api/tenants/nobody/quota", None),
        ("PUT", "/api/tenants/nobody/quota", Some(&quota)),
        ("POST", "/api/agents/zoo/quarantine?tenant=acme", Some(&reason)),
        ("POST", "/api/agents/zoo/release?tenant=nobody", None),
    ] {
        stranger.call(method, path, body).await.refused(401, "unauthorized");
        host.api.call(method, path, body).await.refused(404, "not-found");
    }
}
