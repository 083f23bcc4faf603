//! A tenant's secrets: what the host puts into its calls for it, and nobody reads back.

use std::collections::BTreeMap;

use host_model::{SecretName, TenantId};
use zeroize::Zeroizing;

use crate::{Kek, Kind, Place, SecretRecord, SecretView, Vault, VaultError};

/// The most secrets of a tenant.
const SECRETS_MAX: usize = 256;
/// The longest secret, in bytes.
const SECRET_LEN_MAX: usize = 16 << 10;

pub(crate) type TenantSecrets = BTreeMap<SecretName, SecretRecord>;

impl Vault {
    /// Sets a secret, over whatever has its name.
    pub async fn put_secret(
        &self,
        tenant: &TenantId,
        name: SecretName,
        text: Zeroizing<String>,
    ) -> Result<SecretView, VaultError> {
        if !(1..=SECRET_LEN_MAX).contains(&text.len()) {
            return Err(VaultError::SecretLength { len: text.len(), len_max: SECRET_LEN_MAX });
        }
        let _turn = self.turn(tenant)?;
        self.check_room(tenant, &name)?;
        let sealed = self.ring().seal(place(tenant, &name), text.as_bytes())?;
        let record = SecretRecord { tenant: tenant.clone(), name, updated: self.clock.now(), sealed };
        self.repository.save_secret(&record).await?;
        let view = view(&record);
        self.secrets.write().entry(tenant.clone()).or_default().insert(record.name.clone(), record);
        Ok(view)
    }

    /// What a tenant's secrets are called and when they were set, by name.
    pub fn secret_list(&self, tenant: &TenantId) -> Vec<SecretView> {
        self.secrets.read().get(tenant).into_iter().flat_map(BTreeMap::values).map(view).collect()
    }

    /// Removes a secret.
    pub async fn remove_secret(&self, tenant: &TenantId, name: &SecretName) -> Result<(), VaultError> {
        let _turn = self.turn(tenant)?;
        if !self.secrets.read().get(tenant).is_some_and(|secrets| secrets.contains_key(name)) {
            return Err(VaultError::NoSecret(name.clone()));
        }
        self.repository.delete_secret(tenant, name).await?;
        if let Some(secrets) = self.secrets.write().get_mut(tenant) {
            secrets.remove(name);
        }
        Ok(())
    }

    /// A secret's text, for the host's own way out alone; wiped when it is dropped. Never waits.
    pub fn secret(&self, tenant: &TenantId, name: &SecretName) -> Option<Zeroizing<String>> {
        // The keys while the record is held: it may be sealed anew right after, and the old key forgotten.
        let (record, ring) = {
            let secrets = self.secrets.read();
            (secrets.get(tenant)?.get(name)?.clone(), self.ring())
        };
        match open(&ring, &record) {
            Ok(text) => Some(text),
            // It opened when it was loaded, or was sealed here: the key-encryption key has gone.
            Err(cause) => {
                tracing::error!(%tenant, secret = %name, %cause, "a secret does not open");
                None
            }
        }
    }

    fn check_room(&self, tenant: &TenantId, name: &SecretName) -> Result<(), VaultError> {
        match self.secrets.read().get(tenant) {
            Some(secrets) if secrets.len() >= SECRETS_MAX && !secrets.contains_key(name) => {
                Err(VaultError::TooManySecrets { len_max: SECRETS_MAX })
            }
            _ => Ok(()),
        }
    }
}

/// Whether a secret that is kept is what was sealed.
pub(crate) fn check_opens(kek: &dyn Kek, record: &SecretRecord) -> Result<(), VaultError> {
    open(kek, record).map(drop)
}

fn open(kek: &dyn Kek, record: &SecretRecord) -> Result<Zeroizing<String>, VaultError> {
    let opened = kek.open(place(&record.tenant, &record.name), &record.sealed)?;
    let refused = |_| VaultError::DoesNotOpen { tenant: record.tenant.clone(), id: record.name.to_string() };
    std::str::from_utf8(&opened).map(|text| Zeroizing::new(text.to_owned())).map_err(refused)
}

pub(crate) fn place<'a>(tenant: &'a TenantId, name: &'a SecretName) -> Place<'a> {
    Place { tenant, kind: Kind::Secret, id: name.as_str() }
}

fn view(record: &SecretRecord) -> SecretView {
    SecretView { name: record.name.clone(), updated: record.updated }
}
