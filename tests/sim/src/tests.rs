//! The short form: 200 seeds, and that a seed is a run.

use crate::{Broken, run};

/// Seeds of the short form.
const SEEDS: u64 = 200;

#[test]
fn two_hundred_seeds_break_no_invariant_and_come_to_rest() {
    let runs: Result<Vec<_>, Broken> = (0..SEEDS).map(run).collect();
    let runs = runs.unwrap_or_else(|broken| panic!("{broken}"));
    let sum = |of: fn(&crate::Trace) -> u64| runs.iter().map(of).sum::<u64>();
    // A simulation in which nothing happens breaks nothing.
    assert!(sum(|run| run.sent) > 20 * SEEDS, "{}", sum(|run| run.sent));
    assert!(sum(|run| run.handled) > 10 * SEEDS, "{}", sum(|run| run.handled));
    assert!(sum(|run| run.refused) > 10 * SEEDS, "{}", sum(|run| run.refused));
    assert!(sum(|run| run.attacks) > SEEDS, "{}", sum(|run| run.attacks));
}

#[test]
fn a_seed_is_repeated_step_by_step_and_another_is_another_run() {
    for seed in 0..20 {
        let first = run(seed).unwrap();
        assert_eq!(run(seed).unwrap(), first, "seed {seed}");
        assert_ne!(run(seed + 1).unwrap().hash, first.hash);
    }
}
