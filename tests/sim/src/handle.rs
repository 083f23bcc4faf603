//! Handling: whose turn it is, how it ends, and what becomes of requests.

use host_gate::Accepted;
use host_mailbox::Turn;
use host_model::{Outcome, TrapCause};

use crate::book::{Check, InFlight, ensure, is_of};
use crate::host::HOP_MAX;
use crate::run::Sim;

/// The longest that a turn is said to have taken, in nanoseconds.
const TURN_NANOS_MAX: u64 = 2_000_000;

impl Sim {
    /// The next turn, if there is one; there is one while anybody waits who is free.
    pub(crate) fn turn(&mut self) -> Check {
        let turn = self.host.lane.mailbox.lock().next_turn();
        let Some(turn) = turn else { return self.nobody_waits() };
        let Turn::Deliver(address, accepted) = turn else { return Err("a turn for what nobody woke".to_owned()) };
        let took = self.chance.within(1, TURN_NANOS_MAX);
        self.host.lane.mailbox.lock().charge(took);
        let (receiver, envelope) = (accepted.receiver().clone(), accepted.envelope());
        let place = self.host.of_incarnation(receiver.incarnation().0);
        let agent = place.map(|(tenant, agent)| &self.host.tenants[tenant].agents[agent]);
        ensure(agent.is_some_and(|agent| agent.address == Some(address)), || format!("{receiver:?} is gone"))?;
        let own = *receiver.tenant() == envelope.tenant && is_of(envelope, receiver.tenant());
        ensure(own, || format!("{envelope:?} came to {receiver:?}"))?;
        self.book.deliver(receiver.incarnation().0, envelope)?;
        self.book.in_flight.push(InFlight { address, accepted });
        self.trace.handled += 1;
        Ok(())
    }

    fn nobody_waits(&self) -> Check {
        self.host.everybody().filter(|(.., agent)| agent.address.is_some()).try_for_each(|(.., agent)| {
            let start = agent.incarnation();
            let free = self.book.handling(start) < agent.open.in_flight_max as usize;
            ensure(!free || self.book.waiting(start) == 0, || format!("#{start} waits and has no turn"))
        })
    }

    /// Ends the handling of one message, if any is being handled; it may have sent something because of it.
    pub(crate) fn finish_one(&mut self) -> Check {
        if self.book.in_flight.is_empty() {
            return Ok(());
        }
        let one = self.chance.below(self.book.in_flight.len());
        let InFlight { address, accepted } = self.book.in_flight.swap_remove(one);
        let Some(at) = self.host.of_incarnation(accepted.receiver().incarnation().0) else {
            return Err("who stopped was handling".to_owned());
        };
        let outcome = self.outcome(at);
        if let Some(end) = self.end_of(at, &accepted, &outcome) {
            self.book.ends(accepted.envelope().id, end);
        }
        let party = self.host.tenants[at.0].agents[at.1].party.clone();
        self.host.courier.settle(&party, &accepted, outcome);
        self.host.lane.mailbox.lock().done(address);
        self.frames.finish(accepted.envelope());
        Ok(())
    }

    fn outcome(&mut self, at: (usize, usize)) -> Outcome {
        match self.chance.below(8) {
            0 => Outcome::Done(None),
            1 => Outcome::Rejected { reason: "no".to_owned() },
            2 => Outcome::Retry { after_ms: None, reason: "later".to_owned() },
            3 => Outcome::Trapped { cause: TrapCause::Fuel, detail: String::new() },
            _ => Outcome::Done(Some(self.draft(at))),
        }
    }

    /// How a request must end by this outcome; `None` if nobody awaits an answer, or it comes too late.
    fn end_of(
        &mut self,
        at: (usize, usize),
        accepted: &Accepted,
        outcome: &Outcome,
    ) -> Option<Result<(), &'static str>> {
        accepted.reply_to()?;
        match outcome {
            Outcome::Done(Some(_)) => self.end_by_answer(at, accepted),
            Outcome::Done(None) => Some(Err("no-answer")),
            Outcome::Rejected { .. } => Some(Err("rejected")),
            Outcome::Retry { .. } => Some(Err("try-again-later")),
            Outcome::Trapped { .. } => Some(Err("receiver-failed")),
        }
    }

    fn end_by_answer(&mut self, at: (usize, usize), accepted: &Accepted) -> Option<Result<(), &'static str>> {
        let (tenant, now) = (&self.host.tenants[at.0], self.host.now());
        if tenant.is_off || tenant.agents[at.1].is_off {
            return Some(Err("stopping"));
        }
        if self.book.spend(at.0, now, tenant.limits.messages_per_second_max).is_err() {
            return Some(Err("receiver-over-quota"));
        }
        if accepted.envelope().hop + 1 > HOP_MAX {
            return Some(Err("bad-answer"));
        }
        let late = accepted.envelope().expires.is_some_and(|expires| expires.as_millis() < now);
        (!late).then_some(Ok(()))
    }

    /// Who waited for longer than they wanted to stops waiting.
    pub(crate) fn time_out(&mut self) {
        let now = self.host.now();
        self.book.open.retain(|request| request.expires >= now);
    }
}
