//! Keys that other hosts sign with: what one host tells the others, sealed, and what it takes from them.
//!
//! All hosts have the same key-encryption key. What a peer announced is kept in memory only: it announces again when either starts.

use host_model::TenantId;
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::keys::{KEYS_MAX, entry_of};
use crate::ring::Ring;
use crate::snapshot::Entry;
use crate::{Kek, KeyRecord, KeyState, Kind, PeerKeysRefused, Place, SealedBytes, Vault, VaultError};

impl Vault {
    /// This host's keys of a tenant, sealed as they are kept, for other hosts. Those that were revoked are among them.
    pub fn export(&self, tenant: &TenantId) -> Vec<KeyRecord> {
        self.keys.of(tenant).iter().map(|entry| entry.record.clone()).collect()
    }

    /// The same of every tenant that has keys here.
    pub fn export_all(&self) -> Vec<(TenantId, Vec<KeyRecord>)> {
        self.keys.tenants().into_iter().map(|tenant| (tenant.clone(), self.export(&tenant))).collect()
    }

    /// Changes whenever this host's keys of any tenant do: what [`export`](Self::export) gave before may be stale.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.keys.changes()
    }

    /// Takes the keys of a tenant that another host signs with, in place of what it announced before. They verify and never sign.
    ///
    /// All or nothing: with a key that does not open, another tenant's, or more of anything than may be, what was in force stays.
    pub fn set_peer_keys(&self, peer: &str, tenant: &TenantId, records: Vec<KeyRecord>) -> Result<(), VaultError> {
        let entries = entries_of(&self.ring(), tenant, records);
        let taken = entries.and_then(|entries| self.keys.replace_peer(peer, tenant, entries));
        taken.map_err(|cause| VaultError::Peer { peer: peer.to_owned(), tenant: tenant.clone(), cause })
    }

    /// Forgets all that a host announced, for good or until it does again.
    pub fn drop_peer(&self, peer: &str) {
        self.keys.drop_peer(peer);
    }

    /// Seals what a host tells the others about a tenant, so that only a host wrote it and only hosts read it: a key's state and
    /// principal are not covered by what seals its bytes. It opens under the same host's name alone.
    pub fn seal_announcement(&self, host: &str, tenant: &TenantId, plain: &[u8]) -> Result<SealedBytes, VaultError> {
        self.ring().seal(announcement(host, tenant), plain)
    }

    /// Opens what a host told about a tenant. Says nothing of when it did: an old one opens too.
    pub fn open_announcement(
        &self,
        host: &str,
        tenant: &TenantId,
        sealed: &SealedBytes,
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        self.ring().open(announcement(host, tenant), sealed)
    }
}

fn announcement<'a>(host: &'a str, tenant: &'a TenantId) -> Place<'a> {
    Place { tenant, kind: Kind::Announcement, id: host }
}

fn entries_of(ring: &Ring, tenant: &TenantId, records: Vec<KeyRecord>) -> Result<Vec<Entry>, PeerKeysRefused> {
    if records.len() > KEYS_MAX {
        return Err(PeerKeysRefused::TooMany { len: records.len(), len_max: KEYS_MAX });
    }
    records.into_iter().map(|record| peer_entry_of(ring, tenant, record)).collect()
}

fn peer_entry_of(ring: &Ring, tenant: &TenantId, record: KeyRecord) -> Result<Entry, PeerKeysRefused> {
    let id = record.id;
    if record.tenant != *tenant {
        return Err(PeerKeysRefused::Foreign { id, tenant: record.tenant });
    }
    // Of a revoked key nothing is needed but its name.
    if let KeyState::Revoked(_) = record.state {
        return Ok(Entry { record: KeyRecord { sealed: None, ..record }, mac: None });
    }
    let entry = entry_of(ring, record).map_err(|_| PeerKeysRefused::DoesNotOpen { id })?;
    if entry.mac.is_none() { Err(PeerKeysRefused::DoesNotOpen { id }) } else { Ok(entry) }
}
