//! The leases that a party holds: whatever it does, it does under all of them.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use host_bus::Lease;
use host_calls::{Refusal, RefusalNumbers};
use host_model::{Fence, LeaseId, LeaseName, LeaseScope};

use crate::Party;

/// The most leases of one party at once: each takes one of the eight places for marks on every message it sends.
const LEASES_HELD_MAX: usize = 4;

/// The leases of one party, and whose it may ask for.
pub(crate) struct Held {
    scope: LeaseScope,
    leases: ArcSwap<Vec<Lease>>,
}

impl Held {
    pub(crate) fn none_in(scope: LeaseScope) -> Self {
        Self { scope, leases: ArcSwap::default() }
    }

    /// In place of an earlier grant of the same lease.
    fn replace(&self, name: &LeaseName, by: Option<&Lease>) {
        self.leases.rcu(|leases| {
            let others = leases.iter().filter(|lease| lease.name != *name);
            others.chain(by).cloned().collect::<Vec<_>>()
        });
    }
}

impl Party {
    /// Acts under a lease from now on.
    pub fn hold(&self, lease: Lease) {
        self.held.replace(&lease.name, Some(&lease));
    }

    /// Acts under a lease no more.
    pub fn let_go(&self, name: &LeaseName) {
        self.held.replace(name, None);
    }

    /// Whose leases it may ask for.
    pub fn scope(&self) -> &LeaseScope {
        &self.held.scope
    }

    pub(crate) fn held(&self) -> Guard<Arc<Vec<Lease>>> {
        self.held.leases.load()
    }

    pub(crate) fn fences(&self) -> Vec<Fence> {
        self.held().iter().map(Lease::fence).collect()
    }

    pub(crate) fn held_as(&self, id: &LeaseId) -> Option<Lease> {
        self.held().iter().find(|lease| lease.name.id == *id).cloned()
    }

    pub(crate) fn has_room_for(&self, name: &LeaseName) -> Result<(), Refusal> {
        let len = self.held().iter().filter(|lease| lease.name != *name).count();
        if len < LEASES_HELD_MAX {
            return Ok(());
        }
        let numbers = RefusalNumbers::of("leases-held").past(LEASES_HELD_MAX as u64, len as u64 + 1);
        Err(Refusal::OverQuota(numbers))
    }
}
