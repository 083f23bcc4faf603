//! The key-encryption key: what seals all that the vault keeps, and lies apart from it.

use std::fmt;

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use host_model::TenantId;
use zeroize::Zeroizing;

use crate::{SealedBytes, VaultError};

/// The first byte of what is sealed: version 1 is a nonce of 24 bytes and XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03).
const VERSION: u8 = 1;
const NONCE_LEN: usize = 24;
/// Keeps what is sealed here apart from whatever else the same key seals.
const DOMAIN: &[u8] = b"bailiwick.vault.v1";

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A key that signs.
    SigningKey,
    /// A tenant's secret.
    Secret,
    /// What one host tells the others.
    Announcement,
}

/// Where something is kept. It opens there and nowhere else.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Whose it is.
    pub tenant: &'a TenantId,
    /// What it is.
    pub kind: Kind,
    /// Its id or name.
    pub id: &'a str,
}

/// A new key for a [`LocalKek`].
pub fn random_key() -> Result<Zeroizing<[u8; 32]>, VaultError> {
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(key.as_mut()).map_err(VaultError::NoRandomness)?;
    Ok(key)
}

/// Seals and opens. A file's key does it here; an HSM may do it elsewhere.
pub trait Kek: Send + Sync {
    /// Seals bytes for a place.
    fn seal(&self, place: Place<'_>, plain: &[u8]) -> Result<SealedBytes, VaultError>;

    /// Opens what was sealed for that place; [`VaultError::DoesNotOpen`] for anything else.
    fn open(&self, place: Place<'_>, sealed: &SealedBytes) -> Result<Zeroizing<Vec<u8>>, VaultError>;
}

/// A key-encryption key in this process.
pub struct LocalKek(XChaCha20Poly1305);

impl LocalKek {
    /// From 32 random bytes.
    pub fn new(key: &Zeroizing<[u8; 32]>) -> Self {
        Self(XChaCha20Poly1305::new((&**key).into()))
    }
}

impl fmt::Debug for LocalKek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalKek")
    }
}

impl Kek for LocalKek {
    fn seal(&self, place: Place<'_>, plain: &[u8]) -> Result<SealedBytes, VaultError> {
        // 192 random bits: no two are ever the same, however many are drawn.
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(VaultError::NoRandomness)?;
        let payload = Payload { msg: plain, aad: &place.bound() };
        let sealed = self.0.encrypt(&XNonce::from(nonce), payload).map_err(|_| VaultError::NotSealed)?;
        Ok(SealedBytes::new([&[VERSION][..], &nonce, &sealed].concat()))
    }

    fn open(&self, place: Place<'_>, sealed: &SealedBytes) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let refused = || VaultError::DoesNotOpen { tenant: place.tenant.clone(), id: place.id.to_owned() };
        let Some((&VERSION, rest)) = sealed.as_bytes().split_first() else { return Err(refused()) };
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>().ok_or_else(refused)?;
        let payload = Payload { msg: sealed, aad: &place.bound() };
        self.0.decrypt(&XNonce::from(*nonce), payload).map(Zeroizing::new).map_err(|_| refused())
    }
}

impl Place<'_> {
    /// Each part behind its length: no two places read the same.
    fn bound(&self) -> Vec<u8> {
        let kind: &[u8] = match self.kind {
            Kind::SigningKey => b"signing-key",
            Kind::Secret => b"secret",
            Kind::Announcement => b"announcement",
        };
        let mut bound = Vec::new();
        for part in [DOMAIN, self.tenant.as_str().as_bytes(), kind, self.id.as_bytes()] {
            bound.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bound.extend_from_slice(part);
        }
        bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kek(byte: u8) -> LocalKek {
        LocalKek::new(&Zeroizing::new([byte; 32]))
    }

    #[test]
    fn what_is_sealed_opens_in_its_place_under_its_key_and_nowhere_else() {
        let (acme, globex): (TenantId, TenantId) = ("acme".parse().unwrap(), "globex".parse().unwrap());
        let sealed = kek(1).seal(Place { tenant: &acme, kind: Kind::Secret, id: "api" }, b"canary").unwrap();
        let check = |byte: u8, tenant: &TenantId, kind: Kind, id: &str, ok: bool| {
            let opened = kek(byte).open(Place { tenant, kind, id }, &sealed);
            assert_eq!(opened.as_ref().is_ok_and(|plain| plain.as_slice() == b"canary"), ok);
            assert_eq!(opened.is_err(), !ok, "{byte} {tenant} {kind:?} {id}");
        };
        check(1, &acme, Kind::Secret, "api", true);
        check(2, &acme, Kind::Secret, "api", false);
        check(1, &globex, Kind::Secret, "api", false);
        check(1, &acme, Kind::SigningKey, "api", false);
        check(1, &acme, Kind::Secret, "ap", false);
    }

    #[test]
    fn every_bit_of_what_is_sealed_counts_and_no_two_are_alike() {
        let tenant: TenantId = "acme".parse().unwrap();
        let place = Place { tenant: &tenant, kind: Kind::Secret, id: "api" };
        let sealed = kek(1).seal(place, b"canary").unwrap();
        for bit in 0..sealed.as_bytes().len() * 8 {
            let mut flipped = sealed.as_bytes().to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            kek(1).open(place, &SealedBytes::new(flipped)).unwrap_err();
        }
        for len in 0..sealed.as_bytes().len() {
            kek(1).open(place, &SealedBytes::new(sealed.as_bytes()[..len].to_vec())).unwrap_err();
        }
        assert_ne!(kek(1).seal(place, b"canary").unwrap(), sealed);
    }
}
