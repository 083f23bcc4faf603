//! The vault itself: opens what is kept, and changes one tenant's part at a time.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use host_model::{Clock, TenantId};
use parking_lot::{Mutex, RwLock};

use crate::keys::entry_of;
use crate::ring::Ring;
use crate::secrets::{TenantSecrets, check_opens};
use crate::snapshot::Entry;
use crate::{KekStore, SnapshotKeys, VaultError, VaultRepository};

/// Keys and secrets of all tenants.
///
/// Changes are saved before they are in force. Run each to its end: one that is dropped half way may be saved and only be in force
/// after a restart.
pub struct Vault {
    pub(crate) keks: Arc<dyn KekStore>,
    pub(crate) ring: RwLock<Ring>,
    pub(crate) repository: Arc<dyn VaultRepository>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) keys: Arc<SnapshotKeys>,
    /// Sealed: a secret is open only while it is used.
    pub(crate) secrets: RwLock<HashMap<TenantId, TenantSecrets>>,
    changing: Mutex<Changing>,
}

/// What is being changed.
#[derive(Default)]
struct Changing {
    tenants: HashSet<TenantId>,
    all: bool,
}

impl Vault {
    /// Opens all that is kept. What does not open under the key-encryption key fails the whole.
    ///
    /// With a rotation that was not finished, what is sealed under either key opens; [`rotate_kek`](Self::rotate_kek) finishes it.
    pub async fn open(
        keks: Arc<dyn KekStore>,
        repository: Arc<dyn VaultRepository>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, VaultError> {
        let ring = Ring::new(keks.load().await?);
        let mut entries: HashMap<TenantId, Vec<Entry>> = HashMap::new();
        for record in repository.keys().await? {
            entries.entry(record.tenant.clone()).or_default().push(entry_of(&ring, record)?);
        }
        let mut secrets: HashMap<TenantId, TenantSecrets> = HashMap::new();
        for record in repository.secrets().await? {
            check_opens(&ring, &record)?;
            secrets.entry(record.tenant.clone()).or_default().insert(record.name.clone(), record);
        }
        let snapshot = Arc::new(SnapshotKeys::default());
        for (tenant, entries) in entries {
            snapshot.replace(&tenant, entries);
        }
        let (ring, secrets) = (RwLock::new(ring), RwLock::new(secrets));
        Ok(Self { keks, ring, repository, clock, keys: snapshot, secrets, changing: Mutex::default() })
    }

    /// What signs and verifies. Follows every change.
    pub fn keys(&self) -> Arc<SnapshotKeys> {
        self.keys.clone()
    }

    /// Deletes every key and secret of a tenant: what was sealed or signed with them is lost for good.
    pub async fn shred(&self, tenant: &TenantId) -> Result<(), VaultError> {
        let _turn = self.turn(tenant)?;
        self.repository.shred(tenant).await?;
        self.keys.forget(tenant);
        self.secrets.write().remove(tenant);
        Ok(())
    }

    /// One change of a tenant at a time. Never waits: who comes second is told so.
    pub(crate) fn turn(&self, tenant: &TenantId) -> Result<Turn<'_>, VaultError> {
        let mut changing = self.changing.lock();
        if changing.all || !changing.tenants.insert(tenant.clone()) {
            return Err(VaultError::Busy);
        }
        Ok(Turn { vault: self, tenant: Some(tenant.clone()) })
    }

    /// No other change of any tenant. Never waits, likewise.
    pub(crate) fn turn_of_all(&self) -> Result<Turn<'_>, VaultError> {
        let mut changing = self.changing.lock();
        if changing.all || !changing.tenants.is_empty() {
            return Err(VaultError::Busy);
        }
        changing.all = true;
        Ok(Turn { vault: self, tenant: None })
    }
}

/// Shows nothing of what it holds.
impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault")
    }
}

/// The right to change one tenant's part, or all, given back on drop.
pub(crate) struct Turn<'a> {
    vault: &'a Vault,
    /// None for all.
    tenant: Option<TenantId>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut changing = self.vault.changing.lock();
        match &self.tenant {
            Some(tenant) => drop(changing.tenants.remove(tenant)),
            None => changing.all = false,
        }
    }
}
