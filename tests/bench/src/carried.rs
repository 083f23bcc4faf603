//! M9 and M10: messages over NATS, beside `async-nats` alone on the same server.

mod publisher;
mod queue;

use std::time::Duration;

use tempfile::TempDir;

use crate::carried::publisher::Publisher;
use crate::carried::queue::Queue;
use crate::echo::Mode;
use crate::harness::{Batch, Plan, interleaved, median, rounds};
use crate::house::House;
use crate::laps::{Laps, micros, spread};
use crate::metric::{Better, Metric, Question, Tell, Wanted, typical};
use crate::nats::{Kept, Nats, Told};

/// Bytes in each message.
const PAYLOAD_LEN: usize = 1 << 10;
/// Messages that are published and not acknowledged, and taken and not acknowledged, in each arm.
const WINDOW: usize = 64;
/// Messages of a batch for each place in the window: together no more than what a bus puts into a stream ahead of its receivers.
const EACH: u64 = 60;
const EACH_SMOKE: u64 = 2;
/// Messages that go one by one, for their p99.
const ALONE: u64 = 500;
const ALONE_SMOKE: u64 = 5;
/// A batch takes long; what the disk does varies more than what fewer rounds would hide.
const ROUNDS: usize = 20;
/// How long a batch may take before it is a failure.
const BATCH_MAX: Duration = Duration::from_mins(1);
/// Nothing here causes another message.
const HOP_MAX: u16 = 32;

/// Measures what is wanted of this file.
pub(crate) fn measure(plan: &Plan, wanted: Wanted<'_>, tell: Tell<'_>) -> anyhow::Result<()> {
    if !["M9", "M10", "M10-publish"].into_iter().any(wanted) {
        return Ok(());
    }
    let (artefacts, nats) = (TempDir::new()?, Nats::start()?);
    let house = House::open_on_nats(nats.settings(1)?, artefacts.path(), HOP_MAX)?;
    if wanted("M9") {
        tell(publish(plan, &house, &nats)?)?;
    }
    if wanted("M10") || wanted("M10-publish") {
        queues(plan, (&house, &nats), wanted, tell)?;
    }
    Ok(())
}

fn publish(plan: &Plan, house: &House, nats: &Nats) -> anyhow::Result<Metric> {
    let ours = Publisher::open(house, nats, house.tenant(0, Mode::PerMessage)?)?;
    let bare = Told::open(nats, ours.frame_len())?;
    let rates = rounds(plan, [&mut |count| ours.tell(count), &mut |count| bare.tell(count)])?;
    let alone = [if plan.judged { ALONE } else { ALONE_SMOKE }; 2];
    let alone = interleaved(1, alone, &mut [&mut |count| ours.one_by_one(count), &mut |count| bare.one_by_one(count)])?;
    let side = |arm: usize| {
        let rate = typical(&rates, |round| round.get(arm).copied().unwrap_or_default());
        format!("{rate:.0}/s, one alone {}", times(alone.iter().filter_map(|laps| laps.get(arm))))
    };
    let question = Question {
        name: "M9",
        floor: Some(0.8),
        better: Better::Higher,
        ours: format!("1 KiB admitted, signed, published, arrived at a bare connection: {}", side(0)),
        reference: format!("async-nats, {} bytes as ours, the same: {}", ours.frame_len(), side(1)),
    };
    Ok(question.answer(rates.iter().map(|[ours, bare]| ours / bare).collect()))
}

fn times<'a>(laps: impl IntoIterator<Item = &'a Laps>) -> String {
    let (p50, p99) = spread(laps);
    format!("p50 {:.0} µs, p99 {:.0} µs", micros(p50), micros(p99))
}

/// One queue, filled and emptied once.
#[derive(Default)]
pub(crate) struct Turn {
    /// What each acknowledgement took.
    pub(crate) acks: Laps,
    /// All of them, until they are in the stream.
    pub(crate) put: Batch,
    /// All of them, from the first that was taken until the stream is empty.
    pub(crate) taken: Batch,
}

fn queues(plan: &Plan, (house, nats): (&House, &Nats), wanted: Wanted<'_>, tell: Tell<'_>) -> anyhow::Result<()> {
    let ours = Queue::open(house, nats, WINDOW)?;
    let body = vec![b'x'; ours.frame_len()?];
    let mut kept = Kept::open(nats, WINDOW)?;
    let [each, alone] = if plan.judged { [EACH, ALONE] } else { [EACH_SMOKE, ALONE_SMOKE] };
    let turns = interleaved(
        plan.with_rounds(ROUNDS).rounds,
        [each; 2],
        &mut [&mut |each| ours.filled_and_emptied(each), &mut |each| kept.filled_and_emptied(each, &body)],
    )?;
    if wanted("M10-publish") {
        tell(told_of_publish(&turns, body.len()))?;
    }
    if wanted("M10") {
        tell(told_of_take(&turns, &[ours.one_by_one(alone)?, kept.one_by_one(alone, &body)?]))?;
    }
    Ok(())
}

fn told_of_publish(turns: &[[Turn; 2]], len: usize) -> Metric {
    let told = |side: fn(&[Turn; 2]) -> &Turn| {
        let rate = median(turns.iter().map(|both| side(both).put.rate()).collect());
        format!("{rate:.0}/s, an ack {}", times(turns.iter().map(|both| &side(both).acks)))
    };
    let ours = told(|[ours, _]| ours);
    let bare = told(|[_, bare]| bare);
    let question = Question {
        name: "M10-publish",
        floor: Some(0.85),
        better: Better::Higher,
        ours: format!("{WINDOW} at once, 1 KiB, admitted, sealed, synced here, all of it in the stream: {ours}"),
        reference: format!("JetStream, {WINDOW} at once, {len} bytes as ours: {bare}"),
    };
    question.answer(turns.iter().map(|[ours, bare]| ours.put.rate() / bare.put.rate()).collect())
}

fn told_of_take(turns: &[[Turn; 2]], [ours_alone, bare_alone]: &[Laps; 2]) -> Metric {
    let told = |side: fn(&[Turn; 2]) -> &Turn, alone| {
        let rate = median(turns.iter().map(|both| side(both).taken.rate()).collect());
        format!("the stream empty: {rate:.0}/s; one alone {}", times([alone]))
    };
    let ours = told(|[ours, _]| ours, ours_alone);
    let bare = told(|[_, bare]| bare, bare_alone);
    let question = Question {
        name: "M10",
        floor: Some(0.7),
        better: Better::Higher,
        ours: format!("pulled, verified, handled by {WINDOW} resident guests, ended, {ours} from its post"),
        reference: format!("pulled, acknowledged, {WINDOW} at once, {bare} from its publish"),
    };
    question.answer(turns.iter().map(|[ours, bare]| ours.taken.rate() / bare.taken.rate()).collect())
}
