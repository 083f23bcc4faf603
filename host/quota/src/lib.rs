//! What a tenant may spend: at once, with guards that give it back when they are dropped, and in a second or a day.
//!
//! Pure counting: no clock, no I/O, no locks. What is refused is refused with its numbers.

mod budget;
mod overrides;
mod rate;
mod roots;
mod tenant;

pub use budget::{Budget, OverBudget, Share};
pub use overrides::{QuotaName, QuotaOverrides, UnknownQuota};
pub use rate::{OverRate, Rate};
pub use roots::{RootSpent, Roots};
pub use tenant::{BadQuota, TenantBudgets, TenantLimits, TenantRates};
