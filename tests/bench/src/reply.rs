//! M8: how long an agent waits for another's answer, beside a request over NATS on loopback.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use host_calls::HostReply;
use host_courier::{Courier, Party};
use host_fleet::Shard;
use host_model::TenantId;
use tempfile::TempDir;

use crate::crowd;
use crate::echo::{self, Mode};
use crate::harness::{Plan, interleaved};
use crate::house::{House, draft, refused};
use crate::laps::{Laps, micros, spread};
use crate::metric::{Better, Question, Tell, Wanted};
use crate::nats::Nats;

/// Who answers: an echo that stays.
const AGENT: &str = "echo";
/// The longest wait for an answer.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// Requests of one batch.
const ASKS: u64 = 1_000;
const ASKS_SMOKE: u64 = 10;
/// Requests of one visit to the shard: a call that has run for longer than a tick would go on in bulk, as no short one does.
const ASKS_PER_VISIT: u64 = 25;
/// Nobody answers with a message that causes others.
const HOP_MAX: u16 = 32;

/// Measures what is wanted of this file.
pub(crate) fn measure(plan: &Plan, wanted: Wanted<'_>, tell: Tell<'_>) -> anyhow::Result<()> {
    if !wanted("M8") {
        return Ok(());
    }
    let artefacts = TempDir::new()?;
    let house = House::open(1, artefacts.path(), HOP_MAX)?;
    let near = Near::open(&house)?;
    let nats = Nats::start()?;
    nats.answer()?;
    let body = echo::payload();
    let asks = if plan.judged { ASKS } else { ASKS_SMOKE };
    let rounds =
        interleaved(plan.rounds, [asks; 2], &mut [&mut |asks| near.ask(asks), &mut |asks| nats.ask(asks, &body)])?;
    let told = |side: fn(&[Laps; 2]) -> &Laps| {
        let (p50, p99) = spread(rounds.iter().map(side));
        format!("p50 {:.1} µs, p99 {:.1} µs", micros(p50), micros(p99))
    };
    let question = Question {
        name: "M8",
        floor: Some(20.0),
        better: Better::Higher,
        ours: format!("a request on the tenant's shard, answered by a resident guest: {}", told(|[ours, _]| ours)),
        reference: format!("a request over NATS on loopback, answered by a task: {}", told(|[_, nats]| nats)),
    };
    tell(question.answer(rounds.iter().map(|[ours, nats]| nats.p50() / ours.p50()).collect()))
}

/// Asks where agents ask: on the shard of their tenant, where who answers is at home too.
struct Near {
    shard: Arc<Shard>,
    tenant: TenantId,
    operator: Arc<Party>,
    courier: Courier,
}

impl Near {
    fn open(house: &House) -> anyhow::Result<Self> {
        let tenant = house.tenant(0, Mode::Resident)?.clone();
        house.deploy(&tenant, AGENT, Mode::Resident, false)?;
        let (operator, courier) = (house.fleet.operator(&tenant)?, house.fleet.parts().courier.clone());
        Ok(Self { shard: house.home(&tenant)?.clone(), tenant, operator, courier })
    }

    fn ask(&self, asks: u64) -> anyhow::Result<Laps> {
        let began = Instant::now();
        let visits = (0..asks).step_by(usize::try_from(ASKS_PER_VISIT)?);
        let each = visits.map(|done| self.visit(ASKS_PER_VISIT.min(asks - done)));
        Ok(Laps::of(each.collect::<anyhow::Result<Vec<_>>>()?, began))
    }

    fn visit(&self, asks: u64) -> anyhow::Result<Vec<Duration>> {
        let (sender, asked) = sync_channel(1);
        let (courier, operator) = (self.courier.clone(), self.operator.clone());
        let ask = move || {
            let (courier, operator) = (courier.clone(), operator.clone());
            async move {
                let answer = courier.ask_as(&operator, AGENT, draft(), WAIT_MAX).await;
                let HostReply::Answered(answer) = answer.map_err(|refusal| refused(&refusal))? else {
                    bail!("a request got no answer");
                };
                ensure!(answer.payload == echo::payload(), "the answer is not what was asked");
                Ok(())
            }
        };
        // Who waits for it is in this very function.
        let visit = async move { drop(sender.send(crowd::one_by_one(asks, ask).await)) };
        self.shard.spawn(&self.tenant, Box::pin(visit));
        asked.recv().context("the shard has ended")?
    }
}
