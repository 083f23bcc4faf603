//! The host and who lives in it: nine good tenants and a hostile one, each with the same number of agents of one component.

use serde_json::{Value, json};
use tests_kit::{Answer, Host, Oracle, Package, Setup};

use crate::plan::{Plan, TENANTS};

/// The agents that messages are sent to: each of a tenant's first ten knows the others.
pub(crate) const PEERS: u32 = 10;
/// What differs from a host's defaults: chains may be long, and a compiler has ten seconds.
const SETTINGS: [(&str, &str); 4] = [
    ("BAILIWICK_LOG__FORMAT", "json"),
    ("BAILIWICK_MESSAGE__HOP_MAX", "1024"),
    ("BAILIWICK_MESSAGE__ROOT_MESSAGES_MAX", "1000000"),
    ("BAILIWICK_ENGINE__COMPILE_CPU_SECONDS", "10"),
];

/// A running host with its tenants.
pub(crate) struct Town {
    pub(crate) host: Host,
    pub(crate) oracle: Oracle,
    pub(crate) tenants: Vec<String>,
}

/// What agents did so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counters {
    pub(crate) handled: u64,
    pub(crate) failed: u64,
    pub(crate) refused: u64,
    pub(crate) in_flight: u64,
}

impl Counters {
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            handled: self.handled + other.handled,
            failed: self.failed + other.failed,
            refused: self.refused + other.refused,
            in_flight: self.in_flight + other.in_flight,
        }
    }

    /// What came after `before`. A restart begins some of them anew.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            handled: self.handled.saturating_sub(before.handled),
            failed: self.failed.saturating_sub(before.failed),
            refused: self.refused.saturating_sub(before.refused),
            in_flight: self.in_flight,
        }
    }
}

impl Town {
    /// Starts the host and deploys every agent.
    pub(crate) async fn open(plan: &Plan) -> Self {
        let setup = SETTINGS.iter().fold(Setup::new(), |setup, (name, value)| setup.env(name, value));
        let tenants: Vec<String> = (0..TENANTS).map(|number| format!("tenant-{number}")).collect();
        let oracle = Oracle::new(&tenants.iter().map(String::as_str).collect::<Vec<_>>());
        let town = Self { host: setup.start(), oracle, tenants };
        town.oracle.create_tenants(&town.host).await;
        let worker = Package::read("tests/guests/worker.toml");
        town.host.api.upload(&worker.component).await.ok();
        for tenant in &town.tenants {
            for number in 0..plan.agents {
                town.deploy(tenant, &worker, number).await;
            }
            let secret = json!({ "value": town.oracle.secret(tenant) });
            town.host.api.call("PUT", &format!("/api/tenants/{tenant}/secrets/api"), Some(&secret)).await.ok();
        }
        town
    }

    /// All but the hostile one.
    pub(crate) fn good(&self) -> &[String] {
        self.tenants.split_last().map_or(&[], |(_, good)| good)
    }

    pub(crate) fn hostile(&self) -> &str {
        self.tenants.last().expect("there are ten")
    }

    /// The body of a message to a worker of a tenant.
    pub(crate) fn task(&self, tenant: &str, left: u32, much: u64) -> Value {
        json!({ "canary": self.oracle.canary(tenant), "left": left, "much": much })
    }

    /// A request to one agent of a tenant with an even number, who asks the next. None when the host is gone.
    pub(crate) async fn relay(&self, tenant: &str, number: u32) -> Option<Answer> {
        let even = number * 2 % PEERS;
        let task = self.task(tenant, even, 0);
        let answer = self.host.api.try_ask(tenant, &format!("w{even}"), "relay", &task).await?;
        self.oracle.hear(tenant, "answers", &answer.body);
        Some(answer)
    }

    /// Sets off a chain of messages in a tenant.
    pub(crate) async fn chain(&self, tenant: &str, links: u32) -> Answer {
        let first = format!("w{}", links % PEERS);
        self.host.api.send(tenant, &first, "pass", &self.task(tenant, links, 0)).await
    }

    /// What all agents of a tenant did so far.
    pub(crate) async fn counters(&self, tenant: &str) -> Counters {
        let agents = self.agents(tenant).await;
        let sum = |name: &str| agents.iter().filter_map(|agent| agent["counters"][name].as_u64()).sum();
        Counters { handled: sum("handled"), failed: sum("failed"), refused: sum("refused"), in_flight: sum("inFlight") }
    }

    /// The last failure of each agent of a tenant that had one.
    pub(crate) async fn failures(&self, tenant: &str) -> Vec<String> {
        let failure = |agent: &Value| Some(format!("{tenant}/{}: {}", agent["agentId"], agent.get("lastFailure")?));
        self.agents(tenant).await.iter().filter_map(failure).collect()
    }

    async fn agents(&self, tenant: &str) -> Vec<Value> {
        let agents = self.host.api.get(&format!("/api/agents?tenant={tenant}&limit=1000")).await.ok();
        agents["items"].as_array().expect("a page has items").clone()
    }

    /// The hostile tenant as if nothing had been: what runs is cut off, what waits is dropped, and agents that the host put into
    /// quarantine are released. Says how many were.
    pub(crate) async fn calm_down(&self) -> usize {
        let (api, tenant) = (&self.host.api, self.hostile());
        let agents = self.agents(tenant).await;
        let quarantined = agents.iter().filter(|agent| agent["state"] == "quarantined");
        let quarantined: Vec<_> = quarantined.filter_map(|agent| agent["agentId"].as_str()).collect();
        api.post(&format!("/api/tenants/{tenant}/quarantine"), json!({ "reason": "the attack is over" })).await.ok();
        api.call("POST", &format!("/api/tenants/{tenant}/resume"), None).await.ok();
        for agent in &quarantined {
            api.steer(tenant, agent, "release").await.ok();
            api.steer(tenant, agent, "start").await.ok();
        }
        quarantined.len()
    }

    async fn deploy(&self, tenant: &str, worker: &Package, number: u32) {
        let package = self.package(tenant, worker, number);
        let body = json!({ "manifest": package.text(), "digest": package.digest() });
        self.host.api.post(&format!("/api/agents?tenant={tenant}"), body).await.ok();
    }

    /// Good and hostile agents differ in what they may take.
    fn package(&self, tenant: &str, worker: &Package, number: u32) -> Package {
        let word = self.oracle.canary(tenant);
        let package = worker.clone().named(&format!("w{number}")).with("config.canary", word).with("agent.name", word);
        if tenant != self.hostile() {
            return package;
        }
        let hostile = package.with("limits.memory", "64MiB").with("limits.deadline", "1s");
        hostile.with("limits.fuel", 1_000_000_000_000_i64).with("grants.subscribe", vec!["load.news", "load.noise"])
    }
}
