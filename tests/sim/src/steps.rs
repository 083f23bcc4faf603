//! What happens next: chosen by the seed, said in words, done.

use host_model::AgentId;

use crate::book::Check;
use crate::run::{Sim, WAIT_MS_MAX};
use crate::send::Target;
use crate::topics;

/// What agents write where an agent stands.
const RECEIVERS: [&str; 9] = ["one", "two", "b", "b-agents", "ghost", "dlq", "ONE", "../one", ""];
/// Those of them that are ids.
const IDS: usize = 5;

impl Sim {
    pub(crate) fn step(&mut self) -> Check {
        let at = self.somebody();
        let who = format!("{}/{}", self.host.ids[at.0], self.host.tenants[at.0].agents[at.1].id);
        match self.chance.below(100) {
            0..16 => self.publish(at, &who),
            16..28 => self.send_to(at, &who),
            28..38 => self.ask(at, &who),
            38..42 => self.several(at, &who),
            42..60 => self.told("turn".to_owned()).turn(),
            60..72 => self.told("finish".to_owned()).finish_one(),
            72..78 => self.because(),
            78..84 => self.told("hand over".to_owned()).hand_over(),
            84..88 => self.told("forge".to_owned()).forge(),
            88 => {
                self.told("copy".to_owned()).copy();
                self.again()
            }
            89 => self.told(format!("rotate {}", self.host.ids[at.0])).rotate(at.0),
            90 => self.told(format!("revoke {}", self.host.ids[at.0])).revoke(at.0),
            91 => self.told(format!("stop or start {who}")).stop_or_start(at),
            _ => {
                self.operate(at, &who);
                Ok(())
            }
        }
    }

    /// What cannot break anything by itself.
    fn operate(&mut self, at: (usize, usize), who: &str) {
        match self.chance.below(10) {
            0 | 1 => self.told(format!("regrant {who}")).regrant(at),
            2 => self.told(format!("switch {who}")).switch_agent(at),
            3 if self.chance.one_in(2) || self.host.tenants[at.0].is_off => {
                self.told(format!("switch {}", self.host.ids[at.0])).switch_tenant(at.0);
            }
            4 => self.told(format!("requota {}", self.host.ids[at.0])).requota(at.0),
            _ => self.told("tick".to_owned()).tick(),
        }
    }

    fn told(&mut self, step: String) -> &mut Self {
        self.tell(step);
        self
    }

    fn somebody(&mut self) -> (usize, usize) {
        let tenant = self.chance.below(self.host.tenants.len());
        (tenant, self.chance.below(self.host.tenants[tenant].agents.len()))
    }

    fn topic(&mut self, at: (usize, usize)) -> (String, Target) {
        let words = topics::topic(&mut self.chance, &self.host.ids[at.0], &self.host.ids);
        (words.raw.clone(), Target::Topic(words))
    }

    fn agent(&mut self) -> (String, Option<AgentId>) {
        // Mostly somebody who may be there.
        let end = if self.chance.one_in(6) { RECEIVERS.len() } else { IDS - 1 };
        let place = self.chance.below(end);
        let raw = RECEIVERS[place].to_owned();
        let means = (place < IDS).then(|| raw.parse().expect("an id"));
        (raw, means)
    }

    fn publish(&mut self, at: (usize, usize), who: &str) -> Check {
        let (raw, target) = self.topic(at);
        self.told(format!("{who} publishes on {raw:?}")).send(at, target, None)
    }

    fn send_to(&mut self, at: (usize, usize), who: &str) -> Check {
        let (raw, means) = self.agent();
        self.told(format!("{who} sends to {raw:?}")).send(at, Target::Agent { raw, means }, None)
    }

    fn ask(&mut self, at: (usize, usize), who: &str) -> Check {
        let (raw, means) = self.agent();
        let wait_ms = u32::try_from(self.chance.within(1, WAIT_MS_MAX.into())).unwrap_or(WAIT_MS_MAX);
        self.told(format!("{who} asks {raw:?} for {wait_ms} ms")).request(at, &raw, means, wait_ms)
    }

    fn several(&mut self, at: (usize, usize), who: &str) -> Check {
        let mut targets = Vec::new();
        for _ in 0..=self.chance.below(4) {
            let (raw, means) = self.agent();
            let topic = self.topic(at).1;
            targets.push(if self.chance.one_in(2) { topic } else { Target::Agent { raw, means } });
        }
        self.told(format!("{who} sends {} at once", targets.len())).batch(at, targets)
    }

    /// Somebody sends while it handles a message.
    fn because(&mut self) -> Check {
        if self.book.in_flight.is_empty() {
            return self.told("nobody handles anything".to_owned()).turn();
        }
        let one = self.chance.below(self.book.in_flight.len());
        let accepted = &self.book.in_flight[one].accepted;
        let (cause, start) = (accepted.envelope().as_cause(), accepted.receiver().incarnation().0);
        let at = self.host.of_incarnation(start).ok_or_else(|| "who stopped was handling".to_owned())?;
        let target = if self.chance.one_in(2) {
            self.topic(at).1
        } else {
            let (raw, means) = self.agent();
            Target::Agent { raw, means }
        };
        self.told(format!("#{start} sends because of hop {}", cause.hop)).send(at, target, Some(cause))
    }
}
