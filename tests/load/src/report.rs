//! What people see: what is going on while it does, one table at the end, and the same as JSON.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::LazyLock;
use std::time::Instant;

use serde_json::{Value, json};

use crate::machine::{load_average, processors};
use crate::plan::{Plan, TENANTS};
use crate::run::{Found, Phase};
use crate::verdict::{Verdict, p99, typical, worst};

const BUILD: &str = if cfg!(debug_assertions) { "dev" } else { "release" };

/// Says on standard error what comes next.
#[expect(clippy::print_stderr, reason = "a program that takes minutes says what it is at")]
pub(crate) fn progress(name: &str) {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    eprintln!("load: {:>4} s  {name}", BEGAN.elapsed().as_secs());
}

/// The result goes to standard output.
pub(crate) fn say(text: &str) {
    // Whoever closed it wants no result.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// All that there is to tell.
pub(crate) struct Told<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) found: &'a Found,
    pub(crate) verdicts: &'a [Verdict],
    /// The machine's load before anything was started.
    pub(crate) load_before: &'a str,
}

/// One table, and the figures to reach.
pub(crate) fn table(told: &Told<'_>) -> String {
    let (found, mut text) = (told.found, heading(told));
    let _ = writeln!(
        text,
        "{:<14} {:>9} {:>9} {:>9} {:>8} {:>8} {:>8} {:>7} {:>11} {:>7} {:>8}",
        "phase", "requests", "p50 ms", "p99 ms", "typical", "worst", "errors", "MiB", "hostile/s", "jailed", "others %"
    );
    for phase in [&found.calm].into_iter().chain(&found.attacks) {
        row(&mut text, &found.calm, phase);
    }
    let _ = writeln!(
        text,
        "\nten busy tenants: {:.0} messages/s for {:.1} s, of each: {:?}",
        found.fairness.rate(),
        found.fairness.lasted.as_secs_f64(),
        found.fairness.handled
    );
    let _ = writeln!(text, "\nthe oracle: {}", found.oracle);
    for verdict in told.verdicts {
        let word = if verdict.met { "met" } else { "NOT MET" };
        let _ = writeln!(text, "{:<34} {:<60} wanted {}: {word}", verdict.what, verdict.found, verdict.wanted);
    }
    errors(&mut text, found);
    text
}

/// The same for programs.
pub(crate) fn json(told: &Told<'_>) -> String {
    let found = told.found;
    let phases = [&found.calm].into_iter().chain(&found.attacks).map(|phase| phase_json(&found.calm, phase));
    let overrun = [0.5, 0.99, 0.999].map(|quantile| found.overrun.value_at_quantile(quantile));
    let document = json!({
        "agents": told.plan.agents * 10,
        "processors": processors(),
        "build": BUILD,
        "loadBefore": told.load_before,
        "loadAfter": load_average(),
        "phases": phases.collect::<Vec<_>>(),
        "fairness": { "index": found.fairness.index(), "handled": found.fairness.handled, "perSecond": found.fairness.rate() },
        "overrunMicros": overrun,
        "deliveries": found.deliveries,
        "foreignWords": found.oracle.leaks_len,
        "verdicts": told.verdicts,
    });
    document.to_string()
}

/// What the host says of a tenant's memory.
pub(crate) fn memory_cap(quota: &Value) -> u64 {
    let lines = quota["limits"].as_array().expect("a quota has limits");
    let memory = lines.iter().find(|line| line["name"] == "memory").expect("one of them is memory");
    memory["limit"].as_u64().expect("a limit is a number")
}

fn heading(told: &Told<'_>) -> String {
    format!(
        "{} agents in {TENANTS} tenants, the last one hostile; {} processors, {BUILD} build; the machine's load was {} before and is {} now\n\n",
        told.plan.agents * 10,
        processors(),
        told.load_before,
        load_average(),
    )
}

#[expect(clippy::cast_precision_loss, reason = "counts of minutes")]
fn row(text: &mut String, calm: &Phase, phase: &Phase) {
    let (requests, p50, p99) = together(phase);
    let errors: usize = phase.requests.iter().map(|requests| requests.errors.len()).sum();
    let hostile = (phase.hostile.handled + phase.hostile.failed) as f64 / phase.lasted.as_secs_f64();
    let (_, worst) = worst(calm, phase);
    let _ = writeln!(
        text,
        "{:<14} {requests:>9} {:>9.1} {:>9.1} {:>8.2} {worst:>8.2} {errors:>8} {:>7} {hostile:>11.0} {:>7} {:>8}",
        phase.name,
        p50 as f64 / 1e3,
        p99 as f64 / 1e3,
        typical(calm, phase),
        phase.resident_bytes_max >> 20,
        phase.quarantined,
        phase.ticks.others_percent(),
    );
}

/// Of all good tenants: how many requests, and the median and the 99th percentile of their times in microseconds.
fn together(phase: &Phase) -> (u64, u64, u64) {
    let mut all = hdrhistogram::Histogram::<u64>::new(3).expect("three digits are possible");
    for requests in &phase.requests {
        all.add(&requests.micros).expect("it grows as needed");
    }
    (all.len(), all.value_at_quantile(0.5), all.value_at_quantile(0.99))
}

fn phase_json(calm: &Phase, phase: &Phase) -> Value {
    let (requests, p50, p99_of_all) = together(phase);
    let each: Vec<_> = phase.requests.iter().map(|requests| json!({ "tenant": requests.tenant, "p99Micros": p99(requests), "errors": requests.errors.len() })).collect();
    json!({
        "name": phase.name,
        "requests": requests,
        "p50Micros": p50,
        "p99Micros": p99_of_all,
        "worstFactor": worst(calm, phase).1,
        "residentBytesMax": phase.resident_bytes_max,
        "hostileHandled": phase.hostile.handled,
        "hostileFailed": phase.hostile.failed,
        "quarantined": phase.quarantined,
        "othersPercent": phase.ticks.others_percent(),
        "tenants": each,
    })
}

/// Some of the errors, word by word.
fn errors(text: &mut String, found: &Found) {
    const SHOWN_MAX: usize = 10;
    let all = [&found.calm]
        .into_iter()
        .chain(&found.attacks)
        .flat_map(|phase| phase.requests.iter().map(move |requests| (phase, requests)));
    let all = all
        .flat_map(|(phase, requests)| requests.errors.iter().map(move |error| (phase.name, &requests.tenant, error)));
    for failure in found.failures.iter().take(SHOWN_MAX) {
        let _ = writeln!(text, "{failure}");
    }
    for (phase, tenant, error) in all.take(SHOWN_MAX) {
        let _ = writeln!(text, "{phase}, {tenant}: {error}");
    }
}
