//! The log of what was handled: all hosts write it before they acknowledge, and all read it.
//!
//! It is the memory of replays that hosts share, and tells the host that took a message that it need not keep it any more.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use futures_util::StreamExt as _;
use host_model::{DeathCause, MessageId, Queue, TenantId};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::connection::Connection;
use super::streams::{DoneLog, REMEMBERED, ReadUpTo, Streams};
use super::subjects::CONTROL;
use super::{NatsError, failed};

/// Ids of a tenant that are remembered; with more, the oldest are forgotten earlier.
const IDS_MAX: usize = 1_000_000;
/// How often it is looked whether the log is still the one that is read.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// What an ending may have beside its words: names of 64 bytes, an id, and what JSON puts around them.
const ENDED_AROUND: usize = 512;
/// How long to wait before a log that could not be read is asked again.
const READ_WAIT: Duration = Duration::from_secs(1);

/// How a message ended in one queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ended {
    #[serde(rename = "q")]
    pub(super) queue: Queue,
    #[serde(rename = "m")]
    pub(super) message: MessageId,
    #[serde(rename = "e", default, skip_serializing_if = "End::is_done")]
    pub(super) end: End,
}

impl Ended {
    /// Bytes that it may have in the log, at most: a character of its words may be written with six.
    pub(super) fn len_max(&self) -> usize {
        let words = if let End::Dead { detail, .. } = &self.end { detail.len() } else { 0 };
        words.saturating_mul(6).saturating_add(ENDED_AROUND)
    }
}

/// How it ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum End {
    /// It was handled.
    #[default]
    Done,
    /// It was given up.
    Dead {
        /// Why.
        cause: DeathCause,
        /// In more words.
        detail: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// It is not what was kept.
    Quarantined,
}

impl End {
    fn is_done(&self) -> bool {
        *self == Self::Done
    }
}

/// One message of the log.
#[derive(Serialize, Deserialize)]
struct Entry {
    v: u32,
    ended: Vec<Ended>,
}

const VERSION: u32 = 1;

/// The subject of a tenant's part of the log, and the bytes of one message of it.
pub(super) fn entry(tenant: &TenantId, ended: Vec<Ended>) -> Result<(String, Vec<u8>), NatsError> {
    let bytes = serde_json::to_vec(&Entry { v: VERSION, ended }).map_err(failed("write down what was handled"))?;
    Ok((format!("{CONTROL}.done.{tenant}"), bytes))
}

/// What is remembered of the log, of all tenants.
#[derive(Default)]
pub(super) struct Memory(RwLock<HashMap<TenantId, OfTenant, RandomState>>);

#[derive(Default)]
struct OfTenant {
    ended: HashMap<(Queue, MessageId), End, RandomState>,
    /// In the order in which they were heard of, with the time.
    order: VecDeque<(Instant, (Queue, MessageId))>,
}

impl Memory {
    /// Remembers how a message ended. False if that was known.
    pub(super) fn add(&self, tenant: &TenantId, ended: &Ended) -> bool {
        let mut all = self.0.write();
        let of_tenant = all.entry(tenant.clone()).or_default();
        let key = (ended.queue.clone(), ended.message);
        if of_tenant.ended.insert(key.clone(), ended.end.clone()).is_some() {
            return false;
        }
        let now = Instant::now();
        of_tenant.order.push_back((now, key));
        of_tenant.forget_old(now);
        true
    }

    /// How a message ended, if it did.
    pub(super) fn end_of(&self, tenant: &TenantId, queue: &Queue, message: MessageId) -> Option<End> {
        self.0.read().get(tenant)?.ended.get(&(queue.clone(), message)).cloned()
    }

    pub(super) fn forget(&self, tenant: &TenantId) {
        self.0.write().remove(tenant);
    }
}

impl OfTenant {
    fn forget_old(&mut self, now: Instant) {
        let is_too_much = |order: &VecDeque<(Instant, _)>| {
            let oldest = order.front().map(|(heard, _)| now.saturating_duration_since(*heard));
            order.len() > IDS_MAX || oldest.is_some_and(|age| age > REMEMBERED)
        };
        while is_too_much(&self.order)
            && let Some((_, oldest)) = self.order.pop_front()
        {
            self.ended.remove(&oldest);
        }
    }
}

/// Who is told of each ending, once.
pub(super) trait OnEnd: Send + Sync {
    fn ended(&self, tenant: &TenantId, ended: &Ended);
}

/// Reads the log for as long as the host runs. `read` becomes true when all that was there at first is read.
pub(super) async fn follow(
    connection: Connection,
    streams: Streams,
    memory: Arc<Memory>,
    on_end: Arc<dyn OnEnd>,
    read: watch::Sender<bool>,
) {
    let mut up_to = None;
    loop {
        connection.up().await;
        if let Err(error) = follow_once(&streams, &memory, &*on_end, &read, &mut up_to).await {
            tracing::warn!(
                error = error.source.to_string(),
                "the log of what was handled cannot be read; it is tried again"
            );
        }
        tokio::time::sleep(READ_WAIT).await;
    }
}

async fn follow_once(
    streams: &Streams,
    memory: &Memory,
    on_end: &dyn OnEnd,
    read: &watch::Sender<bool>,
    up_to: &mut Option<ReadUpTo>,
) -> Result<(), NatsError> {
    let DoneLog { read: mut at, all_read, consumer } = streams.done_log(*up_to).await?;
    if all_read {
        read.send_replace(true);
    }
    let mut messages = consumer.messages().await.map_err(failed("read the log of what was handled"))?;
    let mut looks = tokio::time::interval(LOOK_EVERY);
    loop {
        *up_to = Some(at);
        let message = tokio::select! {
            message = messages.next() => message,
            // The reader itself waits for ever behind the end of a log that was lost and made anew.
            _ = looks.tick() => {
                if streams.done_log_end().await?.is_of_another(&at) {
                    tracing::error!("the log of what was handled was lost: it is read anew");
                    return Ok(());
                }
                continue;
            }
        };
        let Some(message) = message else { return Ok(()) };
        let message = message.map_err(failed("read the log of what was handled"))?;
        let info = message.info().map_err(failed("read the log of what was handled"))?;
        take_in(memory, on_end, &message.subject, &message.payload);
        at.sequence = info.stream_sequence;
        if info.pending == 0 {
            read.send_replace(true);
        }
    }
}

fn take_in(memory: &Memory, on_end: &dyn OnEnd, subject: &str, payload: &[u8]) {
    let tenant = subject.rsplit('.').next().unwrap_or_default().parse::<TenantId>();
    let entry = serde_json::from_slice::<Entry>(payload);
    let (Ok(tenant), Ok(Entry { v: VERSION, ended })) = (tenant, entry) else {
        tracing::error!(subject, "a message in the log of what was handled is none that a host writes");
        return;
    };
    for ended in ended {
        memory.add(&tenant, &ended);
        on_end.ended(&tenant, &ended);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Heard(parking_lot::Mutex<Vec<Ended>>);

    impl OnEnd for Heard {
        fn ended(&self, _: &TenantId, ended: &Ended) {
            self.0.lock().push(ended.clone());
        }
    }

    #[test]
    fn what_was_written_of_an_ending_reads_back() {
        let tenant: TenantId = "acme".parse().unwrap();
        let message: MessageId = "00000000-0000-7000-8000-000000000001".parse().unwrap();
        let dead = End::Dead { cause: DeathCause::Fuel, detail: "x".to_owned(), attempts: 5 };
        let ended: Vec<_> = [End::Done, dead.clone(), End::Quarantined]
            .into_iter()
            .zip(["a", "b", "c"])
            .map(|(end, queue)| Ended { queue: queue.parse().unwrap(), message, end })
            .collect();
        let (memory, heard) = (Memory::default(), Heard(parking_lot::Mutex::default()));
        let (subject, bytes) = entry(&tenant, ended.clone()).unwrap();
        take_in(&memory, &heard, &subject, &bytes);
        take_in(&memory, &heard, &subject, b"{}");
        assert_eq!(heard.0.into_inner(), ended);
        assert_eq!(memory.end_of(&tenant, &"b".parse().unwrap(), message), Some(dead));
        assert_eq!(memory.end_of(&"globex".parse().unwrap(), &"b".parse().unwrap(), message), None);
    }
}
