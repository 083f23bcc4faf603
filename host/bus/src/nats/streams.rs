//! The streams and consumers that messages are kept in.

use std::time::Duration;

use async_nats::jetstream::consumer::pull::{Config as PullConfig, OrderedConfig};
use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType, Stream};
use async_nats::jetstream::{self, ErrorCode, kv};
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
/// For how long all hosts remember what was handled: a day longer than messages are kept by default.
pub(super) const REMEMBERED: Duration = Duration::from_hours(24 * 8);
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

    /// Bytes of the largest message that a server takes.
    pub(super) fn payload_max(&self) -> usize {
        match self.jetstream.client().max_payload() {
            0 => usize::MAX,
            len_max => len_max,
        }
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
        self.have(config, "have the tenant's stream").await
    }

    /// Makes a stream, or has one that is there keep messages as this host promises.
    pub(super) async fn have(&self, config: Config, act: &'static str) -> Result<Stream, NatsError> {
        let stream = self.jetstream.get_or_create_stream(&config).await.map_err(failed(act))?;
        if keeps_as_well_as(&stream.cached_info().config, &config) {
            return Ok(stream);
        }
        tracing::warn!(stream = config.name, "a stream does not keep messages as it should: it is changed");
        let num_replicas = config.num_replicas.max(stream.cached_info().config.num_replicas);
        let config = Config { num_replicas, ..config };
        self.jetstream.update_stream(&config).await.map_err(failed(act))?;
        self.jetstream.get_stream(&config.name).await.map_err(failed(act))
    }

    /// Whether the tenant's stream is there.
    pub(super) async fn has(&self, tenant: &TenantId) -> Result<bool, NatsError> {
        use async_nats::jetstream::context::GetStreamErrorKind::JetStream;
        match self.jetstream.get_stream(stream_of(tenant)).await {
            Ok(_) => Ok(true),
            Err(error) => match error.kind() {
                JetStream(said) if said.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(false),
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

    /// Deletes one message of a tenant: its subject names it alone. One that is not there is no error.
    pub(super) async fn delete(&self, tenant: &TenantId, subject: String) -> Result<(), NatsError> {
        if self.has(tenant).await? {
            self.of(tenant).await?.purge().filter(subject).await.map_err(failed("delete a message"))?;
        }
        Ok(())
    }

    /// Deletes what is kept for an agent that is gone.
    pub(super) async fn forget_queue(&self, tenant: &TenantId, queue: &Queue) -> Result<(), NatsError> {
        use async_nats::jetstream::stream::ConsumerErrorKind::JetStream;
        if !self.has(tenant).await? {
            return Ok(());
        }
        let stream = self.of(tenant).await?;
        stream.purge().filter(kept_in(tenant, queue)).await.map_err(failed("delete a queue"))?;
        match stream.delete_consumer(queue.as_str()).await {
            Ok(_) => Ok(()),
            Err(error) if matches!(error.kind(), JetStream(said) if said.error_code() == ErrorCode::CONSUMER_NOT_FOUND) => {
                Ok(())
            }
            Err(error) => Err(failed("delete a queue's consumer")(error)),
        }
    }

    /// Whether some host is at messages of a queue.
    pub(super) async fn is_handled(&self, tenant: &TenantId, queue: &Queue) -> Result<bool, NatsError> {
        if !self.has(tenant).await? {
            return Ok(false);
        }
        let mut consumer = self.consumer(tenant, queue).await?;
        let info = consumer.info().await.map_err(failed("look at the queue's consumer"))?;
        Ok(info.num_ack_pending > 0)
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

    /// The log of what was handled, from behind a sequence of the log that was made then; from its beginning if this is another one.
    pub(super) async fn done_log(&self, read: Option<ReadUpTo>) -> Result<DoneLog, NatsError> {
        let mut stream = self.have_done_log().await?;
        let info = stream.info().await.map_err(failed("look at the log of what was handled"))?;
        let (made, state) = (info.created.unix_timestamp_nanos(), info.state.clone());
        let end = ReadUpTo { made, sequence: state.last_sequence };
        let after = read.filter(|read| !end.is_of_another(read)).map_or(0, |read| read.sequence);
        let deliver_policy = match after {
            0 => DeliverPolicy::All,
            after => DeliverPolicy::ByStartSequence { start_sequence: after + 1 },
        };
        let config = OrderedConfig { deliver_policy, ..OrderedConfig::default() };
        let consumer = stream.create_consumer(config).await.map_err(failed("read the log of what was handled"))?;
        let all_read = state.messages == 0 || after == state.last_sequence;
        Ok(DoneLog { read: ReadUpTo { made, sequence: after }, all_read, consumer })
    }

    /// When the log of what was handled was made, and how long it is.
    pub(super) async fn done_log_end(&self) -> Result<ReadUpTo, NatsError> {
        let stream = self.have_done_log().await?;
        let info = stream.cached_info();
        Ok(ReadUpTo { made: info.created.unix_timestamp_nanos(), sequence: info.state.last_sequence })
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
        self.have(config, "have the log of what was handled").await
    }

    /// A bucket of keys and values that all hosts share.
    pub(super) async fn bucket(&self, name: &str) -> Result<kv::Store, NatsError> {
        let bucket = format!("{CONTROL}-{name}");
        if let Ok(store) = self.jetstream.get_key_value(&bucket).await
            && store.stream.cached_info().config.num_replicas >= self.class.replicas()
        {
            return Ok(store);
        }
        let config = kv::Config {
            bucket,
            history: 1,
            storage: StorageType::File,
            num_replicas: self.class.replicas(),
            ..kv::Config::default()
        };
        self.jetstream.create_or_update_key_value(config).await.map_err(failed("have a bucket"))
    }
}

/// A log of what was handled, which is read from somewhere on.
pub(super) struct DoneLog {
    pub(super) read: ReadUpTo,
    /// There is nothing to read yet.
    pub(super) all_read: bool,
    pub(super) consumer: Consumer<OrderedConfig>,
}

/// How far a log was read, and which: one that was lost is made anew, and counts from 1 again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReadUpTo {
    /// In nanoseconds since 1970, by the server's clock.
    made: i128,
    pub(super) sequence: u64,
}

impl ReadUpTo {
    /// Whether a log that ends here cannot be the one that was read up to there.
    pub(super) fn is_of_another(&self, read: &Self) -> bool {
        self.made != read.made || self.sequence < read.sequence
    }
}

/// Whether a stream that is there keeps at least what is promised of it.
fn keeps_as_well_as(there: &Config, wanted: &Config) -> bool {
    there.num_replicas >= wanted.num_replicas
        && there.storage == wanted.storage
        && there.retention == wanted.retention
        && there.subjects == wanted.subjects
        && there.discard == wanted.discard
        // The server says -1 for what is not bounded.
        && there.max_messages_per_subject.max(0) == wanted.max_messages_per_subject
        && there.discard_new_per_subject == wanted.discard_new_per_subject
        && there.max_age == wanted.max_age
        && there.allow_atomic_publish == wanted.allow_atomic_publish
        && there.allow_message_ttl == wanted.allow_message_ttl
        && there.max_messages <= 0
        && there.max_bytes <= 0
}
