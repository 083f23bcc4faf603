//! One agent of a run: what it may do, as the book knows it, and the real parts that stand for it.

use std::sync::Arc;

use host_bus::{Bus as _, Interest, Subscribe, SubscriptionId};
use host_courier::{Counters, Courier, Party, Switch};
use host_mailbox::{Address, Open};
use host_model::{AgentId, Caller, Grants, Incarnation, Queue, SendGrant, TenantId};
use host_quota::TenantBudgets;
use tests_kit::chance::Chance;

use crate::bus::SimBus;
use crate::lane::{Lane, Slot};
use crate::topics::patterns;

/// What an agent may do, in plain words beside the host's own [`Grants`].
#[derive(Debug, Clone)]
pub(crate) struct May {
    pub(crate) publish: Vec<String>,
    pub(crate) subscribe: Vec<String>,
    /// `None` for any agent of its tenant.
    pub(crate) send: Option<Vec<AgentId>>,
}

impl May {
    pub(crate) fn drawn(chance: &mut Chance, peers: &[AgentId]) -> Self {
        let owned = |patterns: Vec<&str>| patterns.into_iter().map(str::to_owned).collect();
        let some = peers.iter().filter(|_| chance.one_in(2)).cloned().collect();
        let send = if chance.one_in(2) { None } else { Some(some) };
        Self { publish: owned(patterns(chance)), subscribe: owned(patterns(chance)), send }
    }

    fn grants(&self) -> Grants {
        let parsed = |raw: &[String]| raw.iter().map(|raw| raw.parse().expect("a pattern")).collect();
        Grants {
            publish: parsed(&self.publish),
            subscribe: parsed(&self.subscribe),
            send: self
                .send
                .clone()
                .map_or(SendGrant::Any, |ids| SendGrant::These(ids.into_iter().map(Queue::from).collect())),
            ..Grants::default()
        }
    }
}

/// An agent, started or not.
pub(crate) struct Agent {
    pub(crate) tenant: TenantId,
    pub(crate) id: AgentId,
    pub(crate) may: May,
    /// What its latest start subscribed to.
    pub(crate) subscribed: Vec<String>,
    pub(crate) party: Arc<Party>,
    pub(crate) switch: Arc<Switch>,
    pub(crate) is_off: bool,
    pub(crate) counters: Arc<Counters>,
    pub(crate) open: Open,
    /// Where its messages wait, if it is started.
    pub(crate) address: Option<Address>,
    subscriptions: Vec<SubscriptionId>,
    /// Messages for it that were lost, which its counter must tell.
    pub(crate) lost: u64,
}

/// Who an agent is, and what it spends from.
pub(crate) struct Born<'a> {
    pub(crate) tenant: &'a TenantId,
    pub(crate) id: &'a AgentId,
    pub(crate) incarnation: u64,
    pub(crate) budgets: &'a TenantBudgets,
    pub(crate) above: &'a Arc<Switch>,
}

impl Agent {
    /// One that is not started.
    pub(crate) fn new(chance: &mut Chance, born: &Born<'_>, may: May) -> Self {
        let (switch, counters) = (Switch::under(born.above), Arc::<Counters>::default());
        let party = party(born, &may, &switch, &counters);
        let (len_max, in_flight_max) = (1 + chance.below(5), 1 + chance.below(2));
        let bound = |number: usize| u32::try_from(number).expect("a small number");
        let open =
            Open { receiver: party.caller.clone(), len_max: bound(len_max), in_flight_max: bound(in_flight_max) };
        Self {
            tenant: born.tenant.clone(),
            id: born.id.clone(),
            may,
            subscribed: Vec::new(),
            party,
            switch,
            is_off: false,
            counters,
            open,
            address: None,
            subscriptions: Vec::new(),
            lost: 0,
        }
    }

    pub(crate) fn incarnation(&self) -> u64 {
        self.party.caller.incarnation().0
    }

    /// A new start of it, with a number of its own.
    pub(crate) fn start(&mut self, born: &Born<'_>, courier: &Courier, bus: &SimBus, lane: &Arc<Lane>) {
        self.party = party(born, &self.may, &self.switch, &self.counters);
        self.open.receiver = self.party.caller.clone();
        self.subscribed.clone_from(&self.may.subscribe);
        let address = lane.mailbox.lock().open(self.open.clone());
        lane.mailbox.lock().release(address);
        let inbound = courier.inbound(self.party.clone(), Arc::new(Slot { lane: lane.clone(), address }));
        let topics = self.party.grants().subscribe.clone().into_iter().map(Interest::Topics);
        let interests = topics.chain([Interest::own(&self.id, self.open.in_flight_max)]);
        let subscribe =
            |interest| Subscribe { tenant: self.tenant.clone(), interest, queue: Some(self.id.clone()), member: None };
        self.subscriptions = interests.map(|interest| bus.subscribe(subscribe(interest), inbound.clone())).collect();
        self.address = Some(address);
        courier.join(self.party.clone());
    }

    /// Ends it; what waited is handed back.
    pub(crate) fn stop(&mut self, courier: &Courier, bus: &SimBus, lane: &Lane) -> Vec<host_gate::Accepted> {
        courier.leave(&self.party.caller);
        for subscription in self.subscriptions.drain(..) {
            bus.unsubscribe(&self.tenant, subscription);
        }
        self.address.take().map(|address| lane.mailbox.lock().close(address)).unwrap_or_default()
    }

    /// Its tenant's policy changed.
    pub(crate) fn set_may(&mut self, may: May) {
        self.party.set_grants(may.grants());
        self.may = may;
    }
}

fn party(born: &Born<'_>, may: &May, switch: &Arc<Switch>, counters: &Arc<Counters>) -> Arc<Party> {
    let incarnation = Incarnation(born.incarnation);
    let caller = Arc::new(Caller::born(born.tenant.clone(), born.id.clone(), "1.0.0".to_owned(), incarnation));
    let party = Party::new(caller, may.grants(), born.budgets.requests.clone(), false, counters.clone());
    Arc::new(party.within(born.budgets.rates.clone()).switched_by(switch.clone()))
}
