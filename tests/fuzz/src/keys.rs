//! The keys of two tenants, as their owner knows them and as a vault answers the gate.

use std::collections::BTreeMap;
use std::sync::Arc;

use host_gate::{KeyRefused, Keys, MacKey, Signing, Verifying};
use host_model::{AgentId, KeyId, TenantId, Timestamp};

use crate::outsider::{Key, State};

/// When all of it happens: 2023-11-14T22:13:20Z.
pub(crate) const NOW: u64 = 1_700_000_000_000;

/// When the retired key stopped signing.
pub(crate) const RETIRED: u64 = NOW - 3_600_000;

/// Keys of two tenants, of every kind and state.
pub(crate) const KEYS: [Key; 5] = [
    Key { tenant: "acme", id: 0xa1, bytes: [1; 32], agent: None, state: State::Active },
    Key { tenant: "acme", id: 0xa2, bytes: [2; 32], agent: None, state: State::Retired(RETIRED) },
    Key { tenant: "acme", id: 0xa3, bytes: [3; 32], agent: None, state: State::Revoked },
    Key { tenant: "acme", id: 0xa4, bytes: [4; 32], agent: Some("kb"), state: State::Active },
    Key { tenant: "globex", id: 0xb1, bytes: [5; 32], agent: None, state: State::Active },
];

/// The same keys, as a vault answers the gate.
pub(crate) struct Ring(BTreeMap<(TenantId, KeyId), Held>);

struct Held {
    mac: Arc<MacKey>,
    agent: Option<AgentId>,
    state: State,
}

impl Ring {
    pub(crate) fn new() -> Self {
        let held = |key: &Key| {
            let agent = key.agent.map(|agent| agent.parse().expect("an id"));
            let place = (key.tenant.parse().expect("an id"), KeyId::new(key.id));
            (place, Held { mac: Arc::new(MacKey::new(&key.bytes)), agent, state: key.state })
        };
        Self(KEYS.iter().map(held).collect())
    }
}

impl Keys for Ring {
    fn signing(&self, tenant: &TenantId, _sender: &AgentId) -> Option<Signing> {
        let signs = |held: &Held| held.state == State::Active && held.agent.is_none();
        let ((_, key), held) = self.0.iter().find(|((of, _), held)| of == tenant && signs(held))?;
        Some(Signing { key: *key, mac: held.mac.clone() })
    }

    fn verifying(&self, tenant: &TenantId, key: KeyId, sender: &AgentId) -> Result<Verifying, KeyRefused> {
        let held = self.0.get(&(tenant.clone(), key)).ok_or(KeyRefused::Unknown)?;
        let retired = match held.state {
            State::Revoked => return Err(KeyRefused::Revoked),
            State::Retired(at) => Some(Timestamp::from_millis(at)),
            State::Active => None,
        };
        if held.agent.as_ref().is_some_and(|agent| agent != sender) {
            return Err(KeyRefused::NotForSender);
        }
        Ok(Verifying { mac: held.mac.clone(), retired })
    }
}
