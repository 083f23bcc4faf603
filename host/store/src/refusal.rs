//! What a caller sees when a store says no: the quota's numbers, or that the host cannot do it now.

use std::error::Error;

use host_calls::{Refusal, RefusalNumbers};
use host_quota::OverBudget;

/// When it can make sense to ask again after the host failed, in milliseconds.
const RETRY_MS: u64 = 1_000;

/// A quota would be passed. Waiting does not help; deleting does.
pub(crate) fn over_quota(code: &str, over: OverBudget) -> Refusal {
    Refusal::OverQuota(RefusalNumbers::of(code).past(over.max, over.used.saturating_add(over.asked)))
}

/// The host failed. The caller learns no more than that; the log says why.
pub(crate) fn failed(what: &'static str, error: &dyn Error) -> Refusal {
    tracing::error!(what, error = %chain(error), "a store of agents failed");
    Refusal::Unavailable(RefusalNumbers::of("store-failed").retry_after_ms(RETRY_MS))
}

/// The disk has no more room than the host needs for itself.
pub(crate) fn disk_full(left: u64, asked: u64) -> Refusal {
    Refusal::Unavailable(RefusalNumbers::of("disk-full").past(left, asked).retry_after_ms(RETRY_MS))
}

/// The tenant's part is not open: no agent of it runs here.
pub(crate) fn not_open() -> Refusal {
    Refusal::Unavailable(RefusalNumbers::of("not-open"))
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
