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
    max: u64,
}

impl Budget {
    /// A budget of `max` units.
    pub fn new(max: u64) -> Arc<Self> {
        Arc::new(Self { used: AtomicU64::new(0), max })
    }

    /// Units in use now.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// The most units that may be in use.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// Takes a share of `units`, or nothing.
    pub fn share(self: &Arc<Self>, units: u64) -> Result<Share, OverBudget> {
        let mut share = Share { budget: self.clone(), units: 0 };
        share.grow(units)?;
        Ok(share)
    }

    fn take(&self, asked: u64) -> Result<(), OverBudget> {
        let fits = |used: u64| used.checked_add(asked).filter(|sum| *sum <= self.max);
        match self.used.fetch_update(Ordering::AcqRel, Ordering::Relaxed, fits) {
            Ok(_) => Ok(()),
            Err(used) => Err(OverBudget { used, asked, max: self.max }),
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

/// What one tenant may use at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TenantLimits {
    /// Linear memory of all its instances together, in bytes.
    pub memory_bytes_max: u64,
    /// Requests that await their answer.
    pub requests_max: u64,
}

impl Default for TenantLimits {
    fn default() -> Self {
        Self { memory_bytes_max: 512 << 20, requests_max: 1024 }
    }
}

/// One tenant's budgets, shared by all that spend from them.
#[derive(Debug, Clone)]
pub struct TenantBudgets {
    /// Linear memory, in bytes.
    pub memory: Arc<Budget>,
    /// Requests that await their answer.
    pub requests: Arc<Budget>,
}

impl TenantBudgets {
    /// Fresh budgets.
    pub fn new(limits: TenantLimits) -> Self {
        Self { memory: Budget::new(limits.memory_bytes_max), requests: Budget::new(limits.requests_max) }
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
