//! A shared budget that is exact under concurrency, and the shares taken from it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// There is not enough left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{asked} more on top of {used} is over {max}")]
pub struct OverBudget {
    /// In use now.
    pub used: u64,
    /// What was asked for on top.
    pub asked: u64,
    /// The most that may be in use.
    pub max: u64,
}

/// So much of one thing at once, for one tenant.
#[derive(Debug)]
pub struct Budget {
    used: AtomicU64,
    max: AtomicU64,
}

impl Budget {
    /// A budget of `max` units.
    pub fn new(max: u64) -> Arc<Self> {
        Arc::new(Self { used: AtomicU64::new(0), max: AtomicU64::new(max) })
    }

    /// Units in use now.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// The most units that may be in use.
    pub fn max(&self) -> u64 {
        self.max.load(Ordering::Relaxed)
    }

    /// Changes how many units may be in use. Shares that are out stay out.
    pub fn set_max(&self, max: u64) {
        self.max.store(max, Ordering::Relaxed);
    }

    /// Takes a share of `units`, or nothing.
    pub fn share(self: &Arc<Self>, units: u64) -> Result<Share, OverBudget> {
        let mut share = Share { budget: self.clone(), units: 0 };
        share.grow(units)?;
        Ok(share)
    }

    /// A share of what was in use before this budget was made, even if that is more than it would give.
    pub fn found(self: &Arc<Self>, units: u64) -> Share {
        self.used.fetch_add(units, Ordering::AcqRel);
        Share { budget: self.clone(), units }
    }

    fn take(&self, asked: u64) -> Result<(), OverBudget> {
        // Nothing is never too much, even past a maximum that was lowered.
        if asked == 0 {
            return Ok(());
        }
        let max = self.max();
        let fits = |used: u64| used.checked_add(asked).filter(|sum| *sum <= max);
        match self.used.fetch_update(Ordering::AcqRel, Ordering::Relaxed, fits) {
            Ok(_) => Ok(()),
            Err(used) => Err(OverBudget { used, asked, max }),
        }
    }
}

/// Units taken from a budget; dropping it gives them back.
#[derive(Debug)]
pub struct Share {
    budget: Arc<Budget>,
    units: u64,
}

impl Share {
    /// Takes more units, or none.
    pub fn grow(&mut self, units: u64) -> Result<(), OverBudget> {
        self.budget.take(units)?;
        self.units += units;
        Ok(())
    }

    /// Gives some units back before the rest; more than it holds is all of them.
    pub fn shrink(&mut self, units: u64) {
        let units = units.min(self.units);
        self.units -= units;
        self.budget.used.fetch_sub(units, Ordering::AcqRel);
    }

    /// Takes over what another share of the same budget holds.
    pub fn absorb(&mut self, mut other: Self) {
        debug_assert!(Arc::ptr_eq(&self.budget, &other.budget), "units of another budget");
        self.units += std::mem::take(&mut other.units);
    }

    /// Units it holds.
    pub fn units(&self) -> u64 {
        self.units
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.units, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_gives_its_last_unit_and_not_one_more() {
        let budget = Budget::new(10);
        let mut share = budget.share(4).unwrap();
        assert_eq!(share.grow(6), Ok(()));
        assert_eq!(share.grow(1), Err(OverBudget { used: 10, asked: 1, max: 10 }));
        assert_eq!(budget.share(u64::MAX).unwrap_err(), OverBudget { used: 10, asked: u64::MAX, max: 10 });
        drop(share);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn what_was_found_counts_even_past_the_maximum_and_goes_like_any_other_share() {
        let budget = Budget::new(10);
        let mut found = budget.found(12);
        assert_eq!(budget.share(1).unwrap_err(), OverBudget { used: 12, asked: 1, max: 10 });
        assert_eq!(budget.share(0).unwrap().units(), 0);
        found.shrink(5);
        found.absorb(budget.share(3).unwrap());
        assert_eq!((found.units(), budget.used()), (10, 10));
        drop(found);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn two_hundred_threads_never_overspend() {
        let budget = Budget::new(50);
        let kept: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..200).map(|_| scope.spawn(|| budget.share(1).ok())).collect();
            threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!((kept.len(), budget.used()), (50, 50));
        drop(kept);
        assert_eq!(budget.used(), 0);
    }
}
