//! The method: arms take turns in short batches, each ratio is of one round, and the median carries an interval.
//!
//! A shared machine drifts within seconds and by tens of percent. Two batches that follow each other see nearly the same
//! machine, so their ratio holds where a ratio of two averages would not; turning the order around every other round (ABBA)
//! takes out a steady drift within the round as well.

use std::time::{Duration, Instant};

use anyhow::ensure;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Rounds that count. One more goes before them, to warm up.
    pub(crate) rounds: usize,
    /// The shortest batch that counts.
    pub(crate) batch_min: Duration,
    /// Whether the figures mean anything.
    pub(crate) judged: bool,
}

/// What one batch did, and how long that took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Batch {
    /// Things done.
    pub(crate) done: u64,
    /// Time it took.
    pub(crate) took: Duration,
}

/// The median of the rounds' ratios, with what to think of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Estimate {
    /// The median.
    pub(crate) median: f64,
    /// The smallest.
    pub(crate) min: f64,
    /// Where the median lies with 95 % confidence (bootstrap).
    pub(crate) interval: (f64, f64),
}

/// One side of a comparison: does `size` units of its work.
pub(crate) type Arm<'a> = &'a mut dyn FnMut(u64) -> anyhow::Result<Batch>;

/// Batches grow to this size at most, in units.
const SIZE_MAX: u64 = 1 << 20;
/// How often a batch is tried before it counts as long enough.
const TRIES: usize = 3;
/// How often the ratios are drawn again.
const RESAMPLES: usize = 4_000;

impl Plan {
    /// What a figure is made with.
    pub(crate) fn full() -> Self {
        Self { rounds: 40, batch_min: Duration::from_millis(20), judged: true }
    }

    /// What shows that a figure can be made.
    pub(crate) fn smoke() -> Self {
        Self { rounds: 1, batch_min: Duration::ZERO, judged: false }
    }

    /// The same with another number of rounds, for what takes long.
    pub(crate) fn with_rounds(self, rounds: usize) -> Self {
        Self { rounds: self.rounds.min(rounds), ..self }
    }
}

impl Batch {
    /// Does `work` and takes its time.
    pub(crate) fn of(done: u64, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Self> {
        let began = Instant::now();
        work()?;
        Ok(Self { done, took: began.elapsed() })
    }

    /// Things done in a second.
    #[expect(clippy::cast_precision_loss, reason = "a batch has far fewer than 2^52 things in it")]
    pub(crate) fn rate(self) -> f64 {
        self.done as f64 / self.took.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

/// Each arm's rate in each round, in batches that are long enough.
pub(crate) fn rounds<const N: usize>(plan: &Plan, mut arms: [Arm<'_>; N]) -> anyhow::Result<Vec<[f64; N]>> {
    let mut sizes = [1_u64; N];
    for (arm, size) in arms.iter_mut().zip(&mut sizes) {
        *size = calibrate(plan, arm)?;
    }
    let rounds = interleaved(plan.rounds, sizes, &mut arms)?;
    Ok(rounds.into_iter().map(|batches| batches.map(Batch::rate)).collect())
}

/// What each arm did in each round. The first round runs the arms in their order, the next the other way round, and so on.
pub(crate) fn interleaved<const N: usize, R: Default>(
    rounds: usize,
    sizes: [u64; N],
    arms: &mut [&mut dyn FnMut(u64) -> anyhow::Result<R>; N],
) -> anyhow::Result<Vec<[R; N]>> {
    let mut all = Vec::with_capacity(rounds);
    for round in 0..=rounds {
        let mut results: [R; N] = std::array::from_fn(|_| R::default());
        let mut turns: Vec<_> = arms.iter_mut().zip(sizes).zip(&mut results).collect();
        if round % 2 == 1 {
            turns.reverse();
        }
        for ((arm, size), result) in turns {
            *result = arm(size)?;
        }
        if round > 0 {
            all.push(results);
        }
    }
    Ok(all)
}

/// The size at which a batch of this arm is long enough, also when nothing disturbs it: the fastest of some counts.
fn calibrate(plan: &Plan, arm: &mut dyn FnMut(u64) -> anyhow::Result<Batch>) -> anyhow::Result<u64> {
    let mut size = 1;
    let mut is_long = |size| -> anyhow::Result<bool> {
        (0..TRIES).try_fold(true, |long, _| Ok(arm(size)?.took >= plan.batch_min && long))
    };
    while !is_long(size)? {
        size *= 2;
        ensure!(size <= SIZE_MAX, "a batch of {SIZE_MAX} units is still shorter than {:?}", plan.batch_min);
    }
    Ok(size)
}

/// The estimate of a ratio that is taken of each round.
pub(crate) fn estimate(ratios: Vec<f64>) -> Estimate {
    let mut chance = Chance(0x00b1_4b05);
    let mut medians: Vec<f64> = (0..RESAMPLES)
        .map(|_| median((0..ratios.len()).filter_map(|_| ratios.get(chance.below(ratios.len())).copied()).collect()))
        .collect();
    medians.sort_by(f64::total_cmp);
    let at = |part: usize| medians.get(medians.len() * part / 1000).copied().unwrap_or_default();
    Estimate {
        min: ratios.iter().copied().fold(f64::INFINITY, f64::min),
        interval: (at(25), at(975)),
        median: median(ratios),
    }
}

/// The middle value; of an even number, the middle between the two.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = values.get(middle).copied().unwrap_or_default();
    let lower = values.get(middle.saturating_sub(1)).copied().unwrap_or(upper);
    if values.len() % 2 == 1 { upper } else { f64::midpoint(lower, upper) }
}

/// `SplitMix64` (Steele, Lea and Flood, 2014) from a fixed start: the same ratios give the same interval.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound.max(1) as u64).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_value_is_the_median() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]).to_bits(), 2.0_f64.to_bits());
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]).to_bits(), 2.5_f64.to_bits());
    }

    #[test]
    fn the_interval_lies_around_the_median_and_is_the_same_each_time() {
        let ratios: Vec<f64> = (0..40).map(|round| 0.7 + f64::from(round % 7) / 100.0).collect();
        let one = estimate(ratios.clone());
        assert!(one.min <= one.interval.0 && one.interval.0 <= one.median && one.median <= one.interval.1);
        assert_eq!(one, estimate(ratios));
    }

    #[test]
    fn every_other_round_turns_the_order_around() {
        let order = std::cell::RefCell::new(String::new());
        let arm = |name| {
            let order = &order;
            move |size| {
                order.borrow_mut().push(name);
                Ok(Batch { done: size, took: Duration::from_millis(1) })
            }
        };
        let plan = Plan { rounds: 2, ..Plan::smoke() };
        let rounds = rounds(&plan, [&mut arm('a'), &mut arm('b')]).unwrap();
        assert_eq!((rounds.len(), order.into_inner().as_str()), (2, "aaabbbabbaab"));
    }
}
