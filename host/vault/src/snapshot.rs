//! The signing keys of all tenants, unsealed once into MAC states, for whoever signs and verifies.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use host_gate::{KeyRefused, Keys, MacKey, Signing, Verifying};
use host_model::{AgentId, KeyId, Principal, TenantId};
use parking_lot::RwLock;

use crate::{KeyRecord, KeyState, KeyView};

/// One key with its state.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) record: KeyRecord,
    /// None once it is revoked.
    pub(crate) mac: Option<Arc<MacKey>>,
}

/// The signing keys of all tenants, in memory: also a key that nobody has costs one look-up here and nothing elsewhere.
///
/// A tenant's keys are replaced whole; whoever holds a state may finish with it.
#[derive(Default)]
pub struct SnapshotKeys(RwLock<HashMap<TenantId, Arc<[Entry]>>>);

impl SnapshotKeys {
    pub(crate) fn of(&self, tenant: &TenantId) -> Arc<[Entry]> {
        self.0.read().get(tenant).cloned().unwrap_or_default()
    }

    pub(crate) fn replace(&self, tenant: &TenantId, entries: Vec<Entry>) {
        let mut all = self.0.write();
        if entries.is_empty() {
            all.remove(tenant);
        } else {
            all.insert(tenant.clone(), entries.into());
        }
    }

    pub(crate) fn views(&self, tenant: &TenantId) -> Vec<KeyView> {
        let mut views: Vec<KeyView> = self.of(tenant).iter().map(|entry| KeyView::from(&entry.record)).collect();
        views.sort_by_key(|view| (view.created, view.id));
        views
    }
}

/// Counts tenants and shows nothing else.
impl fmt::Debug for SnapshotKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SnapshotKeys of {} tenants", self.0.read().len())
    }
}

impl Keys for SnapshotKeys {
    /// The sender's own key before the host's.
    fn signing(&self, tenant: &TenantId, sender: &AgentId) -> Option<Signing> {
        let entries = self.of(tenant);
        let active =
            |entry: &&Entry| entry.record.state == KeyState::Active && entry.record.principal.speaks_for(sender);
        let own = |entry: &&Entry| matches!(entry.record.principal, Principal::Agent(_));
        let entry = entries.iter().filter(active).find(own).or_else(|| entries.iter().find(active))?;
        Some(Signing { key: entry.record.id, mac: entry.mac.clone()? })
    }

    fn verifying(&self, tenant: &TenantId, key: KeyId, sender: &AgentId) -> Result<Verifying, KeyRefused> {
        let entries = self.of(tenant);
        let entry = entries.iter().find(|entry| entry.record.id == key).ok_or(KeyRefused::Unknown)?;
        let retired = match entry.record.state {
            KeyState::Active => None,
            KeyState::Retired(at) => Some(at),
            KeyState::Revoked(_) => return Err(KeyRefused::Revoked),
        };
        if !entry.record.principal.speaks_for(sender) {
            return Err(KeyRefused::NotForSender);
        }
        let mac = entry.mac.clone().ok_or(KeyRefused::Revoked)?;
        Ok(Verifying { mac, retired })
    }
}
