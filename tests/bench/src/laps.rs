//! Acts that are timed one by one: what the middle one takes, and the hundredth that takes longest.

use std::time::{Duration, Instant};

use crate::harness::Batch;

/// What one batch of acts took, each and all.
#[derive(Debug, Default)]
pub(crate) struct Laps {
    each: Vec<Duration>,
    took: Duration,
}

impl Laps {
    /// So many acts by each of several at once, from the first to the last.
    pub(crate) fn of(each: impl IntoIterator<Item = Vec<Duration>>, began: Instant) -> Self {
        let took = began.elapsed();
        Self { each: each.into_iter().flatten().collect(), took }
    }

    /// So many acts, the next begun when the one before is done.
    pub(crate) fn one_by_one(count: u64, mut act: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<Self> {
        let (mut each, began) = (Vec::new(), Instant::now());
        for _ in 0..count {
            let began = Instant::now();
            act()?;
            each.push(began.elapsed());
        }
        Ok(Self::of([each], began))
    }

    /// Acts in a second.
    pub(crate) fn rate(&self) -> f64 {
        Batch { done: self.each.len() as u64, took: self.took }.rate()
    }

    /// The time that half of the acts kept to, in seconds.
    pub(crate) fn p50(&self) -> f64 {
        percentile(&mut self.each.clone(), 50).as_secs_f64()
    }
}

/// The times that 50 and 99 of a hundred acts of all these batches kept to.
pub(crate) fn spread<'a>(batches: impl IntoIterator<Item = &'a Laps>) -> (Duration, Duration) {
    let mut all: Vec<Duration> = batches.into_iter().flat_map(|laps| laps.each.iter().copied()).collect();
    (percentile(&mut all, 50), percentile(&mut all, 99))
}

/// A time in microseconds.
pub(crate) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// The nearest rank: the smallest time that so many of a hundred kept to.
fn percentile(all: &mut [Duration], of_hundred: usize) -> Duration {
    all.sort_unstable();
    let rank = (all.len() * of_hundred).div_ceil(100).max(1);
    all.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_acts_and_99_of_a_hundred_kept_to_what_is_told() {
        let laps = |millis: &[u64]| Laps {
            each: millis.iter().map(|millis| Duration::from_millis(*millis)).collect(),
            took: Duration::from_secs(1),
        };
        let check = |batches: &[Laps], p50, p99| {
            let expected = (Duration::from_millis(p50), Duration::from_millis(p99));
            assert_eq!(spread(batches), expected);
        };
        check(&[laps(&[3, 1, 2])], 2, 3);
        check(&[laps(&[4, 1]), laps(&[3, 2])], 2, 4);
        let hundred: Vec<u64> = (1..=100).collect();
        check(&[laps(&hundred)], 50, 99);
        check(&[], 0, 0);
        assert_eq!(laps(&[1, 2]).rate().to_bits(), 2.0_f64.to_bits());
    }
}
