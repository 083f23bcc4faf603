//! The figures to reach, and whether they were. Words and errors are judged always, times and shares in a full run.

use serde::Serialize;

use crate::attack::Attack;
use crate::calm::Requests;
use crate::plan::Plan;
use crate::run::{Found, Phase};

/// A good tenant's p99 under attack, against its own in calm.
const P99_FACTOR_MAX: f64 = 3.0;
/// Or so much more than that: one tick.
const P99_MORE_MICROS_MAX: u64 = 1_000;
const INDEX_MIN: f64 = 0.95;
/// Two ticks.
const OVERRUN_MICROS_MAX: u64 = 2_000;
const DELIVERIES_MIN: u64 = 1_000_000;
/// What the host may have resident beside a tenant's memory and a quarter of it.
const RESIDENT_MORE: u64 = 64 << 20;

/// One figure.
#[derive(Debug, Serialize)]
pub(crate) struct Verdict {
    pub(crate) what: String,
    pub(crate) found: String,
    pub(crate) wanted: String,
    pub(crate) met: bool,
    /// Whether the run fails where it is not met.
    pub(crate) judged: bool,
}

impl Verdict {
    pub(crate) fn fails(&self) -> bool {
        self.judged && !self.met
    }
}

/// Every figure of the issue.
pub(crate) fn all(plan: &Plan, found: &Found) -> Vec<Verdict> {
    let judged = plan.judged;
    let mut verdicts = vec![foreign_words(found), errors(found), deliveries(found, judged)];
    verdicts.extend(found.attacks.iter().map(|phase| latency(&found.calm, phase, judged)));
    verdicts.extend([fairness(found, judged), overrun(found, judged), memory(found, judged)]);
    verdicts
}

fn foreign_words(found: &Found) -> Verdict {
    let (len, looked_at) = (found.oracle.leaks_len, found.oracle.sinks.values().map(|seen| seen.words).sum::<u64>());
    Verdict {
        what: "foreign words".to_owned(),
        found: format!("{len}, in {looked_at} that were seen and in every delivery"),
        wanted: "0".to_owned(),
        met: len == 0 && looked_at > 0,
        judged: true,
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
        judged: true,
    }
}

fn deliveries(found: &Found, judged: bool) -> Verdict {
    Verdict {
        what: "deliveries".to_owned(),
        found: found.deliveries.to_string(),
        wanted: format!("at least {DELIVERIES_MIN}"),
        met: found.deliveries >= DELIVERIES_MIN,
        judged,
    }
}

fn latency(calm: &Phase, phase: &Phase, judged: bool) -> Verdict {
    let (tenant, factor, met) = worst(calm, phase);
    Verdict {
        what: format!("p99 in {}", phase.name),
        found: format!("{factor:.2} × calm ({tenant})"),
        wanted: format!("each at most {P99_FACTOR_MAX} × its own, or 1 ms more"),
        met,
        judged,
    }
}

/// The tenant that was slowed down most, how much, and whether every tenant is within its bound.
pub(crate) fn worst<'a>(calm: &Phase, phase: &'a Phase) -> (&'a str, f64, bool) {
    let pairs = calm.requests.iter().zip(&phase.requests);
    let met = pairs
        .clone()
        .all(|(calm, now)| p99(now) <= p99(calm) + P99_MORE_MICROS_MAX || factor(calm, now) <= P99_FACTOR_MAX);
    let by_factor = pairs.map(|(calm, now)| (now.tenant.as_str(), factor(calm, now)));
    let (tenant, factor) = by_factor.max_by(|one, other| one.1.total_cmp(&other.1)).unwrap_or(("none", f64::NAN));
    (tenant, factor, met)
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

fn fairness(found: &Found, judged: bool) -> Verdict {
    let index = found.fairness.index();
    Verdict {
        what: "Jain's index".to_owned(),
        found: format!("{index:.3}"),
        wanted: format!("at least {INDEX_MIN}"),
        met: index >= INDEX_MIN,
        judged,
    }
}

fn overrun(found: &Found, judged: bool) -> Verdict {
    let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|quantile| found.overrun.value_at_quantile(quantile));
    Verdict {
        what: "spinning past its deadline".to_owned(),
        found: format!("p50 {p50} µs, p99 {p99} µs, p99.9 {p999} µs of {}", found.overrun.len()),
        wanted: format!("p99 at most {OVERRUN_MICROS_MAX} µs (2 ticks)"),
        met: p99 <= OVERRUN_MICROS_MAX,
        judged,
    }
}

fn memory(found: &Found, judged: bool) -> Verdict {
    let bomb = found.attacks.iter().find(|phase| phase.name == Attack::MemoryBomb.name());
    let resident = bomb.map_or(u64::MAX, |phase| phase.resident_bytes_max);
    let bound = found.memory_cap_bytes / 4 * 5 + RESIDENT_MORE;
    Verdict {
        what: "host's memory in the memory bomb".to_owned(),
        found: format!("{} MiB", resident >> 20),
        wanted: format!("at most {} MiB ({} × 1.25 + 64)", bound >> 20, found.memory_cap_bytes >> 20),
        met: resident <= bound,
        judged,
    }
}

fn phases(found: &Found) -> impl Iterator<Item = &Phase> {
    [&found.calm].into_iter().chain(&found.attacks)
}
