//! Messages that are published and forgotten, counted where they arrive: by a connection that does nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use async_nats::Client;
use bytes::Bytes;
use futures_util::StreamExt as _;

use super::Nats;
use crate::harness::Batch;
use crate::laps::Laps;

/// How long a batch may take before it is a failure.
const BATCH_MAX: Duration = Duration::from_mins(1);

/// A subscription over a connection of its own.
#[derive(Clone)]
pub(crate) struct Heard {
    /// Lives as long as the subscription.
    client: Client,
    arrived: Arc<Arrived>,
}

#[derive(Default)]
struct Arrived {
    count: AtomicU64,
    last_len: AtomicUsize,
}

impl Heard {
    pub(crate) fn open(nats: &Nats, subject: String) -> anyhow::Result<Self> {
        let arrived = Arc::new(Arrived::default());
        let (counted, (ready, is_ready)) = (arrived.clone(), sync_channel(1));
        let (url, options) = (nats.server.url().to_owned(), nats.server.options());
        let listening = async move {
            let client = options.connect(url).await?;
            let mut messages = client.subscribe(subject).await?;
            client.flush().await?;
            ready.send(client.clone())?;
            while let Some(message) = messages.next().await {
                counted.last_len.store(message.payload.len(), Ordering::Relaxed);
                counted.count.fetch_add(1, Ordering::Release);
            }
            anyhow::Ok(())
        };
        drop(nats.runtime.spawn(listening));
        let client = is_ready.recv().context("nobody listens: the server refused a connection")?;
        Ok(Self { client, arrived })
    }

    pub(crate) fn count(&self) -> u64 {
        self.arrived.count.load(Ordering::Acquire)
    }

    /// Bytes of the last message.
    pub(crate) fn last_len(&self) -> usize {
        self.arrived.last_len.load(Ordering::Relaxed)
    }

    /// A connection that says what is not measured.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// So many messages, one behind the other, until the last one arrived.
    pub(crate) fn tell(&self, count: u64, publish: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Batch> {
        let target = self.count() + count;
        Batch::of(count, || {
            publish()?;
            self.await_count(target)
        })
    }

    /// So many messages, the next when the one before has arrived.
    pub(crate) fn one_by_one(&self, count: u64, publish: impl Fn() -> anyhow::Result<()>) -> anyhow::Result<Laps> {
        Laps::one_by_one(count, || {
            let target = self.count() + 1;
            publish()?;
            self.await_count(target)
        })
    }

    /// Returns once so many have arrived.
    fn await_count(&self, target: u64) -> anyhow::Result<()> {
        let began = Instant::now();
        while self.count() < target {
            ensure!(began.elapsed() < BATCH_MAX, "messages did not arrive within {BATCH_MAX:?}");
            thread::yield_now();
        }
        Ok(())
    }
}

/// The other side of M9.
pub(crate) struct Told<'a> {
    nats: &'a Nats,
    heard: Heard,
    body: Bytes,
}

impl<'a> Told<'a> {
    /// Where it publishes.
    const SUBJECT: &'static str = "bench.told";

    pub(crate) fn open(nats: &'a Nats, len: usize) -> anyhow::Result<Self> {
        let heard = Heard::open(nats, Self::SUBJECT.to_owned())?;
        Ok(Self { nats, heard, body: vec![b'x'; len].into() })
    }

    pub(crate) fn tell(&self, count: u64) -> anyhow::Result<Batch> {
        self.heard.tell(count, || {
            self.nats.runtime.block_on(async {
                for _ in 0..count {
                    self.nats.client.publish(Self::SUBJECT, self.body.clone()).await?;
                }
                Ok(())
            })
        })
    }

    pub(crate) fn one_by_one(&self, count: u64) -> anyhow::Result<Laps> {
        let publish = || self.nats.client.publish(Self::SUBJECT, self.body.clone());
        self.heard.one_by_one(count, || Ok(self.nats.runtime.block_on(publish())?))
    }
}
