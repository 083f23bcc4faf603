//! Our side of M9: a house that publishes what another host is subscribed to.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use futures_util::StreamExt as _;
use host_bus::{Bus as _, Inbound, Interest, Keeper, KeeperParts, NatsBus, NatsParts, NotTaken, Subscribe};
use host_calls::Refusal;
use host_courier::Party;
use host_fleet::SystemClock;
use host_gate::{Delivery, Gate, MessageLimits, NoKeys};
use host_model::{Draft, TenantId};
use host_store::{DataDir, SqliteJournal};
use tempfile::TempDir;

use super::{BATCH_MAX, PAYLOAD_LEN};
use crate::harness::Batch;
use crate::house::{House, draft, refused, tenant_limits};
use crate::laps::Laps;
use crate::nats::{Heard, Nats};

/// Where the house publishes.
const TOPIC: &str = "bench.told";
/// Where hosts say what they receive, and how often: well before they are taken for gone.
const HOSTS: &str = "bailiwick.hosts";
const SAID_EVERY: Duration = Duration::from_millis(500);
/// How long to wait where the connection takes no more for a moment, and for news.
const WAIT: Duration = Duration::from_micros(50);
/// How long nothing arrives any more once all of it has.
const QUIET: Duration = Duration::from_millis(50);

/// Who publishes, and a bare connection that hears it in the place of another host: what that does with a message is none of M9.
pub(crate) struct Publisher<'a> {
    house: &'a House,
    operator: Arc<Party>,
    heard: Heard,
}

impl<'a> Publisher<'a> {
    pub(crate) fn open(house: &'a House, nats: &Nats, tenant: &TenantId) -> anyhow::Result<Self> {
        let heard = Heard::open(nats, format!("tenants.{tenant}.{TOPIC}"))?;
        let said = nats.runtime.block_on(what_a_host_says(&heard, nats, tenant))?;
        let client = heard.client().clone();
        drop(nats.runtime.spawn(async move {
            while client.publish(HOSTS, said.clone()).await.is_ok() {
                tokio::time::sleep(SAID_EVERY).await;
            }
        }));
        let publisher = Self { house, operator: house.fleet.operator(tenant)?, heard };
        publisher.await_news()?;
        Ok(publisher)
    }

    /// Bytes of a frame as it goes over the wire.
    pub(crate) fn frame_len(&self) -> usize {
        self.heard.last_len()
    }

    /// Publishes until one arrives: until then the house does not know that anybody listens.
    fn await_news(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        while self.heard.count() == 0 {
            ensure!(began.elapsed() < BATCH_MAX, "nothing arrives at the other connection");
            self.publish_one()?;
            thread::sleep(WAIT);
        }
        let mut before = 0;
        // Those that are on their way are no part of the first batch.
        while before != self.heard.count() {
            before = self.heard.count();
            thread::sleep(QUIET);
        }
        Ok(())
    }

    /// So many messages, one behind the other, until the last one arrived.
    pub(crate) fn tell(&self, count: u64) -> anyhow::Result<Batch> {
        self.heard.tell(count, || (0..count).try_for_each(|_| self.publish_one()))
    }

    /// So many messages, the next when the one before has arrived.
    pub(crate) fn one_by_one(&self, count: u64) -> anyhow::Result<Laps> {
        self.heard.one_by_one(count, || self.publish_one())
    }

    /// Publishes one message, again where the connection takes no more for a moment.
    fn publish_one(&self) -> anyhow::Result<()> {
        let courier = &self.house.fleet.parts().courier;
        loop {
            let draft = Draft { payload: vec![b'x'; PAYLOAD_LEN], ..draft() };
            match courier.publish(&self.operator, TOPIC, draft, None) {
                Ok(_) => return Ok(()),
                Err(Refusal::Unavailable(_)) => thread::sleep(WAIT),
                Err(refusal) => return Err(refused(&refusal)),
            }
        }
    }
}

/// What another host says of itself that is subscribed to the topic. It goes again.
async fn what_a_host_says(heard: &Heard, nats: &Nats, tenant: &TenantId) -> anyhow::Result<Bytes> {
    let mut hosts = heard.client().subscribe(HOSTS).await?;
    heard.client().flush().await?;
    let data = TempDir::new()?;
    let bus = other_bus(&data, nats).await?;
    let interest = Interest::Topics(TOPIC.parse()?);
    bus.subscribe(Subscribe { tenant: tenant.clone(), interest, queue: None, member: None }, Arc::new(Deaf));
    let quoted = format!("\"{tenant}\"");
    let said = loop {
        let said = tokio::time::timeout(BATCH_MAX, hosts.next()).await.context("the other host says nothing")?;
        let said = said.context("nobody listens to hosts")?.payload;
        if String::from_utf8_lossy(&said).contains(&quoted) && String::from_utf8_lossy(&said).contains(TOPIC) {
            break said;
        }
    };
    bus.close().await;
    Ok(said)
}

/// Takes nothing.
struct Deaf;

impl Inbound for Deaf {
    fn deliver(&self, _: Delivery) -> Result<(), NotTaken> {
        Err(NotTaken::Refused)
    }
}

async fn other_bus(data: &TempDir, nats: &Nats) -> anyhow::Result<NatsBus> {
    let gate = Gate::new(MessageLimits::default());
    let keeper = Keeper::open(KeeperParts {
        journal: Arc::new(SqliteJournal::open(&DataDir::open(data.path())?).await?),
        gate: gate.clone(),
        keys: Arc::new(NoKeys),
        clock: Arc::new(SystemClock::new()),
        limits: host_fleet::queue_limits(&tenant_limits()),
    });
    let (settings, keeper) = (nats.settings(2)?, keeper.await?);
    let parts = NatsParts { settings, keeper, gate, keys: Arc::new(NoKeys), vault: None };
    Ok(NatsBus::open(parts).await?)
}
