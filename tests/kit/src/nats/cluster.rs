//! Several NATS servers that keep the same streams.

use std::time::{Duration, Instant};

use async_nats::Client;
use serde_json::Value;

use crate::nats::NatsServer;
use crate::nats::setup::{Cluster, Logins, NatsSetup, Node, free_port};

/// How long servers may take until they agree on who leads: a raft election takes up to 9 s, and several may fail.
const LED_TIME_MAX: Duration = Duration::from_mins(1);
/// How often is asked.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Servers with `JetStream` and routes between them. Each can be ended, paused and started again.
pub struct NatsCluster {
    nodes: Vec<NatsServer>,
}

impl NatsCluster {
    /// Starts so many and waits until they agree on who leads.
    pub async fn start(count: usize) -> Self {
        let logins = Logins::default();
        let routes: Vec<u16> = (0..count).map(|_| free_port()).collect();
        let node = |(at, port): (usize, &u16)| {
            let cluster = Some(Cluster { port: *port, routes: routes.clone() });
            let node = Node { name: format!("node-{at}"), port: free_port(), cluster };
            NatsServer::started(NatsSetup::new(), node, logins.clone())
        };
        let cluster = Self { nodes: routes.iter().enumerate().map(node).collect() };
        cluster.leader().await;
        cluster
    }

    /// Where clients reach them, separated by commas.
    pub fn url(&self) -> String {
        let urls: Vec<&str> = self.nodes.iter().map(NatsServer::url).collect();
        urls.join(",")
    }

    /// One of them. Credentials are the same on each.
    pub fn node(&self, at: usize) -> &NatsServer {
        &self.nodes[at]
    }

    /// One of them, to end or to start.
    pub fn node_mut(&mut self, at: usize) -> &mut NatsServer {
        &mut self.nodes[at]
    }

    /// Who leads, once all that run say the same and the leader has heard from each of them. None of them may be paused.
    pub async fn leader(&self) -> usize {
        let running: Vec<&NatsServer> = self.nodes.iter().filter(|node| node.runs()).collect();
        let mut clients = Vec::new();
        for node in &running {
            clients.push(node.connect_to_system().await);
        }
        let began = Instant::now();
        loop {
            let views = views(&clients).await;
            if let Some(leader) = agreed(&running, &views) {
                return self.nodes.iter().position(|node| node.name() == leader).expect("one of these");
            }
            assert!(began.elapsed() < LED_TIME_MAX, "nobody leads after {LED_TIME_MAX:?}: {views:#?}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// What each server knows of those that keep its streams.
async fn views(clients: &[Client]) -> Vec<Value> {
    let mut views = Vec::new();
    for client in clients {
        let subject = format!("$SYS.REQ.SERVER.{}.JSZ", client.server_info().server_id);
        let answer = client.request(subject, "".into()).await.ok();
        let answer = answer.and_then(|answer| serde_json::from_slice::<Value>(&answer.payload).ok());
        views.push(answer.map_or(Value::Null, |mut answer| answer["data"]["meta_cluster"].take()));
    }
    views
}

/// The leader that all name, if it knows each that runs to be up to date.
fn agreed(running: &[&NatsServer], views: &[Value]) -> Option<String> {
    let leader = views.first()?["leader"].as_str()?;
    let all_say_so = views.iter().all(|view| view["leader"] == leader);
    let of_leader = running.iter().position(|node| node.name() == leader)?;
    let replicas = views[of_leader]["replicas"].as_array()?;
    let follows = |node: &&&NatsServer| {
        let is_current = |replica: &Value| replica["name"] == node.name() && replica["current"] == true;
        replicas.iter().any(is_current)
    };
    let followers = running.iter().filter(follows).count();
    (all_say_so && followers == running.len() - 1).then(|| leader.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::eventually;

    async fn stored(client: &Client) -> Option<Value> {
        let answer = client.request("kept.a", "x".into()).await.ok()?;
        let answer: Value = serde_json::from_slice(&answer.payload).expect("JSON");
        answer["seq"].is_u64().then_some(answer)
    }

    #[tokio::test]
    async fn three_servers_keep_what_they_acknowledged_when_any_of_them_is_killed() {
        let mut cluster = NatsCluster::start(3).await;
        let client = cluster.node(0).connect().await;
        let stream = json!({ "name": "KEPT", "subjects": ["kept.>"], "storage": "file", "num_replicas": 3 });
        let made = client.request("$JS.API.STREAM.CREATE.KEPT", stream.to_string().into()).await.unwrap();
        let made: Value = serde_json::from_slice(&made.payload).unwrap();
        assert_eq!(made["error"], Value::Null, "{made:#}");
        eventually("an acknowledgement", async || stored(&client).await).await;

        let led = cluster.leader().await;
        cluster.node_mut(led).kill();
        let next = cluster.leader().await;
        assert_ne!(next, led);
        let client = cluster.node(next).connect().await;
        let ack = eventually("an acknowledgement of two", async || stored(&client).await).await;
        assert_eq!(ack["seq"], 2, "{ack:#}");
        cluster.node_mut(led).start_again();
        cluster.leader().await;
    }
}
