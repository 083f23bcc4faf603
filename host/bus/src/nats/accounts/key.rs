//! Ed25519 keys as NATS writes them (nkeys).

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use nkeys::{KeyPair, KeyPairType};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::AccountsError;

/// What begins the derivation of an account's key, so that nothing else that is derived from the same seed is one.
const ACCOUNT_LABEL: &[u8] = b"bailiwick nats account v1\0";

/// A private key. Wiped when it is dropped; shows its public half alone.
///
/// `nkeys` wipes nothing, so that one of its key pairs lives here for one signature only.
pub(super) struct Key {
    kind: KeyPairType,
    secret: Zeroizing<[u8; 32]>,
}

impl Key {
    /// A new one.
    pub(super) fn random(kind: KeyPairType) -> Result<Self, AccountsError> {
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(secret.as_mut_slice()).map_err(AccountsError::NoRandomness)?;
        Ok(Self { kind, secret })
    }

    /// Reads a seed of this kind.
    pub(super) fn parse(kind: KeyPairType, seed: &str) -> Option<Self> {
        let (prefix, secret) = nkeys::decode_seed(seed).ok()?;
        let secret = Zeroizing::new(secret);
        (KeyPairType::from(prefix) == kind).then_some(Self { kind, secret })
    }

    /// The account's key that belongs to a name: the same for all who hold this one, and of no use to learn another.
    ///
    /// HMAC-SHA-256 as a pseudorandom function of the name (RFC 5869, section 2.3, with one block of output).
    pub(super) fn account(&self, name: &str) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_slice()).expect("HMAC takes keys of any length");
        mac.update(ACCOUNT_LABEL);
        mac.update(name.as_bytes());
        Self { kind: KeyPairType::Account, secret: Zeroizing::new(mac.finalize().into_bytes().into()) }
    }

    /// The public half, which names the account or the user.
    pub(super) fn public(&self) -> String {
        self.pair().public_key()
    }

    /// The private half as text.
    pub(super) fn seed(&self) -> Zeroizing<String> {
        Zeroizing::new(self.pair().seed().expect("it has its private half"))
    }

    /// Signs (Ed25519, RFC 8032).
    pub(super) fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        self.pair().sign(bytes).expect("it has its private half")
    }

    fn pair(&self) -> KeyPair {
        KeyPair::new_from_raw(self.kind.clone(), *self.secret).expect("any 32 bytes are a private key")
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.public())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_read_as_the_kind_it_was_written_as_and_as_no_other() {
        let key = Key::random(KeyPairType::Operator).unwrap();
        let read = Key::parse(KeyPairType::Operator, &key.seed()).unwrap();
        assert_eq!(read.public(), key.public());
        assert!(Key::parse(KeyPairType::Account, &key.seed()).is_none());
        assert!(Key::parse(KeyPairType::Operator, &key.public()).is_none());
        assert!(Key::parse(KeyPairType::Operator, &key.seed().replace('A', "B")).is_none());
        assert!(Key::parse(KeyPairType::Operator, "").is_none());
    }

    #[test]
    fn an_account_belongs_to_a_name_and_to_the_folder_it_was_made_from() {
        let [one, other] = [(); 2].map(|()| Key::random(KeyPairType::Account).unwrap());
        assert_eq!(one.account("acme").public(), one.account("acme").public());
        assert_ne!(one.account("acme").public(), one.account("globex").public());
        assert_ne!(one.account("acme").public(), other.account("acme").public());
        assert_ne!(one.account("acme").public(), one.public());
    }

    #[test]
    fn a_key_shows_its_public_half_alone() {
        let key = Key::random(KeyPairType::User).unwrap();
        let shown = format!("{key:?}");
        assert!(shown.contains(&key.public()) && !shown.contains(key.seed().as_str()), "{shown}");
    }
}
