//! The sealed head: how far the log went, under a key, so that records cut off its end are missed.

use std::fs;
use std::io;
use std::path::Path;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::{Hash, LedgerError, Link};

/// What the MAC begins with, so that it is the MAC of nothing else.
const DOMAIN: &[u8] = b"bailiwick-audit-head-v1\n";
/// What the head's text begins with.
const MARK: &str = "bailiwick-audit-head v1";
/// The longest head that is read, in bytes.
const HEAD_LEN_MAX: u64 = 512;

/// The key under which heads are sealed.
#[derive(Clone)]
pub struct SealKey(pub [u8; 32]);

/// What a head says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sealed {
    /// The log went so far at least.
    At(Link),
    /// There is no head.
    Missing,
    /// There is one that this key did not seal.
    Forged,
}

impl SealKey {
    /// The head of a log that stands there: one line, always of the same length.
    pub fn seal(&self, link: &Link) -> String {
        let mac = Hash(self.mac(link).finalize().into_bytes().into());
        format!("{MARK} {:020} {} {mac}\n", link.seq, link.hash)
    }

    /// What a head says, if it is one.
    pub fn open(&self, head: &str) -> Sealed {
        self.read(head).map_or(Sealed::Forged, Sealed::At)
    }

    /// What the head in a file says.
    pub fn open_file(&self, path: &Path) -> Result<Sealed, LedgerError> {
        match fs::File::open(path) {
            Ok(file) => {
                let mut head = String::new();
                // What is no text is no head.
                let read = io::Read::read_to_string(&mut io::Read::take(file, HEAD_LEN_MAX), &mut head);
                Ok(read.map_or(Sealed::Forged, |_| self.open(&head)))
            }
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(Sealed::Missing),
            Err(cause) => Err(LedgerError::file("read", path)(cause)),
        }
    }

    fn read(&self, head: &str) -> Option<Link> {
        let mut words = head.strip_prefix(MARK)?.strip_suffix('\n')?.split(' ').skip(1);
        let link = Link { seq: words.next()?.parse().ok()?, hash: words.next()?.parse().ok()? };
        let mac: Hash = words.next()?.parse().ok()?;
        self.mac(&link).verify_slice(&mac.0).ok().map(|()| link)
    }

    fn mac(&self, link: &Link) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(DOMAIN);
        mac.update(&link.seq.to_be_bytes());
        mac.update(&link.hash.0);
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_opens_under_its_key_and_as_it_was_sealed_only() {
        let (key, other) = (SealKey([1; 32]), SealKey([2; 32]));
        let link = Link { seq: 7, hash: Link::GENESIS.next_hash(b"x") };
        let head = key.seal(&link);
        assert_eq!(head.len(), key.seal(&Link { seq: u64::MAX, ..link }).len());
        assert_eq!(key.open(&head), Sealed::At(link));
        assert_eq!(other.open(&head), Sealed::Forged);
        for at in 0..head.len() {
            let mut bytes = head.clone().into_bytes();
            bytes[at] ^= 1;
            assert_eq!(String::from_utf8(bytes).map_or(Sealed::Forged, |head| key.open(&head)), Sealed::Forged, "{at}");
        }
    }
}
