//! Leases of one host: who holds what is in memory, since no holder outlives the host; the tokens are on its disk.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use foldhash::fast::RandomState;
use host_model::{Clock, Fence, FencingToken, LeaseName, LeaseScope, TenantId};
use parking_lot::Mutex;

use super::{Acquired, Fenced, Holder, Lease, LeaseError, LeaseTtl, Leases};

/// Counts grants, over restarts. `store` implements it.
#[async_trait]
pub trait LeaseRepository: Send + Sync {
    /// Counts one more grant of a lease. When it returns, the number survives a power loss, and no write under an earlier one is
    /// taken any more. [`LeaseError::Names`] past [`LEASE_NAMES_MAX`](super::LEASE_NAMES_MAX) names in a scope.
    async fn grant(&self, name: &LeaseName) -> Result<FencingToken, LeaseError>;
}

/// The leases of one host.
pub struct EmbeddedLeases {
    repository: Arc<dyn LeaseRepository>,
    clock: Arc<dyn Clock>,
    tenants: Mutex<HashMap<TenantId, Arc<Tenant>, RandomState>>,
}

#[derive(Default)]
struct Tenant {
    /// One grant at a time, so that two who ask at once are not both told that they have it.
    turn: tokio::sync::Mutex<()>,
    /// The latest grant of each name; it stays after its end, for whoever acts under an earlier one. Bounded with the names.
    granted: Mutex<HashMap<LeaseName, Granted, RandomState>>,
}

struct Granted {
    holder: Holder,
    token: FencingToken,
    /// By the clock's uptime; given back, it has ended already.
    until_millis: u64,
}

impl EmbeddedLeases {
    /// Nobody holds anything yet.
    pub fn new(repository: Arc<dyn LeaseRepository>, clock: Arc<dyn Clock>) -> Self {
        Self { repository, clock, tenants: Mutex::default() }
    }

    fn tenant(&self, id: &TenantId) -> Arc<Tenant> {
        self.tenants.lock().entry(id.clone()).or_default().clone()
    }

    /// The end of a lease that begins, or goes on, now.
    fn until(&self, ttl: LeaseTtl) -> u64 {
        self.clock.uptime_millis().saturating_add(millis(ttl.as_duration()))
    }

    /// A grant as it is now; none if it has ended.
    fn live(&self, name: &LeaseName, granted: &Granted) -> Option<Lease> {
        let left = granted.until_millis.checked_sub(self.clock.uptime_millis()).filter(|left| *left > 0)?;
        let (holder, remaining) = (granted.holder.clone(), Duration::from_millis(left));
        Some(Lease { name: name.clone(), holder, token: granted.token, remaining })
    }

    /// What is there without a new grant: the same holder's goes on, another's is theirs.
    fn held(&self, tenant: &Tenant, name: &LeaseName, holder: &Holder, ttl: LeaseTtl) -> Option<Acquired> {
        let mut granted = tenant.granted.lock();
        let latest = granted.get_mut(name)?;
        let lease = self.live(name, latest)?;
        if lease.holder != *holder {
            return Some(Acquired::Taken(lease));
        }
        latest.until_millis = self.until(ttl);
        Some(Acquired::Held(Lease { remaining: ttl.as_duration(), ..lease }))
    }

    /// Changes the end of a lease that has not ended and is still its holder's.
    fn end_at(&self, lease: &Lease, until_millis: u64) -> Option<Lease> {
        let tenant = self.tenant(&lease.name.tenant);
        let mut granted = tenant.granted.lock();
        let latest = granted.get_mut(&lease.name).filter(|latest| latest.token == lease.token)?;
        self.live(&lease.name, latest)?;
        latest.until_millis = until_millis;
        let left = until_millis.saturating_sub(self.clock.uptime_millis());
        Some(Lease { remaining: Duration::from_millis(left), ..lease.clone() })
    }
}

#[async_trait]
impl Leases for EmbeddedLeases {
    async fn acquire(&self, name: &LeaseName, holder: &Holder, ttl: LeaseTtl) -> Result<Acquired, LeaseError> {
        let tenant = self.tenant(&name.tenant);
        let _turn = tenant.turn.lock().await;
        if let Some(held) = self.held(&tenant, name, holder, ttl) {
            return Ok(held);
        }
        let token = self.repository.grant(name).await?;
        let granted = Granted { holder: holder.clone(), token, until_millis: self.until(ttl) };
        tenant.granted.lock().insert(name.clone(), granted);
        let (name, holder) = (name.clone(), holder.clone());
        Ok(Acquired::Held(Lease { name, holder, token, remaining: ttl.as_duration() }))
    }

    async fn renew(&self, lease: &Lease, ttl: LeaseTtl) -> Result<Option<Lease>, LeaseError> {
        Ok(self.end_at(lease, self.until(ttl)))
    }

    async fn release(&self, lease: &Lease) -> Result<bool, LeaseError> {
        Ok(self.end_at(lease, 0).is_some())
    }

    async fn current(&self, name: &LeaseName) -> Result<Option<Lease>, LeaseError> {
        let tenant = self.tenant(&name.tenant);
        let granted = tenant.granted.lock();
        Ok(granted.get(name).and_then(|granted| self.live(name, granted)))
    }

    fn check(&self, fence: &Fence) -> Result<(), Fenced> {
        let tenant = self.tenant(&fence.name.tenant);
        let latest = tenant.granted.lock().get(&fence.name).map_or(fence.token, |latest| latest.token);
        if latest > fence.token { Err(Fenced { token: fence.token, latest }) } else { Ok(()) }
    }

    fn forget(&self, tenant: &TenantId, scope: Option<&LeaseScope>) {
        let Some(scope) = scope else {
            self.tenants.lock().remove(tenant);
            return;
        };
        self.tenant(tenant).granted.lock().retain(|name, _| name.scope != *scope);
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
