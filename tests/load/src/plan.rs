//! How long each part takes, and how much is asked.

use std::time::Duration;

/// Tenants of equal size. The last is the hostile one.
pub(crate) const TENANTS: usize = 10;

/// One run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Agents of each tenant.
    pub(crate) agents: u32,
    /// Whether times and fairness are judged.
    pub(crate) judged: bool,
    /// How long each of the calms lasts that everything is compared with: one at first, and one after each attack.
    pub(crate) calm: Duration,
    /// How long each attack lasts.
    pub(crate) attack: Duration,
    /// How long the shares of busy tenants are looked at, at most.
    pub(crate) busy: Duration,
    /// Chains of messages that each tenant is kept busy with.
    pub(crate) chains: u32,
    /// Messages of each chain.
    pub(crate) links: u32,
    /// How often a spinning guest is stopped.
    pub(crate) spins: u32,
}

impl Plan {
    /// What figures are made with: more than a million deliveries.
    pub(crate) fn full(agents: u32) -> Self {
        Self {
            agents: agents / 10,
            judged: true,
            calm: Duration::from_secs(10),
            attack: Duration::from_secs(20),
            busy: Duration::from_secs(10),
            chains: 48,
            links: 1000,
            spins: 1000,
        }
    }

    /// What shows that nothing crosses and nobody fails, in less than two minutes.
    pub(crate) fn short(agents: u32) -> Self {
        Self {
            judged: false,
            calm: Duration::from_secs(2),
            attack: Duration::from_millis(2500),
            busy: Duration::from_secs(4),
            links: 100,
            spins: 100,
            ..Self::full(agents)
        }
    }
}
