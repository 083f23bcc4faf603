//! Who is calling: fixed at birth.

use std::fmt;

use crate::{AgentId, TenantId};

/// A number that no other start of any agent on this host has had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Incarnation(pub u64);

/// A running principal: one version of one agent of one tenant, or the operator at work in a tenant.
///
/// A witness: it cannot be cloned, deserialised or changed. The host shares one behind an `Arc` with everything that acts for it.
///
/// ```compile_fail,E0451
/// let forged = host_model::Caller { tenant: "acme".parse().unwrap(), agent: "echo".parse().unwrap() };
/// ```
/// ```compile_fail,E0277
/// fn must_deserialise<T: for<'a> serde::Deserialize<'a>>() {}
/// must_deserialise::<host_model::Caller>();
/// ```
#[derive(PartialEq, Eq)]
pub struct Caller {
    tenant: TenantId,
    agent: AgentId,
    version: String,
    incarnation: Incarnation,
}

impl Caller {
    /// Called in `fleet` (and `auth`, when it opens) and nowhere else; `tests/tidy` holds this.
    pub fn born(tenant: TenantId, agent: AgentId, version: String, incarnation: Incarnation) -> Self {
        Self { tenant, agent, version, incarnation }
    }

    /// Whose it is.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Which agent.
    pub fn agent(&self) -> &AgentId {
        &self.agent
    }

    /// Which version of the agent.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Which start of the agent.
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}#{}", self.tenant, self.agent, self.version, self.incarnation.0)
    }
}
