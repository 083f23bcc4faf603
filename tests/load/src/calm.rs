//! What good tenants do all the while, and how long their requests take.
//!
//! Each good tenant is asked at a fixed pace, and each answer's time counts from when the request was due, not from when it was sent:
//! a host that stalls is not let off the requests that would have come meanwhile.

use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::town::Town;

/// One request of each tenant.
const REQUEST_EVERY: Duration = Duration::from_millis(40);
/// One chain of mixed work of each tenant.
const CHAIN_EVERY: Duration = Duration::from_millis(400);
/// Messages of such a chain.
const CHAIN_LINKS: u32 = 32;
/// The longest time that is told apart from longer ones.
const MICROS_MAX: u64 = 60_000_000;

/// One good tenant's requests.
pub(crate) struct Requests {
    pub(crate) tenant: String,
    /// Microseconds from when a request was due until its answer was read.
    pub(crate) micros: Histogram<u64>,
    /// What was answered that should not have been, each with how often: kept apart, for people.
    pub(crate) errors: Vec<String>,
}

/// Asks and keeps busy every good tenant for so long.
pub(crate) async fn good_tenants(town: &Town, lasts: Duration) -> Vec<Requests> {
    let ends = Instant::now() + lasts;
    let tenants = town.good().iter().map(|tenant| good_tenant(town, tenant, ends));
    all(tenants).await
}

async fn good_tenant(town: &Town, tenant: &str, ends: Instant) -> Requests {
    let (mut requests, chains) = tokio::join!(ask(town, tenant, ends), keep_busy(town, tenant, ends));
    requests.errors.extend(chains);
    requests
}

async fn ask(town: &Town, tenant: &str, ends: Instant) -> Requests {
    let micros = Histogram::new_with_bounds(1, MICROS_MAX, 3).expect("bounds that it takes");
    let mut requests = Requests { tenant: tenant.to_owned(), micros, errors: Vec::new() };
    let mut ticks = interval(REQUEST_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for number in 0.. {
        let due = ticks.tick().await;
        if due >= ends {
            break;
        }
        match town.relay(tenant, number).await {
            Some(answer) if answer.status == 200 => {
                let took = due.elapsed().as_micros().try_into().unwrap_or(MICROS_MAX);
                requests.micros.saturating_record(took);
            }
            Some(answer) => requests.errors.push(String::from_utf8_lossy(&answer.body).into_owned()),
            None => {
                requests.errors.push("the host did not answer".to_owned());
                sleep_until(ends).await;
            }
        }
    }
    requests
}

/// Chains of mixed work; the errors of setting them off.
async fn keep_busy(town: &Town, tenant: &str, ends: Instant) -> Vec<String> {
    let (mut errors, mut ticks) = (Vec::new(), interval(CHAIN_EVERY));
    while ticks.tick().await < ends {
        let task = town.task(tenant, CHAIN_LINKS, 0);
        let path = format!("/api/agents/w0/messages?tenant={tenant}");
        let body = serde_json::json!({ "type": "pass", "payload": task });
        match town.host.api.try_call("POST", &path, Some(&body)).await {
            Some(answer) if answer.status == 202 => {}
            Some(answer) => errors.push(String::from_utf8_lossy(&answer.body).into_owned()),
            None => break,
        }
    }
    errors
}

/// Runs all at once, on this thread.
pub(crate) async fn all<T>(tasks: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    futures_util::future::join_all(tasks).await
}
