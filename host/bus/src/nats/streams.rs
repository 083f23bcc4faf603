//! The streams and consumers that messages are kept in.

use std::time::Duration;

use async_nats::jetstream::consumer::pull::{Config as PullConfig, OrderedConfig};
use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, State, StorageType, Stream};
use async_nats::jetstream::{self, kv};
use host_model::{Queue, TenantId};

use super::subjects::{CONTROL, kept_in, kept_of, stream_of};
use super::{Class, NatsError, failed};

/// Within this time the server itself knows a message that is sent to it again.
const DUPLICATES_KNOWN: Duration = Duration::from_mins(2);
/// After this time without a word the server hands a message to another host: well within the 5 seconds in which the work of a host
/// that died goes on.
pub(super) const ACK_WAIT: Duration = Duration::from_secs(3);
/// Messages of one queue that all hosts together may be handling.
const ACKS_PENDING_MAX: i64 = 16_384;
/// For how long all hosts remember what was handled.
const REMEMBERED: Duration = Duration::from_hours(24);
/// The log of what was handled.
const DONE_LOG: &str = "bailiwick-done";

/// Makes what is kept where, and finds it again.
#[derive(Clone)]
pub(super) struct Streams {
    jetstream: jetstream::Context,
    class: Class,
}

impl Streams {
    pub(super) fn new(jetstream: jetstream::Context, class: Class) -> Self {
        Self { jetstream, class }
    }

    pub(super) fn jetstream(&self) -> &jetstream::Context {
        &self.jetstream
    }

    /// Replicas of each stream.
    pub(super) fn replicas(&self) -> usize {
        self.class.replicas()
    }

    /// The stream of a tenant: each message once, until it was handled.
    pub(super) async fn of(&self, tenant: &TenantId) -> Result<Stream, NatsError> {
        let config = Config {
            name: stream_of(tenant),
            subjects: vec![kept_of(tenant)],
            retention: RetentionPolicy::WorkQueue,
            storage: StorageType::File,
            num_replicas: self.class.replicas(),
            max_messages_per_subject: 1,
            discard: DiscardPolicy::New,
            discard_new_per_subject: true,
            duplicate_window: DUPLICATES_KNOWN,
            ..Config::default()
        };
        self.jetstream.get_or_create_stream(config).await.map_err(failed("have the tenant's stream"))
    }

    /// Whether the tenant's stream is there.
    pub(super) async fn has(&self, tenant: &TenantId) -> Result<bool, NatsError> {
        use async_nats::jetstream::context::GetStreamErrorKind::JetStream;
        match self.jetstream.get_stream(stream_of(tenant)).await {
            Ok(_) => Ok(true),
            Err(error) => match error.kind() {
                JetStream(said) if said.error_code() == jetstream::ErrorCode::STREAM_NOT_FOUND => Ok(false),
                _ => Err(failed("look for the tenant's stream")(error)),
            },
        }
    }

    /// Deletes what is kept of a deleted tenant. A stream that is not there is no error.
    pub(super) async fn forget(&self, tenant: &TenantId) -> Result<(), NatsError> {
        if self.has(tenant).await? {
            self.jetstream.delete_stream(stream_of(tenant)).await.map_err(failed("delete the tenant's stream"))?;
        }
        Ok(())
    }

    /// Deletes one message of a tenant. One that is not there is no error.
    pub(super) async fn delete(&self, tenant: &TenantId, sequence: u64) -> Result<(), NatsError> {
        use async_nats::jetstream::stream::DeleteMessageErrorKind::JetStream;
        match self.of(tenant).await?.delete_message(sequence).await {
            Ok(_) => Ok(()),
            // JSNoMessageFoundErr, JSStreamMsgDeleteFailedF: it is gone already.
            Err(error) if matches!(error.kind(), JetStream(said) if [10037, 10057].contains(&said.error_code().0)) => {
                Ok(())
            }
            Err(error) => Err(failed("delete a message")(error)),
        }
    }

    /// Deletes what is kept for an agent that is gone.
    pub(super) async fn forget_queue(&self, tenant: &TenantId, queue: &Queue) -> Result<(), NatsError> {
        if !self.has(tenant).await? {
            return Ok(());
        }
        let stream = self.of(tenant).await?;
        stream.purge().filter(kept_in(tenant, queue)).await.map(drop).map_err(failed("delete a queue"))
    }

    /// What hands out the messages of a queue, to all hosts that ask.
    pub(super) async fn consumer(&self, tenant: &TenantId, queue: &Queue) -> Result<Consumer<PullConfig>, NatsError> {
        let stream = self.of(tenant).await?;
        let config = PullConfig {
            durable_name: Some(queue.to_string()),
            filter_subject: kept_in(tenant, queue),
            ack_policy: AckPolicy::Explicit,
            ack_wait: ACK_WAIT,
            max_ack_pending: ACKS_PENDING_MAX,
            deliver_policy: DeliverPolicy::All,
            ..PullConfig::default()
        };
        stream.get_or_create_consumer(queue.as_str(), config).await.map_err(failed("have the queue's consumer"))
    }

    /// The log of what was handled, from its beginning or from behind a sequence, and how it is now.
    pub(super) async fn done_log(&self, after: u64) -> Result<(Consumer<OrderedConfig>, State), NatsError> {
        let mut stream = self.have_done_log().await?;
        let info = stream.info().await.map_err(failed("look at the log of what was handled"))?;
        let state = info.state.clone();
        // A log that is shorter than what was read of it is another one.
        let deliver_policy = match after {
            0 => DeliverPolicy::All,
            after if after > state.last_sequence => DeliverPolicy::All,
            after => DeliverPolicy::ByStartSequence { start_sequence: after + 1 },
        };
        let config = OrderedConfig { deliver_policy, ..OrderedConfig::default() };
        let consumer = stream.create_consumer(config).await.map_err(failed("read the log of what was handled"))?;
        Ok((consumer, state))
    }

    pub(super) async fn have_done_log(&self) -> Result<Stream, NatsError> {
        let config = Config {
            name: DONE_LOG.to_owned(),
            subjects: vec![format!("{CONTROL}.done.>")],
            storage: StorageType::File,
            num_replicas: self.class.replicas(),
            max_age: REMEMBERED,
            ..Config::default()
        };
        self.jetstream.get_or_create_stream(config).await.map_err(failed("have the log of what was handled"))
    }

    /// A bucket of keys and values that all hosts share.
    pub(super) async fn bucket(&self, name: &str) -> Result<kv::Store, NatsError> {
        let bucket = format!("{CONTROL}-{name}");
        if let Ok(store) = self.jetstream.get_key_value(&bucket).await {
            return Ok(store);
        }
        let config = kv::Config {
            bucket,
            history: 1,
            storage: StorageType::File,
            num_replicas: self.class.replicas(),
            ..kv::Config::default()
        };
        self.jetstream.create_key_value(config).await.map_err(failed("have a bucket"))
    }
}
