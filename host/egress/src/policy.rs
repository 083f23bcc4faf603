//! What a tenant's operator decides, and where its secrets lie: asked here, kept elsewhere.

use host_model::{Scheme, SecretBinding, SecretName, TenantId};
use host_vault::Vault;
use zeroize::Zeroizing;

/// What a tenant's agents may call, whatever their manifests grant them. Asked for each request; must not wait.
pub trait EgressPolicy: Send + Sync {
    /// Whether the tenant may call a host: its name in lower case, without a last dot.
    fn may_call(&self, tenant: &TenantId, scheme: Scheme, host: &str, port: u16) -> bool;

    /// Whether that host may stand for addresses that are not of the public internet.
    fn private_allowed(&self, tenant: &TenantId, host: &str, port: u16) -> bool;

    /// Where a secret may be sent; nowhere without a binding.
    fn secret_binding(&self, tenant: &TenantId, name: &SecretName) -> Option<SecretBinding>;
}

/// Where secrets lie. Must not wait.
pub trait SecretSource: Send + Sync {
    /// A secret of a tenant, if it has it now.
    fn secret(&self, tenant: &TenantId, name: &SecretName) -> Option<Zeroizing<String>>;
}

/// Allows nothing: what holds until a policy says otherwise.
#[derive(Debug, Clone, Copy, Default)]
pub struct DenyAll;

impl EgressPolicy for DenyAll {
    fn may_call(&self, _: &TenantId, _: Scheme, _: &str, _: u16) -> bool {
        false
    }

    fn private_allowed(&self, _: &TenantId, _: &str, _: u16) -> bool {
        false
    }

    fn secret_binding(&self, _: &TenantId, _: &SecretName) -> Option<SecretBinding> {
        None
    }
}

/// Has no secrets.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSecrets;

impl SecretSource for NoSecrets {
    fn secret(&self, _: &TenantId, _: &SecretName) -> Option<Zeroizing<String>> {
        None
    }
}

impl SecretSource for Vault {
    fn secret(&self, tenant: &TenantId, name: &SecretName) -> Option<Zeroizing<String>> {
        Self::secret(self, tenant, name)
    }
}
