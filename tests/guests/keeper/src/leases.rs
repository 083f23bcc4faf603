//! Steps on leases.

use std::time::Duration;

use bailiwick_sdk::{Lease, Leases};
use serde_json::{Value, json};

use crate::{Words, told};

pub(crate) fn step(leases: &impl Leases, words: &Words<'_>) -> Value {
    let name = words.text(1);
    let ttl = Duration::from_millis(words.number(2).and_then(|millis| u64::try_from(millis).ok()).unwrap_or(1_000));
    match words.text(0) {
        "acquire" => told(leases.acquire(name, ttl), shown),
        "renew" => told(leases.renew(name, ttl), shown),
        "release" => told(leases.release(name), |released| json!(released)),
        "current" => told(leases.current(name), shown),
        unknown => json!({ "unknown": unknown }),
    }
}

/// What is left of it changes from moment to moment, so that only its being there is shown.
fn shown(lease: Option<Lease>) -> Value {
    lease.map_or(Value::Null, |lease| {
        json!({ "holder": lease.holder, "mine": lease.mine, "token": lease.token, "left": !lease.remaining.is_zero() })
    })
}
