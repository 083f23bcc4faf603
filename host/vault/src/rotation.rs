//! Sealing everything anew under another key-encryption key, while the vault is in use.
//!
//! Both keys are there until nothing needs the old one, so that a kill at any point leaves a vault that opens: the next key is
//! kept first, then each tenant's part is sealed under it, then what is kept is read again and must open under the next key
//! alone, and only then is the old key destroyed.

use std::collections::BTreeMap;

use host_model::{KeyId, SecretName, TenantId};

use crate::keys::place as place_of_key;
use crate::ring::Ring;
use crate::secrets::place as place_of_secret;
use crate::{SealedBytes, Vault, VaultError};

/// What is kept sealed of a tenant, or a part of it.
#[derive(Debug, Default)]
pub struct Sealed {
    /// Signing keys.
    pub keys: Vec<(KeyId, SealedBytes)>,
    /// Secrets.
    pub secrets: Vec<(SecretName, SealedBytes)>,
}

impl Sealed {
    /// What of it is not sealed under the current key, sealed under that.
    fn stale(&self, ring: &Ring, tenant: &TenantId) -> Result<Self, VaultError> {
        let mut stale = Self::default();
        for (id, sealed) in &self.keys {
            let resealed = ring.reseal(place_of_key(tenant, &id.to_string()), sealed)?;
            stale.keys.extend(resealed.map(|resealed| (*id, resealed)));
        }
        for (name, sealed) in &self.secrets {
            let resealed = ring.reseal(place_of_secret(tenant, name), sealed)?;
            stale.secrets.extend(resealed.map(|resealed| (name.clone(), resealed)));
        }
        Ok(stale)
    }

    fn len(&self) -> usize {
        self.keys.len() + self.secrets.len()
    }
}

impl Vault {
    /// Whether a rotation of the key-encryption key was begun and not finished.
    pub fn is_rotating(&self) -> bool {
        self.ring().is_rotating()
    }

    /// Seals every key and secret under a new key-encryption key, destroys the old one, and tells how many there were.
    ///
    /// One that was begun and not finished is finished instead. Signing, verifying and opening go on meanwhile; changes of keys
    /// and secrets are refused with [`VaultError::Busy`], and so is this while one is under way. One that fails can be
    /// repeated, and is finished at the next start.
    pub async fn rotate_kek(&self) -> Result<usize, VaultError> {
        let _turn = self.turn_of_all()?;
        self.keks.add_next().await?;
        // As a start reads them: one that failed before may have got as far as any.
        let ring = Ring::new(self.keks.load().await?);
        let resealed = self.reseal(&ring).await?;
        self.repository.scrub().await?;
        self.take_over(ring).await?;
        self.keks.promote().await?;
        self.ring.write().forget_previous();
        Ok(resealed)
    }

    async fn reseal(&self, ring: &Ring) -> Result<usize, VaultError> {
        let mut resealed = 0;
        for (tenant, kept) in self.kept().await? {
            let stale = kept.stale(ring, &tenant)?;
            if stale.len() > 0 {
                self.repository.reseal(&tenant, &stale).await?;
            }
            resealed += stale.len();
        }
        Ok(resealed)
    }

    /// Reads back what was written: the old key is not destroyed before nothing on the disk and nothing in memory needs it.
    /// Until here memory has what the old key opens, and after a failure goes on with it.
    async fn take_over(&self, ring: Ring) -> Result<(), VaultError> {
        let kept = self.kept().await?;
        for (tenant, kept) in &kept {
            if kept.stale(&ring, tenant)?.len() > 0 {
                return Err(VaultError::NotSealed);
            }
        }
        *self.ring.write() = ring;
        for (tenant, kept) in kept {
            self.put_in_force(&tenant, kept);
        }
        Ok(())
    }

    /// All that is sealed. From the store: also what this process does not know, because whoever saved it was cut off.
    async fn kept(&self) -> Result<BTreeMap<TenantId, Sealed>, VaultError> {
        let mut kept = BTreeMap::<TenantId, Sealed>::new();
        for record in self.repository.keys().await? {
            let sealed = record.sealed.map(|sealed| (record.id, sealed));
            kept.entry(record.tenant).or_default().keys.extend(sealed);
        }
        for record in self.repository.secrets().await? {
            kept.entry(record.tenant).or_default().secrets.push((record.name, record.sealed));
        }
        Ok(kept)
    }

    fn put_in_force(&self, tenant: &TenantId, kept: Sealed) {
        let mut entries = self.keys.of(tenant).to_vec();
        for (id, sealed) in kept.keys {
            if let Some(entry) = entries.iter_mut().find(|entry| entry.record.id == id) {
                entry.record.sealed = Some(sealed);
            }
        }
        self.keys.replace(tenant, entries);
        let mut secrets = self.secrets.write();
        let Some(secrets) = secrets.get_mut(tenant) else { return };
        for (name, sealed) in kept.secrets {
            if let Some(record) = secrets.get_mut(&name) {
                record.sealed = sealed;
            }
        }
    }

    /// The keys in use at this moment.
    pub(crate) fn ring(&self) -> Ring {
        self.ring.read().clone()
    }
}
