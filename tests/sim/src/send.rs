//! Sending: what an agent asks, what must come of it, and whether it did.

use std::time::Duration;

use host_calls::{Answer, BatchItem, CallId, Context, HostCall, HostCalls as _, HostReply, Refusal};
use host_model::{AgentId, Cause, Draft, Envelope, Receipt};

use crate::book::{Check, ensure, is_of};
use crate::host::HOP_MAX;
use crate::lane::Pushed;
use crate::run::Sim;
use crate::topics::{Words, any_stands_for};

/// The refusals that a text may get which is no topic of its author's tenant.
const NEVER: [&str; 3] = ["publish-not-granted", "reserved-topic", "topic"];
/// Stands for any of them.
const ANY_NEVER: &str = "never";

/// Where an agent wants to send, with what that means.
pub(crate) enum Target {
    Topic(Words),
    Agent { raw: String, means: Option<AgentId> },
}

/// What must come of one or more sends: who gets them, by start, and whether there is room.
#[derive(Default)]
pub(crate) struct Plan {
    pushes: Vec<(u64, bool)>,
    frames: usize,
}

impl Sim {
    /// Sends as an agent, in one call of each kind, and compares.
    pub(crate) fn send(&mut self, at: (usize, usize), target: Target, cause: Option<Cause>) -> Check {
        let mut plan = Plan::default();
        let expected = self.may_call(at).and_then(|()| self.carry(at, &target, cause, &mut plan));
        let draft = self.draft(at);
        let call = match target {
            Target::Topic(words) => HostCall::Publish { topic: words.raw, draft },
            Target::Agent { raw, .. } => HostCall::Send { agent: raw, draft },
        };
        let reply = self.call(at, call, cause)?;
        self.moved(at, &plan)?;
        self.compare(expected, reply.map(|reply| matches!(reply, HostReply::Sent(_))))
    }

    /// Sends several at once: each is as if it came alone, after the ones before it.
    pub(crate) fn batch(&mut self, at: (usize, usize), targets: Vec<Target>) -> Check {
        let mut plan = Plan::default();
        let allowed = self.may_call(at);
        let mut expected = Vec::new();
        let mut items = Vec::new();
        for target in targets {
            if allowed.is_ok() {
                expected.push(self.carry(at, &target, None, &mut plan));
            }
            let draft = self.draft(at);
            items.push(match target {
                Target::Topic(words) => BatchItem::Topic(words.raw, draft),
                Target::Agent { raw, .. } => BatchItem::Agent(raw, draft),
            });
        }
        let reply = self.call(at, HostCall::Batch(items), None)?;
        self.moved(at, &plan)?;
        match reply {
            Ok(HostReply::Batch(results)) => {
                ensure(results.len() == expected.len(), || format!("{} of {}", results.len(), expected.len()))?;
                results
                    .into_iter()
                    .zip(expected)
                    .try_for_each(|(result, expected)| self.compare(expected, result.map(|_: Receipt| true)))
            }
            other => self.compare(allowed, other.map(|_| false)),
        }
    }

    /// Asks an agent; the answer is awaited from then on.
    pub(crate) fn request(&mut self, at: (usize, usize), raw: &str, means: Option<AgentId>, wait_ms: u32) -> Check {
        let mut plan = Plan::default();
        let (tenant, target) = (at.0, Target::Agent { raw: raw.to_owned(), means });
        let room = self.book.open_of(tenant) < self.host.tenants[tenant].budgets.requests.max();
        let known = matches!(target, Target::Agent { means: Some(_), .. });
        let expected = self.may_call(at).and_then(|()| match (known, room) {
            (false, _) => Err("not-found"),
            (true, false) => Err("requests-open"),
            (true, true) => self.carry(at, &target, None, &mut plan),
        });
        let draft = self.draft(at);
        let asker = self.host.tenants[tenant].agents[at.1].party.caller.clone();
        let call = HostCall::Request { agent: raw.to_owned(), draft, deadline_ms: wait_ms };
        match self.host.courier.call(&asker, context(None), call) {
            Answer::Later(answer) => {
                let sent = self.moved(at, &plan)?;
                let sent = sent.first().ok_or_else(|| "a request went nowhere".to_owned())?;
                self.book.ask((tenant, asker.incarnation().0, sent), answer);
                self.compare(expected, Ok(true))
            }
            Answer::Now(reply) => {
                self.moved(at, &plan)?;
                self.compare(expected, reply.map(|_| false))
            }
        }
    }

    fn call(&self, at: (usize, usize), call: HostCall, cause: Option<Cause>) -> Check<Result<HostReply, Refusal>> {
        let caller = &self.host.tenants[at.0].agents[at.1].party.caller;
        match self.host.courier.call(caller, context(cause), call) {
            Answer::Now(reply) => Ok(reply),
            Answer::Later(_) => Err("a send had to wait".to_owned()),
        }
    }

    /// A body that says whose it is.
    pub(crate) fn draft(&mut self, at: (usize, usize)) -> Draft {
        let agent = &self.host.tenants[at.0].agents[at.1];
        self.book.bodies += 1;
        tests_kit::gate::draft(&format!("{}|{}|{}", agent.tenant, agent.id, self.book.bodies))
    }

    /// Whether an agent may make any call now.
    fn may_call(&self, (tenant, agent): (usize, usize)) -> Result<(), &'static str> {
        let (tenant, agent) = (&self.host.tenants[tenant], &self.host.tenants[tenant].agents[agent]);
        match (agent.address, tenant.is_off || agent.is_off) {
            (None, _) => Err("stopped"),
            (Some(_), true) => Err("quarantined"),
            (Some(_), false) => Ok(()),
        }
    }

    /// What must come of one send, by the book; takes from the tenant's second as it must.
    fn carry(
        &mut self,
        at: (usize, usize),
        target: &Target,
        cause: Option<Cause>,
        plan: &mut Plan,
    ) -> Result<(), &'static str> {
        let tenant = &self.host.tenants[at.0];
        let agent = &tenant.agents[at.1];
        let over_hop = cause.is_some_and(|cause| cause.hop + 1 > HOP_MAX);
        let (now, max) = (self.host.now(), tenant.limits.messages_per_second_max);
        match target {
            Target::Topic(Words { means: None, .. }) => Err(ANY_NEVER),
            Target::Agent { means: None, .. } => Err("not-found"),
            Target::Topic(Words { means: Some(topic), .. }) => {
                self.book.spend(at.0, now, max)?;
                let owner = topic.strip_prefix("agents.").and_then(|rest| rest.split('.').next());
                if owner.is_some_and(|owner| owner != agent.id.as_str()) {
                    return Err("topic-of-another-agent");
                }
                if !any_stands_for(&agent.may.publish, topic) {
                    return Err("publish-not-granted");
                }
                if over_hop { Err("hop-limit") } else { self.to_topic(at.0, topic, plan) }
            }
            Target::Agent { means: Some(to), .. } => {
                self.book.spend(at.0, now, max)?;
                if agent.may.send.as_ref().is_some_and(|these| !these.contains(to)) {
                    return Err("send-not-granted");
                }
                if over_hop { Err("hop-limit") } else { self.to_agent(at.0, to, plan) }
            }
        }
    }

    fn to_topic(&self, tenant: usize, topic: &str, plan: &mut Plan) -> Result<(), &'static str> {
        let Some(of) = self.host.tenants.get(tenant) else { return Err(ANY_NEVER) };
        let (mut taken, mut full) = (0, 0);
        for agent in
            of.agents.iter().filter(|agent| agent.address.is_some() && any_stands_for(&agent.subscribed, topic))
        {
            if of.is_off || agent.is_off || !any_stands_for(&agent.may.subscribe, topic) {
                continue;
            }
            let is_full = self.is_full(agent, plan);
            plan.pushes.push((agent.incarnation(), is_full));
            if is_full { full += 1 } else { taken += 1 }
        }
        if taken == 0 && full > 0 { Err("mailbox-full") } else { Ok(()) }
    }

    fn to_agent(&self, tenant: usize, to: &AgentId, plan: &mut Plan) -> Result<(), &'static str> {
        let of = &self.host.tenants[tenant];
        if self.host.bus.is_far(&of.id, to) {
            plan.frames += 1;
            return Ok(());
        }
        let started = of.agents.iter().find(|agent| agent.id == *to && agent.address.is_some());
        let Some(agent) = started.filter(|agent| !of.is_off && !agent.is_off) else { return Err("not-found") };
        let is_full = self.is_full(agent, plan);
        plan.pushes.push((agent.incarnation(), is_full));
        if is_full { Err("mailbox-full") } else { Ok(()) }
    }

    fn is_full(&self, agent: &crate::agent::Agent, plan: &Plan) -> bool {
        let planned = plan.pushes.iter().filter(|push| **push == (agent.incarnation(), false)).count();
        self.book.waiting(agent.incarnation()) + planned >= agent.open.len_max as usize
    }

    /// Exactly what was planned has moved, as what its sender is; returns it.
    fn moved(&mut self, at: (usize, usize), plan: &Plan) -> Check<Vec<Envelope>> {
        let pushed = self.host.lane.take_pushed();
        let mut got: Vec<(u64, bool)> = pushed.iter().map(|push| (push.receiver.incarnation().0, push.full)).collect();
        let mut wanted = plan.pushes.clone();
        got.sort_unstable();
        wanted.sort_unstable();
        ensure(got == wanted, || format!("{got:?} got it (start, full), and must have been {wanted:?}"))?;
        let mut sent = Vec::new();
        for Pushed { receiver, envelope, full } in pushed {
            let (tenant, agent) = (&self.host.tenants[at.0], &self.host.tenants[at.0].agents[at.1]);
            let own = envelope.tenant == tenant.id && *receiver.tenant() == tenant.id && is_of(&envelope, &tenant.id);
            ensure(own && envelope.sender == agent.id, || format!("{envelope:?} came to {receiver:?}"))?;
            self.took_in(receiver.incarnation().0, &envelope, full)?;
            sent.push(envelope);
        }
        let sealed = self.host.bus.take_sealed();
        ensure(sealed.len() == plan.frames, || format!("{} frames, not {}", sealed.len(), plan.frames))?;
        for (frame, envelope, key) in sealed {
            self.frames.append(&frame, &envelope, key);
            sent.push(envelope);
        }
        Ok(sent)
    }

    fn took_in(&mut self, incarnation: u64, envelope: &Envelope, full: bool) -> Check {
        if !full {
            return self.book.take_in(incarnation, envelope.id);
        }
        if let Some((tenant, agent)) = self.host.of_incarnation(incarnation) {
            self.host.tenants[tenant].agents[agent].lost += 1;
        }
        Ok(())
    }

    /// `got` is whether it went through.
    fn compare(&mut self, expected: Result<(), &'static str>, got: Result<bool, Refusal>) -> Check {
        let code = got.as_ref().err().map(Refusal::code);
        let same = match expected {
            Ok(()) => matches!(got, Ok(true)),
            Err(ANY_NEVER) => code.is_some_and(|code| NEVER.contains(&code)),
            Err(word) => code == Some(word),
        };
        if got.is_ok() {
            self.trace.sent += 1;
        } else {
            self.trace.refused += 1;
        }
        ensure(same, || format!("it was {got:?} and must be {expected:?}"))
    }
}

fn context(cause: Option<Cause>) -> Context {
    Context { id: CallId { run: 1, ordinal: 1 }, remaining: Duration::from_hours(1), cause }
}
