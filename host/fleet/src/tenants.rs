//! The verbs about whole tenants: suspend, resume, delete, and what a tenant may use.

use futures_util::future::join_all;
use host_ledger::Recorded;
use host_model::{AgentId, TenantId, Timestamp};
use host_quota::{QuotaName, QuotaOverrides};

use crate::agent::Agent;
use crate::fleet::{Fleet, Tenant};
use crate::{Desired, FleetError, Notice, Phase, Standing, TenantRecord};

/// A limit is near from this share of it on, in percent.
const NEAR_PERCENT: u128 = 80;
const SECOND_MS: u64 = 1_000;
const DAY_MS: u64 = 86_400_000;

/// How a tenant is.
#[derive(Debug, Clone)]
pub struct TenantStatus {
    /// As it was created.
    pub record: TenantRecord,
    /// Whether it works.
    pub standing: Standing,
    /// How many agents it has.
    pub agents: usize,
    /// How many of them handle messages.
    pub ready: usize,
    /// What it may use, and what it uses.
    pub quota: Vec<QuotaLine>,
}

/// One limit of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaLine {
    /// Which.
    pub name: QuotaName,
    /// The most, in the limit's unit.
    pub limit: u64,
    /// Whether it was set for this tenant, and does not follow the host's default.
    pub explicit: bool,
    /// What is in use now, where that is counted.
    pub used: Option<u64>,
    /// When what was used is free again, where the clock says so.
    pub resets: Option<Timestamp>,
}

/// How much of a limit is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pressure {
    /// Less than 80 %.
    Low,
    /// 80 % or more.
    Near,
    /// All of it, or more: it was lowered below what was in use.
    Exceeded,
}

impl QuotaLine {
    /// How much of it is in use.
    pub fn pressure(&self) -> Pressure {
        let (used, limit) = (u128::from(self.used.unwrap_or_default()), u128::from(self.limit));
        match used * 100 {
            percent if percent >= limit * 100 => Pressure::Exceeded,
            percent if percent >= limit * NEAR_PERCENT => Pressure::Near,
            _ => Pressure::Low,
        }
    }
}

impl Fleet {
    /// How all tenants are, by id.
    pub fn tenant_statuses(&self) -> Vec<TenantStatus> {
        self.all_tenants().iter().map(|tenant| self.status_of(tenant)).collect()
    }

    /// How a tenant is.
    pub fn tenant_status(&self, id: &TenantId) -> Result<TenantStatus, FleetError> {
        Ok(self.status_of(&*self.tenant(id)?))
    }

    /// Lets a tenant's agents finish what they have begun, stops them, and takes no new work for it until it is resumed.
    pub async fn suspend_tenant(
        &self,
        _recorded: &Recorded,
        id: &TenantId,
        reason: String,
    ) -> Result<TenantStatus, FleetError> {
        let tenant = self.tenant(id)?;
        {
            let _turn = tenant.hold.turn.lock().await;
            if let Standing::Quarantined(_) = tenant.hold.standing() {
                // To suspend it would let it finish what was cut off.
                tenant.hold.takes_work()?;
            }
            self.decide(&tenant, Standing::Suspended(self.notice(reason))).await?;
        }
        // A deployment under way ends first; those that come later are refused.
        drop(tenant.deploying.lock().await);
        join_all(tenant.all().iter().map(|agent| self.drain_held(agent))).await;
        Ok(self.status_of(&tenant))
    }

    /// Ends a tenant's suspension or quarantine, and starts its agents that should be up.
    pub async fn resume_tenant(&self, recorded: &Recorded, id: &TenantId) -> Result<TenantStatus, FleetError> {
        let tenant = self.tenant(id)?;
        {
            let _turn = tenant.hold.turn.lock().await;
            self.decide(&tenant, Standing::Active).await?;
        }
        for agent in tenant.all() {
            if agent.spec().deployment.desired == Desired::Running {
                // One that does not start says so in its status, and holds up nobody.
                let _ = self.start(recorded, &agent.tenant, &agent.id).await;
            }
        }
        Ok(self.status_of(&tenant))
    }

    /// Cuts a tenant off and deletes it with all it has. Its id, and those of its agents in it, are never given again.
    ///
    /// Quarantined first: should the store fail half way, the tenant is in quarantine, and can be deleted again or resumed.
    /// `shred` deletes what others keep of it, while it is in quarantine and still there. Returns which agents it had.
    pub async fn delete_tenant<E: From<FleetError>>(
        &self,
        _recorded: &Recorded,
        id: &TenantId,
        shred: impl Future<Output = Result<(), E>>,
    ) -> Result<Vec<AgentId>, E> {
        let tenant = self.tenant(id)?;
        let _turn = tenant.hold.turn.lock().await;
        self.decide(&tenant, Standing::Quarantined(self.notice("being deleted".to_owned()))).await?;
        self.cut_off_all(&tenant).await;
        self.cut_off_externals(&tenant);
        let agents: Vec<AgentId> = tenant.all().iter().map(|agent| agent.id.clone()).collect();
        // First what they kept: a tenant that is gone could not be deleted again after a failure.
        for agent in &agents {
            self.parts().data.delete_agent(id, agent).await.map_err(FleetError::from)?;
        }
        shred.await?;
        // Who sets a policy now finds the tenant gone, and leaves nothing behind in the book.
        let _policy = tenant.changing_policy.lock().await;
        self.parts().controls.delete_tenant(id).await.map_err(FleetError::from)?;
        self.forget_tenant(id);
        self.parts().courier.close_connections(id);
        // Last, and no reason to call the tenant undeleted: its id is never given again, and none of its agents had anything left.
        if let Err(error) = self.parts().data.close_tenant(id).await {
            tracing::error!(tenant = %id, %error, "the place of a deleted tenant's data is not removed");
        }
        Ok(agents)
    }

    /// What a tenant may use, and what it uses.
    pub fn quota(&self, id: &TenantId) -> Result<Vec<QuotaLine>, FleetError> {
        Ok(self.quota_of(&*self.tenant(id)?))
    }

    /// What was set for a tenant; the rest follows the host's defaults.
    pub fn quota_overrides(&self, id: &TenantId) -> Result<QuotaOverrides, FleetError> {
        Ok(self.tenant(id)?.hold.overrides())
    }

    /// Replaces what was set for a tenant; the rest follows the host's defaults. In force at once: what is in use stays in use,
    /// and no more is given until it is below the new limit.
    pub async fn set_quota(
        &self,
        _recorded: &Recorded,
        id: &TenantId,
        overrides: QuotaOverrides,
    ) -> Result<Vec<QuotaLine>, FleetError> {
        let tenant = self.tenant(id)?;
        let limits = overrides.checked_over(&self.parts().tenant_limits)?;
        let _turn = tenant.hold.turn.lock().await;
        self.still_there(&tenant)?;
        self.parts().controls.set_overrides(id, &overrides).await?;
        tenant.hold.set_overrides(&overrides);
        self.apply_limits(&tenant, &limits);
        Ok(self.quota_of(&tenant))
    }

    /// Keeps how a tenant stands from now on, then lets it take effect. For who holds the tenant's turn.
    pub(crate) async fn decide(&self, tenant: &Tenant, standing: Standing) -> Result<(), FleetError> {
        self.still_there(tenant)?;
        self.parts().controls.set_standing(&tenant.record.id, &standing).await?;
        tracing::info!(tenant = %tenant.record.id, standing = standing.as_str(), "the tenant's standing changed");
        tenant.hold.set(standing);
        Ok(())
    }

    pub(crate) fn notice(&self, reason: String) -> Notice {
        Notice { reason, since: self.parts().clock.now() }
    }

    pub(crate) fn status_of(&self, tenant: &Tenant) -> TenantStatus {
        let agents = tenant.all();
        let ready = agents.iter().filter(|agent| agent.status().phase == Phase::Ready).count();
        TenantStatus {
            record: tenant.record.clone(),
            standing: tenant.hold.standing(),
            agents: agents.len(),
            ready,
            quota: self.quota_of(tenant),
        }
    }

    fn quota_of(&self, tenant: &Tenant) -> Vec<QuotaLine> {
        let overrides = tenant.hold.overrides();
        let limits = tenant.limits_under(&self.parts().tenant_limits);
        let now = self.parts().clock.now();
        let line = |name: &QuotaName| QuotaLine {
            name: *name,
            limit: name.of(&limits),
            explicit: overrides.get(*name).is_some(),
            used: name.used(&tenant.budgets),
            resets: resets(*name, now),
        };
        QuotaName::ALL.iter().map(line).collect()
    }

    /// Unless it was resumed meanwhile: then what runs is meant to.
    async fn drain_held(&self, agent: &std::sync::Arc<Agent>) {
        let mut running = agent.running.lock().await;
        if agent.hold.takes_work().is_err()
            && let Some(running) = running.take()
        {
            self.take_down(agent, running).await;
        }
    }
}

/// When the clock alone frees what was used. The day is that of UTC.
fn resets(name: QuotaName, now: Timestamp) -> Option<Timestamp> {
    let next = |period_ms: u64| Timestamp::from_millis((now.as_millis() / period_ms + 1).saturating_mul(period_ms));
    match name {
        QuotaName::MessagesPerSecond | QuotaName::LogPerSecond => Some(next(SECOND_MS)),
        QuotaName::MessagesPerDay => Some(next(DAY_MS)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_near_at_80_percent_and_exceeded_when_all_of_it_is_used() {
        let check = |used, limit, expected| {
            let line = QuotaLine { name: QuotaName::Requests, limit, explicit: true, used, resets: None };
            assert_eq!(line.pressure(), expected, "{used:?} of {limit}");
        };
        check(None, 10, Pressure::Low);
        check(Some(7), 10, Pressure::Low);
        check(Some(8), 10, Pressure::Near);
        check(Some(9), 10, Pressure::Near);
        check(Some(10), 10, Pressure::Exceeded);
        check(Some(11), 10, Pressure::Exceeded);
        check(Some(u64::MAX), u64::MAX, Pressure::Exceeded);
    }

    #[test]
    fn rates_reset_with_the_clock_and_budgets_do_not() {
        let at = |name, now| resets(name, Timestamp::from_millis(now)).map(Timestamp::as_millis);
        assert_eq!(at(QuotaName::MessagesPerSecond, 999), Some(1_000));
        assert_eq!(at(QuotaName::MessagesPerSecond, 1_000), Some(2_000));
        assert_eq!(at(QuotaName::MessagesPerDay, 86_399_999), Some(86_400_000));
        assert_eq!(at(QuotaName::MessagesPerDay, 86_400_000), Some(172_800_000));
        assert_eq!(at(QuotaName::Memory, 1), None);
    }
}
