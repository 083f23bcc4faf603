//! What a tenant may spend at once, and guards that give it back when they are dropped.
//!
//! Pure counting: no clock, no I/O, no locks. What is refused is refused with its numbers.

mod budget;
mod overrides;
mod rate;
mod tenant;

pub use budget::{Budget, OverBudget, Share};
pub use overrides::{QuotaName, QuotaOverrides, UnknownQuota};
pub use rate::Rate;
pub use tenant::{BadQuota, TenantBudgets, TenantLimits};
