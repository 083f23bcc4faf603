//! What this host has seen of all leases, and when.
//!
//! A lease has run out when this host's own clock says that its time has passed since this host saw its latest change. No host's
//! clock has to agree with another's, only to run as fast; a holder, which counts from before it asked, always ends first.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use host_model::{Clock, Fence, FencingToken, LeaseName, LeaseScope, TenantId};
use parking_lot::Mutex;

use super::granted::Granted;
use crate::{Fenced, HostId, LEASE_NAMES_MAX, Lease, LeaseError};

/// The latest change of a lease that was seen.
#[derive(Debug, Clone)]
pub(super) struct Latest {
    /// Which change of the bucket it is; 0 where the bucket has none.
    pub(super) revision: u64,
    pub(super) granted: Granted,
    /// When it was seen, by the clock's uptime; of this host's own when it was asked for.
    since_millis: u64,
    /// What this host's disk refuses earlier tokens than.
    raised: FencingToken,
}

type Names = HashMap<LeaseName, Latest, RandomState>;

/// All leases of all tenants, as far as this host knows.
pub(super) struct Seen {
    pub(super) own: HostId,
    clock: Arc<dyn Clock>,
    tenants: Mutex<HashMap<TenantId, Names, RandomState>>,
}

impl Seen {
    pub(super) fn nothing(own: HostId, clock: Arc<dyn Clock>) -> Self {
        Self { own, clock, tenants: Mutex::default() }
    }

    pub(super) fn now_millis(&self) -> u64 {
        self.clock.uptime_millis()
    }

    /// A change of a lease that was asked for, or seen, at this time. An older one than what is known says nothing.
    pub(super) fn see(&self, name: &LeaseName, revision: u64, mut granted: Granted, at_millis: u64) {
        let mut tenants = self.tenants.lock();
        let names = tenants.entry(name.tenant.clone()).or_default();
        let Some(known) = names.get_mut(name) else {
            let new = Latest { revision, granted, since_millis: at_millis, raised: FencingToken(0) };
            names.insert(name.clone(), new);
            return;
        };
        if revision < known.revision {
            return;
        }
        // Who asked for it saw it before the bucket told of it, or after: the earlier time counts.
        let since = if revision == known.revision { known.since_millis.min(at_millis) } else { at_millis };
        // Tokens only grow, whatever another client put into the bucket.
        granted.token = granted.token.max(known.granted.token);
        *known = Latest { revision, granted, since_millis: since, raised: known.raised };
    }

    /// The bucket has nothing of it: the next grant writes the first change, and has a higher token all the same.
    pub(super) fn see_none(&self, name: &LeaseName, revision: u64) {
        self.change(name, |known| {
            *known = Latest { revision, granted: known.granted.clone().given_back(), ..known.clone() };
        });
    }

    /// Earlier tokens are refused on this host's disk from now on.
    pub(super) fn raised(&self, name: &LeaseName, token: FencingToken) {
        self.change(name, |known| known.raised = known.raised.max(token));
    }

    /// Changes count from 0 again: the bucket is another one. What is held in it is held on.
    pub(super) fn count_anew(&self) {
        for known in self.tenants.lock().values_mut().flat_map(HashMap::values_mut) {
            known.revision = 0;
        }
    }

    pub(super) fn latest(&self, name: &LeaseName) -> Option<Latest> {
        self.tenants.lock().get(&name.tenant)?.get(name).cloned()
    }

    /// A lease as it is now; none if it has run out or was given back.
    pub(super) fn live(&self, name: &LeaseName, latest: &Latest) -> Option<Lease> {
        let until = latest.since_millis.saturating_add(super::millis(latest.granted.lasts()?));
        let left = until.checked_sub(self.now_millis()).filter(|left| *left > 0)?;
        let (holder, remaining) = (latest.granted.holder(self.own), Duration::from_millis(left));
        Some(Lease { name: name.clone(), holder, token: latest.granted.token, remaining })
    }

    /// Whether a name has a place in its scope. Two hosts that ask for two new names at once may pass the bound by one.
    pub(super) fn has_room_for(&self, name: &LeaseName) -> Result<(), LeaseError> {
        let tenants = self.tenants.lock();
        let Some(names) = tenants.get(&name.tenant) else { return Ok(()) };
        let others = names.keys().filter(|other| other.scope == name.scope && *other != name).count();
        if others as u64 >= LEASE_NAMES_MAX && !names.contains_key(name) {
            return Err(LeaseError::Names { len_max: LEASE_NAMES_MAX });
        }
        Ok(())
    }

    pub(super) fn check(&self, fence: &Fence) -> Result<(), Fenced> {
        let latest = self.latest(&fence.name).map_or(fence.token, |latest| latest.granted.token);
        if latest > fence.token { Err(Fenced { token: fence.token, latest }) } else { Ok(()) }
    }

    /// Forgets leases that no other host has now, and says which.
    pub(super) fn forget(&self, tenant: &TenantId, scope: Option<&LeaseScope>) -> Vec<LeaseName> {
        let elsewhere = |name: &LeaseName, latest: &Latest| {
            self.live(name, latest).is_some_and(|lease| lease.holder.elsewhere.is_some())
        };
        let goes = |name: &LeaseName| scope.is_none_or(|scope| name.scope == *scope);
        let mut tenants = self.tenants.lock();
        let Some(names) = tenants.get_mut(tenant) else { return Vec::new() };
        let gone =
            names.extract_if(|name, latest| goes(name) && !elsewhere(name, latest)).map(|(name, _)| name).collect();
        if names.is_empty() {
            tenants.remove(tenant);
        }
        gone
    }

    fn change(&self, name: &LeaseName, how: impl FnOnce(&mut Latest)) {
        if let Some(known) = self.tenants.lock().get_mut(&name.tenant).and_then(|names| names.get_mut(name)) {
            how(known);
        }
    }
}

impl Latest {
    /// The token that this host's disk has not heard of.
    pub(super) fn to_raise(&self) -> Option<FencingToken> {
        (self.granted.token > self.raised).then_some(self.granted.token)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use host_model::{Incarnation, LeaseId, Producer, Timestamp};

    use super::*;
    use crate::{Holder, LeaseTtl};

    /// A clock that a test moves.
    #[derive(Default)]
    struct Moved(AtomicU64);

    impl Clock for Moved {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(0)
        }

        fn uptime_millis(&self) -> u64 {
            self.0.load(Ordering::Relaxed)
        }
    }

    fn name(id: &str) -> LeaseName {
        let scope = LeaseScope::Group("search".parse().unwrap());
        LeaseName { tenant: "acme".parse().unwrap(), scope, id: id.parse().unwrap_or_else(|_| LeaseId::leader()) }
    }

    fn granted(token: u64, host: u64) -> Granted {
        let producer = Producer::new(Timestamp::from_millis(1), Incarnation(1));
        let holder = Holder { agent: "kb".parse().unwrap(), producer, elsewhere: None };
        Granted::new(FencingToken(token), HostId(host), &holder, LeaseTtl::from_millis(3_000).unwrap())
    }

    fn seen() -> (Seen, Arc<Moved>) {
        let clock = Arc::<Moved>::default();
        (Seen::nothing(HostId(1), clock.clone()), clock)
    }

    fn live(seen: &Seen, name: &LeaseName) -> Option<(u64, u64)> {
        let lease = seen.live(name, &seen.latest(name)?)?;
        Some((lease.token.0, lease.remaining.as_millis().try_into().unwrap()))
    }

    #[test]
    fn a_lease_ends_by_this_hosts_clock_and_its_holder_counts_from_before_it_asked() {
        let (seen, clock) = seen();
        let name = name("leader");
        clock.0.store(500, Ordering::Relaxed);
        seen.see(&name, 7, granted(1, 1), 500);
        seen.see(&name, 7, granted(1, 1), 100);
        assert_eq!(live(&seen, &name), Some((1, 2_600)), "asked for before the bucket told of it");
        clock.0.store(3_099, Ordering::Relaxed);
        assert_eq!(live(&seen, &name), Some((1, 1)));
        clock.0.store(3_100, Ordering::Relaxed);
        assert_eq!(live(&seen, &name), None);
        seen.see(&name, 8, granted(1, 1).given_back(), 3_100);
        assert_eq!(live(&seen, &name), None);
    }

    #[test]
    fn an_older_change_says_nothing_and_no_change_lowers_a_token() {
        let (seen, _) = seen();
        let name = name("leader");
        let fence = |token| Fence { name: name.clone(), token: FencingToken(token) };
        seen.see(&name, 9, granted(5, 2), 0);
        seen.see(&name, 8, granted(4, 1), 0);
        assert_eq!(live(&seen, &name), Some((5, 3_000)));
        assert_eq!(seen.check(&fence(4)), Err(Fenced { token: FencingToken(4), latest: FencingToken(5) }));
        assert_eq!(seen.check(&fence(5)), Ok(()));
        // Another bucket counts from 1 again, and may know of no grant.
        seen.count_anew();
        seen.see(&name, 1, granted(1, 1), 0);
        assert_eq!(seen.latest(&name).map(|latest| (latest.revision, latest.granted.token.0)), Some((1, 5)));
        seen.see_none(&name, 0);
        assert_eq!((live(&seen, &name), seen.check(&fence(4)).is_err()), (None, true));
    }

    #[test]
    fn what_another_host_has_is_not_forgotten() {
        let (seen, clock) = seen();
        let (ours, theirs) = (name("ours"), name("theirs"));
        seen.see(&ours, 1, granted(1, 1), 0);
        seen.see(&theirs, 2, granted(1, 2), 0);
        assert_eq!(seen.forget(&ours.tenant, Some(&ours.scope)), [ours]);
        clock.0.store(3_000, Ordering::Relaxed);
        assert_eq!(seen.forget(&theirs.tenant, None), [theirs], "until it has run out");
    }
}
