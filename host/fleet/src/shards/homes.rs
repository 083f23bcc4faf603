//! Which shard each tenant is at home on. A new one goes where the fewest are, so that tenants with the same share of their shard
//! have about the same share of the machine.

use std::collections::HashMap;

use host_model::TenantId;
use parking_lot::Mutex;

/// Every tenant's home, as its shard's place in the list of shards.
pub(super) struct Homes(Mutex<State>);

struct State {
    of: HashMap<TenantId, usize>,
    /// How many tenants are at home on each shard.
    tenants_len: Vec<usize>,
}

impl Homes {
    /// Of so many shards: at least one.
    pub(super) fn new(shards_len: usize) -> Self {
        Self(Mutex::new(State { of: HashMap::new(), tenants_len: vec![0; shards_len.max(1)] }))
    }

    /// A tenant's home, until it is forgotten. One that has none gets it where the fewest tenants are, on the first such shard.
    pub(super) fn of(&self, tenant: &TenantId) -> usize {
        let mut state = self.0.lock();
        if let Some(home) = state.of.get(tenant) {
            return *home;
        }
        let fewest = state.tenants_len.iter_mut().enumerate().min_by_key(|(_, len)| **len);
        let (home, len) = fewest.expect("there is at least one shard");
        *len += 1;
        state.of.insert(tenant.clone(), home);
        home
    }

    /// Makes room for another where this one was at home.
    pub(super) fn forget(&self, tenant: &TenantId) {
        let state = &mut *self.0.lock();
        if let Some(len) = state.of.remove(tenant).and_then(|home| state.tenants_len.get_mut(home)) {
            *len -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(number: usize) -> TenantId {
        format!("tenant-{number}").parse().unwrap()
    }

    #[test]
    fn tenants_are_spread_evenly_and_stay_where_they_are() {
        for shards_len in [1, 2, 3, 7] {
            let homes = Homes::new(shards_len);
            let first: Vec<usize> = (0..100).map(|number| homes.of(&tenant(number))).collect();
            let again: Vec<usize> = (0..100).map(|number| homes.of(&tenant(number))).collect();
            assert_eq!(first, again);
            let on = |shard| first.iter().filter(|home| **home == shard).count();
            let (least, most) = (100 / shards_len, 100_usize.div_ceil(shards_len));
            assert!((0..shards_len).all(|shard| (least..=most).contains(&on(shard))), "of {shards_len}: {first:?}");
        }
    }

    #[test]
    fn the_place_of_a_forgotten_tenant_is_the_next_ones() {
        let homes = Homes::new(3);
        let first: Vec<usize> = (0..9).map(|number| homes.of(&tenant(number))).collect();
        for gone in [4, 0, 8] {
            homes.forget(&tenant(gone));
            homes.forget(&tenant(gone));
            assert_eq!(homes.of(&tenant(100 + gone)), first[gone]);
        }
    }
}
