//! The key-encryption keys in use: one, or two while everything is sealed anew under the second.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::{Kek, Keks, Place, SealedBytes, VaultError};

/// Seals under the current key, and opens under that or the one before it, while there is one.
#[derive(Clone)]
pub(crate) struct Ring {
    current: Arc<dyn Kek>,
    previous: Option<Arc<dyn Kek>>,
}

impl Ring {
    /// A next key is the current one already: it may have sealed something before the host was killed.
    pub(crate) fn new(keks: Keks) -> Self {
        match keks.next {
            None => Self { current: keks.in_force, previous: None },
            Some(next) => Self { current: next, previous: Some(keks.in_force) },
        }
    }

    pub(crate) fn is_rotating(&self) -> bool {
        self.previous.is_some()
    }

    pub(crate) fn forget_previous(&mut self) {
        self.previous = None;
    }

    /// What was sealed under the key before, sealed under the current one; none if it is already.
    pub(crate) fn reseal(&self, place: Place<'_>, sealed: &SealedBytes) -> Result<Option<SealedBytes>, VaultError> {
        if self.current.open(place, sealed).is_ok() {
            return Ok(None);
        }
        let plain = self.open(place, sealed)?;
        self.current.seal(place, &plain).map(Some)
    }
}

impl Kek for Ring {
    fn seal(&self, place: Place<'_>, plain: &[u8]) -> Result<SealedBytes, VaultError> {
        self.current.seal(place, plain)
    }

    fn open(&self, place: Place<'_>, sealed: &SealedBytes) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        match (self.current.open(place, sealed), &self.previous) {
            (Err(_), Some(previous)) => previous.open(place, sealed),
            (opened, _) => opened,
        }
    }
}
