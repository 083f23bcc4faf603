//! Our side of M10: an agent's queue over NATS, filled while it is stopped and emptied when it is started.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;

use super::{BATCH_MAX, PAYLOAD_LEN, Turn};
use crate::durable::Desk;
use crate::echo::Mode;
use crate::harness::Batch;
use crate::house::House;
use crate::laps::Laps;
use crate::nats::{Nats, StreamAt};

/// How often is looked whether the first message was handled.
const LOOK: Duration = Duration::from_micros(50);

/// A queue of a resident agent, and the stream that it is kept in.
pub(crate) struct Queue<'a> {
    house: &'a House,
    desk: Desk,
    stream: StreamAt<'a>,
    window: usize,
    body: Vec<u8>,
}

impl<'a> Queue<'a> {
    /// With as many instances as messages may be taken and not ended.
    pub(crate) fn open(house: &'a House, nats: &'a Nats, window: usize) -> anyhow::Result<Self> {
        let desk = Desk::open(house, Mode::Resident, window)?;
        let stream = nats.stream(format!("tenant-{}", desk.tenant));
        Ok(Self { house, desk, stream, window, body: vec![b'x'; PAYLOAD_LEN] })
    }

    /// Bytes of a frame as the stream keeps it. Leaves the queue empty.
    pub(crate) fn frame_len(&self) -> anyhow::Result<usize> {
        self.desk.post(self.house, 1, 1, &self.body)?;
        self.stream.await_count(1, BATCH_MAX)?;
        let len = self.stream.last_len()?;
        self.empty(1)?;
        Ok(len)
    }

    /// So many messages for each place in the window.
    pub(crate) fn filled_and_emptied(&self, each: u64) -> anyhow::Result<Turn> {
        let count = each * self.window as u64;
        let began = Instant::now();
        let acks = self.desk.post(self.house, self.window, each, &self.body)?;
        self.stream.await_count(count, BATCH_MAX)?;
        let put = Batch { done: count, took: began.elapsed() };
        Ok(Turn { acks, put, taken: self.empty(count)? })
    }

    fn empty(&self, count: u64) -> anyhow::Result<Batch> {
        let (house, Desk { tenant, sink, .. }) = (self.house, &self.desk);
        let before = house.ended(tenant, sink)?;
        let started = Instant::now();
        house.start(tenant, sink)?;
        while house.ended(tenant, sink)? == before {
            ensure!(started.elapsed() < BATCH_MAX, "nothing was handled within {BATCH_MAX:?}");
            thread::sleep(LOOK);
        }
        let (handled, began) = (house.ended(tenant, sink)? - before, Instant::now());
        self.stream.await_count(0, BATCH_MAX)?;
        let took = began.elapsed();
        ensure!(house.ended(tenant, sink)? == before + count, "what left the stream is not what was handled");
        house.stop(tenant, sink)?;
        Ok(Batch { done: count.saturating_sub(handled).max(1), took })
    }

    /// So many messages, each from its post to its end, the next after the one before.
    pub(crate) fn one_by_one(&self, count: u64) -> anyhow::Result<Laps> {
        let (house, Desk { tenant, sink, .. }) = (self.house, &self.desk);
        house.start(tenant, sink)?;
        let laps = Laps::one_by_one(count, || {
            let target = house.ended(tenant, sink)? + 1;
            let began = Instant::now();
            self.desk.post(house, 1, 1, &self.body)?;
            while house.ended(tenant, sink)? < target {
                ensure!(began.elapsed() < BATCH_MAX, "a message was not handled within {BATCH_MAX:?}");
                thread::yield_now();
            }
            Ok(())
        })?;
        house.stop(tenant, sink)?;
        Ok(laps)
    }
}
