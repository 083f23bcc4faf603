//! One run: calm, each attack by itself, all together, ten busy tenants, spinning guests, and what the oracle says of it all.

use std::time::Duration;

use hdrhistogram::Histogram;
use tests_kit::Report;

use crate::attack::{ATTACKS, Attack};
use crate::calm::{self, Requests};
use crate::fairness::{self, Fairness};
use crate::overrun;
use crate::plan::Plan;
use crate::report;
use crate::town::{Counters, Town};

/// What one part of a run showed.
pub(crate) struct Phase {
    pub(crate) name: &'static str,
    pub(crate) requests: Vec<Requests>,
    /// The most memory the host had resident.
    pub(crate) resident_bytes_max: u64,
    pub(crate) lasted: Duration,
    /// What the hostile tenant's agents did meanwhile.
    pub(crate) hostile: Counters,
    /// Hostile agents that the host quarantined.
    pub(crate) quarantined: u64,
}

/// What a whole run showed.
pub(crate) struct Found {
    pub(crate) calm: Phase,
    pub(crate) attacks: Vec<Phase>,
    pub(crate) fairness: Fairness,
    pub(crate) overrun: Histogram<u64>,
    pub(crate) oracle: Report,
    pub(crate) deliveries: u64,
    /// What agents of good tenants did over the whole run.
    pub(crate) good: Counters,
    /// What the host may use for the hostile tenant's instances.
    pub(crate) memory_cap_bytes: u64,
}

/// Runs it all.
pub(crate) async fn run(plan: &Plan) -> Found {
    report::progress("deploying");
    let town = Town::open(plan).await;
    // Code is paged in and connections are made before anything is measured.
    calm::good_tenants(&town, Duration::from_secs(1)).await;
    let calm = phase(&town, "calm", plan.calm, &[]).await;
    let mut attacks = Vec::new();
    for attack in ATTACKS {
        attacks.push(phase(&town, attack.name(), plan.attack, &[attack]).await);
    }
    attacks.push(phase(&town, "all together", plan.attack, &ATTACKS).await);
    report::progress("ten busy tenants");
    let fairness = fairness::measure(&town, plan).await;
    report::progress("spinning guests");
    let overrun = overrun::measure(&town, plan.spins).await;
    report::progress("looking for foreign words");
    finish(&town, calm, attacks, fairness, overrun).await
}

async fn finish(town: &Town, calm: Phase, attacks: Vec<Phase>, fairness: Fairness, overrun: Histogram<u64>) -> Found {
    let good = calm::all(town.good().iter().map(|tenant| town.counters(tenant))).await;
    let good = good.into_iter().fold(Counters::default(), Counters::plus);
    let hostile: u64 = attacks.iter().map(|phase| phase.hostile.handled + phase.hostile.failed).sum();
    let quota = town.host.api.get(&format!("/api/tenants/{}/quota", town.hostile())).await.ok();
    Found {
        deliveries: good.handled + good.failed + hostile,
        memory_cap_bytes: report::memory_cap(&quota),
        oracle: town.oracle.scan(&town.host).await,
        calm,
        attacks,
        fairness,
        overrun,
        good,
    }
}

/// Good tenants go on as ever, while these attacks are mounted.
async fn phase(town: &Town, name: &'static str, lasts: Duration, attacks: &[Attack]) -> Phase {
    report::progress(name);
    let before = town.counters(town.hostile()).await;
    town.host.forget_resident_max();
    let began = std::time::Instant::now();
    let mounted = calm::all(attacks.iter().map(|attack| attack.mount(town)));
    let requests = tokio::select! {
        requests = calm::good_tenants(town, lasts) => requests,
        _ = mounted, if !attacks.is_empty() => unreachable!("an attack goes on until it is dropped"),
    };
    let (lasted, resident_bytes_max) = (began.elapsed(), town.host.resident_bytes_max());
    let hostile = town.counters(town.hostile()).await.since(before);
    let quarantined = if attacks.is_empty() { 0 } else { town.calm_down().await };
    Phase { name, requests, resident_bytes_max, lasted, hostile, quarantined }
}
