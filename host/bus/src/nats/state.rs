//! What agents keep as keys and values, where all hosts of one NATS share it: a stream for each tenant, with the latest of each key.
//!
//! This room carries and compares; what a value means, and how much a tenant may keep, `store` says. Several cells are changed
//! together or not at all, and only if none was changed since it was read (NATS ADR-50, atomic batch publish).

mod cell;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::header::{
    NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL, NATS_BATCH_ID, NATS_BATCH_SEQUENCE,
    NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MESSAGE_TTL,
};
use async_nats::jetstream::consumer::push::OrderedConfig;
use async_nats::jetstream::stream::{Config, DiscardPolicy, LastRawMessageErrorKind, StorageType};
use foldhash::fast::RandomState;
use futures_util::StreamExt as _;
use host_model::{AgentId, TenantId, Timestamp};
use parking_lot::Mutex;
use serde::Deserialize;

pub use self::cell::{StateCell, StateEntry};
use super::bindings::Bindings;
use super::connection::Connection;
use super::streams::Streams;
use super::{NatsError, failed};
use crate::KeepHealth;

/// How long reading or writing may take.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// How long listing may take: a tenant may keep a hundred thousand keys.
const LIST_MAX: Duration = Duration::from_secs(10);
/// For how long a cell that was cleared is seen as empty, in whole seconds; then the server forgets it.
const CLEARED_FOR: &str = "1s";
/// When the value of a cell is gone, in milliseconds since the Unix epoch.
const EXPIRES: &str = "Bailiwick-Expires";
/// How long a value is, where it is not sent along.
const LEN: &str = "Nats-Msg-Size";
/// Which other cell a change depends on.
const EXPECTED_OF: &str = "Nats-Expected-Last-Subject-Sequence-Subject";
/// What the server calls a cell that was changed since (`JSStreamWrongLastSequenceErrF`, and `…Constant`).
const CHANGED: [u64; 2] = [10_071, 10_164];

/// The shared state of all tenants.
#[derive(Clone)]
pub struct SharedState {
    connection: Connection,
    streams: Streams,
    bindings: Arc<Bindings>,
    /// Tenants whose stream is there, as far as is known.
    open: Arc<Mutex<HashSet<TenantId, RandomState>>>,
}

/// Why shared state cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum SharedStateError {
    /// No server answers. What was to be changed may have been.
    #[error("no NATS server answers")]
    Disconnected,
    /// The servers do not keep what is promised of them: nothing is written.
    #[error("the NATS servers are not to be relied on: {}", .0.as_str())]
    Refused(KeepHealth),
    /// NATS refuses.
    #[error(transparent)]
    Nats(#[from] NatsError),
}

/// The latest of a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateFound {
    /// Which change of the stream it is; 0 for a cell that is empty.
    pub revision: u64,
    /// What it holds, if it is not empty.
    pub held: Option<StateHeld>,
}

/// What a cell holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateHeld {
    /// The value.
    pub bytes: Vec<u8>,
    /// When it is to be taken for gone; never if not given.
    pub expires: Option<Timestamp>,
}

/// A part of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateChange {
    /// What is changed.
    pub cell: StateCell,
    /// What it was when it was read: the step is not done if it has changed since.
    pub revision: u64,
    /// What comes of it.
    pub to: StateTo,
}

/// What comes of a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateTo {
    /// This.
    Holds(StateHeld),
    /// Nothing.
    Empty,
    /// What it is.
    Same,
}

impl SharedState {
    pub(super) fn new(connection: Connection, streams: Streams, bindings: Arc<Bindings>) -> Self {
        Self { connection, streams, bindings, open: Arc::default() }
    }

    /// Whether another host has an agent, or any of a tenant: then what is kept there is theirs too.
    pub async fn is_elsewhere(&self, tenant: &TenantId, agent: Option<&AgentId>) -> Result<bool, SharedStateError> {
        let known = tokio::time::timeout(ANSWER_MAX, self.bindings.known()).await;
        known.map_err(|_| SharedStateError::Disconnected)?;
        Ok(self.bindings.is_elsewhere(tenant, agent))
    }

    /// Makes a tenant's stream, unless it is there.
    async fn have(&self, tenant: &TenantId) -> Result<(), NatsError> {
        if self.open.lock().contains(tenant) {
            return Ok(());
        }
        let config = Config {
            name: cell::stream_of(tenant),
            subjects: vec![cell::all_of(tenant)],
            storage: StorageType::File,
            num_replicas: self.streams.replicas(),
            max_messages_per_subject: 1,
            discard: DiscardPolicy::New,
            allow_atomic_publish: true,
            allow_message_ttl: true,
            ..Config::default()
        };
        self.streams.have(config, "have the stream of a tenant's state").await?;
        self.open.lock().insert(tenant.clone());
        Ok(())
    }

    /// Deletes all that a tenant keeps.
    pub async fn delete(&self, tenant: &TenantId) -> Result<(), SharedStateError> {
        let deleted = async {
            let deleted = self.streams.jetstream().delete_stream(cell::stream_of(tenant)).await;
            deleted.map(drop).map_err(failed("delete a tenant's state"))
        };
        self.in_time(tenant, deleted).await?;
        self.open.lock().remove(tenant);
        Ok(())
    }

    /// Reads a cell where it is written: what was acknowledged before is seen.
    pub async fn read(&self, tenant: &TenantId, cell: &StateCell) -> Result<StateFound, SharedStateError> {
        let found = async {
            let stream = self.streams.jetstream().get_stream_no_info(cell::stream_of(tenant)).await;
            let stream = stream.map_err(failed("find a tenant's state"))?;
            match stream.get_last_raw_message_by_subject(&cell.subject(tenant)).await {
                Ok(message) if message.headers.get(NATS_MESSAGE_TTL).is_some() => {
                    Ok(StateFound { revision: message.sequence, held: None })
                }
                Ok(message) => {
                    let held = StateHeld { expires: expires(&message.headers), bytes: message.payload.into() };
                    Ok(StateFound { revision: message.sequence, held: Some(held) })
                }
                Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => {
                    Ok(StateFound { revision: 0, held: None })
                }
                Err(error) => Err(failed("read a tenant's state")(error)),
            }
        };
        self.in_time(tenant, found).await
    }

    /// Changes cells as one step. False, and nothing is changed, if one of them is not what it was when it was read.
    pub async fn change(&self, tenant: &TenantId, changes: &[StateChange]) -> Result<bool, SharedStateError> {
        let health = self.connection.health();
        if health.refuses() {
            return Err(SharedStateError::Refused(health));
        }
        self.in_time(tenant, self.send(tenant, changes)).await
    }

    async fn send(&self, tenant: &TenantId, changes: &[StateChange]) -> Result<bool, NatsError> {
        let batch = batch_id()?;
        let client = &self.connection.client;
        for (change, number) in changes.iter().zip(1_usize..) {
            let (subject, mut headers, payload) = written(tenant, change);
            headers.insert(NATS_BATCH_ID, batch.as_str());
            headers.insert(NATS_BATCH_SEQUENCE, number.to_string());
            if number < changes.len() {
                let sent = client.publish_with_headers(subject, headers, payload.into()).await;
                sent.map_err(failed("change a tenant's state"))?;
                continue;
            }
            headers.insert(NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL);
            let answer = client.request_with_headers(subject, headers, payload.into()).await;
            return judged(&answer.map_err(failed("change a tenant's state"))?.payload);
        }
        Ok(true)
    }

    /// All entries of an agent, or of all agents, without their values and in no order. Their number is bounded by the tenant's quota.
    pub async fn entries(
        &self,
        tenant: &TenantId,
        agent: Option<&AgentId>,
    ) -> Result<Vec<StateEntry>, SharedStateError> {
        Box::pin(self.within(LIST_MAX, tenant, self.list(tenant, agent))).await
    }

    async fn list(&self, tenant: &TenantId, agent: Option<&AgentId>) -> Result<Vec<StateEntry>, NatsError> {
        let act = "list a tenant's state";
        let stream = self.streams.jetstream().get_stream_no_info(cell::stream_of(tenant)).await;
        let config = OrderedConfig {
            deliver_subject: self.connection.client.new_inbox(),
            filter_subject: cell::entries_of(tenant, agent),
            headers_only: true,
            ..OrderedConfig::default()
        };
        let consumer = stream.map_err(failed(act))?.create_consumer(config).await.map_err(failed(act))?;
        let mut left = consumer.cached_info().num_pending;
        let mut messages = consumer.messages().await.map_err(failed(act))?;
        let mut entries = HashMap::new();
        while left > 0
            && let Some(message) = messages.next().await
        {
            let message = message.map_err(failed(act))?;
            let info = message.info().map_err(failed(act))?;
            left = info.pending;
            let (subject, revision) = (message.subject.to_string(), info.stream_sequence);
            // One that is changed meanwhile comes twice: the later word counts.
            entries.insert(subject, entry(tenant, &message, revision));
        }
        Ok(entries.into_values().flatten().collect())
    }

    async fn in_time<T>(
        &self,
        tenant: &TenantId,
        work: impl Future<Output = Result<T, NatsError>>,
    ) -> Result<T, SharedStateError> {
        self.within(ANSWER_MAX, tenant, work).await
    }

    async fn within<T>(
        &self,
        time_max: Duration,
        tenant: &TenantId,
        work: impl Future<Output = Result<T, NatsError>>,
    ) -> Result<T, SharedStateError> {
        if !self.connection.is_up() {
            return Err(SharedStateError::Disconnected);
        }
        let work = async {
            self.have(tenant).await?;
            work.await
        };
        let done = tokio::time::timeout(time_max, work).await.map_err(|_| SharedStateError::Disconnected)?;
        if done.is_err() {
            // A stream that somebody deleted is made anew at the next step.
            self.open.lock().remove(tenant);
        }
        Ok(done?)
    }
}

/// What the server said of a step.
fn judged(answer: &[u8]) -> Result<bool, NatsError> {
    #[derive(Deserialize)]
    struct Answer {
        error: Option<Refused>,
    }
    #[derive(Deserialize)]
    struct Refused {
        err_code: u64,
        description: String,
    }
    let answer: Answer = serde_json::from_slice(answer).map_err(failed("read the server's answer"))?;
    match answer.error {
        None => Ok(true),
        Some(refused) if CHANGED.contains(&refused.err_code) => Ok(false),
        Some(refused) => Err(failed("change a tenant's state")(refused.description)),
    }
}

fn written(tenant: &TenantId, change: &StateChange) -> (String, HeaderMap, Vec<u8>) {
    let StateChange { cell, revision, to } = change;
    let mut headers = HeaderMap::new();
    headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, revision.to_string());
    match to {
        StateTo::Holds(StateHeld { bytes, expires }) => {
            if let Some(expires) = expires {
                headers.insert(EXPIRES, expires.as_millis().to_string());
            }
            (cell.subject(tenant), headers, bytes.clone())
        }
        // A batch cannot delete: the empty one that takes its place goes by itself.
        StateTo::Empty => {
            headers.insert(NATS_MESSAGE_TTL, CLEARED_FOR);
            (cell.subject(tenant), headers, Vec::new())
        }
        // What is not changed can only be compared by a change of something else.
        StateTo::Same => {
            headers.insert(EXPECTED_OF, cell.subject(tenant));
            (cell::compared_in(tenant), headers, Vec::new())
        }
    }
}

fn entry(tenant: &TenantId, message: &async_nats::jetstream::Message, revision: u64) -> Option<StateEntry> {
    let headers = message.headers.as_ref()?;
    if headers.get(NATS_MESSAGE_TTL).is_some() {
        return None;
    }
    let (agent, key) = cell::read_entry(tenant, &message.subject)?;
    let value_len = headers.get(LEN)?.as_str().parse().ok()?;
    Some(StateEntry { agent, key, revision, value_len, expires: expires(headers) })
}

fn expires(headers: &HeaderMap) -> Option<Timestamp> {
    headers.get(EXPIRES)?.as_str().parse().ok().map(Timestamp::from_millis)
}

/// 128 random bits: two steps at once are not taken for one.
fn batch_id() -> Result<String, NatsError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(failed("name a step"))?;
    Ok(data_encoding::HEXLOWER.encode(&bytes))
}
