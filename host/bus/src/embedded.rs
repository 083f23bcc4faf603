//! The bus of one machine: deliveries are calls, made on the sender's thread.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use foldhash::fast::RandomState;
use host_gate::{Accepted, Stamped};
use host_model::{AgentId, Destination, Durability, Queue, Receipt, TenantId, Topic, TopicPattern};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};

use crate::carried::{Carried, Place};
use crate::keeper::Consumer;
use crate::{
    Binding, Bus, BusError, Forgetting, Inbound, Interest, KeepHealth, Keeper, Keeping, Letter, Member, NotTaken,
    QueueLimits, QueueView, Subscribe, SubscriptionId, Verdict, shard_of,
};

/// Holds the subscriptions of each tenant apart, so that routing starts at the stamp's tenant and never looks beyond.
///
/// An acknowledgement of [`publish`](Bus::publish) is [`Durability::Volatile`]: the message is in the receivers' mailboxes. With a
/// [`Keeper`] it keeps messages too.
#[derive(Default)]
pub struct EmbeddedBus {
    tenants: RwLock<HashMap<TenantId, Arc<Routes>, RandomState>>,
    replies: RwLock<Option<Arc<dyn Inbound>>>,
    next_id: AtomicU64,
    keeper: Option<Keeper>,
}

/// One tenant's subscriptions. Replaced whole when one is added or goes: publishing takes no lock while it delivers.
#[derive(Default, Clone)]
struct Routes {
    queues: HashMap<Queue, Vec<Subscriber>, RandomState>,
    /// By the text of patterns without wildcards: most are, and a tenant may have thousands.
    topics: HashMap<String, Vec<Subscriber>, RandomState>,
    wild: Vec<Subscriber>,
    watchers: Vec<Subscriber>,
}

#[derive(Clone)]
struct Subscriber {
    id: SubscriptionId,
    interest: Interest,
    queue: Option<AgentId>,
    member: Option<Member>,
    inbound: Arc<dyn Inbound>,
    /// Counts the turns of its group; shared by the members.
    turn: Arc<AtomicUsize>,
}

impl EmbeddedBus {
    /// An empty bus that keeps nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// A bus that keeps messages, with what was kept before.
    pub fn keeping(keeper: Keeper) -> Self {
        Self { keeper: Some(keeper), ..Self::default() }
    }

    fn keep_by(&self, stamped: Stamped, keep: impl FnOnce(&Keeper, &Stamped) -> Keeping) -> Keeping {
        let Some(keeper) = &self.keeper else {
            return Box::pin(async { Err(BusError::Unkept(KeepHealth::Absent)) });
        };
        let keeping = keep(keeper, &stamped);
        let routes = self.routes(&stamped.envelope().tenant);
        Box::pin(async move {
            let receipt = keeping.await?;
            if let Some(routes) = routes {
                routes.show_watchers(&Arc::new(stamped));
            }
            Ok(receipt)
        })
    }

    /// Hands an answer to whoever waits on this host.
    pub(crate) fn answer(&self, carried: &impl Carried) -> Result<(), BusError> {
        let Some(inbound) = self.replies.read().clone() else { return Err(BusError::NoReceiver) };
        inbound.deliver(carried.delivery()).map_err(BusError::from)
    }

    /// Hands a message to the receivers of this host: to one of each group that is `ours`, and to all without one.
    pub(crate) fn hand_on(
        &self,
        tenant: &TenantId,
        carried: &impl Carried,
        ours: impl Fn(&AgentId) -> bool,
    ) -> Result<(), BusError> {
        match (self.routes(tenant), carried.place()) {
            (Some(routes), place) => routes.carry(carried, place, &ours),
            (None, Place::Queue(_)) => Err(BusError::NoReceiver),
            (None, _) => Ok(()),
        }
    }

    /// Whether a message on a topic is for anybody of this host.
    pub(crate) fn wants(&self, tenant: &TenantId, topic: &Topic, ours: impl Fn(&AgentId) -> bool) -> bool {
        self.routes(tenant).is_some_and(|routes| !routes.wanting(topic, &ours).is_empty())
    }

    /// Shows a message to those of this host who watch its tenant.
    pub(crate) fn show(&self, tenant: &TenantId, carried: &impl Carried) {
        if let Some(routes) = self.routes(tenant) {
            routes.show_watchers(carried);
        }
    }

    /// A number that no subscription of this bus has.
    pub(crate) fn new_id(&self) -> SubscriptionId {
        SubscriptionId(self.next_id.fetch_add(1, Ordering::Relaxed))
    }

    /// How those who take from a queue share it, if there are any.
    pub(crate) fn sharing_of(&self, tenant: &TenantId, queue: &Queue) -> Option<Sharing> {
        self.routes(tenant)?.queues.get(queue).map(|members| Sharing::of(members.iter()))
    }

    /// How the members of a group share what is on topics.
    pub(crate) fn sharing_in(&self, tenant: &TenantId, group: &AgentId) -> Sharing {
        self.routes(tenant).unwrap_or_default().sharing_in(group)
    }

    /// Whether anybody receives anything of a tenant.
    pub(crate) fn receives_in(&self, tenant: &TenantId) -> bool {
        self.tenants.read().contains_key(tenant)
    }

    /// What is received on this host in each tenant.
    pub(crate) fn interests(&self) -> Vec<(TenantId, Interests)> {
        let tenants = self.tenants.read();
        let mut all: Vec<_> = tenants.iter().map(|(id, routes)| (id.clone(), routes.interests())).collect();
        all.sort_by(|one, other| one.0.cmp(&other.0));
        all
    }

    fn routes(&self, tenant: &TenantId) -> Option<Arc<Routes>> {
        self.tenants.read().get(tenant).cloned()
    }

    fn change(&self, tenant: &TenantId, change: impl FnOnce(&mut Routes)) {
        let mut tenants = self.tenants.write();
        let mut routes = tenants.get(tenant).map(|routes| Routes::clone(routes)).unwrap_or_default();
        change(&mut routes);
        if routes.is_empty() {
            tenants.remove(tenant);
        } else {
            tenants.insert(tenant.clone(), Arc::new(routes));
        }
    }
}

impl Bus for EmbeddedBus {
    fn publish(&self, stamped: Stamped) -> Result<Receipt, BusError> {
        let receipt = Receipt { id: stamped.envelope().id, durability: Durability::Volatile };
        let Some(routes) = self.routes(&stamped.envelope().tenant) else {
            return match stamped.envelope().to {
                Destination::Queue(_) => Err(BusError::NoReceiver),
                Destination::Topic(_) => Ok(receipt),
                Destination::Reply { .. } => self.answer(&Arc::new(stamped)).map(|()| receipt),
            };
        };
        let stamped = Arc::new(stamped);
        match stamped.place() {
            Place::Reply => self.answer(&stamped)?,
            place => routes.carry(&stamped, place, &|_| true)?,
        }
        routes.show_watchers(&stamped);
        Ok(receipt)
    }

    fn receive_replies(&self, inbound: Arc<dyn Inbound>) {
        *self.replies.write() = Some(inbound);
    }

    fn subscribe(&self, subscribe: Subscribe, inbound: Arc<dyn Inbound>) -> SubscriptionId {
        let id = self.new_id();
        let Subscribe { tenant, interest, queue, member } = subscribe;
        if let (Some(keeper), Interest::Queue { queue, in_flight_max }) = (&self.keeper, &interest) {
            let consumer = Consumer::new(id, inbound.clone(), *in_flight_max).of(member.clone());
            keeper.consume(&tenant, queue, consumer);
        }
        self.change(&tenant, |routes| {
            let turn = routes.turn_of_group(&interest, queue.as_ref());
            routes.add(Subscriber { id, interest, queue, member, inbound, turn });
        });
        id
    }

    fn unsubscribe(&self, tenant: &TenantId, id: SubscriptionId) {
        self.change(tenant, |routes| routes.remove(id));
        if let Some(keeper) = &self.keeper {
            keeper.end_consumer(tenant, id);
        }
    }

    fn keep(&self, stamped: Stamped) -> Keeping {
        self.keep_by(stamped, |keeper, stamped| Box::pin(keeper.keep(stamped)))
    }

    fn replay(&self, stamped: Stamped, letter: &Letter) -> Keeping {
        self.keep_by(stamped, |keeper, stamped| Box::pin(keeper.replay(stamped, letter)))
    }

    fn settle(&self, accepted: &Accepted, verdict: Verdict) {
        if let Some(keeper) = &self.keeper {
            keeper.settle(accepted, verdict);
        }
    }

    fn bind(&self, binding: Binding) {
        if let Some(keeper) = &self.keeper {
            keeper.bind(binding);
        }
    }

    fn unbind(&self, tenant: &TenantId, agent: &AgentId) {
        if let Some(keeper) = &self.keeper {
            keeper.unbind(tenant, agent);
        }
    }

    fn forget<'a>(&'a self, tenant: &'a TenantId) -> Forgetting<'a> {
        Box::pin(async move {
            match &self.keeper {
                Some(keeper) => keeper.forget(tenant).await,
                None => Ok(()),
            }
        })
    }

    fn letters_gone(&self, tenant: &TenantId, count: u64) {
        if let Some(keeper) = &self.keeper {
            keeper.letters_gone(tenant, count);
        }
    }

    fn set_limits(&self, tenant: &TenantId, limits: QueueLimits) {
        if let Some(keeper) = &self.keeper {
            keeper.set_limits(tenant, limits);
        }
    }

    fn queues(&self, tenant: &TenantId) -> Vec<QueueView> {
        self.keeper.as_ref().map(|keeper| keeper.queues(tenant)).unwrap_or_default()
    }

    fn health(&self) -> KeepHealth {
        self.keeper.as_ref().map_or(KeepHealth::Absent, Keeper::health)
    }
}

impl Routes {
    fn add(&mut self, subscriber: Subscriber) {
        match &subscriber.interest {
            Interest::Queue { queue, .. } => self.queues.entry(queue.clone()).or_default().push(subscriber),
            Interest::Topics(pattern) if pattern.is_wild() => self.wild.push(subscriber),
            Interest::Topics(pattern) => self.topics.entry(pattern.to_string()).or_default().push(subscriber),
            Interest::Everything(_) => self.watchers.push(subscriber),
        }
    }

    /// Queues and topics are counted apart: a sender that uses both in turn must not always meet the same member.
    fn turn_of_group(&self, interest: &Interest, queue: Option<&AgentId>) -> Arc<AtomicUsize> {
        let mut all = self.on_topics().chain(self.queues.values().flatten());
        let same_kind = |other: &Interest| std::mem::discriminant(other) == std::mem::discriminant(interest);
        let member = all.find(|other| queue.is_some() && other.queue.as_ref() == queue && same_kind(&other.interest));
        member.map(|member| member.turn.clone()).unwrap_or_default()
    }

    fn remove(&mut self, id: SubscriptionId) {
        let keep = |subscriber: &Subscriber| subscriber.id != id;
        let keep_any = |subscribers: &mut Vec<Subscriber>| {
            subscribers.retain(keep);
            !subscribers.is_empty()
        };
        self.wild.retain(keep);
        self.watchers.retain(keep);
        self.topics.retain(|_, subscribers| keep_any(subscribers));
        self.queues.retain(|_, subscribers| keep_any(subscribers));
    }

    fn is_empty(&self) -> bool {
        self.queues.is_empty() && self.topics.is_empty() && self.wild.is_empty() && self.watchers.is_empty()
    }

    fn carry(
        &self,
        carried: &impl Carried,
        place: Place<'_>,
        ours: &impl Fn(&AgentId) -> bool,
    ) -> Result<(), BusError> {
        match place {
            Place::Queue(queue) => match self.queues.get(queue) {
                Some(members) => Self::carry_to_one(members.iter(), carried).map_err(BusError::from),
                None => Err(BusError::NoReceiver),
            },
            Place::Topic(topic) => self.carry_to_topic(carried, topic, ours),
            Place::Reply => Ok(()),
        }
    }

    /// Each subscriber on its own, each group of one name once; refused only if nobody could take it for want of room.
    fn carry_to_topic(
        &self,
        carried: &impl Carried,
        topic: &Topic,
        ours: &impl Fn(&AgentId) -> bool,
    ) -> Result<(), BusError> {
        let wanting = self.wanting(topic, ours);
        let mut full = None;
        let mut taken = 0_usize;
        for (index, subscriber) in wanting.iter().enumerate() {
            let of_group = |other: &&Subscriber| subscriber.queue.is_some() && other.queue == subscriber.queue;
            if wanting.iter().take(index).any(of_group) {
                continue;
            }
            // Several patterns of one subscriber may match: it is asked once, so that what it has no room for is lost once.
            let same = |one: &&Subscriber, other: &&Subscriber| Arc::ptr_eq(&one.inbound, &other.inbound);
            let others = wanting.iter().enumerate().skip(index + 1).filter(|(_, other)| of_group(other));
            let fresh = |at: usize, other| !wanting.iter().take(at).skip(index).any(|earlier| same(earlier, other));
            let members = others.filter(|(at, other)| fresh(*at, other)).map(|(_, other)| *other);
            match Self::carry_to_one(std::iter::once(*subscriber).chain(members), carried) {
                Ok(()) => taken += 1,
                Err(NotTaken::Full { len_max }) => full = Some(len_max),
                Err(NotTaken::Refused) => {}
            }
        }
        match full {
            Some(len_max) if taken == 0 => Err(BusError::Full { len_max }),
            _ => Ok(()),
        }
    }

    fn wanting(&self, topic: &Topic, ours: &impl Fn(&AgentId) -> bool) -> Vec<&Subscriber> {
        let exact = self.topics.get(topic.as_str()).into_iter().flatten();
        let all = exact.chain(self.wild.iter().filter(|subscriber| subscriber.receives(topic)));
        all.filter(|subscriber| subscriber.queue.as_ref().is_none_or(ours)).collect()
    }

    fn sharing_in(&self, group: &AgentId) -> Sharing {
        Sharing::of(self.on_topics().filter(|member| member.queue.as_ref() == Some(group)))
    }

    fn on_topics(&self) -> impl Iterator<Item = &Subscriber> {
        self.topics.values().flatten().chain(&self.wild)
    }

    fn interests(&self) -> Interests {
        let topics = self.on_topics().filter_map(|subscriber| match &subscriber.interest {
            Interest::Topics(pattern) => Some((pattern.clone(), subscriber.queue.clone())),
            _ => None,
        });
        let by_key = self.queues.iter().filter(|(_, members)| Sharing::of(members.iter()) == Sharing::ByKey);
        let mut groups: HashMap<&AgentId, bool> = HashMap::new();
        for subscriber in self.on_topics() {
            if let Some(group) = &subscriber.queue {
                *groups.entry(group).or_insert(true) &= subscriber.member.is_some();
            }
        }
        let mut interests = Interests {
            queues: self.queues.keys().cloned().collect(),
            queues_by_key: by_key.map(|(queue, _)| queue.clone()).collect(),
            topics: topics.collect(),
            groups_by_key: groups.into_iter().filter(|(_, by_key)| *by_key).map(|(group, _)| group.clone()).collect(),
            watched: !self.watchers.is_empty(),
        };
        interests.in_order();
        interests
    }

    /// To one member of a group: the one that the message's key belongs to, or else the next in turn, or another if that one has no
    /// room.
    fn carry_to_one<'a>(
        members: impl Iterator<Item = &'a Subscriber> + Clone,
        carried: &impl Carried,
    ) -> Result<(), NotTaken> {
        if let Some(owner) = Self::owner(members.clone(), carried) {
            return owner.inbound.deliver(carried.delivery());
        }
        let len = members.clone().count();
        let first = match members.clone().next() {
            Some(member) if len > 1 => member.turn.fetch_add(1, Ordering::Relaxed) % len,
            _ => 0,
        };
        let mut last = NotTaken::Refused;
        for member in members.cycle().skip(first).take(len) {
            match member.inbound.deliver(carried.delivery()) {
                Ok(()) => return Ok(()),
                Err(not_taken) => last = not_taken,
            }
        }
        Err(last)
    }

    /// Where all members share by key, the one that a key belongs to: nobody else takes its place.
    fn owner<'a>(
        members: impl Iterator<Item = &'a Subscriber> + Clone,
        carried: &impl Carried,
    ) -> Option<&'a Subscriber> {
        let named: Option<Vec<&Member>> = members.clone().map(|member| member.member.as_ref()).collect();
        let owner = shard_of(&carried.shard_key(), named?)?;
        members.clone().find(|member| member.member.as_ref() == Some(owner))
    }

    fn show_watchers(&self, carried: &impl Carried) {
        if self.watchers.is_empty() {
            return;
        }
        let address = carried.address();
        for watcher in self.watchers.iter().filter(|watcher| watcher.watches(&address)) {
            // Who watches too slowly misses messages and is told so on its own stream; senders never wait for it.
            let _ = watcher.inbound.deliver(carried.delivery());
        }
    }
}

impl Subscriber {
    fn receives(&self, topic: &Topic) -> bool {
        matches!(&self.interest, Interest::Topics(pattern) if pattern.matches(topic))
    }

    fn watches(&self, address: &str) -> bool {
        matches!(&self.interest, Interest::Everything(pattern) if pattern.matches_text(address))
    }
}

/// How several receivers share what is for one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// In turn.
    InTurn,
    /// Each gets what belongs to its keys.
    ByKey,
}

impl Sharing {
    fn of<'a>(members: impl Iterator<Item = &'a Subscriber>) -> Self {
        let mut members = members.peekable();
        let by_key = members.peek().is_some() && members.all(|member| member.member.is_some());
        if by_key { Self::ByKey } else { Self::InTurn }
    }
}

/// What a host receives in one tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Interests {
    /// Queues that somebody takes from.
    pub(crate) queues: Vec<Queue>,
    /// Those of them that are shared by key.
    #[serde(default)]
    pub(crate) queues_by_key: Vec<Queue>,
    /// Patterns of topics, each with the name of the group that shares what matches.
    pub(crate) topics: Vec<(TopicPattern, Option<AgentId>)>,
    /// The groups on topics that share by key.
    #[serde(default)]
    pub(crate) groups_by_key: Vec<AgentId>,
    /// Whether somebody watches: then all of it is wanted.
    pub(crate) watched: bool,
}

impl Interests {
    /// The same for the same interests, in whatever order they were made.
    fn in_order(&mut self) {
        self.queues.sort();
        self.queues_by_key.sort();
        self.topics.sort();
        self.topics.dedup();
        self.groups_by_key.sort();
        self.groups_by_key.dedup();
    }
}

impl From<NotTaken> for BusError {
    fn from(not_taken: NotTaken) -> Self {
        match not_taken {
            NotTaken::Full { len_max } => Self::Full { len_max },
            NotTaken::Refused => Self::NoReceiver,
        }
    }
}
