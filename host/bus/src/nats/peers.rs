//! What other hosts receive, and which host a message is for.
//!
//! Sender and receivers work out the same host from the same message, so that each message goes to one member of a group without a
//! word between them; and a copy of a message finds the host that remembers it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use host_model::{AgentId, MessageId, TenantId, Topic};
use parking_lot::RwLock;

use super::HostId;
use crate::carried::Place;
use crate::embedded::Interests;

/// A host that was not heard of for so long is gone.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(2);
/// Other hosts that are known at once.
const PEERS_MAX: usize = 256;

/// The other hosts.
pub(super) struct Peers {
    own: HostId,
    hosts: RwLock<HashMap<HostId, Peer, RandomState>>,
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
        Self { own, hosts: RwLock::default() }
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
    }

    pub(super) fn remove(&self, host: HostId) {
        self.hosts.write().remove(&host);
    }

    /// Forgets hosts that were not heard of.
    pub(super) fn forget_silent(&self) {
        self.hosts.write().retain(|host, peer| {
            let alive = peer.heard.elapsed() < SILENCE_MAX;
            if !alive {
                tracing::warn!(%host, "another host is not heard of any more");
            }
            alive
        });
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

    /// Where a message to a queue goes; `here` says whether this host has the queue.
    pub(super) fn route_to_queue(&self, tenant: &TenantId, place: Place<'_>, message: MessageId, here: bool) -> Route {
        let hosts = self.hosts.read();
        let interests = || hosts.iter().filter_map(|(host, peer)| Some((*host, peer.tenants.get(tenant)?)));
        let watched = interests().any(|(_, interests)| interests.watched);
        let with_queue = interests().filter(|(_, interests)| interests.has(place)).map(|(host, _)| host);
        let all = with_queue.chain(here.then_some(self.own));
        match all.max_by_key(|host| weight(*host, message)) {
            None => Route { here: false, elsewhere: false },
            Some(chosen) => Route { here: chosen == self.own, elsewhere: watched || chosen != self.own },
        }
    }

    /// Whether another host wants a message on a topic: one of its groups may be the one it is for, or somebody watches.
    pub(super) fn want_topic(&self, tenant: &TenantId, topic: &Topic) -> bool {
        let hosts = self.hosts.read();
        let mut interests = hosts.values().filter_map(|peer| peer.tenants.get(tenant));
        interests.any(|interests| interests.watched || interests.wants(topic))
    }

    /// Whether of all hosts with members of a group this one gives the message to its member.
    pub(super) fn is_ours(&self, tenant: &TenantId, topic: &Topic, group: &AgentId, message: MessageId) -> bool {
        let hosts = self.hosts.read();
        let own = weight(self.own, message);
        let others = hosts.iter().filter_map(|(host, peer)| Some((host, peer.tenants.get(tenant)?)));
        let mut with_group = others.filter(|(_, interests)| interests.has_group(topic, group));
        !with_group.any(|(host, _)| weight(*host, message) > own)
    }
}

impl Interests {
    fn has(&self, place: Place<'_>) -> bool {
        matches!(place, Place::Queue(queue) if self.queues.contains(queue))
    }

    fn wants(&self, topic: &Topic) -> bool {
        self.topics.iter().any(|(pattern, _)| pattern.matches(topic))
    }

    fn has_group(&self, topic: &Topic, group: &AgentId) -> bool {
        self.topics.iter().any(|(pattern, name)| name.as_ref() == Some(group) && pattern.matches(topic))
    }
}

/// Rendezvous hashing (highest random weight): whoever leaves or comes moves only what it had or gets.
#[expect(clippy::cast_possible_truncation, reason = "each half of the bits is taken")]
fn weight(host: HostId, message: MessageId) -> (u64, HostId) {
    let bits = u128::from_be_bytes(*message.as_bytes());
    let (high, low) = ((bits >> 64) as u64, bits as u64);
    (mix(mix(high ^ host.0) ^ low), host)
}

/// The finaliser of `SplitMix64`: the same on every host, which a seeded hash is not.
const fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(number: u64) -> MessageId {
        format!("00000000-0000-7000-8000-{number:012x}").parse().unwrap()
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
                (0..3).filter(|at| hosts[*at].1.is_ours(&tenant, &topic, &group, message(number))).collect();
            assert_eq!(ours.len(), 1, "message {number}");
            share[ours[0]] += 1;
        }
        assert!(share.iter().all(|share| (800..1_200).contains(share)), "{share:?}");
    }

    #[test]
    fn who_leaves_moves_only_its_own_messages() {
        let (tenant, topic, group) = ("acme".parse().unwrap(), "a.b".parse().unwrap(), "kb".parse().unwrap());
        let ours = |hosts: &[(HostId, Peers)]| -> Vec<Option<HostId>> {
            let of = |number| hosts.iter().find(|(_, peers)| peers.is_ours(&tenant, &topic, &group, message(number)));
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
        let queue = "kb".parse().unwrap();
        let place = Place::Queue(&queue);
        let peers = Peers::new(HostId(1));
        let check = |here, expected| assert_eq!(peers.route_to_queue(&tenant, place, message(1), here), expected);
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
}
