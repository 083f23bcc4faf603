//! The other side of M10: a work queue of `JetStream`, filled and emptied as fast as a window lets it.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use async_nats::jetstream::{self, AckKind, consumer, stream};
use futures_util::StreamExt as _;
use tokio::time::timeout;

use super::{Nats, StreamAt};
use crate::carried::Turn;
use crate::crowd;
use crate::harness::Batch;
use crate::laps::Laps;

/// What the stream keeps.
const SUBJECT: &str = "bench.queue";
const STREAM: &str = "QUEUE";
const CONSUMER: &str = "worker";
/// How long a batch may take before it is a failure.
const BATCH_MAX: Duration = Duration::from_mins(1);

/// The stream, and who takes from it.
pub(crate) struct Kept<'a> {
    nats: &'a Nats,
    jetstream: jetstream::Context,
    /// What comes from it: asked for before the server has any.
    messages: consumer::pull::Stream,
    stream: StreamAt<'a>,
    window: usize,
}

impl<'a> Kept<'a> {
    /// A work queue in files; so many messages may be taken and not acknowledged.
    pub(crate) fn open(nats: &'a Nats, window: usize) -> anyhow::Result<Self> {
        let jetstream = nats.jetstream();
        let messages = nats.runtime.block_on(async {
            let config = stream::Config {
                name: STREAM.to_owned(),
                subjects: vec![SUBJECT.to_owned()],
                retention: stream::RetentionPolicy::WorkQueue,
                ..stream::Config::default()
            };
            let of_worker = consumer::pull::Config {
                durable_name: Some(CONSUMER.to_owned()),
                max_ack_pending: i64::try_from(window)?,
                ..consumer::pull::Config::default()
            };
            let worker = jetstream.create_stream(config).await?.create_consumer(of_worker).await?;
            anyhow::Ok(worker.stream().max_messages_per_batch(window).messages().await?)
        })?;
        Ok(Self { nats, jetstream, messages, stream: nats.stream(STREAM.to_owned()), window })
    }

    /// So many messages for each place in the window.
    pub(crate) fn filled_and_emptied(&mut self, each: u64, body: &[u8]) -> anyhow::Result<Turn> {
        let count = each * self.window as u64;
        let began = Instant::now();
        let acks = self.publish(self.window, each, body)?;
        let put = Batch { done: count, took: began.elapsed() };
        Ok(Turn { acks, put, taken: self.take(count)? })
    }

    fn publish(&self, producers: usize, each: u64, body: &[u8]) -> anyhow::Result<Laps> {
        let (jetstream, body) = (self.jetstream.clone(), bytes::Bytes::copy_from_slice(body));
        crowd::at_once(&self.nats.runtime, producers, each, move || {
            let (jetstream, body) = (jetstream.clone(), body.clone());
            async move {
                jetstream.publish(SUBJECT, body).await?.await?;
                Ok(())
            }
        })
    }

    /// Takes so many messages, which are there, and acknowledges each, from the first one to the last one gone.
    fn take(&mut self, count: u64) -> anyhow::Result<Batch> {
        let Self { nats, messages, .. } = self;
        let began = nats.runtime.block_on(async {
            take_one(messages).await?;
            let began = Instant::now();
            for _ in 1..count {
                take_one(messages).await?;
            }
            anyhow::Ok(began)
        })?;
        self.stream.await_count(0, BATCH_MAX)?;
        Ok(Batch { done: (count - 1).max(1), took: began.elapsed() })
    }

    /// So many messages, each from its publish to its acknowledgement by who took it, the next after the one before.
    pub(crate) fn one_by_one(&mut self, count: u64, body: &[u8]) -> anyhow::Result<Laps> {
        let body = bytes::Bytes::copy_from_slice(body);
        let Self { nats, jetstream, messages, .. } = self;
        Laps::one_by_one(count, || {
            nats.runtime.block_on(async {
                jetstream.publish(SUBJECT, body.clone()).await?.await?;
                take_one(messages).await
            })
        })
    }
}

async fn take_one(messages: &mut consumer::pull::Stream) -> anyhow::Result<()> {
    let message = timeout(BATCH_MAX, messages.next()).await.context("no message came")?;
    let message = message.context("the stream has ended")??;
    message.ack_with(AckKind::Ack).await.map_err(anyhow::Error::from_boxed)
}
