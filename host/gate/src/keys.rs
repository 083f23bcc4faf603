//! What the gate asks of whoever keeps the keys. Key bytes never come here, only MAC states that were keyed with them.

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use host_model::{AgentId, KeyId, TenantId, Timestamp};
use sha2::Sha256;

use crate::mac_input::MacInput;

/// The length of a signature, in bytes: that of SHA-256.
pub const MAC_LEN: usize = 32;

/// HMAC-SHA256 (RFC 2104), keyed and not yet fed. Keying costs two blocks, so it is done once for each key.
///
/// Keys have exactly 32 bytes: HMAC pads shorter ones with zeros, and two keys that differ only in zeros at their end would be one.
pub struct MacKey(Hmac<Sha256>);

impl MacKey {
    /// Keyed with 32 random bytes.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes keys of any length"))
    }

    /// The signature of an input.
    pub fn sign(&self, input: &MacInput<'_>) -> [u8; MAC_LEN] {
        self.fed(input).finalize().into_bytes().into()
    }

    /// Compares all 32 bytes, in a time that does not depend on where they differ.
    pub fn is_signature(&self, input: &MacInput<'_>, signature: &[u8; MAC_LEN]) -> bool {
        self.fed(input).verify_slice(signature).is_ok()
    }

    fn fed(&self, input: &MacInput<'_>) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(input.head());
        mac.update(input.payload());
        mac
    }
}

/// Shows nothing of the key.
impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey")
    }
}

/// The key that signs for a sender now.
#[derive(Debug, Clone)]
pub struct Signing {
    /// Its name.
    pub key: KeyId,
    /// Its state.
    pub mac: Arc<MacKey>,
}

/// A key that may be used to check a signature.
#[derive(Debug, Clone)]
pub struct Verifying {
    /// Its state.
    pub mac: Arc<MacKey>,
    /// When it stopped signing, if it has.
    pub retired: Option<Timestamp>,
}

/// Why a key does not verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyRefused {
    /// The tenant has no such key: a made-up one, a foreign one and one whose time is over read the same.
    Unknown,
    /// It may not sign for this sender.
    NotForSender,
    /// It was revoked.
    Revoked,
}

/// The signing keys of all tenants. Never waits: answers come from memory, also for keys that nobody has.
pub trait Keys: Send + Sync {
    /// The key that signs what `sender` of `tenant` sends; `None` if there is none.
    fn signing(&self, tenant: &TenantId, sender: &AgentId) -> Option<Signing>;

    /// The key of this name in this tenant, if it may vouch for what `sender` sent.
    fn verifying(&self, tenant: &TenantId, key: KeyId, sender: &AgentId) -> Result<Verifying, KeyRefused>;
}

/// No keys at all: for ways that bytes never take. Nothing can be sealed with it, and nothing sealed is verified.
#[derive(Debug, Clone, Copy)]
pub struct NoKeys;

impl Keys for NoKeys {
    fn signing(&self, _tenant: &TenantId, _sender: &AgentId) -> Option<Signing> {
        None
    }

    fn verifying(&self, _tenant: &TenantId, _key: KeyId, _sender: &AgentId) -> Result<Verifying, KeyRefused> {
        Err(KeyRefused::Unknown)
    }
}
