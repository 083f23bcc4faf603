//! Making, rotating and revoking a tenant's signing keys.

use std::sync::Arc;

use host_gate::MacKey;
use host_model::{KeyId, Principal, TenantId, Timestamp};
use zeroize::Zeroizing;

use crate::snapshot::Entry;
use crate::vault::Turn;
use crate::{Kek, KeyRecord, KeyState, KeyView, Kind, Place, Vault, VaultError, random_key};

/// The most keys of a tenant, those that only verify and those that were revoked among them.
pub(crate) const KEYS_MAX: usize = 64;
/// How long a retired key verifies, in milliseconds: 30 days, as long as any message may be kept.
const RETENTION_MILLIS: u64 = 30 * 24 * 3_600_000;

impl Vault {
    /// A tenant's keys, oldest first.
    pub fn key_list(&self, tenant: &TenantId) -> Vec<KeyView> {
        self.keys.views(tenant)
    }

    /// Sees that the host can sign for a tenant.
    pub async fn ensure_key(&self, tenant: &TenantId) -> Result<(), VaultError> {
        let entries = self.keys.of(tenant);
        let signs = |entry: &Entry| entry.record.state == KeyState::Active && entry.record.principal == Principal::Host;
        if entries.iter().any(signs) { Ok(()) } else { self.rotate(tenant, &Principal::Host).await.map(drop) }
    }

    /// Makes a new key that signs for a principal from now on; the one before it verifies what it signed.
    ///
    /// Forgets the keys whose time is over.
    pub async fn rotate(&self, tenant: &TenantId, principal: &Principal) -> Result<KeyView, VaultError> {
        let _turn = self.turn(tenant)?;
        self.make_key(tenant, principal).await
    }

    /// Keeps the turn of a tenant that is about to be created: it must not exist and then be refused its key. Never waits.
    pub fn reserve(&self, tenant: &TenantId) -> Result<Reserved<'_>, VaultError> {
        Ok(Reserved { vault: self, tenant: tenant.clone(), _turn: self.turn(tenant)? })
    }

    async fn make_key(&self, tenant: &TenantId, principal: &Principal) -> Result<KeyView, VaultError> {
        let now = self.clock.now();
        let mut entries = self.keys.of(tenant).to_vec();
        let retired = retire(&mut entries, principal, now);
        self.replace_keys(tenant, entries, retired, Some(principal), now).await.map(|new| KeyView::from(&new))
    }

    /// Ends a key at once: nothing it signed is believed any more, and its bytes are destroyed. If it signed, a new one does.
    pub async fn revoke(&self, tenant: &TenantId, id: KeyId) -> Result<KeyView, VaultError> {
        let _turn = self.turn(tenant)?;
        let now = self.clock.now();
        let mut entries = self.keys.of(tenant).to_vec();
        let entry = entries.iter_mut().find(|entry| entry.record.id == id).ok_or(VaultError::NoKey(id))?;
        if matches!(entry.record.state, KeyState::Revoked(_)) {
            return Ok(KeyView::from(&entry.record));
        }
        let signed = entry.record.state == KeyState::Active;
        entry.record = KeyRecord { state: KeyState::Revoked(now), sealed: None, ..entry.record.clone() };
        entry.mac = None;
        let revoked = entry.record.clone();
        let view = KeyView::from(&revoked);
        let successor = signed.then(|| revoked.principal.clone());
        self.replace_keys(tenant, entries, vec![revoked], successor.as_ref(), now).await?;
        Ok(view)
    }

    /// Saves what changed, with a new key if a principal needs one, and then puts it in force. Returns the last that was saved.
    async fn replace_keys(
        &self,
        tenant: &TenantId,
        entries: Vec<Entry>,
        mut changed: Vec<KeyRecord>,
        successor_for: Option<&Principal>,
        now: Timestamp,
    ) -> Result<KeyRecord, VaultError> {
        let (mut over, mut entries): (Vec<Entry>, Vec<Entry>) =
            entries.into_iter().partition(|entry| is_over(&entry.record, now));
        if let Some(principal) = successor_for {
            over.extend(make_room(&mut entries)?);
            let made = make(&self.ring(), tenant, principal, now)?;
            changed.push(made.record.clone());
            entries.push(made);
        }
        let forgotten: Vec<KeyId> = over.iter().map(|entry| entry.record.id).collect();
        changed.retain(|record| !forgotten.contains(&record.id));
        self.repository.save_keys(tenant, &changed, &forgotten).await?;
        self.keys.replace(tenant, entries);
        Ok(changed.pop().expect("a change saves a key"))
    }
}

/// The turn of a tenant that is being created, given back on drop.
pub struct Reserved<'a> {
    vault: &'a Vault,
    tenant: TenantId,
    _turn: Turn<'a>,
}

impl Reserved<'_> {
    /// Makes the key with which the host signs for the tenant, once it is there.
    pub async fn make_key(self) -> Result<KeyView, VaultError> {
        self.vault.make_key(&self.tenant, &Principal::Host).await
    }
}

/// Unseals a key into its MAC state.
pub(crate) fn entry_of(kek: &dyn Kek, record: KeyRecord) -> Result<Entry, VaultError> {
    let Some(sealed) = &record.sealed else { return Ok(Entry { record, mac: None }) };
    let id = record.id.to_string();
    let opened = kek.open(place(&record.tenant, &id), sealed)?;
    let refused = || VaultError::DoesNotOpen { tenant: record.tenant.clone(), id: id.clone() };
    let key: Zeroizing<[u8; 32]> = Zeroizing::new(opened.as_slice().try_into().map_err(|_| refused())?);
    let mac = Arc::new(MacKey::new(&key));
    Ok(Entry { record, mac: Some(mac) })
}

fn make(kek: &dyn Kek, tenant: &TenantId, principal: &Principal, now: Timestamp) -> Result<Entry, VaultError> {
    let key = random_key()?;
    let id = KeyId::new(getrandom::u64().map_err(VaultError::NoRandomness)?);
    let sealed = kek.seal(place(tenant, &id.to_string()), key.as_slice())?;
    let record = KeyRecord {
        tenant: tenant.clone(),
        id,
        principal: principal.clone(),
        state: KeyState::Active,
        created: now,
        sealed: Some(sealed),
    };
    Ok(Entry { record, mac: Some(Arc::new(MacKey::new(&key))) })
}

pub(crate) fn place<'a>(tenant: &'a TenantId, id: &'a str) -> Place<'a> {
    Place { tenant, kind: Kind::SigningKey, id }
}

/// Room for one more. If there is none, the key that was revoked first is forgotten: it is refused as an unknown one too, so
/// that a tenant with all the keys it may have can still revoke.
fn make_room(entries: &mut Vec<Entry>) -> Result<Option<Entry>, VaultError> {
    if entries.len() < KEYS_MAX {
        return Ok(None);
    }
    let revoked = entries.iter().enumerate().filter_map(|(at, entry)| match entry.record.state {
        KeyState::Revoked(since) => Some((since, at)),
        _ => None,
    });
    let (_, first) = revoked.min().ok_or(VaultError::TooManyKeys { len_max: KEYS_MAX })?;
    Ok(Some(entries.swap_remove(first)))
}

fn retire(entries: &mut [Entry], principal: &Principal, now: Timestamp) -> Vec<KeyRecord> {
    let signs = |entry: &&mut Entry| entry.record.state == KeyState::Active && entry.record.principal == *principal;
    let retired = entries.iter_mut().filter(signs).map(|entry| {
        entry.record.state = KeyState::Retired(now);
        entry.record.clone()
    });
    retired.collect()
}

/// Whether nothing that the key signed, or was refused for, can still be waiting anywhere.
fn is_over(record: &KeyRecord, now: Timestamp) -> bool {
    match record.state {
        KeyState::Active => false,
        KeyState::Retired(at) | KeyState::Revoked(at) => {
            at.as_millis().saturating_add(RETENTION_MILLIS) < now.as_millis()
        }
    }
}
