//! What quotas cost: all that is taken and given back for one message, and nothing else.
//!
//! There is no house without quotas to measure against, so that nobody can run one. What they take is measured alone instead.

use std::sync::atomic::{AtomicU64, Ordering};

use host_quota::{TenantBudgets, TenantLimits};

/// Linear memory of an echo, in bytes.
const MEMORY_BYTES: u64 = 17 << 16;
/// Messages that come of one, as in a chain of the other metrics.
const MESSAGES_PER_ROOT: u64 = 256;

/// A tenant's quotas, none of which is ever used up.
pub(crate) struct Quotas {
    budgets: TenantBudgets,
    messages: AtomicU64,
}

impl Quotas {
    pub(crate) fn new() -> Self {
        let limits = TenantLimits {
            messages_per_second_max: u64::MAX,
            messages_per_day_max: u64::MAX,
            ..TenantLimits::default()
        };
        Self { budgets: TenantBudgets::new(&limits), messages: AtomicU64::new(0) }
    }

    /// What one message takes of them, from being sent to having been handled by an instance of its own.
    pub(crate) fn take(&self) -> anyhow::Result<()> {
        let number = self.messages.fetch_add(1, Ordering::Relaxed);
        let rates = &self.budgets.rates;
        rates.roots.count(&u128::from(number / MESSAGES_PER_ROOT), u32::MAX)?;
        rates.messages_per_second.take(number, 1)?;
        rates.messages_per_day.take(number, 1)?;
        let _instance = self.budgets.instances.share(1)?;
        let _memory = self.budgets.memory.share(MEMORY_BYTES)?;
        Ok(())
    }
}
