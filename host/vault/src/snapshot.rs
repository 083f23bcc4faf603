//! The signing keys of all tenants, unsealed once into MAC states, for whoever signs and verifies.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use host_gate::{KeyRefused, Keys, MacKey, Signing, Verifying};
use host_model::{AgentId, KeyId, Principal, TenantId};
use parking_lot::RwLock;
use tokio::sync::watch;

use crate::{KeyRecord, KeyState, KeyView, PeerKeysRefused};

/// The most other hosts that sign for one tenant.
const PEERS_MAX: usize = 64;
/// The most tenants whose keys other hosts may announce, those of this host among them.
const TENANTS_MAX: usize = 16_384;

/// One key with its state.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) record: KeyRecord,
    /// None once it is revoked.
    pub(crate) mac: Option<Arc<MacKey>>,
}

impl Entry {
    fn is_revoked(&self) -> bool {
        matches!(self.record.state, KeyState::Revoked(_))
    }
}

/// The signing keys of all tenants, in memory: also a key that nobody has costs one look-up here and nothing elsewhere.
///
/// A tenant's keys are replaced whole; whoever holds a state may finish with it. Beside those of this host are those that other
/// hosts sign with: they verify and never sign. A key that is revoked at any host is revoked here.
#[derive(Default)]
pub struct SnapshotKeys {
    tenants: RwLock<HashMap<TenantId, Arc<TenantKeys>>>,
    /// How often this host's own keys were replaced.
    replaced: watch::Sender<u64>,
}

/// One tenant's keys.
#[derive(Default)]
struct TenantKeys {
    own: Arc<[Entry]>,
    /// By the name of the host that signs with them.
    peers: BTreeMap<String, Arc<[Entry]>>,
    /// All of them, for one look-up.
    verifying: HashMap<KeyId, Entry>,
}

impl TenantKeys {
    fn new(own: Arc<[Entry]>, peers: BTreeMap<String, Arc<[Entry]>>) -> Self {
        let mut verifying: HashMap<KeyId, Entry> = HashMap::new();
        for entry in own.iter().chain(peers.values().flat_map(|entries| entries.iter())) {
            let known = verifying.entry(entry.record.id).or_insert_with(|| entry.clone());
            if entry.is_revoked() {
                *known = entry.clone();
            }
        }
        Self { own, peers, verifying }
    }

    fn is_empty(&self) -> bool {
        self.own.is_empty() && self.peers.is_empty()
    }

    /// Whether one of this host's keys may sign, here and at every other host.
    fn may_sign(&self, entry: &Entry) -> bool {
        entry.record.state == KeyState::Active
            && self.verifying.get(&entry.record.id).is_some_and(|known| !known.is_revoked())
    }
}

impl SnapshotKeys {
    /// This host's own keys.
    pub(crate) fn of(&self, tenant: &TenantId) -> Arc<[Entry]> {
        self.all_of(tenant).own.clone()
    }

    /// The tenants with keys of this host's own.
    pub(crate) fn tenants(&self) -> Vec<TenantId> {
        let tenants = self.tenants.read();
        tenants.iter().filter(|(_, keys)| !keys.own.is_empty()).map(|(id, _)| id.clone()).collect()
    }

    /// Puts this host's own keys in force.
    pub(crate) fn replace(&self, tenant: &TenantId, entries: Vec<Entry>) {
        let mut tenants = self.tenants.write();
        let peers = tenants.get(tenant).map(|keys| keys.peers.clone()).unwrap_or_default();
        put(&mut tenants, tenant, TenantKeys::new(entries.into(), peers));
        drop(tenants);
        self.replaced.send_modify(|count| *count += 1);
    }

    /// Puts a peer's keys in force; without any, it has none.
    ///
    /// What it said was revoked stays so: an announcement that was overtaken on its way brings no key back.
    pub(crate) fn replace_peer(
        &self,
        peer: &str,
        tenant: &TenantId,
        mut entries: Vec<Entry>,
    ) -> Result<(), PeerKeysRefused> {
        let mut tenants = self.tenants.write();
        if !tenants.contains_key(tenant) && tenants.len() >= TENANTS_MAX {
            return Err(PeerKeysRefused::TooManyTenants { len_max: TENANTS_MAX });
        }
        let keys = tenants.get(tenant).cloned().unwrap_or_default();
        let mut peers = keys.peers.clone();
        let before = peers.remove(peer).unwrap_or_default();
        if peers.len() >= PEERS_MAX {
            return Err(PeerKeysRefused::TooManyPeers { len_max: PEERS_MAX });
        }
        let revoked = before.iter().filter(|entry| entry.is_revoked());
        revoked.for_each(|revoked| keep_revoked(&mut entries, revoked));
        if !entries.is_empty() {
            peers.insert(peer.to_owned(), entries.into());
        }
        put(&mut tenants, tenant, TenantKeys::new(keys.own.clone(), peers));
        Ok(())
    }

    pub(crate) fn drop_peer(&self, peer: &str) {
        let mut tenants = self.tenants.write();
        let has = |(tenant, keys): (&TenantId, &Arc<TenantKeys>)| keys.peers.contains_key(peer).then(|| tenant.clone());
        let with_it: Vec<TenantId> = tenants.iter().filter_map(has).collect();
        for tenant in with_it {
            let keys = tenants.get(&tenant).cloned().unwrap_or_default();
            let mut peers = keys.peers.clone();
            peers.remove(peer);
            put(&mut tenants, &tenant, TenantKeys::new(keys.own.clone(), peers));
        }
    }

    /// Forgets a tenant, at this host and at its peers.
    pub(crate) fn forget(&self, tenant: &TenantId) {
        self.tenants.write().remove(tenant);
        self.replaced.send_modify(|count| *count += 1);
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.replaced.subscribe()
    }

    pub(crate) fn views(&self, tenant: &TenantId) -> Vec<KeyView> {
        let mut views: Vec<KeyView> = self.of(tenant).iter().map(|entry| KeyView::from(&entry.record)).collect();
        views.sort_by_key(|view| (view.created, view.id));
        views
    }

    fn all_of(&self, tenant: &TenantId) -> Arc<TenantKeys> {
        self.tenants.read().get(tenant).cloned().unwrap_or_default()
    }
}

fn put(tenants: &mut HashMap<TenantId, Arc<TenantKeys>>, tenant: &TenantId, keys: TenantKeys) {
    if keys.is_empty() {
        tenants.remove(tenant);
    } else {
        tenants.insert(tenant.clone(), Arc::new(keys));
    }
}

fn keep_revoked(entries: &mut [Entry], revoked: &Entry) {
    let same = entries.iter_mut().filter(|entry| entry.record.id == revoked.record.id);
    same.for_each(|entry| *entry = revoked.clone());
}

/// Counts tenants and shows nothing else.
impl fmt::Debug for SnapshotKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SnapshotKeys of {} tenants", self.tenants.read().len())
    }
}

impl Keys for SnapshotKeys {
    /// The sender's own key before the host's.
    fn signing(&self, tenant: &TenantId, sender: &AgentId) -> Option<Signing> {
        let keys = self.all_of(tenant);
        let signs = |entry: &&Entry| keys.may_sign(entry) && entry.record.principal.speaks_for(sender);
        let own = |entry: &&Entry| matches!(entry.record.principal, Principal::Agent(_));
        let entry = keys.own.iter().filter(signs).find(own).or_else(|| keys.own.iter().find(signs))?;
        Some(Signing { key: entry.record.id, mac: entry.mac.clone()? })
    }

    fn verifying(&self, tenant: &TenantId, key: KeyId, sender: &AgentId) -> Result<Verifying, KeyRefused> {
        let keys = self.all_of(tenant);
        let entry = keys.verifying.get(&key).ok_or(KeyRefused::Unknown)?;
        let retired = match entry.record.state {
            KeyState::Active => None,
            KeyState::Retired(at) => Some(at),
            KeyState::Revoked(_) => return Err(KeyRefused::Revoked),
        };
        if !entry.record.principal.speaks_for(sender) {
            return Err(KeyRefused::NotForSender);
        }
        let mac = entry.mac.clone().ok_or(KeyRefused::Revoked)?;
        Ok(Verifying { mac, retired })
    }
}
