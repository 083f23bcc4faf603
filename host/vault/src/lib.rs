//! Keeps secrets and signing keys sealed under a key-encryption key.
//!
//! Hands out keyed MAC states ([`SnapshotKeys`]) and, to the host's own way out alone, a secret's text. Key bytes leave this crate
//! sealed or not at all; nothing here shows them, and what was unsealed is wiped when it is dropped.

mod error;
mod kek;
mod keys;
mod peers;
mod record;
mod repository;
mod ring;
mod rotation;
mod secrets;
mod snapshot;
mod vault;

pub use error::{PeerKeysRefused, VaultError};
pub use kek::{Kek, Kind, LocalKek, Place, random_key};
pub use keys::Reserved;
pub use record::{KeyRecord, KeyState, KeyView, SealedBytes, SecretRecord, SecretView};
pub use repository::{KekStore, Keks, VaultRepository, VaultStoreError};
pub use rotation::Sealed;
pub use snapshot::SnapshotKeys;
pub use vault::Vault;

pub use zeroize::Zeroizing;
