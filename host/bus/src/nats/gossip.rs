//! Hosts tell each other what they receive: a beat now and then, and all of it whenever it changed or somebody does not know it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use futures_util::StreamExt as _;
use host_model::TenantId;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::peers::Peers;
use super::subjects::CONTROL;
use super::wire::Listening;
use super::{HostId, NatsError, failed};
use crate::EmbeddedBus;
use crate::embedded::Interests;

/// How often a host says that it is alive: a quarter of the silence after which it is taken for gone.
const BEAT_EVERY: Duration = Duration::from_millis(500);
/// Changes within this time are told together.
const TOGETHER: Duration = Duration::from_millis(5);
/// Tenants told of in one message.
const TENANTS_IN_PART: usize = 64;
/// Parts of what one host receives.
const PARTS_MAX: u32 = 4_096;

/// What a host says.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Said {
    /// It is alive, and receives what it said under this revision.
    Beat { host: HostId, revision: u64 },
    /// A part of what it receives.
    Receives { host: HostId, revision: u64, part: u32, parts: u32, tenants: Vec<(TenantId, Interests)> },
    /// It does not know what the others receive.
    Asks { host: HostId },
    /// It goes.
    Leaves { host: HostId },
}

/// What this host tells the others.
pub(super) struct Gossip {
    pub(super) own: HostId,
    pub(super) client: Client,
    pub(super) peers: Arc<Peers>,
    pub(super) local: Arc<EmbeddedBus>,
    pub(super) listening: Arc<Listening>,
    /// Something this host receives has changed.
    pub(super) changed: Arc<Notify>,
}

/// What was told of last.
#[derive(Default)]
struct Told {
    revision: u64,
    interests: Vec<(TenantId, Interests)>,
    /// Parts of the others that are not complete yet.
    parts: HashMap<HostId, Parts>,
}

struct Parts {
    revision: u64,
    missing: u32,
    tenants: Vec<(TenantId, Interests)>,
}

impl Gossip {
    /// Tells and listens for as long as the host runs.
    pub(super) async fn run(self) {
        loop {
            if let Err(error) = self.speak().await {
                tracing::warn!(error = error.source.to_string(), "other hosts are not heard");
            }
            tokio::time::sleep(BEAT_EVERY).await;
        }
    }

    async fn speak(&self) -> Result<(), NatsError> {
        let mut heard = self.client.subscribe(hosts()).await.map_err(failed("listen to other hosts"))?;
        self.say(&Said::Asks { host: self.own }).await?;
        let mut told = Told::default();
        let mut beats = tokio::time::interval(BEAT_EVERY);
        loop {
            tokio::select! {
                _ = beats.tick() => {
                    self.peers.forget_silent();
                    self.tell_changes(&mut told).await?;
                    self.say(&Said::Beat { host: self.own, revision: told.revision }).await?;
                }
                () = self.changed.notified() => {
                    tokio::time::sleep(TOGETHER).await;
                    self.tell_changes(&mut told).await?;
                }
                message = heard.next() => match message {
                    Some(message) => self.hear(&mut told, &message.payload).await?,
                    None => return Ok(()),
                }
            }
        }
    }

    async fn tell_changes(&self, told: &mut Told) -> Result<(), NatsError> {
        let mut interests = self.local.interests();
        interests.retain(|(tenant, _)| self.listening.is_heard(tenant));
        if told.revision > 0 && interests == told.interests {
            return Ok(());
        }
        told.revision += 1;
        told.interests = interests;
        self.tell(told).await
    }

    async fn tell(&self, told: &Told) -> Result<(), NatsError> {
        let chunks: Vec<_> = told.interests.chunks(TENANTS_IN_PART).collect();
        let parts = u32::try_from(chunks.len().max(1)).unwrap_or(u32::MAX);
        for part in 0..parts {
            let tenants = chunks.get(part as usize).map(|chunk| chunk.to_vec()).unwrap_or_default();
            let said = Said::Receives { host: self.own, revision: told.revision, part, parts, tenants };
            self.say(&said).await?;
        }
        Ok(())
    }

    async fn hear(&self, told: &mut Told, bytes: &[u8]) -> Result<(), NatsError> {
        let Ok(said) = serde_json::from_slice::<Said>(bytes) else {
            tracing::warn!("a message between hosts is none that a host writes");
            return Ok(());
        };
        match said {
            Said::Beat { host, revision } if host != self.own && !self.peers.beat(host, revision) => {
                self.say(&Said::Asks { host: self.own }).await
            }
            Said::Receives { host, revision, part, parts, tenants } if host != self.own && parts <= PARTS_MAX => {
                self.receives(told, host, (revision, part, parts), tenants);
                Ok(())
            }
            Said::Asks { host } if host != self.own => self.tell(told).await,
            Said::Leaves { host } => {
                self.peers.remove(host);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn receives(
        &self,
        told: &mut Told,
        host: HostId,
        (revision, part, parts): (u64, u32, u32),
        tenants: Vec<(TenantId, Interests)>,
    ) {
        if part == 0 {
            told.parts.insert(host, Parts { revision, missing: parts, tenants: Vec::new() });
        }
        let Some(so_far) = told.parts.get_mut(&host).filter(|so_far| so_far.revision == revision) else { return };
        so_far.tenants.extend(tenants);
        so_far.missing = so_far.missing.saturating_sub(1);
        if so_far.missing == 0
            && let Some(all) = told.parts.remove(&host)
        {
            self.peers.set(host, revision, all.tenants);
        }
    }

    async fn say(&self, said: &Said) -> Result<(), NatsError> {
        say(&self.client, said).await
    }
}

/// Tells the others that this host goes, so that they need not find out.
pub(super) async fn leave(client: &Client, own: HostId) -> Result<(), NatsError> {
    say(client, &Said::Leaves { host: own }).await
}

async fn say(client: &Client, said: &Said) -> Result<(), NatsError> {
    let bytes = serde_json::to_vec(said).map_err(failed("tell other hosts"))?;
    client.publish(hosts(), bytes.into()).await.map_err(failed("tell other hosts"))
}

fn hosts() -> String {
    format!("{CONTROL}.hosts")
}
