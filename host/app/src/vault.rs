//! The verbs about signing keys and secrets. What they answer holds neither.

use std::sync::Arc;

use host_ledger::Act;
use host_model::{KeyId, Principal, SecretName, TenantId};
use host_vault::{KeyState, KeyView, SecretView, Vault, Zeroizing};

use crate::{App, AppError};

impl App {
    /// A tenant's signing keys, oldest first.
    pub fn signing_keys(&self, tenant: &TenantId) -> Result<Vec<KeyView>, AppError> {
        Ok(self.vault_of(tenant)?.key_list(tenant))
    }

    /// Makes a new key that signs for a tenant from now on.
    pub async fn rotate_key(&self, tenant: &TenantId) -> Result<KeyView, AppError> {
        let (vault, id) = (self.vault_of(tenant)?, tenant.clone());
        let act = Act::operator("key.rotate").tenant(tenant).on(tenant);
        let rotate = move |_| async move { vault.rotate(&id, &Principal::Host).await };
        let key = self.controlled(act, rotate).await?;
        tracing::info!(%tenant, key = %key.id, "signing key rotated");
        Ok(key)
    }

    /// Ends a key at once.
    pub async fn revoke_key(&self, tenant: &TenantId, key: KeyId) -> Result<KeyView, AppError> {
        let (vault, id) = (self.vault_of(tenant)?, tenant.clone());
        let act = Act::operator("key.revoke").tenant(tenant).on(&key);
        let revoked = self.controlled(act, move |_| async move { vault.revoke(&id, key).await }).await?;
        tracing::info!(%tenant, %key, "signing key revoked");
        Ok(revoked)
    }

    /// A tenant's secrets by name: when each was set, never what it is.
    pub fn secrets(&self, tenant: &TenantId) -> Result<Vec<SecretView>, AppError> {
        Ok(self.vault_of(tenant)?.secret_list(tenant))
    }

    /// Sets a secret, over whatever has its name.
    pub async fn set_secret(
        &self,
        tenant: &TenantId,
        name: SecretName,
        text: Zeroizing<String>,
    ) -> Result<SecretView, AppError> {
        let (vault, id) = (self.vault_of(tenant)?, tenant.clone());
        let act = Act::operator("secret.set").tenant(tenant).on(&name);
        let secret = self.controlled(act, move |_| async move { vault.put_secret(&id, name, text).await }).await?;
        tracing::info!(%tenant, secret = %secret.name, "secret set");
        Ok(secret)
    }

    /// Removes a secret.
    pub async fn remove_secret(&self, tenant: &TenantId, name: &SecretName) -> Result<(), AppError> {
        let (vault, id, secret) = (self.vault_of(tenant)?, tenant.clone(), name.clone());
        let act = Act::operator("secret.remove").tenant(tenant).on(name);
        self.controlled(act, move |_| async move { vault.remove_secret(&id, &secret).await }).await?;
        tracing::info!(%tenant, secret = %name, "secret removed");
        Ok(())
    }

    /// Seals every key and secret of all tenants under a new key-encryption key, and destroys the old one. Tells how many there
    /// were.
    pub async fn rotate_vault(&self) -> Result<usize, AppError> {
        self.rotate_vault_as(Act::operator("vault.rotate")).await
    }

    /// Finishes a rotation that an end of the host cut off.
    pub async fn finish_vault_rotation(&self) -> Result<(), AppError> {
        if self.vault().is_rotating() {
            self.rotate_vault_as(Act::host("vault.rotate")).await?;
        }
        Ok(())
    }

    async fn rotate_vault_as(&self, act: Act) -> Result<usize, AppError> {
        let vault = self.vault().clone();
        let resealed = self.controlled(act, move |_| async move { vault.rotate_kek().await }).await?;
        tracing::info!(resealed, "key-encryption key rotated");
        Ok(resealed)
    }

    /// Sees that the host can sign for every tenant: those that an earlier version created have no key yet.
    pub async fn ensure_keys(&self) -> Result<(), AppError> {
        for tenant in self.tenants() {
            let (vault, id) = (self.vault().clone(), tenant.record.id);
            let signs = |key: &KeyView| key.principal == Principal::Host && key.state == KeyState::Active;
            if vault.key_list(&id).iter().any(signs) {
                continue;
            }
            let act = Act::host("key.rotate").tenant(&id).on(&id);
            self.controlled(act, move |_| async move { vault.ensure_key(&id).await }).await?;
        }
        Ok(())
    }

    /// The vault, once it is known that the tenant exists.
    fn vault_of(&self, tenant: &TenantId) -> Result<Arc<Vault>, AppError> {
        self.fleet().operator(tenant)?;
        Ok(self.vault().clone())
    }
}
