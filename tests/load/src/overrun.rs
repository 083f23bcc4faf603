//! How far past its deadline a spinning guest is stopped.
//!
//! Seen from outside, on a calm host: the time until the answer that the guest was cut off, less its deadline, less what the same way
//! there and back takes for a guest that traps at once (the median of as many). What is left is the host's, and half the noise of both.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::json;
use tests_kit::Package;

use crate::town::Town;

/// What the spinning guest may take.
const DEADLINE: Duration = Duration::from_millis(20);
/// An agent that fails so often is slowed down: each is followed by one that does not.
const HARMLESS: &str = "ask";

/// Microseconds past the deadline.
pub(crate) async fn measure(town: &Town, spins: u32) -> Histogram<u64> {
    deploy(town).await;
    let (mut way, mut whole) = (histogram(), histogram());
    for _ in 0..spins {
        way.saturating_record(micros(time(town, "trap").await));
        whole.saturating_record(micros(time(town, "spin").await));
    }
    let taken_off = micros(DEADLINE) + way.value_at_quantile(0.5);
    let mut past = histogram();
    for value in whole.iter_recorded() {
        past.saturating_record_n(
            value.value_iterated_to().saturating_sub(taken_off).max(1),
            value.count_since_last_iteration(),
        );
    }
    past
}

async fn deploy(town: &Town) {
    let tenant = town.hostile();
    let package = Package::read("tests/guests/worker.toml").named("spinner").with("limits.deadline", "20ms");
    let package = package.with("limits.fuel", 1_000_000_000_000_i64).with("grants.subscribe", Vec::<String>::new());
    town.host.api.deploy(tenant, &package.with("config.canary", town.oracle.canary(tenant))).await;
}

/// How long until the answer that it failed.
async fn time(town: &Town, kind: &str) -> Duration {
    let (api, tenant, task) = (&town.host.api, town.hostile(), town.task(town.hostile(), 0, 0));
    let began = Instant::now();
    api.ask(tenant, "spinner", kind, &json!(task)).await.refused(422, "receiver-failed");
    let took = began.elapsed();
    api.ask(tenant, "spinner", HARMLESS, &json!(task)).await.ok();
    took
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("bounds that it takes")
}

fn micros(duration: Duration) -> u64 {
    duration.as_micros().try_into().unwrap_or(u64::MAX)
}
