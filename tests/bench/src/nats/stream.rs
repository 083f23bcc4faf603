//! What the server says of a stream.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;
use async_nats::jetstream::{self, stream};

use super::Nats;

/// How often the server is asked.
const LOOK: Duration = Duration::from_millis(1);

/// A stream, by its name.
pub(crate) struct StreamAt<'a> {
    nats: &'a Nats,
    jetstream: jetstream::Context,
    name: String,
}

impl Nats {
    /// A stream that may not be there yet.
    pub(crate) fn stream(&self, name: String) -> StreamAt<'_> {
        StreamAt { nats: self, jetstream: self.jetstream(), name }
    }

    /// What speaks with `JetStream`, on this runtime: it has a task of its own.
    pub(super) fn jetstream(&self) -> jetstream::Context {
        let _entered = self.runtime.enter();
        jetstream::new(self.client.clone())
    }
}

impl StreamAt<'_> {
    /// Returns once so many messages are in it.
    pub(crate) fn await_count(&self, count: u64, within: Duration) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            let there = self.get().map(|stream| stream.cached_info().state.messages);
            if there.as_ref().is_ok_and(|there| *there == count) {
                return Ok(());
            }
            ensure!(
                began.elapsed() < within,
                "{} holds {there:?} messages and not {count} after {within:?}",
                self.name
            );
            thread::sleep(LOOK);
        }
    }

    /// Bytes of the last message that was put there.
    pub(crate) fn last_len(&self) -> anyhow::Result<usize> {
        let stream = self.get()?;
        let last = stream.get_raw_message(stream.cached_info().state.last_sequence);
        Ok(self.nats.runtime.block_on(last)?.payload.len())
    }

    fn get(&self) -> anyhow::Result<stream::Stream> {
        Ok(self.nats.runtime.block_on(self.jetstream.get_stream(&self.name))?)
    }
}
