//! Two tenants with the same agents and the same topics: nothing crosses, and nothing tells that the other is there.

use serde_json::{Value, json};
use tests_kit::{Answer, Host, Package, Setup, canary, eventually};

async fn two_tenants() -> Host {
    let host = Host::with_tenants(&["acme", "globex"]).await;
    for tenant in ["acme", "globex"] {
        host.api.deploy(tenant, &Package::zoo()).await;
        host.api.deploy(tenant, &Package::resident()).await;
    }
    host
}

/// Everything that a tenant's operator can read of it, as text.
async fn everything_of(host: &Host, tenant: &str, canary: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let search = |condition: &str| format!("/api/registry/agents/search?tenant={tenant}&{condition}={canary}");
    let mut paths = vec![
        format!("/api/agents?tenant={tenant}"),
        format!("/api/registry/agents?tenant={tenant}"),
        search("skill"),
        search("tag"),
        search("pattern"),
        search("capability"),
    ];
    for agent in host.api.get(&format!("/api/agents?tenant={tenant}")).await.ok()["items"].as_array().unwrap() {
        let id = agent["agentId"].as_str().unwrap();
        paths.push(format!("/api/agents/{id}?tenant={tenant}"));
        paths.push(format!("/api/agents/{id}/logs?tenant={tenant}&limit=1000"));
        paths.push(format!("/api/registry/agents/{id}?tenant={tenant}"));
    }
    for path in paths {
        texts.push(host.api.get(&path).await.ok().to_string());
    }
    for agent in ["zoo", "zoo-resident"] {
        let query = json!({ "pattern": canary });
        texts.push(host.api.ask(tenant, agent, "find", &query).await.said().to_string());
        texts.push(host.api.ask(tenant, agent, "get", &json!(canary)).await.said().to_string());
    }
    texts
}

/// Puts the word wherever a tenant can put one.
async fn spread(host: &Host, canary: &str) {
    let named = Package::zoo().named("named").with("agent.name", canary).with("agent.capabilities", vec![canary]);
    host.api.deploy("acme", &named).await;
    for agent in ["zoo", "zoo-resident"] {
        let topic = json!({ "topic": "zoo.in", "type": "mirror", "payload": canary });
        assert!(host.api.ask("acme", agent, "publish", &topic).await.said()["ok"].is_object());
        let other = json!({ "agent": "named", "type": "mirror", "payload": canary, "correlation_id": canary });
        assert!(host.api.ask("acme", agent, "send", &other).await.said()["ok"].is_object());
        assert!(host.api.ask("acme", agent, "request", &other).await.said()["ok"].is_object());
        host.api.ask("acme", agent, "log", &json!(canary)).await.ok();
        host.api.ask("acme", agent, "stdout", &json!(canary)).await.ok();
        host.api.ask("acme", agent, "fail-reject", &json!(canary)).await.refused(422, "rejected");
    }
    host.api.command("acme", "zoo-resident", "echo", json!(canary)).await.ok();
    host.api.publish("acme", "zoo.in", "mirror", &json!(canary)).await.ok();
}

#[tokio::test]
async fn what_one_tenant_says_shows_nowhere_in_another() {
    let host = two_tenants().await;
    let canary = canary();
    let (mut acme, mut globex) = (host.api.watch("acme").await, host.api.watch("globex").await);
    let counters = async |agent| host.api.agent("globex", agent).await["counters"].take();
    let before = [counters("zoo").await, counters("zoo-resident").await];

    spread(&host, &canary).await;
    assert_eq!([counters("zoo").await, counters("zoo-resident").await], before, "globex's agents did nothing");

    for tenant in ["acme", "globex"] {
        host.api.publish(tenant, "zoo.fence", "fence", &json!("the end")).await.ok();
    }
    let is_fence = |message: &Value| message["messageType"] == "fence";
    let (in_acme, in_globex) = (acme.until(is_fence).await, globex.until(is_fence).await);
    let heard = in_acme.iter().filter(|seen| seen.data.to_string().contains(&canary)).count();
    assert!(heard >= 10, "acme's own stream has it {heard} times");
    assert!(in_acme.iter().all(|seen| seen.data["tenantId"] == "acme"));
    assert_eq!(in_globex.len(), 1, "nothing but the fence: {in_globex:#?}");

    let shown = |texts: &[String]| texts.iter().filter(|text| text.contains(&canary)).count();
    assert!(shown(&everything_of(&host, "acme", &canary).await) >= 10, "acme itself can read it");
    let elsewhere = everything_of(&host, "globex", &canary).await;
    assert_eq!(shown(&elsewhere), 0, "{elsewhere:#?}");
    let known = host.log().into_iter().filter(|line| line.contains(&canary)).find(|line| line.contains("globex"));
    assert_eq!(known, None, "no line of the host's log has it beside globex");
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
