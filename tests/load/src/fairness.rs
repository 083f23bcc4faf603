//! Ten tenants with the same work and more of it than the host can do at once: who got how much.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::calm::all;
use crate::plan::Plan;
use crate::town::{Counters, Town};

/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long all chains may take to end.
const END_TIME_MAX: Duration = Duration::from_mins(10);

/// What ten busy tenants got.
pub(crate) struct Fairness {
    /// Messages of each while all were busy.
    pub(crate) handled: Vec<u64>,
    /// How long all were.
    pub(crate) lasted: Duration,
    /// Whether every chain came to its end.
    pub(crate) ended: bool,
}

impl Fairness {
    /// Jain's index (Jain, Chiu and Hawe, 1984): 1 where all got the same, 1/n where one got all.
    pub(crate) fn index(&self) -> f64 {
        index(&self.handled)
    }

    /// Messages in a second, of all.
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 messages")]
    pub(crate) fn rate(&self) -> f64 {
        self.handled.iter().sum::<u64>() as f64 / self.lasted.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

/// Sets off the same chains in each tenant, looks for a while, and waits until all have ended.
pub(crate) async fn measure(town: &Town, plan: &Plan) -> Fairness {
    let before = look(town).await;
    all(town.tenants.iter().map(async |tenant| {
        for _ in 0..plan.chains {
            town.chain(tenant, plan.links).await.ok();
        }
    }))
    .await;
    let (first, began) = (look(town).await, Instant::now());
    let target = u64::from(plan.chains) * u64::from(plan.links);
    let mut last = look(town).await;
    // Until one has less left to do than fills its share.
    while began.elapsed() < plan.busy && progress(&before, &last) < target / 10 * 9 {
        sleep(LOOK_EVERY).await;
        last = look(town).await;
    }
    let handled = first.iter().zip(&last).map(|(first, last)| last.handled - first.handled).collect();
    let lasted = began.elapsed();
    Fairness { handled, lasted, ended: end(town).await }
}

/// What the one did that did the most.
fn progress(before: &[Counters], now: &[Counters]) -> u64 {
    before.iter().zip(now).map(|(before, now)| now.handled - before.handled).max().unwrap_or_default()
}

async fn look(town: &Town) -> Vec<Counters> {
    all(town.tenants.iter().map(|tenant| town.counters(tenant))).await
}

/// Nothing is under way and nothing more is handled.
async fn end(town: &Town) -> bool {
    let (began, mut before) = (Instant::now(), u64::MAX);
    while began.elapsed() < END_TIME_MAX {
        let now = look(town).await;
        let handled = now.iter().map(|counters| counters.handled).sum();
        if handled == before && now.iter().all(|counters| counters.in_flight == 0) {
            return true;
        }
        before = handled;
        sleep(LOOK_EVERY).await;
    }
    false
}

#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 messages")]
fn index(shares: &[u64]) -> f64 {
    let shares: Vec<f64> = shares.iter().map(|share| *share as f64).collect();
    let squares: f64 = shares.iter().map(|share| share * share).sum();
    shares.iter().sum::<f64>().powi(2) / (shares.len() as f64 * squares.max(f64::MIN_POSITIVE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_one_for_equal_shares_and_a_tenth_when_one_has_all() {
        let check = |shares: [u64; 10], expected: f64| {
            assert!((index(&shares) - expected).abs() < 0.001, "{shares:?}: {}", index(&shares));
        };
        check([7; 10], 1.0);
        check([7, 0, 0, 0, 0, 0, 0, 0, 0, 0], 0.1);
        check([4, 4, 4, 4, 4, 2, 2, 2, 2, 2], 0.9);
    }
}
