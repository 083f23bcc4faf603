//! Sending: publish, send, request, batch, and the answer to a request.

use std::sync::Arc;
use std::time::Duration;

use host_bus::Verdict;
use host_calls::{Answer, BatchItem, Context, HostCall, HostReply, Refusal, RefusalNumbers};
use host_gate::{Accepted, Denied, Outgoing, Stamp, Stamped};
use host_model::{
    AgentId, BadTopic, Cause, DeathCause, Draft, MessageId, Outcome, Producer, Qos, Receipt, ReplyToken, Target,
    Timestamp, Topic, TrapCause,
};

use crate::audit::{cut_off, named_another_tenant, refused};
use crate::keeping::{Basis, Sending};
use crate::party::count;
use crate::refusal::{of_bus, of_denied, of_topic};
use crate::{Courier, CourierParts, Party};

/// The words for what is sent, in the ledger.
pub(crate) const PUBLISH: &str = "message.publish";
pub(crate) const SEND: &str = "message.send";
const REQUEST: &str = "message.request";

impl Courier {
    /// Sends to all who subscribe to a topic, as a member of the tenant wrote it. What is to be kept goes by [`post`](Self::post).
    pub fn publish(&self, party: &Party, topic: &str, draft: Draft, cause: Option<Cause>) -> Result<Receipt, Refusal> {
        let topic = self.topic(party, topic)?;
        self.dispatch(party, PUBLISH, Ok(Target::Topic(topic)), draft, cause)
    }

    /// Sends to one queue, as a member of the tenant wrote its name. What is to be kept goes by [`post`](Self::post).
    pub fn send(&self, party: &Party, agent: &str, draft: Draft, cause: Option<Cause>) -> Result<Receipt, Refusal> {
        self.dispatch(party, SEND, HostCall::queue(agent).map(Target::Queue), draft, cause)
    }

    /// A topic as a member of the tenant wrote it. What is none is refused here, counted and told to the ledger.
    pub(crate) fn topic(&self, party: &Party, topic: &str) -> Result<Topic, Refusal> {
        Topic::parse_in(party.caller.tenant(), topic).map_err(|bad| {
            let refusal = of_topic(&bad);
            if bad == BadTopic::Foreign {
                named_another_tenant(&self.parts().ledger, &party.caller);
                count(&party.counters.refused);
            } else {
                self.refuse(party, PUBLISH, &refusal);
            }
            refusal
        })
    }

    fn dispatch(
        &self,
        party: &Party,
        action: &'static str,
        target: Result<Target, Refusal>,
        draft: Draft,
        cause: Option<Cause>,
    ) -> Result<Receipt, Refusal> {
        let sent = target.and_then(|target| {
            self.carry(party, Outgoing { target, draft, reply_to: None, expires: None, replay_of: None }, cause)
        });
        match &sent {
            Ok(_) => count(&party.counters.published),
            Err(refusal) => self.refuse(party, action, refusal),
        }
        sent
    }

    /// Counts a refusal and tells the ledger of it.
    pub(crate) fn refuse(&self, party: &Party, action: &'static str, refusal: &Refusal) {
        count(&party.counters.refused);
        refused(&self.parts().ledger, &party.caller, action, refusal);
    }

    /// Sends several in their order. All are on their way before the first receipt is awaited.
    pub(crate) fn batch(&self, party: &Arc<Party>, items: Vec<BatchItem>, context: &Context) -> Answer {
        let Context { id, cause, .. } = context;
        let sendings = items.into_iter().enumerate().map(|(item, to)| {
            let basis = cause.map(|cause| Basis::Call { cause, id: *id, item });
            match to {
                BatchItem::Topic(topic, draft) => self.publish_kept_or_not(party, &topic, draft, *cause, basis),
                BatchItem::Agent(agent, draft) => self.send_kept_or_not(party, &agent, draft, *cause, basis),
            }
        });
        all(sendings.collect())
    }

    /// Sends to one agent and waits for its answer, at most until the context's time is over.
    pub(crate) fn request(
        &self,
        party: &Arc<Party>,
        agent: &str,
        draft: Draft,
        wait_max: Duration,
        context: &Context,
    ) -> Answer {
        let wait = wait_max.min(context.remaining);
        match self.ask(party, agent, draft, wait, context.cause) {
            Ok(answer) => Answer::Later(Box::pin(answer)),
            Err(refusal) => {
                self.refuse(party, REQUEST, &refusal);
                Answer::Now(Err(refusal))
            }
        }
    }

    fn ask(
        &self,
        party: &Arc<Party>,
        agent: &str,
        draft: Draft,
        wait: Duration,
        cause: Option<Cause>,
    ) -> Result<impl Future<Output = Result<HostReply, Refusal>> + Send + use<>, Refusal> {
        let agent = HostCall::agent_id(agent)?;
        if draft.qos() != Qos::AtMostOnce {
            // Who asks waits for the answer, and asks again where none comes.
            return Err(Refusal::Invalid(RefusalNumbers::of("qos-of-request")));
        }
        check_deadlock(party, &agent)?;
        let slot = party.requests.share(1).map_err(|over| {
            let numbers = RefusalNumbers::of("requests-open").past(over.max, over.used + over.asked);
            Refusal::OverQuota(numbers.retry_after_ms(100))
        })?;
        let token = ReplyToken::new(self.parts().ids.secret());
        // Before sending: an answer may come back before `carry` does.
        let open = self.replies().open(party.caller.clone(), token);
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let expires = Timestamp::from_millis(self.parts().clock.now().as_millis().saturating_add(wait_ms));
        let target = Target::Queue(agent.into());
        self.carry(
            party,
            Outgoing { target, draft, reply_to: Some(token), expires: Some(expires), replay_of: None },
            cause,
        )?;
        count(&party.counters.requested);
        let (caller, ledger) = (party.caller.clone(), self.parts().ledger.clone());
        Ok(async move {
            let _slot = slot;
            let answer = match tokio::time::timeout(wait, open.answer()).await {
                Ok(answer) => answer.map(|accepted| HostReply::Answered(Box::new(accepted.envelope().clone()))),
                Err(_) => Err(Refusal::TimedOut(RefusalNumbers::of("no-answer-in-time").past(wait_ms, wait_ms))),
            };
            answer.inspect_err(|refusal| refused(&ledger, &caller, REQUEST, refusal))
        })
    }

    /// Ends a delivery: answers a request, or tells who asked that no answer will come, and counts how it went.
    pub fn settle(&self, party: &Party, accepted: &Accepted, outcome: Outcome) {
        let handled = matches!(outcome, Outcome::Done(_));
        count(if handled { &party.counters.handled } else { &party.counters.failed });
        if let Outcome::Trapped { cause, .. } = &outcome {
            cut_off(&self.parts().ledger, &party.caller, *cause);
        }
        if accepted.was_sealed() {
            self.parts().bus.settle(accepted, verdict_of(&outcome));
        }
        let Some(token) = accepted.reply_to() else { return };
        match outcome {
            Outcome::Done(Some(draft)) => self.reply(party, accepted, draft, token),
            Outcome::Done(None) => self.replies().give_up(token, "no-answer"),
            Outcome::Rejected { .. } => self.replies().give_up(token, "rejected"),
            Outcome::Retry { .. } => self.replies().give_up(token, "try-again-later"),
            Outcome::Trapped { .. } => self.replies().give_up(token, "receiver-failed"),
        }
    }

    /// Ends a delivery that waited past its expiry.
    pub fn expire(&self, party: &Party, accepted: &Accepted) {
        count(&party.counters.dropped);
        if accepted.was_sealed() {
            let detail = "it expired before it was handled".to_owned();
            self.parts().bus.settle(accepted, Verdict::Dead { cause: DeathCause::Expired, detail });
        }
    }

    /// Ends a delivery that nobody will handle: its receiver stops. What was kept goes back to its queue.
    pub fn drop_waiting(&self, party: &Party, accepted: &Accepted) {
        if accepted.was_sealed() {
            self.parts().bus.settle(accepted, Verdict::Back);
        } else {
            count(&party.counters.dropped);
        }
        if let Some(token) = accepted.reply_to() {
            self.replies().give_up(token, "stopping");
        }
    }

    fn reply(&self, party: &Party, request: &Accepted, draft: Draft, token: ReplyToken) {
        if party.switch.check().is_err() {
            return self.replies().give_up(token, "stopping");
        }
        let fences = party.fences();
        let stamp = Stamp { fences: &fences, ..self.stamp(party, Some(request.envelope().as_cause())) };
        if let Err(refusal) = self.spend(party, &stamp) {
            self.refuse(party, "message.reply", &refusal);
            return self.replies().give_up(token, "receiver-over-quota");
        }
        match self.parts().gate.admit_reply(&party.caller, request, draft, stamp) {
            Ok(stamped) => {
                count(&party.counters.replied);
                // Whoever asked may have stopped waiting; then the answer ends here.
                let _ = self.parts().bus.publish(stamped);
            }
            Err(denied) => {
                self.refuse(party, "message.reply", &of_denied(&denied));
                tracing::warn!(tenant = %party.caller.tenant(), agent = %party.caller.agent(), %denied, "an answer was not admitted");
                self.replies().give_up(token, "bad-answer");
            }
        }
    }

    fn carry(&self, party: &Party, outgoing: Outgoing, cause: Option<Cause>) -> Result<Receipt, Refusal> {
        let stamped = self.admit(party, outgoing, cause, None)?;
        self.parts().bus.publish(stamped).map_err(of_bus)
    }

    /// Admits what a party sends, under a new id or one that it has to have.
    pub(crate) fn admit(
        &self,
        party: &Party,
        outgoing: Outgoing,
        cause: Option<Cause>,
        id: Option<MessageId>,
    ) -> Result<Stamped, Refusal> {
        party.switch.check()?;
        self.check_leases(party)?;
        let fences = party.fences();
        let stamp = Stamp { id, fences: &fences, ..self.stamp(party, cause) };
        self.spend(party, &stamp)?;
        let stamped = self.parts().gate.admit(&party.caller, &party.grants(), outgoing, stamp).map_err(|denied| {
            tracing::debug!(tenant = %party.caller.tenant(), agent = %party.caller.agent(), %denied, "not admitted");
            of_denied(&denied)
        })?;
        party.tried_to_send(&stamped.envelope().to);
        Ok(stamped)
    }

    fn stamp<'a>(&'a self, party: &'a Party, cause: Option<Cause>) -> Stamp<'a> {
        let CourierParts { clock, ids, started, .. } = self.parts();
        Stamp {
            now: clock.now(),
            ids: ids.as_ref(),
            id: None,
            producer: Producer::new(*started, party.caller.incarnation()),
            seq: &party.seq,
            cause,
            fences: &[],
        }
    }
}

/// What becomes of a message that was kept. Only an agent that says so is never given it again.
fn verdict_of(outcome: &Outcome) -> Verdict {
    match outcome {
        Outcome::Done(_) => Verdict::Done,
        Outcome::Retry { after_ms, reason } => Verdict::Retry {
            after: after_ms.map(|millis| Duration::from_millis(millis.into())),
            cause: DeathCause::Retried,
            detail: reason.clone(),
        },
        Outcome::Rejected { reason } => Verdict::Dead { cause: DeathCause::Rejected, detail: reason.clone() },
        Outcome::Trapped { cause, detail } => {
            let cause = match cause {
                TrapCause::Trap => DeathCause::Trap,
                TrapCause::Fuel => DeathCause::Fuel,
                TrapCause::Memory => DeathCause::Memory,
                TrapCause::Timeout => DeathCause::Timeout,
                TrapCause::Host => DeathCause::Host,
            };
            Verdict::Retry { after: None, cause, detail: detail.clone() }
        }
    }
}

/// One answer to a batch: at once if nothing has to be awaited.
fn all(sendings: Vec<Sending>) -> Answer {
    if sendings.iter().all(|sending| matches!(sending, Sending::Now(_))) {
        let sent = sendings.into_iter().filter_map(|sending| match sending {
            Sending::Now(sent) => Some(sent),
            Sending::Later(_) => None,
        });
        return Answer::Now(Ok(HostReply::Batch(sent.collect())));
    }
    Answer::Later(Box::pin(async move {
        let mut sent = Vec::with_capacity(sendings.len());
        for sending in sendings {
            sent.push(sending.done().await);
        }
        Ok(HostReply::Batch(sent))
    }))
}

fn check_deadlock(party: &Party, agent: &AgentId) -> Result<(), Refusal> {
    if party.single_store && agent == party.caller.agent() { Err(of_denied(&Denied::WouldDeadlock)) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
