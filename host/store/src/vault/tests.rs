//! The vault on a real database.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use host_gate::{KeyRefused, Keys as _};
use host_model::{Clock, Timestamp};
use host_vault::{KekStore, Keks, KeyView, LocalKek, Vault, VaultError, Zeroizing};
use tempfile::TempDir;

use super::*;
use crate::deployments::tests::with_tenants;
use crate::sqlite::tests::open;

mod peers;
mod rotation;

const DAY_MS: u64 = 24 * 3_600_000;

struct Hands(AtomicU64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }

    fn uptime_millis(&self) -> u64 {
        0
    }
}

fn clock() -> Arc<Hands> {
    Arc::new(Hands(AtomicU64::new(1_000)))
}

async fn vault_of(store: Sqlite, kek: u8, clock: &Arc<Hands>) -> Result<Vault, VaultError> {
    Vault::open(Arc::new(OneKek(kek)), Arc::new(store), clock.clone()).await
}

/// A key-encryption key of one byte, again and again, that is never another.
struct OneKek(u8);

#[async_trait]
impl KekStore for OneKek {
    async fn load(&self) -> Result<Keks, VaultStoreError> {
        Ok(Keks { in_force: Arc::new(LocalKek::new(&Zeroizing::new([self.0; 32]))), next: None })
    }

    async fn add_next(&self) -> Result<(), VaultStoreError> {
        panic!("nobody rotates it")
    }

    async fn promote(&self) -> Result<(), VaultStoreError> {
        panic!("nobody rotates it")
    }
}

/// A vault of two tenants.
async fn fresh(dir: &TempDir) -> (Vault, Arc<Hands>) {
    let clock = clock();
    (vault_of(with_tenants(dir, &["acme", "globex"]).await, 1, &clock).await.unwrap(), clock)
}

/// The same after a restart.
async fn again(dir: &TempDir, clock: &Arc<Hands>) -> Vault {
    vault_of(open(dir).await, 1, clock).await.unwrap()
}

fn acme() -> TenantId {
    "acme".parse().unwrap()
}

fn globex() -> TenantId {
    "globex".parse().unwrap()
}

fn echo() -> AgentId {
    "echo".parse().unwrap()
}

fn states(vault: &Vault, tenant: &TenantId) -> Vec<KeyState> {
    vault.key_list(tenant).into_iter().map(|key| key.state).collect()
}

async fn rotate(vault: &Vault) -> KeyView {
    vault.rotate(&acme(), &Principal::Host).await.unwrap()
}

async fn put(vault: &Vault, tenant: &TenantId, name: &str, text: &str) -> Result<(), VaultError> {
    vault.put_secret(tenant, name.parse().unwrap(), Zeroizing::new(text.to_owned())).await.map(drop)
}

fn get(vault: &Vault, tenant: &TenantId, name: &str) -> Option<String> {
    vault.secret(tenant, &name.parse().unwrap()).map(|text| text.as_str().to_owned())
}

/// All that is in the data directory's files.
fn on_disk(dir: &TempDir) -> Vec<u8> {
    let files = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.is_file()).flat_map(|path| std::fs::read(path).unwrap()).collect()
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[tokio::test]
async fn a_tenant_gets_its_key_once_and_it_outlives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (vault, clock) = fresh(&dir).await;
    assert!(vault.keys().signing(&acme(), &echo()).is_none());
    vault.ensure_key(&acme()).await.unwrap();
    vault.ensure_key(&acme()).await.unwrap();
    let key = vault.keys().signing(&acme(), &echo()).unwrap().key;
    drop(vault);
    let vault = again(&dir, &clock).await;
    vault.ensure_key(&acme()).await.unwrap();
    assert_eq!(vault.keys().signing(&acme(), &echo()).unwrap().key, key);
    assert!(vault.keys().verifying(&acme(), key, &echo()).unwrap().retired.is_none());
    assert_eq!(vault.keys().verifying(&globex(), key, &echo()).unwrap_err(), KeyRefused::Unknown);
}

#[tokio::test]
async fn after_a_rotation_the_new_key_signs_and_the_old_one_verifies() {
    let dir = tempfile::tempdir().unwrap();
    let (vault, clock) = fresh(&dir).await;
    let old = rotate(&vault).await.id;
    clock.0.store(2_000, Ordering::Relaxed);
    let new = rotate(&vault).await.id;
    for vault in [&vault, &again_beside(&dir, &clock).await] {
        let keys = vault.keys();
        assert_eq!(keys.signing(&acme(), &echo()).unwrap().key, new);
        assert_eq!(keys.verifying(&acme(), old, &echo()).unwrap().retired, Some(Timestamp::from_millis(2_000)));
        assert_eq!(states(vault, &acme()), [KeyState::Retired(Timestamp::from_millis(2_000)), KeyState::Active]);
    }
}

/// Another look at the same database, through a copy of its files.
async fn again_beside(dir: &TempDir, clock: &Arc<Hands>) -> Vault {
    let copy = tempfile::tempdir().unwrap();
    for name in ["bailiwick.db", "bailiwick.db-wal", "format"] {
        std::fs::copy(dir.path().join(name), copy.path().join(name)).unwrap();
    }
    vault_of(open(&copy).await, 1, clock).await.unwrap()
}

#[tokio::test]
async fn the_key_of_one_agent_signs_for_it_before_the_hosts_and_for_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let (vault, _) = fresh(&dir).await;
    let hosts = rotate(&vault).await.id;
    let own = vault.rotate(&acme(), &Principal::Agent(echo())).await.unwrap().id;
    let kb: AgentId = "kb".parse().unwrap();
    let keys = vault.keys();
    assert_eq!(keys.signing(&acme(), &echo()).unwrap().key, own);
    assert_eq!(keys.signing(&acme(), &kb).unwrap().key, hosts);
    assert_eq!(keys.verifying(&acme(), own, &kb).unwrap_err(), KeyRefused::NotForSender);
    assert_eq!(states(&vault, &acme()), [KeyState::Active; 2]);
}

#[tokio::test]
async fn a_revoked_key_is_believed_no_more_its_bytes_are_gone_and_another_signs() {
    let dir = tempfile::tempdir().unwrap();
    let (vault, clock) = fresh(&dir).await;
    let key = rotate(&vault).await.id;
    let revoked = vault.revoke(&acme(), key).await.unwrap();
    assert_eq!((revoked.id, revoked.state), (key, KeyState::Revoked(Timestamp::from_millis(1_000))));
    drop(vault);
    let vault = again(&dir, &clock).await;
    assert_eq!(vault.keys().verifying(&acme(), key, &echo()).unwrap_err(), KeyRefused::Revoked);
    assert_ne!(vault.keys().signing(&acme(), &echo()).unwrap().key, key);
    drop(vault);
    let kept = open(&dir).await.keys().await.unwrap();
    assert_eq!(kept.iter().map(|record| record.sealed.is_some()).filter(|sealed| !sealed).count(), 1);
    assert!(kept.iter().any(|record| record.id == key && record.sealed.is_none()));
}

#[tokio::test]
async fn a_key_that_is_not_the_tenants_cannot_be_revoked() {
    let dir = tempfile::tempdir().unwrap();
    let (vault, _) = fresh(&dir).await;
    let key = rotate(&vault).await.id;
    assert!(matches!(vault.revoke(&globex(), key).await, Err(VaultError::NoKey(id)) if id == key));
    assert_eq!(states(&vault, &acme()), [KeyState::Active]);
}

#[tokio::test]
async fn the_database_itself_lets_one_key_sign() {
    let dir = tempfile::tempdir().unwrap();
    let (vault, _) = fresh(&dir).await;
    rotate(&vault).await;
    drop(vault);
    let store = open(&dir).await;
    let mut second = store.keys().await.unwrap();
    second[0].id = KeyId::new(7);
    store.save_keys(&acme(), &second, &[]).await.unwrap_err();
    assert_eq!(store.keys().await.unwrap().len(), 1);
}

#[tokio::test]
async fn keys_are_bounded_and_forgotten_when_nothing_can_need_them() {
    let dir = tempfile::tempdir().unwrap();
    let (vault, clock) = fresh(&dir).await;
    for _ in 0..64 {
        rotate(&vault).await;
    }
    let refused = vault.rotate(&acme(), &Principal::Host).await.unwrap_err();
    assert!(matches!(refused, VaultError::TooManyKeys { len_max: 64 }));
    assert!(vault.keys().signing(&acme(), &echo()).is_some(), "a refused rotation changes nothing");
    clock.0.store(1_000 + 30 * DAY_MS, Ordering::Relaxed);
    vault.rotate(&acme(), &Principal::Host).await.unwrap_err();
    clock.0.store(1_001 + 30 * DAY_MS, Ordering::Relaxed);
    rotate(&vault).await;
    assert_eq!(vault.key_list(&acme()).len(), 2);
    drop(vault);
    assert_eq!(again(&dir, &clock).await.key_list(&acme()).len(), 2);
}

#[tokio::test]
async fn a_tenant_with_all_the_keys_it_may_have_can_still_revoke() {
    let dir = tempfile::tempdir().unwrap();
    let (vault, clock) = fresh(&dir).await;
    for _ in 0..64 {
        rotate(&vault).await;
    }
    let revoke_signing = async |vault: &Vault| {
        let key = vault.keys().signing(&acme(), &echo()).unwrap().key;
        vault.revoke(&acme(), key).await.unwrap();
        vault.keys().verifying(&acme(), key, &echo()).unwrap_err();
        assert_eq!(vault.key_list(&acme()).len(), 64);
    };
    revoke_signing(&vault).await;
    revoke_signing(&vault).await;
    drop(vault);
    let vault = again(&dir, &clock).await;
    assert!(vault.keys().signing(&acme(), &echo()).is_some());
    assert_eq!(vault.key_list(&acme()).len(), 64);
}

#[tokio::test]
async fn a_secret_is_its_tenants_alone_and_outlives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (vault, clock) = fresh(&dir).await;
    put(&vault, &acme(), "api", "one").await.unwrap();
    put(&vault, &acme(), "api", "two").await.unwrap();
    put(&vault, &globex(), "api", "theirs").await.unwrap();
    drop(vault);
    let vault = again(&dir, &clock).await;
    assert_eq!(get(&vault, &acme(), "api").as_deref(), Some("two"));
    assert_eq!(get(&vault, &globex(), "api").as_deref(), Some("theirs"));
    assert_eq!(get(&vault, &acme(), "other"), None);
    assert_eq!(vault.secret_list(&acme()).len(), 1);
    vault.remove_secret(&acme(), &"api".parse().unwrap()).await.unwrap();
    assert!(matches!(vault.remove_secret(&acme(), &"api".parse().unwrap()).await, Err(VaultError::NoSecret(_))));
    assert_eq!((get(&vault, &acme(), "api"), get(&vault, &globex(), "api").is_some()), (None, true));
}

#[tokio::test]
async fn a_secret_is_taken_up_to_its_longest_and_refused_past_it() {
    let dir = tempfile::tempdir().unwrap();
    let (vault, _) = fresh(&dir).await;
    for (len, ok) in [(0, false), (1, true), (16 << 10, true), ((16 << 10) + 1, false)] {
        assert_eq!(put(&vault, &acme(), "api", &"a".repeat(len)).await.is_ok(), ok, "{len}");
    }
    for number in 1..256 {
        put(&vault, &acme(), &format!("s{number}"), "x").await.unwrap();
    }
    assert!(matches!(put(&vault, &acme(), "more", "x").await, Err(VaultError::TooManySecrets { len_max: 256 })));
    put(&vault, &acme(), "api", "replaced").await.unwrap();
    put(&vault, &globex(), "more", "x").await.unwrap();
}

#[tokio::test]
async fn a_stolen_database_tells_nothing_and_opens_under_no_other_key() {
    let dir = tempfile::tempdir().unwrap();
    let (vault, clock) = fresh(&dir).await;
    put(&vault, &acme(), "api", "canary-7f1c").await.unwrap();
    rotate(&vault).await;
    let shown = format!("{vault:?} {:?} {:?} {:?}", vault.keys(), vault.key_list(&acme()), vault.secret_list(&acme()));
    drop(vault);
    let store = open(&dir).await;
    let records = format!("{:?} {:?}", store.keys().await.unwrap(), VaultRepository::secrets(&store).await.unwrap());
    assert!(!shown.contains("canary") && !records.contains("canary"), "{shown} {records}");
    assert!(!holds(&on_disk(&dir), b"canary-7f1c"));
    let refused = vault_of(store, 2, &clock).await.unwrap_err();
    assert!(matches!(refused, VaultError::DoesNotOpen { .. }), "{refused}");
}

#[tokio::test]
async fn what_is_sealed_for_one_tenant_does_not_open_for_another() {
    let dir = tempfile::tempdir().unwrap();
    let (vault, clock) = fresh(&dir).await;
    put(&vault, &acme(), "api", "canary").await.unwrap();
    drop(vault);
    let store = open(&dir).await;
    sqlx::query("UPDATE secrets SET tenant = 'globex'").execute(&store.writer).await.unwrap();
    let refused = vault_of(store, 1, &clock).await.unwrap_err();
    assert!(matches!(refused, VaultError::DoesNotOpen { tenant, .. } if tenant == globex()));
}

#[tokio::test]
async fn shredding_a_tenant_leaves_nothing_to_open_and_the_others_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (vault, clock) = fresh(&dir).await;
    for tenant in [acme(), globex()] {
        vault.ensure_key(&tenant).await.unwrap();
        put(&vault, &tenant, "api", "x").await.unwrap();
    }
    let key = vault.key_list(&acme())[0].id;
    vault.shred(&acme()).await.unwrap();
    for vault in [&vault, &again_beside(&dir, &clock).await] {
        assert_eq!((get(vault, &acme(), "api"), vault.key_list(&acme()).len()), (None, 0));
        assert_eq!(vault.keys().verifying(&acme(), key, &echo()).unwrap_err(), KeyRefused::Unknown);
        assert_eq!((get(vault, &globex(), "api").as_deref(), vault.key_list(&globex()).len()), (Some("x"), 1));
    }
}

#[tokio::test]
async fn of_two_rotations_at_once_one_is_done() {
    let dir = tempfile::tempdir().unwrap();
    let (vault, _) = fresh(&dir).await;
    let (tenant, host) = (acme(), Principal::Host);
    let (one, two) = tokio::join!(vault.rotate(&tenant, &host), vault.rotate(&tenant, &host));
    assert!(one.is_ok() && matches!(two, Err(VaultError::Busy)));
    assert_eq!(states(&vault, &acme()), [KeyState::Active]);
    rotate(&vault).await;
}
