//! Two tenants with the same agents and the same topics: nothing crosses, and nothing tells that the other is there.

use serde_json::{Value, json};
use tests_kit::{Answer, Host, Oracle, Package, Setup, Watch, eventually};

async fn two_tenants() -> Host {
    let host = Host::with_tenants(&["acme", "globex"]).await;
    for tenant in ["acme", "globex"] {
        host.api.deploy(tenant, &Package::zoo()).await;
        host.api.deploy(tenant, &Package::resident()).await;
    }
    host
}

/// What a tenant's agents find when they look for a word, in all ways to look.
async fn look_for(oracle: &Oracle, host: &Host, tenant: &str, word: &str) {
    for agent in ["zoo", "zoo-resident"] {
        for condition in ["pattern", "skill", "tag", "capability"] {
            let found = host.api.ask(tenant, agent, "find", &json!({ condition: word })).await.said();
            oracle.hear(tenant, "answers", found.to_string());
        }
        let card = host.api.ask(tenant, agent, "get", &json!(word)).await.said();
        oracle.hear(tenant, "answers", card.to_string());
    }
}

/// Lets the oracle hear everything that passed in a tenant so far.
async fn hear_all(oracle: &Oracle, host: &Host, tenant: &str, watch: &mut Watch) {
    host.api.publish(tenant, "zoo.fence", "fence", &json!("the end")).await.ok();
    for seen in watch.until(|message| message["messageType"] == "fence").await {
        assert_eq!(seen.data["tenantId"], tenant);
        oracle.hear(tenant, "deliveries", seen.data.to_string());
    }
}

#[tokio::test]
async fn what_one_tenant_says_shows_nowhere_in_another() {
    const SINKS: [&str; 8] = ["answers", "api", "audit", "deliveries", "files", "log", "pages", "rows"];
    let (host, oracle) = (Host::start(), Oracle::new(&["acme", "globex"]));
    oracle.create_tenants(&host).await;
    oracle.spread(&host, "globex").await;
    let counters = async |agent| host.api.agent("globex", agent).await["counters"].take();
    let all_counters = async || [counters("zoo").await, counters("zoo-resident").await, counters("keeper").await];
    let (mut acme, mut globex) = (host.api.watch("acme").await, host.api.watch("globex").await);
    let before = all_counters().await;
    oracle.spread(&host, "acme").await;
    assert_eq!(all_counters().await, before, "globex's agents did nothing");

    hear_all(&oracle, &host, "acme", &mut acme).await;
    hear_all(&oracle, &host, "globex", &mut globex).await;
    for (tenant, word) in [("acme", "globex"), ("globex", "acme"), ("acme", "acme")] {
        look_for(&oracle, &host, tenant, oracle.canary(word)).await;
    }
    let report = oracle.expect_clean(&host).await;
    for sink in SINKS {
        assert!(report.words_in(sink) > 0, "no word was seen in {sink}, so nothing is shown of it\n{report}");
    }
}

#[tokio::test]
async fn an_agent_that_is_not_there_and_one_of_another_tenant_get_the_same_bytes() {
    let host = Host::with_tenants(&["acme", "globex"]).await;
    host.api.deploy("acme", &Package::zoo().named("theirs")).await;
    host.api.deploy("globex", &Package::zoo()).await;
    let routes = [
        ("GET", "/api/agents/{id}", None),
        ("DELETE", "/api/agents/{id}", None),
        ("POST", "/api/agents/{id}/start", None),
        ("POST", "/api/agents/{id}/stop", None),
        ("POST", "/api/agents/{id}/restart", None),
        ("GET", "/api/agents/{id}/logs", None),
        ("POST", "/api/agents/{id}/commands", Some(json!({ "name": "echo" }))),
        ("POST", "/api/agents/{id}/messages", Some(json!({ "type": "t", "payload": 1 }))),
        ("POST", "/api/agents/{id}/messages", Some(json!({ "type": "t", "payload": 1, "waitMillis": 100 }))),
        ("GET", "/api/registry/agents/{id}", None),
    ];
    for (method, path, body) in &routes {
        let ask = async |id: &str, tenant: &str| -> Answer {
            let path = format!("{}?tenant={tenant}", path.replace("{id}", id));
            host.api.call(method, &path, body.as_ref()).await
        };
        let (unknown, foreign) = (ask("nobody", "globex").await, ask("theirs", "globex").await);
        unknown.refused(404, "not-found");
        assert_eq!(unknown, foreign, "{method} {path}");
        assert_eq!(unknown, ask("theirs", "no-such-tenant").await, "{method} {path} in no tenant");
    }
    assert_eq!(host.api.agent("acme", "theirs").await["state"], "ready", "nothing of this touched it");
}

#[tokio::test]
async fn a_guest_cannot_tell_a_foreign_agent_from_none() {
    let host = Host::with_tenants(&["acme", "globex"]).await;
    host.api.deploy("acme", &Package::zoo().named("theirs")).await;
    host.api.deploy("globex", &Package::zoo()).await;
    for kind in ["send", "request"] {
        let ask = async |id: &str| host.api.ask("globex", "zoo", kind, &json!({ "agent": id })).await.said();
        assert_eq!(ask("theirs").await, json!({ "denied": { "kind": "not-found" } }));
        assert_eq!(ask("nobody").await, ask("theirs").await);
    }
    assert_eq!(host.api.ask("globex", "zoo", "get", &json!("theirs")).await.said(), Value::Null);
    assert_eq!(host.api.agent("acme", "theirs").await["counters"]["received"], 0);
}

#[tokio::test]
async fn a_guest_publishes_where_it_was_granted_and_nowhere_else() {
    let host = two_tenants().await;
    let check = async |topic: &str, expected: Result<(), (&str, &str)>| {
        let said = host.api.ask("acme", "zoo", "publish", &json!({ "topic": topic })).await.said();
        match expected {
            Ok(()) => assert!(said["ok"].is_object(), "{topic}: {said}"),
            Err((kind, code)) => {
                let denied = (said["denied"]["kind"].as_str(), said["denied"]["code"].as_str());
                assert_eq!(denied, (Some(kind), Some(code)), "{topic}");
            }
        }
    };
    check("zoo.said", Ok(())).await;
    check("zoo/said", Ok(())).await;
    check("tenants/acme/zoo/said", Ok(())).await;
    check("agents.zoo.status", Ok(())).await;
    for foreign in ["tenants/globex/zoo/said", "tenants.globex.zoo.said", "tenants/nobody/zoo/said"] {
        check(foreign, Err(("not-granted", "publish-not-granted"))).await;
    }
    for ungranted in ["other", "zoology.said", "zoo"] {
        check(ungranted, Err(("not-granted", "publish-not-granted"))).await;
    }
    for corner in ["agents.zoo-resident.status", "agents.nobody.status", "agents.status"] {
        check(corner, Err(("not-granted", "topic-of-another-agent"))).await;
    }
    for reserved in ["queues.zoo", "replies.zoo", "dlq", "tenants/acme/queues/zoo"] {
        check(reserved, Err(("invalid", "reserved-topic"))).await;
    }
    for malformed in
        ["", "zoo.>", "zoo.*", "zoo..said", "zoo.s aid", "$JS.API.STREAM.PURGE.X", "zoo.\r\nPUB x", "zoo/a.b"]
    {
        check(malformed, Err(("invalid", "topic"))).await;
    }
    assert_eq!(host.api.agent("globex", "zoo").await["counters"]["received"], 0);
}

#[tokio::test]
async fn a_guest_sends_to_whom_it_was_granted_and_to_nobody_else() {
    let host = two_tenants().await;
    host.api.deploy("acme", &Package::zoo().named("picky").with("grants.send", vec!["zoo"])).await;
    for kind in ["send", "request"] {
        let ask = async |id: &str| {
            host.api.ask("acme", "picky", kind, &json!({ "agent": id, "type": "mirror" })).await.said()
        };
        assert!(ask("zoo").await["ok"].is_object());
        for ungranted in ["zoo-resident", "nobody"] {
            assert_eq!(ask(ungranted).await["denied"]["code"], "send-not-granted", "{kind} {ungranted}");
        }
    }
    assert_eq!(host.api.agent("acme", "zoo-resident").await["counters"]["received"], 0);
}

#[tokio::test]
async fn a_request_to_oneself_is_refused_where_it_would_wait_for_itself() {
    let host = two_tenants().await;
    let ask = async |agent: &str| {
        host.api.ask("acme", agent, "request", &json!({ "agent": agent, "type": "mirror" })).await.said()
    };
    let denied = ask("zoo-resident").await["denied"].take();
    assert_eq!((&denied["kind"], &denied["code"]), (&json!("other"), &json!("would-deadlock")));
    assert!(ask("zoo").await["ok"].is_object(), "another instance can answer");
}

#[tokio::test]
async fn a_chain_of_messages_ends_at_the_hop_limit() {
    const HOP_MAX: u64 = 5;
    let host = Setup::new().env("BAILIWICK_MESSAGE__HOP_MAX", "5").start().and_tenants(&["acme"]).await;
    host.api.deploy("acme", &Package::zoo()).await;
    let mut watch = host.api.watch("acme").await;
    host.api.send("acme", "zoo", "loop", &json!("again")).await.ok();
    let counters = eventually("one more hop is refused", async || {
        let counters = host.api.agent("acme", "zoo").await["counters"].take();
        (counters["refused"] == 1 && counters["inFlight"] == 0).then_some(counters)
    })
    .await;
    assert_eq!((&counters["handled"], &counters["published"]), (&json!(HOP_MAX + 1), &json!(HOP_MAX)));
    let mut seen = Vec::new();
    while seen.len() <= usize::try_from(HOP_MAX).unwrap() {
        seen.push(watch.next().await.unwrap().data);
    }
    // A watcher may see a message before the one that caused it.
    seen.sort_by_key(|message| message["hop"].as_u64());
    let hops: Vec<_> = seen.iter().filter_map(|message| message["hop"].as_u64()).collect();
    assert_eq!(hops, (0..=HOP_MAX).collect::<Vec<_>>());
    assert!(seen.iter().all(|message| message["rootId"] == seen[0]["id"]));
}

#[tokio::test]
async fn every_route_but_health_and_docs_wants_the_operators_token() {
    const OPEN: [&str; 2] = ["/healthz", "/readyz"];
    let host = Host::with_tenants(&["acme"]).await;
    let described = host.api.get("/api/openapi.json").await.ok();
    let mut guarded = 0;
    for (path, methods) in described["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let path = path.replace("{id}", "zoo").replace("{digest}", "sha256:00");
            let ask = async |token| {
                let api = host.api.with_token(token);
                api.call(&method.to_uppercase(), &format!("{path}?tenant=acme&pattern=%3E"), Some(&json!({}))).await
            };
            let answers = [ask(None).await, ask(Some("wrong")).await, ask(Some(&host.token[1..])).await];
            if OPEN.contains(&path.as_str()) {
                for answer in answers {
                    answer.ok();
                }
            } else {
                for answer in answers {
                    answer.refused(401, "unauthorized");
                }
                guarded += 1;
            }
        }
    }
    assert!(guarded >= 17, "only {guarded} routes are described");
    eventually("each of them is counted in the audit", async || {
        let page = host.api.get("/api/audit?action=api.request&limit=1000").await.ok();
        let of_nobody = page["items"].as_array()?.iter().filter(|record| record["actor"] == "anonymous");
        let counted: u64 = of_nobody.map(|record| record["count"].as_u64().unwrap()).sum();
        (counted == 3 * guarded).then_some(())
    })
    .await;
}
