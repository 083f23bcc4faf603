//! The vault itself: opens what is kept, and changes one tenant's part at a time.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use host_model::{Clock, TenantId};
use parking_lot::{Mutex, RwLock};

use crate::keys::entry_of;
use crate::secrets::{TenantSecrets, check_opens};
use crate::snapshot::Entry;
use crate::{Kek, SnapshotKeys, VaultError, VaultRepository};

/// Keys and secrets of all tenants.
///
/// Changes are saved before they are in force. Run each to its end: one that is dropped half way may be saved and only be in force
/// after a restart.
pub struct Vault {
    pub(crate) kek: Box<dyn Kek>,
    pub(crate) repository: Arc<dyn VaultRepository>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) keys: Arc<SnapshotKeys>,
    /// Sealed: a secret is open only while it is used.
    pub(crate) secrets: RwLock<HashMap<TenantId, TenantSecrets>>,
    changing: Mutex<HashSet<TenantId>>,
}

impl Vault {
    /// Opens all that is kept. What does not open under this key-encryption key fails the whole.
    pub async fn open(
        kek: Box<dyn Kek>,
        repository: Arc<dyn VaultRepository>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, VaultError> {
        let mut entries: HashMap<TenantId, Vec<Entry>> = HashMap::new();
        for record in repository.keys().await? {
            entries.entry(record.tenant.clone()).or_default().push(entry_of(kek.as_ref(), record)?);
        }
        let mut secrets: HashMap<TenantId, TenantSecrets> = HashMap::new();
        for record in repository.secrets().await? {
            check_opens(kek.as_ref(), &record)?;
            secrets.entry(record.tenant.clone()).or_default().insert(record.name.clone(), record);
        }
        let keys = Arc::new(SnapshotKeys::default());
        for (tenant, entries) in entries {
            keys.replace(&tenant, entries);
        }
        Ok(Self { kek, repository, clock, keys, secrets: RwLock::new(secrets), changing: Mutex::default() })
    }

    /// What signs and verifies. Follows every change.
    pub fn keys(&self) -> Arc<SnapshotKeys> {
        self.keys.clone()
    }

    /// Deletes every key and secret of a tenant: what was sealed or signed with them is lost for good.
    pub async fn shred(&self, tenant: &TenantId) -> Result<(), VaultError> {
        let _turn = self.turn(tenant)?;
        self.repository.shred(tenant).await?;
        self.keys.replace(tenant, Vec::new());
        self.secrets.write().remove(tenant);
        Ok(())
    }

    /// One change of a tenant at a time. Never waits: who comes second is told so.
    pub(crate) fn turn(&self, tenant: &TenantId) -> Result<Turn<'_>, VaultError> {
        if self.changing.lock().insert(tenant.clone()) {
            return Ok(Turn { vault: self, tenant: tenant.clone() });
        }
        Err(VaultError::Busy)
    }
}

/// Shows nothing of what it holds.
impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault")
    }
}

/// The right to change one tenant's part, given back on drop.
pub(crate) struct Turn<'a> {
    vault: &'a Vault,
    tenant: TenantId,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.vault.changing.lock().remove(&self.tenant);
    }
}
