//! C11: everything under another key-encryption key, wherever the way there is cut off.

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicUsize;

use host_vault::Sealed;

use super::*;
use crate::{DataDir, KekFiles};

/// The steps of a rotation that change something on the disk, for two tenants: the next key, two tenants' parts, the fold of
/// the log, the old key's end.
const STEPS: usize = 5;

/// The real files and database, of which a step fails: before it is done or after.
struct Disk {
    store: Sqlite,
    keks: KekFiles,
    /// Halves of steps until one fails.
    left: AtomicUsize,
}

impl Disk {
    async fn open(dir: &Path) -> Arc<Self> {
        let data = DataDir::open(dir).unwrap();
        let store = Sqlite::open(&data).await.unwrap();
        Arc::new(Self { store, keks: KekFiles::of(&data), left: AtomicUsize::new(usize::MAX) })
    }

    fn half_a_step(&self) -> Result<(), VaultStoreError> {
        let left = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        let cut_off = |_| VaultStoreError { act: "go on", source: "the power is out".into() };
        left.map(drop).map_err(cut_off)
    }
}

#[async_trait]
impl KekStore for Disk {
    async fn load(&self) -> Result<Keks, VaultStoreError> {
        self.keks.load().await
    }

    async fn add_next(&self) -> Result<(), VaultStoreError> {
        self.half_a_step()?;
        self.keks.add_next().await?;
        self.half_a_step()
    }

    async fn promote(&self) -> Result<(), VaultStoreError> {
        self.half_a_step()?;
        self.keks.promote().await?;
        self.half_a_step()
    }
}

#[async_trait]
impl VaultRepository for Disk {
    async fn keys(&self) -> Result<Vec<KeyRecord>, VaultStoreError> {
        self.store.keys().await
    }

    async fn save_keys(&self, tenant: &TenantId, saved: &[KeyRecord], over: &[KeyId]) -> Result<(), VaultStoreError> {
        self.store.save_keys(tenant, saved, over).await
    }

    async fn secrets(&self) -> Result<Vec<SecretRecord>, VaultStoreError> {
        VaultRepository::secrets(&self.store).await
    }

    async fn save_secret(&self, secret: &SecretRecord) -> Result<(), VaultStoreError> {
        self.store.save_secret(secret).await
    }

    async fn delete_secret(&self, tenant: &TenantId, name: &SecretName) -> Result<(), VaultStoreError> {
        VaultRepository::delete_secret(&self.store, tenant, name).await
    }

    async fn shred(&self, tenant: &TenantId) -> Result<(), VaultStoreError> {
        VaultRepository::shred(&self.store, tenant).await
    }

    async fn reseal(&self, tenant: &TenantId, resealed: &Sealed) -> Result<(), VaultStoreError> {
        self.half_a_step()?;
        self.store.reseal(tenant, resealed).await?;
        self.half_a_step()
    }

    async fn scrub(&self) -> Result<(), VaultStoreError> {
        self.half_a_step()?;
        self.store.scrub().await?;
        self.half_a_step()
    }
}

/// A vault of two tenants with two keys and a secret each, and what it lies on.
async fn filled(dir: &TempDir) -> (Vault, Arc<Disk>) {
    drop(with_tenants(dir, &["acme", "globex"]).await);
    let disk = Disk::open(dir.path()).await;
    let vault = Vault::open(disk.clone(), disk.clone(), clock()).await.unwrap();
    for tenant in [acme(), globex()] {
        for _ in 0..2 {
            vault.rotate(&tenant, &Principal::Host).await.unwrap();
        }
        put(&vault, &tenant, "api", &format!("of {tenant}")).await.unwrap();
    }
    (vault, disk)
}

/// That both tenants sign, verify with each of their keys, and have their secret.
fn is_whole(vault: &Vault) {
    for tenant in [acme(), globex()] {
        assert_eq!(get(vault, &tenant, "api"), Some(format!("of {tenant}")));
        assert!(vault.keys().signing(&tenant, &echo()).is_some());
        for key in vault.key_list(&tenant) {
            assert!(vault.keys().verifying(&tenant, key.id, &echo()).is_ok());
        }
        assert_eq!(vault.key_list(&tenant).len(), 2);
    }
}

/// What is sealed, as it lies in the database.
async fn sealed(disk: &Disk) -> Vec<Vec<u8>> {
    let keys = disk.store.keys().await.unwrap().into_iter().filter_map(|key| key.sealed);
    let secrets = VaultRepository::secrets(&disk.store).await.unwrap().into_iter().map(|secret| secret.sealed);
    keys.chain(secrets).map(|sealed| sealed.as_bytes().to_vec()).collect()
}

fn kek(dir: &Path) -> Vec<u8> {
    fs::read(dir.join("kek")).unwrap()
}

/// The data directory as a kill at this moment leaves it.
fn left_behind(dir: &TempDir) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for name in ["bailiwick.db", "bailiwick.db-wal", "format", "kek", "kek.next"] {
        // There is not always a log, or a next key.
        let _ = fs::copy(dir.path().join(name), copy.path().join(name));
    }
    copy
}

#[tokio::test]
async fn a_rotation_of_the_key_encryption_key_loses_nothing_and_leaves_nothing_for_the_old_one() {
    let dir = tempfile::tempdir().unwrap();
    let (vault, disk) = filled(&dir).await;
    let (old, before) = (kek(dir.path()), sealed(&disk).await);
    assert_eq!(vault.rotate_kek().await.unwrap(), 6);
    is_whole(&vault);
    assert!(kek(dir.path()) != old && !dir.path().join("kek.next").exists() && !vault.is_rotating());
    let kept = on_disk(&dir);
    assert!(!holds(&kept, &old), "the old key is gone");
    assert!(before.iter().all(|sealed| !holds(&kept, sealed)), "and all that it opened");

    // What changes afterwards is under the new key too: a rotated tenant key writes what memory has of the one before.
    vault.rotate(&acme(), &Principal::Host).await.unwrap();
    put(&vault, &acme(), "late", "x").await.unwrap();
    let later = left_behind(&dir);
    let again = Disk::open(later.path()).await;
    let opened = Vault::open(again.clone(), again, clock()).await.unwrap();
    assert_eq!((get(&opened, &acme(), "late").as_deref(), opened.key_list(&acme()).len()), (Some("x"), 3));

    let stolen = left_behind(&dir);
    fs::write(stolen.path().join("kek"), old).unwrap();
    let stolen = Disk::open(stolen.path()).await;
    let refused = Vault::open(stolen.clone(), stolen, clock()).await.unwrap_err();
    assert!(matches!(refused, VaultError::DoesNotOpen { .. }), "{refused}");
}

/// At every step, before and after it: the process that goes on, and the one that starts after a kill.
#[tokio::test]
async fn a_rotation_that_is_cut_off_anywhere_loses_nothing_and_is_finished() {
    for halves in 0..STEPS * 2 {
        let dir = tempfile::tempdir().unwrap();
        let (vault, disk) = filled(&dir).await;
        let old = kek(dir.path());
        disk.left.store(halves, Ordering::Relaxed);
        vault.rotate_kek().await.unwrap_err();
        is_whole(&vault);
        let killed = left_behind(&dir);

        disk.left.store(usize::MAX, Ordering::Relaxed);
        put(&vault, &acme(), "api", "of acme").await.unwrap();
        vault.rotate_kek().await.unwrap();
        is_whole(&vault);
        assert!(kek(dir.path()) != old && !dir.path().join("kek.next").exists(), "{halves}");

        let disk = Disk::open(killed.path()).await;
        let vault = Vault::open(disk.clone(), disk.clone(), clock()).await.unwrap();
        is_whole(&vault);
        assert_eq!(vault.is_rotating(), (1..STEPS * 2 - 1).contains(&halves), "{halves}");
        let before = sealed(&disk).await;
        if vault.is_rotating() {
            vault.rotate_kek().await.unwrap();
            is_whole(&vault);
            assert!(kek(killed.path()) != old && !killed.path().join("kek.next").exists(), "{halves}");
        }
        // What the next key had sealed before the kill stays as it was.
        let resealed = sealed(&disk).await.iter().filter(|sealed| !before.contains(sealed)).count();
        let expected = match halves {
            1 | 2 => 6,
            3 | 4 => 3,
            _ => 0,
        };
        assert_eq!(resealed, expected, "{halves}");
    }
}

#[tokio::test]
async fn while_all_is_sealed_anew_keys_and_secrets_are_not_changed_and_there_is_one_rotation() {
    let dir = tempfile::tempdir().unwrap();
    let (vault, _) = filled(&dir).await;
    let (acme, host) = (acme(), Principal::Host);
    let (all, again, key) = tokio::join!(vault.rotate_kek(), vault.rotate_kek(), vault.rotate(&acme, &host));
    assert!(all.is_ok() && matches!(again, Err(VaultError::Busy)) && matches!(key, Err(VaultError::Busy)));
    let (key, all) = tokio::join!(vault.rotate(&acme, &host), vault.rotate_kek());
    assert!(key.is_ok() && matches!(all, Err(VaultError::Busy)));
    vault.rotate_kek().await.unwrap();
}

#[tokio::test]
async fn a_lost_key_encryption_key_is_not_replaced_in_the_middle_of_a_rotation() {
    let dir = tempfile::tempdir().unwrap();
    let (vault, disk) = filled(&dir).await;
    disk.left.store(3, Ordering::Relaxed);
    vault.rotate_kek().await.unwrap_err();
    let killed = left_behind(&dir);
    fs::remove_file(killed.path().join("kek")).unwrap();
    let disk = Disk::open(killed.path()).await;
    Vault::open(disk.clone(), disk, clock()).await.unwrap_err();
    assert!(!killed.path().join("kek").exists());
    fs::write(killed.path().join("kek"), "short").unwrap();
    let disk = Disk::open(killed.path()).await;
    Vault::open(disk.clone(), disk, clock()).await.unwrap_err();
}
