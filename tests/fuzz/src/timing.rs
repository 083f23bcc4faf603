//! Whether the time that a wrong signature takes tells where it is wrong: Welch's t-test on two classes of wrong signatures, taken
//! in turn by chance (the method of dudect: Reparaz, Balasch and Verbauwhede, 2017).

use std::hint::black_box;
use std::time::Instant;

use host_gate::{MAC_LEN, MacInput, MacKey};
use host_model::KeyId;
use tests_kit::chance::Chance;

use crate::codec;

/// Past this the two classes differ in time for sure.
pub const T_MAX: f64 = 5.0;
/// Measurements of which the slowest are left out: an interrupt tells nothing of the comparison.
const BATCH: usize = 1_000;
const KEPT: usize = 900;

/// The mean and the spread of what was measured so far (Welford, 1962).
#[derive(Debug, Clone, Copy, Default)]
pub struct Sample {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Sample {
    /// One more measurement.
    pub fn add(&mut self, value: f64) {
        self.count += 1.0;
        let off = value - self.mean;
        self.mean += off / self.count;
        self.squares += off * (value - self.mean);
    }

    /// How many measurements there are.
    pub fn count(&self) -> f64 {
        self.count
    }

    fn error(&self) -> f64 {
        self.squares / (self.count - 1.0) / self.count
    }

    /// By how many standard errors two means differ.
    pub fn t(&self, other: &Self) -> f64 {
        (self.mean - other.mean) / (self.error() + other.error()).sqrt().max(f64::MIN_POSITIVE)
    }
}

/// So many comparisons with signatures that are wrong in their first byte, and as many in their last: t of the two.
pub fn of_signatures(seed: u64, comparisons: usize) -> (f64, f64) {
    let (key, envelope) = (MacKey::new(&[7; 32]), codec::envelope());
    let input = MacInput::of(&envelope, KeyId::new(1));
    let right = key.sign(&input);
    let wrong = [0, MAC_LEN - 1].map(|at| {
        let mut wrong = right;
        wrong[at] ^= 1;
        wrong
    });
    of_classes(seed, comparisons, |class| !black_box(key.is_signature(&input, black_box(&wrong[class]))))
}

/// Measures something that must hold, in two classes.
fn of_classes(seed: u64, comparisons: usize, holds: impl Fn(usize) -> bool) -> (f64, f64) {
    let (mut chance, mut samples) = (Chance::new(seed), [Sample::default(); 2]);
    for _ in 0..comparisons.div_ceil(BATCH) {
        let mut taken: Vec<(u64, usize)> = (0..BATCH).map(|_| measured(&holds, chance.below(2))).collect();
        taken.sort_unstable();
        for (nanos, class) in taken.into_iter().take(KEPT) {
            samples[class].add(u32::try_from(nanos).map_or(f64::MAX, f64::from));
        }
    }
    (samples[0].t(&samples[1]), samples[0].count() + samples[1].count())
}

fn measured(holds: impl Fn(usize) -> bool, class: usize) -> (u64, usize) {
    let began = Instant::now();
    let held = holds(class);
    let nanos = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
    assert!(held, "a wrong signature was taken");
    (nanos, class)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stops at the first byte that differs, as a comparison must not.
    fn leaks(one: &[u8; 4096], other: &[u8; 4096]) -> bool {
        one.iter().zip(other).all(|(one, other)| black_box(one) == black_box(other))
    }

    #[test]
    fn a_comparison_that_stops_early_is_found() {
        let wrong = [0, 4095].map(|at| {
            let mut wrong = [0; 4096];
            wrong[at] = 1;
            wrong
        });
        let (t, count) = of_classes(1, 5_000, |class| !leaks(black_box(&[0; 4096]), black_box(&wrong[class])));
        assert!(t.abs() > T_MAX && count >= 4_000.0, "{t} of {count}");
    }

    #[test]
    fn equal_classes_do_not_differ_and_shifted_ones_do() {
        let mut chance = Chance::new(3);
        let mut samples = [Sample::default(); 3];
        for _ in 0..20_000 {
            let value = |chance: &mut Chance| f64::from(u32::try_from(chance.below(100)).unwrap());
            samples[0].add(value(&mut chance));
            samples[1].add(value(&mut chance));
            samples[2].add(value(&mut chance) + 3.0);
        }
        assert!(samples[0].t(&samples[1]).abs() < T_MAX);
        assert!(samples[0].t(&samples[2]).abs() > T_MAX);
    }
}
