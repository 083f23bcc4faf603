//! What a user of NATS connects with.

use std::fmt;

use host_model::Timestamp;
use nkeys::KeyPairType;
use zeroize::Zeroizing;

use super::AccountsError;
use super::key::Key;

/// A user's token and the key that proves it is the user's. Shows neither.
pub struct Credentials {
    jwt: String,
    key: Key,
    expires: Timestamp,
}

impl Credentials {
    /// A new user's, until `expires`, once `sign` has made its token.
    pub(super) fn new(expires: Timestamp, sign: impl FnOnce(String) -> String) -> Result<Self, AccountsError> {
        let key = Key::random(KeyPairType::User)?;
        Ok(Self { jwt: sign(key.public()), key, expires })
    }

    /// The token. Worth nothing without the key: the server has whoever shows it sign a nonce.
    pub fn jwt(&self) -> &str {
        &self.jwt
    }

    /// The key's seed. A secret: whoever takes it wipes it.
    pub fn seed(&self) -> Zeroizing<String> {
        self.key.seed()
    }

    /// Signs what the server asks to be signed.
    pub fn sign(&self, nonce: &[u8]) -> Vec<u8> {
        self.key.sign(nonce)
    }

    /// From when on they open nothing. The server then closes the connection that they opened.
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// As a `.creds` file, which every client of NATS reads (NATS docs, "Credentials File").
    pub fn file(&self) -> Zeroizing<String> {
        Zeroizing::new(format!(
            "-----BEGIN NATS USER JWT-----\n{}\n------END NATS USER JWT------\n\n\
             ************************* IMPORTANT *************************\n\
             Whoever has the seed below is this user, until {}. Keep it to yourself.\n\n\
             -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
            self.jwt,
            self.expires,
            self.key.seed().as_str()
        ))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({:?} until {})", self.key, self.expires)
    }
}
