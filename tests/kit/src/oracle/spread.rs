//! Puts a tenant's words wherever a tenant can put one: messages, answers, logs, names, topics, keys, files, reasons, rules, secrets.

use serde_json::{Value, json};

use super::Oracle;
use crate::api::Api;
use crate::host::Host;
use crate::package::Package;

/// What the agents below do, and no more.
const POLICY: &str = r#"
[[allow]]
name = "everything"
publish = ["zoo.>", "agents.>"]
subscribe = ["zoo.in"]
send = "*"
discover = true
state = true
storage = true
"#;

impl Oracle {
    /// Deploys `zoo`, `zoo-resident`, `named` and `keeper` in a tenant, and has them and their operator say its canary everywhere. Its
    /// secret goes into the vault.
    pub async fn spread(&self, host: &Host, tenant: &str) {
        let word = self.canary(tenant);
        deploy(&host.api, tenant, word).await;
        for agent in ["zoo", "zoo-resident"] {
            self.say(host, tenant, agent).await;
        }
        self.keep(host, tenant).await;
        self.decide(host, tenant).await;
    }

    /// What an agent says to others.
    async fn say(&self, host: &Host, tenant: &str, agent: &str) {
        let (api, word) = (&host.api, self.canary(tenant));
        let (key, topic) = (format!("x-{word}"), format!("zoo.{word}"));
        let said = json!({ "topic": topic, "type": "mirror", "payload": word, "headers": [[key, word]] });
        self.done(api, tenant, agent, "publish", said).await;
        let raw =
            json!({ "topic": "zoo.in", "type": "mirror", "payload": word, "content_type": "application/x-canary" });
        self.done(api, tenant, agent, "publish", raw).await;
        let other = json!({ "agent": "named", "type": "mirror", "payload": word, "correlation_id": word });
        self.done(api, tenant, agent, "send", other.clone()).await;
        self.done(api, tenant, agent, "request", other).await;
        for kind in ["log", "stdout"] {
            api.ask(tenant, agent, kind, &json!(word)).await.ok();
        }
        api.ask(tenant, agent, "fail-reject", &json!(word)).await.refused(422, "rejected");
        api.ask(tenant, agent, "panic", &json!(word)).await.refused(422, "receiver-failed");
        let elsewhere = json!({ "topic": format!("other.{word}"), "payload": word });
        let denied = api.ask(tenant, agent, "publish", &elsewhere).await.said();
        assert!(denied["denied"].is_object(), "{denied}");
    }

    async fn done(&self, api: &Api, tenant: &str, agent: &str, kind: &str, order: Value) {
        let said = api.ask(tenant, agent, kind, &order).await.said();
        assert!(said["ok"].is_object(), "{tenant}/{agent} {kind}: {said}");
        self.hear(tenant, "answers", said.to_string());
    }

    /// What an agent keeps.
    async fn keep(&self, host: &Host, tenant: &str) {
        let word = self.canary(tenant);
        let keys = json!([["set", word, word], ["get", word], ["keys", ""]]);
        let files =
            json!([["make-dir", word], ["write", format!("{word}/{word}"), word], ["append", "f", word], ["list", ""]]);
        for (kind, steps) in [("state", keys), ("files", files)] {
            let said = host.api.ask(tenant, "keeper", kind, &steps).await.said();
            assert!(
                said.as_array().is_some_and(|steps| steps.iter().all(|step| step["code"].is_null())),
                "{kind}: {said}"
            );
            self.hear(tenant, "answers", said.to_string());
        }
    }

    /// What a tenant's operator says and decides.
    async fn decide(&self, host: &Host, tenant: &str) {
        let (api, word) = (&host.api, self.canary(tenant));
        api.command(tenant, "zoo-resident", "echo", json!(word)).await.ok();
        api.publish(tenant, "zoo.in", "mirror", &json!(word)).await.ok();
        let policy = Some(json!({ "policy": format!("# {word}\n{POLICY}") }));
        api.call("PUT", &format!("/api/tenants/{tenant}/policy"), policy.as_ref()).await.ok();
        let secret = Some(json!({ "value": self.secret(tenant) }));
        api.call("PUT", &format!("/api/tenants/{tenant}/secrets/api"), secret.as_ref()).await.ok();
        let reason = json!({ "reason": word });
        api.post(&format!("/api/agents/named/quarantine?tenant={tenant}"), reason).await.ok();
    }
}

async fn deploy(api: &Api, tenant: &str, word: &str) {
    for package in [Package::zoo(), Package::resident(), Package::read("tests/guests/keeper.toml")] {
        api.deploy(tenant, &package).await;
    }
    let named = Package::zoo().named("named").with("agent.name", word).with("agent.description", word);
    api.deploy(tenant, &named.with("agent.capabilities", vec![word]).with("config.greeting", word)).await;
}
