//! The figures to reach, and whether they were.

use std::time::Duration;

use serde::Serialize;

use crate::attack::Attack;
use crate::calm::Requests;
use crate::plan::{Bounds, Plan};
use crate::run::{Found, Phase};

/// What the host may have resident beside a tenant's memory and a quarter of it.
const RESIDENT_MORE: u64 = 64 << 20;

/// One figure.
#[derive(Debug, Serialize)]
pub(crate) struct Verdict {
    pub(crate) what: String,
    pub(crate) found: String,
    pub(crate) wanted: String,
    pub(crate) met: bool,
}

/// Every figure of the issue.
pub(crate) fn all(plan: &Plan, found: &Found) -> Vec<Verdict> {
    let bounds = &plan.bounds;
    let mut verdicts = vec![foreign_words(found), errors(found), deliveries(bounds, found)];
    verdicts.extend(found.attacks.iter().map(|phase| latency(bounds, &found.calm, phase)));
    verdicts.extend([fairness(bounds, found), overrun(bounds, found), memory(found)]);
    verdicts
}

fn foreign_words(found: &Found) -> Verdict {
    let (len, looked_at) = (found.oracle.leaks_len, found.oracle.sinks.values().map(|seen| seen.words).sum::<u64>());
    Verdict {
        what: "foreign words".to_owned(),
        found: format!("{len}, in {looked_at} that were seen and in every delivery"),
        wanted: "0".to_owned(),
        met: len == 0 && looked_at > 0,
    }
}

/// Requests that were refused, and messages that failed, of good tenants in all phases.
fn errors(found: &Found) -> Verdict {
    let requests: usize = phases(found).flat_map(|phase| &phase.requests).map(|requests| requests.errors.len()).sum();
    let (failed, refused, ended) = (found.good.failed, found.good.refused, found.fairness.ended);
    Verdict {
        what: "good tenants' errors".to_owned(),
        found: format!(
            "{requests} requests, {failed} failed, {refused} refused{}",
            if ended { "" } else { ", some chains never ended" }
        ),
        wanted: "0".to_owned(),
        met: requests == 0 && failed == 0 && refused == 0 && ended,
    }
}

fn deliveries(bounds: &Bounds, found: &Found) -> Verdict {
    Verdict {
        what: "deliveries".to_owned(),
        found: found.deliveries.to_string(),
        wanted: format!("at least {}", bounds.deliveries_min),
        met: found.deliveries >= bounds.deliveries_min,
    }
}

fn latency(bounds: &Bounds, calm: &Phase, phase: &Phase) -> Verdict {
    let (tenant, factor) = worst(calm, phase);
    let within = |(calm, now): (&Requests, &Requests)| {
        let more_max = u64::try_from(bounds.p99_more_max.as_micros()).unwrap_or(u64::MAX);
        p99(now) <= p99(calm) + more_max || self::factor(calm, now) <= bounds.p99_factor_max
    };
    Verdict {
        what: format!("p99 in {}", phase.name),
        found: format!("{factor:.2} × calm ({tenant})"),
        wanted: format!("each at most {} × its own, or {:?} more", bounds.p99_factor_max, bounds.p99_more_max),
        met: calm.requests.iter().zip(&phase.requests).all(within),
    }
}

/// The tenant that was slowed down most, and how much.
pub(crate) fn worst<'a>(calm: &Phase, phase: &'a Phase) -> (&'a str, f64) {
    let pairs = calm.requests.iter().zip(&phase.requests);
    let by_factor = pairs.map(|(calm, now)| (now.tenant.as_str(), factor(calm, now)));
    by_factor.max_by(|one, other| one.1.total_cmp(&other.1)).unwrap_or(("none", f64::NAN))
}

/// The median of the factors by which good tenants were slowed down.
pub(crate) fn typical(calm: &Phase, phase: &Phase) -> f64 {
    let mut factors: Vec<f64> =
        calm.requests.iter().zip(&phase.requests).map(|(calm, now)| factor(calm, now)).collect();
    factors.sort_by(f64::total_cmp);
    factors.get(factors.len() / 2).copied().unwrap_or(f64::NAN)
}

pub(crate) fn p99(requests: &Requests) -> u64 {
    requests.micros.value_at_quantile(0.99)
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of minutes")]
fn factor(calm: &Requests, now: &Requests) -> f64 {
    p99(now) as f64 / (p99(calm) as f64).max(1.0)
}

fn fairness(bounds: &Bounds, found: &Found) -> Verdict {
    let index = found.fairness.index();
    Verdict {
        what: "Jain's index".to_owned(),
        found: format!("{index:.3}"),
        wanted: format!("at least {}", bounds.index_min),
        met: index >= bounds.index_min,
    }
}

fn overrun(bounds: &Bounds, found: &Found) -> Verdict {
    let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|quantile| found.overrun.value_at_quantile(quantile));
    Verdict {
        what: "spinning past its deadline".to_owned(),
        found: format!("p50 {p50} µs, p99 {p99} µs, p99.9 {p999} µs of {}", found.overrun.len()),
        wanted: format!("p99 at most {:?} (a tick is 1 ms)", bounds.overrun_max),
        met: Duration::from_micros(p99) <= bounds.overrun_max,
    }
}

fn memory(found: &Found) -> Verdict {
    let bomb = found.attacks.iter().find(|phase| phase.name == Attack::MemoryBomb.name());
    let resident = bomb.map_or(u64::MAX, |phase| phase.resident_bytes_max);
    let bound = found.memory_cap_bytes / 4 * 5 + RESIDENT_MORE;
    Verdict {
        what: "host's memory in the memory bomb".to_owned(),
        found: format!("{} MiB", resident >> 20),
        wanted: format!("at most {} MiB ({} × 1.25 + 64)", bound >> 20, found.memory_cap_bytes >> 20),
        met: resident <= bound,
    }
}

fn phases(found: &Found) -> impl Iterator<Item = &Phase> {
    [&found.calm].into_iter().chain(&found.attacks)
}
