//! One task that ends messages: first in the log that all hosts read, then at the server.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_nats::jetstream::AckKind;
use async_nats::jetstream::message::Acker;
use host_model::{MessageId, Queue, TenantId};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::done::{self, Ended};
use super::pull::Shared;
use super::streams::Streams;
use super::{NatsError, failed};

/// Endings that are written in one step.
const BATCH_MAX: usize = 1_024;
/// Bytes of one entry of the log, about: well below what a server takes by default (1 MiB).
const ENTRY_BYTES_MAX: usize = 256 << 10;
/// Endings that wait. With more of them nothing else is taken from a stream.
const WAITING_MAX: usize = 16_384;
/// How long a connection may take to take an acknowledgement: it does at once, or is going down.
const TELL_MAX: Duration = Duration::from_millis(500);
/// How long to wait before a log that could not be written is tried again.
const WRITE_WAIT: Duration = Duration::from_millis(200);

/// Something to tell the server of a message.
pub(super) enum Settling {
    /// It has ended. Without an acker it is told to the log alone.
    Ended { tenant: TenantId, ended: Ended, acker: Option<Arc<Acker>> },
    /// It is nothing that was kept.
    Forget { tenant: TenantId, acker: Arc<Acker> },
    /// It is to be handed out again, at once or after a while.
    Later { tenant: TenantId, acker: Arc<Acker>, after: Option<Duration> },
}

/// What waits to be told. Bounded by what receivers may have in flight, and [`WAITING_MAX`] for what ends without one.
#[derive(Clone, Default)]
pub(super) struct Settles(Arc<Inner>);

#[derive(Default)]
struct Inner {
    waiting: Mutex<VecDeque<Settling>>,
    /// Taken from there, and not told yet.
    being_told: AtomicUsize,
    more: Notify,
    fewer: Notify,
}

/// Who is told that the server knows of an ending.
pub(super) trait OnAcknowledged: Send + Sync {
    fn acknowledged(&self, tenant: &TenantId, queue: &Queue, message: MessageId);
}

type Endings = Vec<(Ended, Option<Arc<Acker>>)>;

impl Settles {
    pub(super) fn push(&self, settling: Settling) {
        self.0.waiting.lock().push_back(settling);
        self.0.more.notify_one();
    }

    /// Whether everything was told.
    pub(super) fn is_empty(&self) -> bool {
        self.0.waiting.lock().is_empty() && self.0.being_told.load(Ordering::Acquire) == 0
    }

    /// Returns once there is room for more.
    pub(super) async fn room(&self) {
        loop {
            let fewer = self.0.fewer.notified();
            if self.0.waiting.lock().len() < WAITING_MAX {
                return;
            }
            fewer.await;
        }
    }

    fn take(&self) -> Vec<Settling> {
        let mut waiting = self.0.waiting.lock();
        let count = waiting.len().min(BATCH_MAX);
        self.0.being_told.store(count, Ordering::Release);
        self.0.fewer.notify_waiters();
        waiting.drain(..count).collect()
    }

    /// Tells for as long as the host runs.
    pub(super) async fn run(self, shared: Arc<Shared>, on_acknowledged: Arc<dyn OnAcknowledged>) {
        let Shared { connection, streams, .. } = &*shared;
        loop {
            let batch = self.take();
            if batch.is_empty() {
                self.0.more.notified().await;
                continue;
            }
            let mut ended: BTreeMap<TenantId, Endings> = BTreeMap::new();
            for settling in batch {
                match settling {
                    Settling::Ended { tenant, ended: how, acker } => {
                        ended.entry(tenant).or_default().push((how, acker));
                    }
                    Settling::Forget { tenant, acker } => tell(&shared, &tenant, &acker, AckKind::Ack).await,
                    Settling::Later { tenant, acker, after } => {
                        tell(&shared, &tenant, &acker, AckKind::Nak(after)).await;
                    }
                }
            }
            while let Err(error) = write(streams, &ended).await {
                tracing::warn!(
                    error = error.source.to_string(),
                    "what was handled cannot be written down; it is tried again"
                );
                tokio::time::sleep(WRITE_WAIT).await;
                connection.up().await;
            }
            for (tenant, endings) in ended {
                acknowledge(&shared, &*on_acknowledged, &tenant, endings).await;
            }
        }
    }
}

/// Puts all of it into the log, and returns when the server has synced it.
async fn write(streams: &Streams, ended: &BTreeMap<TenantId, Endings>) -> Result<(), NatsError> {
    let written = write_to_log(streams, ended).await;
    if written.is_err() {
        // It may be that the log is gone; then the next try finds a new one.
        streams.have_done_log().await?;
    }
    written
}

async fn write_to_log(streams: &Streams, ended: &BTreeMap<TenantId, Endings>) -> Result<(), NatsError> {
    let mut acks = Vec::with_capacity(ended.len());
    let bytes_max = ENTRY_BYTES_MAX.min(streams.payload_max() / 2);
    for (tenant, endings) in ended {
        for entry in entries(endings.iter().map(|(ended, _)| ended), bytes_max) {
            let (subject, bytes) = done::entry(tenant, entry)?;
            let ack = streams.jetstream().publish(subject, bytes.into()).await;
            acks.push(ack.map_err(failed("write down what was handled"))?);
        }
    }
    for ack in acks {
        ack.await.map_err(failed("write down what was handled"))?;
    }
    Ok(())
}

/// In their order, as many to an entry as one may hold.
fn entries<'a>(endings: impl Iterator<Item = &'a Ended>, bytes_max: usize) -> Vec<Vec<Ended>> {
    let mut entries: Vec<Vec<Ended>> = Vec::new();
    let mut room = 0;
    for ended in endings {
        let len = ended.len_max();
        if len > room {
            entries.push(Vec::new());
            room = bytes_max;
        }
        room = room.saturating_sub(len);
        entries.last_mut().expect("one was begun").push(ended.clone());
    }
    entries
}

/// Acknowledges what is in the log. The server takes acknowledgements of one connection in order, so that its answer to the last one
/// stands for all; one that is lost all the same comes back, and is known from the log.
async fn acknowledge(shared: &Shared, on_acknowledged: &dyn OnAcknowledged, tenant: &TenantId, mut endings: Endings) {
    for (ended, _) in &endings {
        shared.memory.add(tenant, ended);
    }
    let last = endings.pop();
    for acker in endings.iter().filter_map(|(_, acker)| acker.as_ref()) {
        tell(shared, tenant, acker, AckKind::Ack).await;
    }
    if let Some((_, Some(acker))) = &last
        && shared.links.are_up(tenant)
        && let Err(error) = acker.double_ack().await
    {
        tracing::debug!(%error, "an acknowledgement was not confirmed");
    }
    for (ended, _) in endings.into_iter().chain(last) {
        on_acknowledged.acknowledged(tenant, &ended.queue, ended.message);
    }
}

/// Over a connection that is down nothing is said: its turn would come when it is up again, and until then the other tenants' endings
/// would wait.
pub(super) async fn tell(shared: &Shared, tenant: &TenantId, acker: &Acker, kind: AckKind) {
    if !shared.links.are_up(tenant) {
        return;
    }
    match tokio::time::timeout(TELL_MAX, acker.ack_with(kind)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "the server was not told of a message; it hands it out again"),
        Err(_) => tracing::debug!(%tenant, "a connection takes nothing; the server hands a message out again"),
    }
}

#[cfg(test)]
mod tests {
    use host_model::DeathCause;

    use super::super::done::End;
    use super::*;

    #[test]
    fn endings_with_long_words_are_written_in_as_many_entries_as_a_server_takes() {
        let dead = |number: u32| Ended {
            queue: "kb".parse().unwrap(),
            message: format!("00000000-0000-7000-8000-{number:012x}").parse().unwrap(),
            end: End::Dead { cause: DeathCause::Fuel, detail: "\u{1}".repeat(4_096), attempts: 5 },
        };
        let all: Vec<Ended> = (0..1_024).map(dead).collect();
        let entries = entries(all.iter(), ENTRY_BYTES_MAX);
        for entry in &entries {
            let (_, bytes) = done::entry(&"acme".parse().unwrap(), entry.clone()).unwrap();
            assert!(bytes.len() <= 1 << 20, "{}", bytes.len());
        }
        assert_eq!(entries.concat(), all);
    }
}
