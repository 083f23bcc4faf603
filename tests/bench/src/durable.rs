//! M-durable: messages that are on the disk when they are acknowledged, beside `JetStream` on the same disk.

use std::sync::Arc;

use anyhow::ensure;
use host_courier::{Courier, Party, Post, PostTarget};
use host_model::{AgentId, Draft, Durability, Qos, TenantId};
use tempfile::TempDir;

use crate::crowd;
use crate::echo::Mode;
use crate::harness::{Plan, interleaved};
use crate::house::{House, draft, refused};
use crate::laps::{Laps, micros, spread};
use crate::metric::{Better, Question, Tell, Wanted};
use crate::nats::Nats;

/// An agent that is deployed and stopped: what is sent to it waits.
pub(crate) const SINK: &str = "sink";
/// Who sends at once, each one message after the other.
const PRODUCERS: usize = 64;
/// Bytes in each message.
const PAYLOAD_LEN: usize = 1 << 10;
/// Messages of each producer in a batch, of ours and of theirs: each some tenths of a second.
const EACH: [u64; 2] = [40, 8];
const EACH_SMOKE: [u64; 2] = [1, 1];
/// A batch takes long; what the disk does varies more than what fewer rounds would hide.
const ROUNDS: usize = 20;
/// Acknowledged messages in a second, at least.
const RATE_MIN: f64 = 5_000.0;
/// Nothing here causes another message.
const HOP_MAX: u16 = 32;

/// Measures what is wanted of this file.
pub(crate) fn measure(plan: &Plan, wanted: Wanted<'_>, tell: Tell<'_>) -> anyhow::Result<()> {
    if !["M-durable", "M-durable-rate"].into_iter().any(wanted) {
        return Ok(());
    }
    let artefacts = TempDir::new()?;
    let house = House::open(1, artefacts.path(), HOP_MAX)?;
    let desk = Desk::open(&house, Mode::PerMessage, 1)?;
    let nats = Nats::start()?;
    nats.keep()?;
    let (body, sizes) = (vec![b'x'; PAYLOAD_LEN], if plan.judged { EACH } else { EACH_SMOKE });
    let rounds = interleaved(
        plan.with_rounds(ROUNDS).rounds,
        sizes,
        &mut [&mut |each| desk.post(&house, PRODUCERS, each, &body), &mut |each| nats.publish(PRODUCERS, each, &body)],
    )?;
    let ours = told(&rounds, |[ours, _]| ours);
    if wanted("M-durable") {
        let question = Question {
            name: "M-durable",
            floor: Some(1.5),
            better: Better::Higher,
            ours: format!("{PRODUCERS} producers, 1 KiB, admitted, sealed, synced: {ours}"),
            reference: format!("JetStream in files, sync_interval: always: {}", told(&rounds, |[_, nats]| nats)),
        };
        tell(question.answer(rounds.iter().map(|[ours, nats]| ours.rate() / nats.rate()).collect()))?;
    }
    if wanted("M-durable-rate") {
        let question = Question {
            name: "M-durable-rate",
            floor: Some(RATE_MIN),
            better: Better::Higher,
            ours: format!("as M-durable: {ours}"),
            reference: "one message a second; the figure is messages a second".to_owned(),
        };
        tell(question.answer(rounds.iter().map(|[ours, _]| ours.rate()).collect()))?;
    }
    Ok(())
}

fn told(rounds: &[[Laps; 2]], side: fn(&[Laps; 2]) -> &Laps) -> String {
    let rate = crate::harness::median(rounds.iter().map(|round| side(round).rate()).collect());
    let (p50, p99) = spread(rounds.iter().map(side));
    format!("{rate:.0}/s, an ack p50 {:.0} µs, p99 {:.0} µs", micros(p50), micros(p99))
}

/// The operator's desk, from where messages go to the sink.
pub(crate) struct Desk {
    operator: Arc<Party>,
    courier: Courier,
    pub(crate) tenant: TenantId,
    pub(crate) sink: AgentId,
}

impl Desk {
    /// Deploys the sink where it is not there yet: one that takes a message at a time, or so many that stay.
    pub(crate) fn open(house: &House, mode: Mode, replicas: usize) -> anyhow::Result<Self> {
        let (tenant, sink) = (house.tenant(0, mode)?.clone(), SINK.parse()?);
        house.deploy_stopped(&tenant, SINK, mode, replicas)?;
        let (operator, courier) = (house.fleet.operator(&tenant)?, house.fleet.parts().courier.clone());
        Ok(Self { operator, courier, tenant, sink })
    }

    /// So many messages by each of several producers at once, each acknowledged before the next.
    pub(crate) fn post(&self, house: &House, producers: usize, each: u64, body: &[u8]) -> anyhow::Result<Laps> {
        let draft = Draft { payload: body.to_vec(), options: vec![Qos::AtLeastOnce.as_option()], ..draft() };
        let (operator, courier) = (self.operator.clone(), self.courier.clone());
        crowd::at_once(&house.runtime, producers, each, move || {
            let (operator, courier, draft) = (operator.clone(), courier.clone(), draft.clone());
            async move {
                let target = PostTarget::Agent(SINK.to_owned());
                let posted = courier.post(&operator, Post { target, draft, key: None }).await;
                let receipt = posted.map_err(|refusal| refused(&refusal))?;
                ensure!(receipt.durability == Durability::Durable, "a receipt says {receipt:?}");
                Ok(())
            }
        })
    }
}
