//! The verbs about what was used.

use std::collections::BTreeMap;

use host_courier::CountersView;
use host_fleet::Fleet;
use host_ledger::{LedgerError, Used};
use host_model::{AgentId, TenantId};

use crate::{App, AppError};

impl App {
    /// What a tenant, or each tenant, used up to now, over all starts of the host.
    pub async fn usage_of(&self, tenant: Option<&TenantId>) -> Result<BTreeMap<TenantId, Used>, AppError> {
        if let Some(tenant) = tenant {
            self.fleet().operator(tenant)?;
        }
        self.settle_usage().await?;
        let mut totals = self.usage().totals();
        let tenants = self.fleet().tenants().into_iter().map(|record| record.id);
        for known in tenants {
            totals.entry(known).or_default();
        }
        totals.retain(|id, _| tenant.is_none_or(|tenant| tenant == id));
        Ok(totals)
    }

    /// Writes what was used since the last time.
    pub async fn settle_usage(&self) -> Result<(), AppError> {
        let (usage, fleet) = (self.usage().clone(), self.fleet().clone());
        let settle = move || usage.settle(fleet.parts().clock.now(), counted(&fleet));
        Ok(tokio::task::spawn_blocking(settle).await.map_err(|_| LedgerError::CutOff)??)
    }
}

/// What each agent used since the host started.
fn counted(fleet: &Fleet) -> Vec<(TenantId, AgentId, Used)> {
    let statuses = fleet.tenants().into_iter().flat_map(|tenant| fleet.statuses(&tenant.id).unwrap_or_default());
    statuses.map(|status| (status.tenant, status.agent, used_of(&status.counters))).collect()
}

fn used_of(counters: &CountersView) -> Used {
    Used {
        received: counters.received,
        handled: counters.handled,
        failed: counters.failed,
        published: counters.published,
        requested: counters.requested,
        replied: counters.replied,
        refused: counters.refused,
        dropped: counters.dropped,
        fuel: counters.fuel_total,
        handle_micros: counters.handle_micros_total,
    }
}
