//! Requests of many tenants over NATS, all at once and alike: each gets one answer, and its own.

use std::collections::HashMap;
use std::sync::Arc;

use host_bus::{Bus, Inbound, Interest, NatsBus, NotTaken, Subscribe};
use host_gate::{Delivery, Receiver};
use host_model::{Caller, ReplyToken, TenantId};
use parking_lot::Mutex;
use tests_kit::gate::{Sender, body, born, grants, take};
use tests_kit::{NatsServer, eventually};

use crate::nats_host::NatsHost;

/// Tenants that ask at once.
const TENANTS: usize = 1_000;
/// What all of them wait under. The host makes these of 128 random bits; here nothing but the tenant tells two requests apart.
const TOKEN: ReplyToken = ReplyToken::new(7);

/// Answers each request with the tenant that it came from.
struct Answers {
    as_who: Sender,
    bus: NatsBus,
}

impl Inbound for Answers {
    fn deliver(&self, delivery: Delivery) -> Result<(), NotTaken> {
        let grants = grants(&[]);
        let receiver = Receiver::Agent { caller: &self.as_who.caller, grants: &grants };
        let request = take(delivery, receiver).map_err(|_| NotTaken::Refused)?;
        let answer = self.as_who.answer(&request, &format!("{} in {}", body(request.envelope()), self.tenant()));
        self.bus.publish(answer).map(drop).map_err(|_| NotTaken::Refused)
    }
}

impl Answers {
    fn tenant(&self) -> &TenantId {
        self.as_who.caller.tenant()
    }
}

/// Who asked in each tenant, and what they were answered.
struct Asked {
    askers: HashMap<TenantId, Arc<Caller>>,
    answers: Mutex<Vec<(TenantId, String)>>,
}

impl Inbound for Asked {
    fn deliver(&self, delivery: Delivery) -> Result<(), NotTaken> {
        let Delivery::Sealed { tenant, .. } = &delivery else { return Err(NotTaken::Refused) };
        let (tenant, caller) = (tenant.clone(), self.askers.get(tenant).ok_or(NotTaken::Refused)?);
        let answer = take(delivery, Receiver::Asker { caller, token: TOKEN }).map_err(|_| NotTaken::Refused)?;
        self.answers.lock().push((tenant, body(answer.envelope())));
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_tenants_that_ask_at_once_under_equal_tokens_get_a_thousand_answers_each_its_own() {
    let server = NatsServer::start();
    let (here, there) = (NatsHost::on(&server, 1).await, NatsHost::on(&server, 2).await);
    let senders: Vec<Sender> = (0..TENANTS).map(|at| Sender::in_tenant(&format!("tenant-{at}"))).collect();
    for sender in &senders {
        let (tenant, kb) = (sender.caller.tenant().clone(), born(sender.caller.tenant().as_str(), "kb"));
        let interest = Interest::own(kb.agent(), 8);
        let answers = Answers { as_who: Sender::of(kb), bus: there.bus.clone() };
        there.bus.subscribe(Subscribe { tenant, interest, queue: None, member: None }, Arc::new(answers));
    }
    let askers = senders.iter().map(|sender| (sender.caller.tenant().clone(), sender.caller.clone())).collect();
    let asked = Arc::new(Asked { askers, answers: Mutex::default() });
    here.bus.receive_replies(asked.clone());
    for sender in &senders {
        here.bus.peer_in(sender.caller.tenant()).await;
    }
    for sender in &senders {
        here.bus.publish(sender.ask("kb", "asked", TOKEN)).unwrap();
    }
    let all = async || (asked.answers.lock().len() >= TENANTS).then_some(());
    eventually("everybody is answered", all).await;
    let answers = asked.answers.lock().clone();
    for (tenant, answer) in &answers {
        assert_eq!(*answer, format!("asked in {tenant}"));
    }
    let tenants: HashMap<_, _> = answers.iter().cloned().collect();
    assert_eq!((answers.len(), tenants.len()), (TENANTS, TENANTS), "each once");
}
