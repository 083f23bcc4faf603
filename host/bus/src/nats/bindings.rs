//! For which messages each agent of each host keeps a place: known to all hosts, also of those that are down.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::kv::{self, Operation};
use foldhash::fast::RandomState;
use futures_util::StreamExt as _;
use host_model::{AgentId, Queue, TenantId, TopicPattern};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};

use super::connection::Connection;
use super::streams::Streams;
use super::{HostId, NatsError, failed};
use crate::Binding;

/// The bucket.
const BUCKET: &str = "bindings";
/// How long to wait before a bucket that could not be used is tried again.
const TRY_WAIT: Duration = Duration::from_secs(1);
/// Bytes of one binding; more come from no host.
const BYTES_MAX: usize = 64 << 10;

type Key = (TenantId, AgentId);

/// A binding as it lies in the bucket.
#[derive(Serialize, Deserialize)]
struct Written {
    topics: Vec<TopicPattern>,
    shared: Vec<Queue>,
}

/// All hosts' bindings.
pub(super) struct Bindings {
    own: HostId,
    /// One change at a time, from what it makes of all to what is done about it.
    turn: Mutex<()>,
    state: Mutex<State>,
    changed: Notify,
    known: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    hosts: HashMap<Key, BTreeMap<HostId, Binding>, RandomState>,
    /// This host's own that the bucket does not say yet.
    to_write: Vec<Key>,
}

/// Who is told what is bound now, over all hosts; `None` when nothing is.
pub(super) trait OnBound: Send + Sync {
    fn bound(&self, tenant: &TenantId, agent: &AgentId, binding: Option<Binding>);
}

impl Bindings {
    pub(super) fn new(own: HostId) -> Self {
        let (known, _) = watch::channel(false);
        Self { own, turn: Mutex::default(), state: Mutex::default(), changed: Notify::new(), known }
    }

    /// This host's binding of an agent, in place of the one before. `then` is told what is bound over all hosts.
    pub(super) fn set_own(
        &self,
        tenant: &TenantId,
        agent: &AgentId,
        binding: Option<Binding>,
        then: impl FnOnce(Option<Binding>),
    ) {
        let _turn = self.turn.lock();
        let key = (tenant.clone(), agent.clone());
        let merged = {
            let mut state = self.state.lock();
            state.to_write.push(key.clone());
            state.set(key, self.own, binding)
        };
        self.changed.notify_one();
        then(merged);
    }

    /// A tenant is no more: this host says nothing of its agents.
    pub(super) fn forget(&self, tenant: &TenantId) {
        let _turn = self.turn.lock();
        let mut state = self.state.lock();
        let of_tenant: Vec<Key> = state.hosts.keys().filter(|(of, _)| of == tenant).cloned().collect();
        for key in &of_tenant {
            state.set(key.clone(), self.own, None);
        }
        state.to_write.extend(of_tenant);
        self.changed.notify_one();
    }

    /// Returns once the bucket was read: before, an agent of another host may seem to be nowhere.
    pub(super) async fn known(&self) {
        // The sender lives as long as this.
        let _ = self.known.subscribe().wait_for(|known| *known).await;
    }

    /// Whether another host has an agent, or any of a tenant.
    pub(super) fn is_elsewhere(&self, tenant: &TenantId, agent: Option<&AgentId>) -> bool {
        let state = self.state.lock();
        let asked = |key: &Key| key.0 == *tenant && agent.is_none_or(|agent| key.1 == *agent);
        let mut hosts = state.hosts.iter().filter(|(key, _)| asked(key)).flat_map(|(_, hosts)| hosts.keys());
        hosts.any(|host| *host != self.own)
    }

    /// Reads and writes the bucket for as long as the host runs.
    pub(super) async fn run(self: Arc<Self>, connection: Connection, streams: Streams, on_bound: Arc<dyn OnBound>) {
        loop {
            connection.up().await;
            if let Err(error) = self.share(&connection, &streams, &*on_bound).await {
                tracing::warn!(
                    error = error.source.to_string(),
                    "what agents are bound to cannot be shared; it is tried again"
                );
            }
            tokio::time::sleep(TRY_WAIT).await;
        }
    }

    async fn share(&self, connection: &Connection, streams: &Streams, on_bound: &dyn OnBound) -> Result<(), NatsError> {
        let bucket = streams.bucket(BUCKET).await?;
        self.write_all_again();
        let mut entries = bucket.watch_with_history(">").await.map_err(failed("watch the bindings"))?;
        let mut changes = connection.changes();
        let status = bucket.status().await.map_err(failed("look at the bindings"))?;
        let mut known = status.values() == 0;
        loop {
            if known {
                self.known.send_replace(true);
            }
            tokio::select! {
                entry = entries.next() => {
                    let Some(entry) = entry else { return Ok(()) };
                    let entry = entry.map_err(failed("watch the bindings"))?;
                    self.read(&entry, on_bound);
                    known |= entry.seen_current;
                }
                () = self.changed.notified() => self.write(&bucket).await?,
                () = connection.up_again(&mut changes) => return Ok(()),
            }
        }
    }

    /// A bucket that was lost is written anew.
    fn write_all_again(&self) {
        let mut state = self.state.lock();
        let own: Vec<Key> =
            state.hosts.iter().filter(|(_, hosts)| hosts.contains_key(&self.own)).map(|(key, _)| key.clone()).collect();
        state.to_write.extend(own);
        self.changed.notify_one();
    }

    async fn write(&self, bucket: &kv::Store) -> Result<(), NatsError> {
        loop {
            let Some((key, binding)) = self.next_to_write() else { return Ok(()) };
            let name = format!("{}.{}.{}", key.0, key.1, self.own);
            let written = match binding {
                Some(Binding { topics, shared, .. }) => {
                    let bytes = serde_json::to_vec(&Written { topics, shared }).map_err(failed("write a binding"))?;
                    bucket.put(name, bytes.into()).await.map(drop).map_err(failed("write a binding"))
                }
                None => bucket.purge(name).await.map_err(failed("write a binding")),
            };
            if let Err(error) = written {
                self.state.lock().to_write.push(key);
                return Err(error);
            }
        }
    }

    fn next_to_write(&self) -> Option<(Key, Option<Binding>)> {
        let mut state = self.state.lock();
        let key = state.to_write.pop()?;
        let binding = state.hosts.get(&key).and_then(|hosts| hosts.get(&self.own)).cloned();
        Some((key, binding))
    }

    /// One entry of the bucket. What this host wrote itself it knows better.
    fn read(&self, entry: &kv::Entry, on_bound: &dyn OnBound) {
        let Some(((tenant, agent), host)) = read_name(&entry.key) else {
            return tracing::warn!(key = entry.key, "a binding has a name that no host writes");
        };
        if host == self.own {
            return;
        }
        let binding = match entry.operation {
            Operation::Put if entry.value.len() <= BYTES_MAX => serde_json::from_slice::<Written>(&entry.value).ok(),
            _ => None,
        };
        let binding = binding.map(|Written { topics, shared }| Binding {
            tenant: tenant.clone(),
            agent: agent.clone(),
            topics,
            shared,
        });
        let _turn = self.turn.lock();
        let merged = self.state.lock().set((tenant.clone(), agent.clone()), host, binding);
        on_bound.bound(&tenant, &agent, merged);
    }
}

impl State {
    fn set(&mut self, key: Key, host: HostId, binding: Option<Binding>) -> Option<Binding> {
        let hosts = self.hosts.entry(key.clone()).or_default();
        match binding {
            Some(binding) => drop(hosts.insert(host, binding)),
            None => drop(hosts.remove(&host)),
        }
        let merged = merged(hosts.values());
        if merged.is_none() {
            self.hosts.remove(&key);
        }
        merged
    }
}

/// Everything that some host's version of the agent is bound to.
fn merged<'a>(mut bindings: impl Iterator<Item = &'a Binding>) -> Option<Binding> {
    let mut merged = bindings.next()?.clone();
    for Binding { topics, shared, .. } in bindings {
        merged.topics.extend(topics.iter().cloned());
        merged.shared.extend(shared.iter().cloned());
    }
    merged.topics.sort();
    merged.topics.dedup();
    merged.shared.sort();
    merged.shared.dedup();
    Some(merged)
}

fn read_name(name: &str) -> Option<(Key, HostId)> {
    let mut tokens = name.split('.');
    let key = (tokens.next()?.parse().ok()?, tokens.next()?.parse().ok()?);
    let host = tokens.next()?.parse().ok()?;
    tokens.next().is_none().then_some((key, host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(topics: &[&str]) -> Binding {
        Binding {
            tenant: "acme".parse().unwrap(),
            agent: "kb".parse().unwrap(),
            topics: topics.iter().map(|raw| raw.parse().unwrap()).collect(),
            shared: Vec::new(),
        }
    }

    #[test]
    fn an_agent_is_bound_to_what_any_host_says_until_no_host_does() {
        let key: Key = ("acme".parse().unwrap(), "kb".parse().unwrap());
        let mut state = State::default();
        let topics = |merged: Option<Binding>| merged.map(|binding| binding.topics.len());
        assert_eq!(topics(state.set(key.clone(), HostId(1), Some(binding(&["a", "b"])))), Some(2));
        assert_eq!(topics(state.set(key.clone(), HostId(2), Some(binding(&["b", "c"])))), Some(3));
        assert_eq!(topics(state.set(key.clone(), HostId(1), None)), Some(2));
        assert_eq!(topics(state.set(key.clone(), HostId(2), None)), None);
        assert!(state.hosts.is_empty());
    }

    #[test]
    fn a_name_is_a_tenant_an_agent_and_a_host() {
        let read = read_name("acme.kb.000000000000000a");
        assert_eq!(read, Some((("acme".parse().unwrap(), "kb".parse().unwrap()), HostId(10))));
        for bad in ["acme.kb", "acme.kb.x", "acme.kb.1.2", "ACME.kb.1"] {
            assert_eq!(read_name(bad), None, "{bad}");
        }
    }
}
