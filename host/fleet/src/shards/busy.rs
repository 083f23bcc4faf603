//! Who is over its share: the tenants with calls that run on in bulk.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use foldhash::fast::RandomState;
use host_model::TenantId;
use parking_lot::Mutex;

/// Calls of each tenant that ran for a tick and would still run. Those that wait do not count.
#[derive(Default)]
pub(super) struct Busy {
    /// All of them, so that a host where nobody runs long asks for no lock.
    all: AtomicUsize,
    of: Mutex<HashMap<TenantId, usize, RandomState>>,
}

impl Busy {
    /// Whether a tenant has any.
    pub(super) fn has(&self, tenant: &TenantId) -> bool {
        self.all.load(Ordering::Acquire) > 0 && self.of.lock().contains_key(tenant)
    }

    /// Counts one until it is dropped.
    pub(super) fn count(self: &Arc<Self>, tenant: &TenantId) -> Counted {
        *self.of.lock().entry(tenant.clone()).or_default() += 1;
        self.all.fetch_add(1, Ordering::Release);
        Counted { busy: self.clone(), tenant: tenant.clone() }
    }
}

/// One call that counts.
pub(super) struct Counted {
    busy: Arc<Busy>,
    tenant: TenantId,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.busy.all.fetch_sub(1, Ordering::Release);
        let mut of = self.busy.of.lock();
        if let Some(count) = of.get_mut(&self.tenant) {
            *count -= 1;
            if *count == 0 {
                of.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_is_busy_until_its_last_call_is_dropped() {
        let busy = Arc::<Busy>::default();
        let [acme, globex]: [TenantId; 2] = ["acme", "globex"].map(|id| id.parse().unwrap());
        let (one, two) = (busy.count(&acme), busy.count(&acme));
        drop(one);
        assert!(busy.has(&acme) && !busy.has(&globex));
        drop(two);
        assert!(!busy.has(&acme));
        assert!(busy.of.lock().is_empty(), "nothing is kept of who was");
    }
}
