//! What holds a tenant or an agent back, as the running host knows it: looked at on every way to work, changed in one step.

use std::sync::Arc;

use host_courier::Switch;
use host_model::{AgentId, TenantId};
use host_quota::QuotaOverrides;
use parking_lot::{Mutex, RwLock};
use tokio_util::sync::CancellationToken;

use crate::{FleetError, Notice, Standing, TenantControl};

/// What holds a tenant back, and with it all its agents.
pub(crate) struct TenantHold {
    tenant: TenantId,
    control: RwLock<TenantControl>,
    switch: Arc<Switch>,
    /// Held while a decision is kept and takes effect, so that what is in force is what was kept last.
    pub(crate) turn: tokio::sync::Mutex<()>,
}

/// What holds one agent back.
pub(crate) struct AgentHold {
    agent: AgentId,
    above: Arc<TenantHold>,
    quarantine: RwLock<Option<Notice>>,
    switch: Arc<Switch>,
    cut: Mutex<CancellationToken>,
}

impl TenantHold {
    pub(crate) fn new(tenant: TenantId, control: TenantControl) -> Arc<Self> {
        let TenantControl { standing, overrides } = control;
        let control = RwLock::new(TenantControl { standing: Standing::Active, overrides });
        let hold = Self { tenant, control, switch: Arc::default(), turn: tokio::sync::Mutex::default() };
        hold.set(standing);
        Arc::new(hold)
    }

    pub(crate) fn switch(&self) -> &Arc<Switch> {
        &self.switch
    }

    pub(crate) fn standing(&self) -> Standing {
        self.control.read().standing.clone()
    }

    pub(crate) fn overrides(&self) -> QuotaOverrides {
        self.control.read().overrides
    }

    pub(crate) fn set_overrides(&self, overrides: &QuotaOverrides) {
        self.control.write().overrides = *overrides;
    }

    /// One step for all agents of the tenant: what comes later finds it changed.
    pub(crate) fn set(&self, standing: Standing) {
        let mut control = self.control.write();
        match standing {
            Standing::Quarantined(_) => self.switch.turn_off(),
            Standing::Active | Standing::Suspended(_) => self.switch.turn_on(),
        }
        control.standing = standing;
    }

    /// Asked before anything new is begun in the tenant.
    pub(crate) fn takes_work(&self) -> Result<(), FleetError> {
        let tenant = || self.tenant.clone();
        match &self.control.read().standing {
            Standing::Active => Ok(()),
            Standing::Suspended(Notice { reason, .. }) => {
                Err(FleetError::Suspended { tenant: tenant(), reason: reason.clone() })
            }
            Standing::Quarantined(Notice { reason, .. }) => {
                Err(FleetError::TenantQuarantined { tenant: tenant(), reason: reason.clone() })
            }
        }
    }
}

impl AgentHold {
    pub(crate) fn new(agent: AgentId, above: Arc<TenantHold>) -> Self {
        let switch = Switch::under(above.switch());
        Self { agent, above, quarantine: RwLock::default(), switch, cut: Mutex::default() }
    }

    pub(crate) fn switch(&self) -> Arc<Switch> {
        self.switch.clone()
    }

    /// How it stands, its tenant's standing included.
    pub(crate) fn standing(&self) -> Standing {
        let of_tenant = |notice: Notice| Notice { reason: format!("its tenant: {}", notice.reason), ..notice };
        match (self.quarantine.read().clone(), self.above.standing()) {
            (Some(notice), _) => Standing::Quarantined(notice),
            (None, Standing::Active) => Standing::Active,
            (None, Standing::Suspended(notice)) => Standing::Suspended(of_tenant(notice)),
            (None, Standing::Quarantined(notice)) => Standing::Quarantined(of_tenant(notice)),
        }
    }

    /// Quarantined again, it keeps its first notice.
    pub(crate) fn quarantine(&self, notice: Notice) {
        self.quarantine.write().get_or_insert(notice);
        self.switch.turn_off();
    }

    pub(crate) fn is_quarantined(&self) -> bool {
        self.quarantine.read().is_some()
    }

    pub(crate) fn release(&self) {
        *self.quarantine.write() = None;
        self.switch.turn_on();
    }

    /// Asked before anything new is begun for the agent.
    pub(crate) fn takes_work(&self) -> Result<(), FleetError> {
        self.above.takes_work()?;
        match &*self.quarantine.read() {
            None => Ok(()),
            Some(Notice { reason, .. }) => {
                Err(FleetError::Quarantined { agent: self.agent.clone(), reason: reason.clone() })
            }
        }
    }

    /// Ends what was begun under a token of [`cut`](Self::cut).
    pub(crate) fn cut_off(&self) {
        self.cut.lock().cancel();
    }

    /// What ends the guest work that is begun now. To be taken before [`takes_work`](Self::takes_work) is asked: a quarantine
    /// that comes in between is then seen by the one or by the other.
    pub(crate) fn cut(&self) -> CancellationToken {
        let mut cut = self.cut.lock();
        if cut.is_cancelled() {
            *cut = CancellationToken::new();
        }
        cut.clone()
    }
}
