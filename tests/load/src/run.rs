//! One run: calm, each attack by itself, all together, ten busy tenants, spinning guests, and what the oracle says of it all.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tests_kit::Report;

use crate::attack::{ATTACKS, Attack, Raid};
use crate::calm::{self, Requests};
use crate::fairness::{self, Fairness};
use crate::machine::Ticks;
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
    pub(crate) quarantined: usize,
    /// Processor time that passed.
    pub(crate) ticks: Ticks,
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
    /// Why agents of good tenants failed, the last of each.
    pub(crate) failures: Vec<String>,
    /// What the host may use for the hostile tenant's instances.
    pub(crate) memory_cap_bytes: u64,
}

/// What is not measured after each attack: what it left in the host's and the kernel's queues is no calm.
const AFTERMATH: Duration = Duration::from_millis(500);

/// Runs it all.
pub(crate) async fn run(plan: &Plan) -> Found {
    report::progress("deploying");
    let town = Town::open(plan).await;
    // Code is paged in and connections are made before anything is measured.
    calm::good_tenants(&town, Duration::from_secs(1)).await;
    let (mut calm, mut attacks) = (phase(&town, "calm", plan.calm, &[]).await, Vec::new());
    for attack in ATTACKS.chunks(1).chain([&ATTACKS[..]]) {
        let name = if let [one] = attack { one.name() } else { "all together" };
        attacks.push(phase(&town, name, plan.attack, attack).await);
        calm::good_tenants(&town, AFTERMATH).await;
        // Machines drift: the calm that all is compared with is as much of the whole run as the attacks are.
        calm.add(phase(&town, "calm", plan.calm, &[]).await);
    }
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
        failures: calm::all(town.good().iter().map(|tenant| town.failures(tenant))).await.concat(),
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
async fn phase(town: &Town, name: &'static str, lasts: Duration, attacks: &'static [Attack]) -> Phase {
    report::progress(name);
    let before = town.counters(town.hostile()).await;
    town.host.forget_resident_max();
    let (began, ticks, raid) = (Instant::now(), Ticks::now(&town.host), Raid::begin(town, attacks));
    let requests = calm::good_tenants(town, lasts).await;
    let ticks = Ticks::now(&town.host).since(ticks);
    let (lasted, resident_bytes_max) = (began.elapsed(), town.host.resident_bytes_max());
    let hostile = town.counters(town.hostile()).await.since(before);
    drop(raid);
    let quarantined = if attacks.is_empty() { 0 } else { town.calm_down().await };
    Phase { name, requests, resident_bytes_max, lasted, hostile, quarantined, ticks }
}

impl Phase {
    /// More of the same.
    fn add(&mut self, more: Self) {
        for (requests, more) in self.requests.iter_mut().zip(more.requests) {
            requests.micros.add(&more.micros).expect("the same bounds");
            requests.errors.extend(more.errors);
        }
        self.resident_bytes_max = self.resident_bytes_max.max(more.resident_bytes_max);
        self.lasted += more.lasted;
        self.ticks = self.ticks.plus(more.ticks);
    }
}
