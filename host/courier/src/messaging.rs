//! Sending: publish, send, request, batch, and the answer to a request.

use std::sync::Arc;
use std::time::Duration;

use host_calls::{Answer, BatchItem, Context, HostCall, HostReply, Refusal, RefusalNumbers};
use host_gate::{Accepted, Denied, Outgoing, Stamp};
use host_model::{AgentId, BadTopic, Cause, Draft, Outcome, Producer, Receipt, ReplyToken, Target, Timestamp, Topic};

use crate::audit::{cut_off, named_another_tenant, refused};
use crate::party::count;
use crate::refusal::{of_bus, of_denied, of_topic};
use crate::{Courier, CourierParts, Party};

/// The word for a request.
const REQUEST: &str = "message.request";

impl Courier {
    /// Sends to all who subscribe to a topic, as a member of the tenant wrote it.
    pub fn publish(&self, party: &Party, topic: &str, draft: Draft, cause: Option<Cause>) -> Result<Receipt, Refusal> {
        let topic = Topic::parse_in(party.caller.tenant(), topic);
        if let Err(bad @ BadTopic::Foreign) = topic {
            named_another_tenant(&self.parts().ledger, &party.caller);
            count(&party.counters.refused);
            return Err(of_topic(&bad));
        }
        self.dispatch(party, "message.publish", topic.map(Target::Topic).map_err(|bad| of_topic(&bad)), draft, cause)
    }

    /// Sends to one agent, or to a shared queue, as a member of the tenant wrote its id.
    pub fn send(&self, party: &Party, agent: &str, draft: Draft, cause: Option<Cause>) -> Result<Receipt, Refusal> {
        self.dispatch(party, "message.send", HostCall::queue(agent).map(Target::Queue), draft, cause)
    }

    fn dispatch(
        &self,
        party: &Party,
        action: &'static str,
        target: Result<Target, Refusal>,
        draft: Draft,
        cause: Option<Cause>,
    ) -> Result<Receipt, Refusal> {
        let sent = target
            .and_then(|target| self.carry(party, Outgoing { target, draft, reply_to: None, expires: None }, cause));
        match &sent {
            Ok(_) => count(&party.counters.published),
            Err(refusal) => self.refuse(party, action, refusal),
        }
        sent
    }

    /// Counts a refusal and tells the ledger of it.
    fn refuse(&self, party: &Party, action: &'static str, refusal: &Refusal) {
        count(&party.counters.refused);
        refused(&self.parts().ledger, &party.caller, action, refusal);
    }

    pub(crate) fn batch(&self, party: &Party, items: Vec<BatchItem>, cause: Option<Cause>) -> HostReply {
        let results = items.into_iter().map(|item| match item {
            BatchItem::Topic(topic, draft) => self.publish(party, &topic, draft, cause),
            BatchItem::Agent(agent, draft) => self.send(party, &agent, draft, cause),
        });
        HostReply::Batch(results.collect())
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
        self.carry(party, Outgoing { target, draft, reply_to: Some(token), expires: Some(expires) }, cause)?;
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
        let Some(token) = accepted.reply_to() else { return };
        match outcome {
            Outcome::Done(Some(draft)) => self.reply(party, accepted, draft, token),
            Outcome::Done(None) => self.replies().give_up(token, "no-answer"),
            Outcome::Rejected { .. } => self.replies().give_up(token, "rejected"),
            Outcome::Retry { .. } => self.replies().give_up(token, "try-again-later"),
            Outcome::Trapped { .. } => self.replies().give_up(token, "receiver-failed"),
        }
    }

    /// Ends a delivery that nobody will handle: its receiver stops.
    pub fn drop_waiting(&self, party: &Party, accepted: &Accepted) {
        count(&party.counters.dropped);
        if let Some(token) = accepted.reply_to() {
            self.replies().give_up(token, "stopping");
        }
    }

    fn reply(&self, party: &Party, request: &Accepted, draft: Draft, token: ReplyToken) {
        if party.switch.check().is_err() {
            return self.replies().give_up(token, "stopping");
        }
        let stamp = self.stamp(party, Some(request.envelope().as_cause()));
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
        party.switch.check()?;
        let stamp = self.stamp(party, cause);
        self.spend(party, &stamp)?;
        let stamped = self.parts().gate.admit(&party.caller, &party.grants(), outgoing, stamp).map_err(|denied| {
            tracing::debug!(tenant = %party.caller.tenant(), agent = %party.caller.agent(), %denied, "not admitted");
            of_denied(&denied)
        })?;
        party.tried_to_send(&stamped.envelope().to);
        self.parts().bus.publish(stamped).map_err(of_bus)
    }

    fn stamp<'a>(&'a self, party: &'a Party, cause: Option<Cause>) -> Stamp<'a> {
        let CourierParts { clock, ids, started, .. } = self.parts();
        Stamp {
            now: clock.now(),
            ids: ids.as_ref(),
            producer: Producer::new(*started, party.caller.incarnation()),
            seq: &party.seq,
            cause,
        }
    }
}

fn check_deadlock(party: &Party, agent: &AgentId) -> Result<(), Refusal> {
    if party.single_store && agent == party.caller.agent() { Err(of_denied(&Denied::WouldDeadlock)) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
