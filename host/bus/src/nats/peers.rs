//! What other hosts receive, and which host a message is for.
//!
//! Sender and receivers work out the same host from the same message, so that each message goes to one member of a group without a
//! word between them; and a copy of a message finds the host that remembers it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use host_model::{AgentId, MessageId, Queue, TenantId, Topic};
use parking_lot::RwLock;
use tokio::sync::watch;

use super::HostId;
use crate::embedded::{Interests, Sharing};
use crate::sharing::mixed;

/// A host that was not heard of for so long is gone.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(2);
/// Other hosts that are known at once.
const PEERS_MAX: usize = 256;

/// The other hosts.
pub(super) struct Peers {
    own: HostId,
    hosts: RwLock<HashMap<HostId, Peer, RandomState>>,
    changed: watch::Sender<()>,
}

struct Peer {
    heard: Instant,
    revision: u64,
    tenants: HashMap<TenantId, Interests, RandomState>,
}

/// Where a volatile message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Route {
    /// Whether a receiver of this host is to be given it.
    pub(super) here: bool,
    /// Whether other hosts want it.
    pub(super) elsewhere: bool,
}

impl Peers {
    pub(super) fn new(own: HostId) -> Self {
        Self { own, hosts: RwLock::default(), changed: watch::Sender::new(()) }
    }

    /// To be told whenever other hosts come or go, or receive something else.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// A host is alive. False if what it receives is not known as it is now.
    pub(super) fn beat(&self, host: HostId, revision: u64) -> bool {
        match self.hosts.write().get_mut(&host) {
            Some(peer) => {
                peer.heard = Instant::now();
                peer.revision == revision
            }
            None => false,
        }
    }

    /// What a host receives now, in place of what was known.
    pub(super) fn set(&self, host: HostId, revision: u64, tenants: Vec<(TenantId, Interests)>) {
        let mut hosts = self.hosts.write();
        if hosts.len() < PEERS_MAX || hosts.contains_key(&host) {
            let peer = Peer { heard: Instant::now(), revision, tenants: tenants.into_iter().collect() };
            hosts.insert(host, peer);
        }
        drop(hosts);
        self.changed.send_replace(());
    }

    pub(super) fn remove(&self, host: HostId) {
        self.hosts.write().remove(&host);
        self.changed.send_replace(());
    }

    /// Forgets hosts that were not heard of.
    pub(super) fn forget_silent(&self) {
        let mut hosts = self.hosts.write();
        let before = hosts.len();
        hosts.retain(|host, peer| {
            let alive = peer.heard.elapsed() < SILENCE_MAX;
            if !alive {
                tracing::warn!(%host, "another host is not heard of any more");
            }
            alive
        });
        if hosts.len() < before {
            drop(hosts);
            self.changed.send_replace(());
        }
    }

    /// Whether there is any other host.
    pub(super) fn any(&self) -> bool {
        !self.hosts.read().is_empty()
    }

    /// Whether another host receives anything in a tenant.
    pub(super) fn want_any_of(&self, tenant: &TenantId) -> bool {
        self.hosts.read().values().any(|peer| peer.tenants.contains_key(tenant))
    }

    /// Whether somebody on another host watches a tenant.
    pub(super) fn watch(&self, tenant: &TenantId) -> bool {
        self.hosts.read().values().any(|peer| peer.tenants.get(tenant).is_some_and(|interests| interests.watched))
    }

    /// Where a message to a queue goes; `here` says how receivers of this host share it, if there are any.
    pub(super) fn route_to_queue(
        &self,
        tenant: &TenantId,
        queue: &Queue,
        message: MessageId,
        here: Option<Sharing>,
    ) -> Route {
        let hosts = self.hosts.read();
        let interests = || hosts.iter().filter_map(|(host, peer)| Some((*host, peer.tenants.get(tenant)?)));
        let watched = interests().any(|(_, interests)| interests.watched);
        let with_queue = || interests().filter(|(_, interests)| interests.queues.contains(queue));
        let by_key =
            here == Some(Sharing::ByKey) || with_queue().any(|(_, interests)| interests.queues_by_key.contains(queue));
        let seed = if by_key { seed_of(queue.as_str()) } else { Seed::from(message) };
        let all = with_queue().map(|(host, _)| host).chain(here.map(|_| self.own));
        match all.max_by_key(|host| weight(*host, seed)) {
            None => Route { here: false, elsewhere: false },
            Some(chosen) => Route { here: chosen == self.own, elsewhere: watched || chosen != self.own },
        }
    }

    /// Whether of all hosts that take from a queue which is shared by key this one takes what waits there. All keys go to one host, so
    /// that each has one place; another host takes over when it goes.
    pub(super) fn reads(&self, tenant: &TenantId, queue: &Queue) -> bool {
        let hosts = self.hosts.read();
        let own = weight(self.own, seed_of(queue.as_str()));
        let others = hosts
            .iter()
            .filter(|(_, peer)| peer.tenants.get(tenant).is_some_and(|interests| interests.queues.contains(queue)));
        !others.into_iter().any(|(host, _)| weight(*host, seed_of(queue.as_str())) > own)
    }

    /// Whether another host wants a message on a topic: one of its groups may be the one it is for, or somebody watches.
    pub(super) fn want_topic(&self, tenant: &TenantId, topic: &Topic) -> bool {
        let hosts = self.hosts.read();
        let mut interests = hosts.values().filter_map(|peer| peer.tenants.get(tenant));
        interests.any(|interests| interests.watched || interests.wants(topic))
    }

    /// Whether of all hosts with members of a group this one gives the message to its member; `here` says how they share.
    pub(super) fn is_ours(
        &self,
        tenant: &TenantId,
        topic: &Topic,
        group: &AgentId,
        message: MessageId,
        here: impl FnOnce() -> Sharing,
    ) -> bool {
        let hosts = self.hosts.read();
        let others = hosts.iter().filter_map(|(host, peer)| Some((*host, peer.tenants.get(tenant)?)));
        let with_group: Vec<_> = others.filter(|(_, interests)| interests.has_group(topic, group)).collect();
        if with_group.is_empty() {
            return true;
        }
        let by_key = with_group.iter().any(|(_, interests)| interests.groups_by_key.contains(group));
        let seed = if by_key || here() == Sharing::ByKey { seed_of(group.as_str()) } else { Seed::from(message) };
        let own = weight(self.own, seed);
        !with_group.into_iter().any(|(host, _)| weight(host, seed) > own)
    }
}

impl Interests {
    fn wants(&self, topic: &Topic) -> bool {
        self.topics.iter().any(|(pattern, _)| pattern.matches(topic))
    }

    fn has_group(&self, topic: &Topic, group: &AgentId) -> bool {
        self.topics.iter().any(|(pattern, name)| name.as_ref() == Some(group) && pattern.matches(topic))
    }
}

/// By what a host is chosen: by the message where receivers share in turn, by the name of the queue or group where they share by key.
#[derive(Clone, Copy)]
struct Seed(u128);

impl From<MessageId> for Seed {
    fn from(message: MessageId) -> Self {
        Self(u128::from_be_bytes(*message.as_bytes()))
    }
}

fn seed_of(name: &str) -> Seed {
    Seed(u128::from(crate::sharing::hash(name.as_bytes())))
}

/// Rendezvous hashing (highest random weight): whoever leaves or comes moves only what it had or gets.
#[expect(clippy::cast_possible_truncation, reason = "each half of the bits is taken")]
fn weight(host: HostId, Seed(bits): Seed) -> (u64, HostId) {
    let (high, low) = ((bits >> 64) as u64, bits as u64);
    (mixed(mixed(high ^ host.0) ^ low), host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(number: u64) -> MessageId {
        format!("00000000-0000-7000-8000-{number:012x}").parse().unwrap()
    }

    fn in_turn() -> Sharing {
        Sharing::InTurn
    }

    fn group_on(topic: &str) -> Interests {
        let group: AgentId = "kb".parse().unwrap();
        Interests { topics: vec![(topic.parse().unwrap(), Some(group))], ..Interests::default() }
    }

    /// Three hosts that know each other.
    fn three() -> Vec<(HostId, Peers)> {
        let ids = [HostId(1), HostId(2), HostId(3)];
        let tenant: TenantId = "acme".parse().unwrap();
        let knows = |own: HostId| {
            let peers = Peers::new(own);
            for other in ids.into_iter().filter(|other| *other != own) {
                peers.set(other, 1, vec![(tenant.clone(), group_on("a.*"))]);
            }
            (own, peers)
        };
        ids.into_iter().map(knows).collect()
    }

    #[test]
    fn of_several_hosts_with_a_group_each_message_is_for_exactly_one() {
        let (tenant, topic, group) = ("acme".parse().unwrap(), "a.b".parse().unwrap(), "kb".parse().unwrap());
        let hosts = three();
        let mut share = [0_u32; 3];
        for number in 0..3_000 {
            let ours: Vec<usize> =
                (0..3).filter(|at| hosts[*at].1.is_ours(&tenant, &topic, &group, message(number), in_turn)).collect();
            assert_eq!(ours.len(), 1, "message {number}");
            share[ours[0]] += 1;
        }
        assert!(share.iter().all(|share| (800..1_200).contains(share)), "{share:?}");
    }

    #[test]
    fn who_leaves_moves_only_its_own_messages() {
        let (tenant, topic, group) = ("acme".parse().unwrap(), "a.b".parse().unwrap(), "kb".parse().unwrap());
        let ours = |hosts: &[(HostId, Peers)]| -> Vec<Option<HostId>> {
            let is_ours = |peers: &Peers, number| peers.is_ours(&tenant, &topic, &group, message(number), in_turn);
            let of = |number| hosts.iter().find(|(_, peers)| is_ours(peers, number));
            (0..500).map(|number| of(number).map(|(host, _)| *host)).collect()
        };
        let mut hosts = three();
        let before = ours(&hosts);
        hosts.pop();
        for (_, peers) in &hosts {
            peers.remove(HostId(3));
        }
        for (was, is) in before.into_iter().zip(ours(&hosts)) {
            assert!(was == is || was == Some(HostId(3)), "{was:?} became {is:?}");
        }
    }

    #[test]
    fn a_queue_that_no_host_has_goes_nowhere_and_one_elsewhere_goes_there() {
        let tenant: TenantId = "acme".parse().unwrap();
        let queue: Queue = "kb".parse().unwrap();
        let peers = Peers::new(HostId(1));
        let check = |here: bool, expected| {
            let here = here.then_some(Sharing::InTurn);
            assert_eq!(peers.route_to_queue(&tenant, &queue, message(1), here), expected);
        };
        check(false, Route { here: false, elsewhere: false });
        check(true, Route { here: true, elsewhere: false });
        peers.set(
            HostId(2),
            1,
            vec![(tenant.clone(), Interests { queues: vec![queue.clone()], ..Interests::default() })],
        );
        check(false, Route { here: false, elsewhere: true });
        peers.set(HostId(2), 2, vec![(tenant.clone(), Interests { watched: true, ..Interests::default() })]);
        check(true, Route { here: true, elsewhere: true });
    }

    #[test]
    fn a_queue_that_is_shared_by_key_is_read_by_one_host_and_volatile_messages_go_there_too() {
        let tenant: TenantId = "acme".parse().unwrap();
        let mut readers = [0_u32; 2];
        for number in 0..100 {
            let queue: Queue = format!("kb-{number}").parse().unwrap();
            let by_key = || Interests {
                queues: vec![queue.clone()],
                queues_by_key: vec![queue.clone()],
                ..Interests::default()
            };
            let knows = |own, other| {
                let peers = Peers::new(HostId(own));
                peers.set(HostId(other), 1, vec![(tenant.clone(), by_key())]);
                peers
            };
            let hosts = [knows(1, 2), knows(2, 1)];
            let reads: Vec<usize> = (0..2).filter(|at| hosts[*at].reads(&tenant, &queue)).collect();
            assert_eq!(reads.len(), 1, "{queue}");
            readers[reads[0]] += 1;
            for id in 0..10 {
                let goes_to =
                    |peers: &Peers| peers.route_to_queue(&tenant, &queue, message(id), Some(Sharing::ByKey)).here;
                assert_eq!(hosts.each_ref().map(goes_to), [reads[0] == 0, reads[0] == 1], "{queue}");
            }
        }
        assert!(readers.iter().all(|share| (30..70).contains(share)), "{readers:?}");
    }
}
