//! Hosts tell each other the keys they sign with, sealed under the key-encryption key that all of them have.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::kv::{self, Operation};
use futures_util::StreamExt as _;
use host_model::{AgentId, Principal, TenantId, Timestamp};
use host_vault::{KeyRecord, KeyState, SealedBytes, Vault};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::connection::Connection;
use super::streams::Streams;
use super::{HostId, NatsError, failed};

/// The bucket.
const BUCKET: &str = "keys";
/// How long to wait before a bucket that could not be used is tried again.
const TRY_WAIT: Duration = Duration::from_secs(1);

/// A key as one host tells the others, in what it seals as a whole.
#[derive(Serialize, Deserialize)]
struct Told {
    id: String,
    /// None for the host's own.
    agent: Option<AgentId>,
    state: State,
    created: Timestamp,
    sealed: Option<Vec<u8>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Active,
    Retired(Timestamp),
    Revoked(Timestamp),
}

/// What this host signs with, and what the others do.
pub(super) struct KeyExchange {
    own: HostId,
    vault: Option<Arc<Vault>>,
    known: watch::Sender<bool>,
}

impl KeyExchange {
    /// Without a vault all hosts have the same keys by other means.
    pub(super) fn new(own: HostId, vault: Option<Arc<Vault>>) -> Self {
        let (known, _) = watch::channel(vault.is_none());
        Self { own, vault, known }
    }

    /// Returns once the others' keys are known: before, a true message of theirs looks like a forged one.
    pub(super) async fn known(&self) {
        // The sender lives as long as this.
        let _ = self.known.subscribe().wait_for(|known| *known).await;
    }

    /// Tells and listens for as long as the host runs.
    pub(super) async fn run(self: Arc<Self>, connection: Connection, streams: Streams) {
        let Some(vault) = self.vault.clone() else { return };
        loop {
            connection.up().await;
            if let Err(error) = self.share(&vault, &connection, &streams).await {
                tracing::warn!(
                    error = error.source.to_string(),
                    "keys cannot be shared with other hosts; it is tried again"
                );
            }
            tokio::time::sleep(TRY_WAIT).await;
        }
    }

    async fn share(&self, vault: &Vault, connection: &Connection, streams: &Streams) -> Result<(), NatsError> {
        let bucket = streams.bucket(BUCKET).await?;
        let mut told = HashMap::new();
        let (mut keys, mut connected) = (vault.changes(), connection.changes());
        self.tell(vault, &bucket, &mut told).await?;
        let mut entries = bucket.watch_with_history(">").await.map_err(failed("watch the keys"))?;
        loop {
            tokio::select! {
                entry = entries.next() => {
                    let Some(entry) = entry else { return Ok(()) };
                    let entry = entry.map_err(failed("watch the keys"))?;
                    self.hear(vault, &entry);
                    if entry.seen_current {
                        self.known.send_replace(true);
                    }
                }
                changed = keys.changed() => {
                    changed.map_err(failed("watch this host's keys"))?;
                    self.tell(vault, &bucket, &mut told).await?;
                }
                () = connection.up_again(&mut connected) => return Ok(()),
            }
        }
    }

    /// Tells what has changed since it was told. With nothing to tell there may be nothing to hear of either.
    async fn tell(
        &self,
        vault: &Vault,
        bucket: &kv::Store,
        told: &mut HashMap<TenantId, Vec<u8>>,
    ) -> Result<(), NatsError> {
        let all = vault.export_all();
        for tenant in told.keys().filter(|tenant| !all.iter().any(|(id, _)| id == *tenant)) {
            bucket.purge(self.name(tenant)).await.map_err(failed("take back a tenant's keys"))?;
        }
        told.retain(|tenant, _| all.iter().any(|(id, _)| id == tenant));
        for (tenant, records) in all {
            let plain = serde_json::to_vec(&records.iter().map(Told::of).collect::<Vec<_>>());
            let plain = plain.map_err(failed("write down a tenant's keys"))?;
            if told.get(&tenant) == Some(&plain) {
                continue;
            }
            let sealed = vault.seal_announcement(&self.own.to_string(), &tenant, &plain);
            let sealed = sealed.map_err(failed("seal a tenant's keys"))?;
            let bytes = sealed.as_bytes().to_vec().into();
            bucket.put(self.name(&tenant), bytes).await.map_err(failed("tell a tenant's keys"))?;
            told.insert(tenant, plain);
        }
        let status = bucket.status().await.map_err(failed("look at the keys"))?;
        if status.values() == 0 {
            self.known.send_replace(true);
        }
        Ok(())
    }

    fn name(&self, tenant: &TenantId) -> String {
        format!("{tenant}.{}", self.own)
    }

    fn hear(&self, vault: &Vault, entry: &kv::Entry) {
        let Some((tenant, host)) = read_name(&entry.key) else {
            return tracing::warn!(key = entry.key, "keys have a name that no host writes");
        };
        if host == self.own {
            return;
        }
        if let Err(error) = take_over(vault, &tenant, host, entry) {
            tracing::error!(
                %tenant, %host, error,
                "another host's keys are not believed, so its messages are refused: both need the same key-encryption key"
            );
        }
    }
}

fn take_over(vault: &Vault, tenant: &TenantId, host: HostId, entry: &kv::Entry) -> Result<(), String> {
    let peer = host.to_string();
    let records = match entry.operation {
        Operation::Put => {
            let sealed = SealedBytes::new(entry.value.to_vec());
            let plain = vault.open_announcement(&peer, tenant, &sealed).map_err(|error| error.to_string())?;
            let told: Vec<Told> = serde_json::from_slice(&plain).map_err(|error| error.to_string())?;
            told.into_iter().map(|told| told.into_record(tenant)).collect::<Result<_, _>>()?
        }
        Operation::Delete | Operation::Purge => Vec::new(),
    };
    vault.set_peer_keys(&peer, tenant, records).map_err(|error| error.to_string())
}

impl Told {
    fn of(record: &KeyRecord) -> Self {
        let KeyRecord { id, principal, state, created, sealed, .. } = record;
        let agent = match principal {
            Principal::Host => None,
            Principal::Agent(agent) => Some(agent.clone()),
        };
        let state = match state {
            KeyState::Active => State::Active,
            KeyState::Retired(at) => State::Retired(*at),
            KeyState::Revoked(at) => State::Revoked(*at),
        };
        let sealed = sealed.as_ref().map(|sealed| sealed.as_bytes().to_vec());
        Self { id: id.to_string(), agent, state, created: *created, sealed }
    }

    fn into_record(self, tenant: &TenantId) -> Result<KeyRecord, String> {
        let state = match self.state {
            State::Active => KeyState::Active,
            State::Retired(at) => KeyState::Retired(at),
            State::Revoked(at) => KeyState::Revoked(at),
        };
        Ok(KeyRecord {
            tenant: tenant.clone(),
            id: self.id.parse().map_err(|_| "a key has an id that no host writes".to_owned())?,
            principal: self.agent.map_or(Principal::Host, Principal::Agent),
            state,
            created: self.created,
            sealed: self.sealed.map(SealedBytes::new),
        })
    }
}

fn read_name(name: &str) -> Option<(TenantId, HostId)> {
    let (tenant, host) = name.split_once('.')?;
    Some((tenant.parse().ok()?, host.parse().ok()?))
}
