//! Two hosts under one key-encryption key: each verifies what the other signed.

use host_model::KeyId;
use host_vault::PeerKeysRefused;

use super::*;

/// A host with a key for acme, and that key's name.
async fn host(dir: &TempDir, kek: u8) -> (Vault, KeyId) {
    let vault = vault_of(with_tenants(dir, &["acme", "globex"]).await, kek, &clock()).await.unwrap();
    let key = rotate(&vault).await.id;
    (vault, key)
}

fn verified(vault: &Vault, key: KeyId) -> Result<Option<Timestamp>, KeyRefused> {
    vault.keys().verifying(&acme(), key, &echo()).map(|verifying| verifying.retired)
}

fn announce(from: &Vault, to: &Vault) -> Result<(), VaultError> {
    to.set_peer_keys("host-a", &acme(), from.export(&acme()))
}

fn refused(announced: Result<(), VaultError>) -> PeerKeysRefused {
    match announced.unwrap_err() {
        VaultError::Peer { peer, tenant, cause } if peer == "host-a" && tenant == acme() => cause,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_peers_keys_verify_as_they_do_there_and_never_sign() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let ((a, first), (b, own)) = (host(&dirs[0], 1).await, host(&dirs[1], 1).await);
    assert_eq!(verified(&b, first), Err(KeyRefused::Unknown));
    announce(&a, &b).unwrap();
    assert_eq!(verified(&b, first), Ok(None));
    assert_eq!(b.keys().verifying(&globex(), first, &echo()).unwrap_err(), KeyRefused::Unknown);

    let second = rotate(&a).await.id;
    announce(&a, &b).unwrap();
    assert_eq!(verified(&b, first), Ok(Some(Timestamp::from_millis(1_000))));
    assert_eq!(verified(&b, second), Ok(None));
    a.revoke(&acme(), first).await.unwrap();
    announce(&a, &b).unwrap();
    assert_eq!(verified(&b, first), Err(KeyRefused::Revoked));

    assert_eq!(b.keys().signing(&acme(), &echo()).unwrap().key, own);
    assert_eq!(b.key_list(&acme()).len(), 1, "a peer's keys are not this host's");
    b.drop_peer("host-a");
    assert_eq!(verified(&b, second), Err(KeyRefused::Unknown));
    assert_eq!(verified(&b, own), Ok(None));
}

#[tokio::test]
async fn a_change_of_ones_own_keys_leaves_the_peers_in_force_and_shredding_does_not() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let ((a, key), (b, _)) = (host(&dirs[0], 1).await, host(&dirs[1], 1).await);
    announce(&a, &b).unwrap();
    rotate(&b).await;
    assert_eq!(verified(&b, key), Ok(None));
    b.shred(&acme()).await.unwrap();
    assert_eq!(verified(&b, key), Err(KeyRefused::Unknown));
}

#[tokio::test]
async fn a_peer_under_another_key_encryption_key_is_named_and_changes_nothing() {
    let dirs: [TempDir; 3] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
    let ((a, key), (b, _)) = (host(&dirs[0], 1).await, host(&dirs[1], 1).await);
    let (other, foreign) = host(&dirs[2], 2).await;
    announce(&a, &b).unwrap();
    assert_eq!(refused(announce(&other, &b)), PeerKeysRefused::DoesNotOpen { id: foreign });
    let mut one_of_two = a.export(&acme());
    one_of_two.extend(other.export(&acme()));
    refused(b.set_peer_keys("host-a", &acme(), one_of_two));
    assert_eq!(verified(&b, key), Ok(None));
    assert_eq!(verified(&b, foreign), Err(KeyRefused::Unknown));
}

#[tokio::test]
async fn a_key_without_its_bytes_is_refused_unless_it_was_revoked() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let ((a, key), (b, _)) = (host(&dirs[0], 1).await, host(&dirs[1], 1).await);
    let mut records = a.export(&acme());
    records[0].sealed = None;
    assert_eq!(refused(b.set_peer_keys("host-a", &acme(), records)), PeerKeysRefused::DoesNotOpen { id: key });
}

#[tokio::test]
async fn a_key_that_is_revoked_anywhere_is_refused_everywhere_and_does_not_come_back() {
    let (dir_of_a, dir_of_b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ((a, key), (b, _)) = (host(&dir_of_a, 1).await, host(&dir_of_b, 1).await);
    let before = a.export(&acme());
    // Another host on a copy of the first one's data revokes the key that both sign with.
    let copy = again_beside(&dir_of_a, &clock()).await;
    copy.revoke(&acme(), key).await.unwrap();
    a.set_peer_keys("copy", &acme(), copy.export(&acme())).unwrap();
    assert_eq!(verified(&a, key), Err(KeyRefused::Revoked));
    assert!(a.keys().signing(&acme(), &echo()).is_none(), "nobody would believe what it signs");

    b.set_peer_keys("copy", &acme(), copy.export(&acme())).unwrap();
    announce(&a, &b).unwrap();
    assert_eq!(verified(&b, key), Err(KeyRefused::Revoked));
    b.set_peer_keys("copy", &acme(), before).unwrap();
    assert_eq!(verified(&b, key), Err(KeyRefused::Revoked), "an announcement that was overtaken");
}

#[tokio::test]
async fn peers_and_their_keys_are_counted() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let ((a, _), (b, _)) = (host(&dirs[0], 1).await, host(&dirs[1], 1).await);
    let record = a.export(&acme()).remove(0);
    let many = |count: usize| vec![record.clone(); count];
    b.set_peer_keys("host-a", &acme(), many(64)).unwrap();
    let too_many = b.set_peer_keys("host-a", &acme(), many(65));
    assert_eq!(refused(too_many), PeerKeysRefused::TooMany { len: 65, len_max: 64 });

    let foreign = KeyRecord { tenant: globex(), ..record.clone() };
    let other = refused(b.set_peer_keys("host-a", &acme(), vec![foreign]));
    assert_eq!(other, PeerKeysRefused::Foreign { id: record.id, tenant: globex() });

    b.drop_peer("host-a");
    for at in 0..64 {
        b.set_peer_keys(&format!("host-{at}"), &acme(), many(1)).unwrap();
    }
    let one_more = b.set_peer_keys("host-a", &acme(), many(1));
    assert_eq!(refused(one_more), PeerKeysRefused::TooManyPeers { len_max: 64 });
    b.set_peer_keys("host-7", &acme(), many(1)).expect("one of those");
    b.set_peer_keys("host-a", &globex(), Vec::new()).unwrap();
}

#[tokio::test]
async fn a_change_of_ones_own_keys_is_told_and_a_peers_is_not() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let ((a, key), (b, _)) = (host(&dirs[0], 1).await, host(&dirs[1], 1).await);
    let mut changes = b.changes();
    announce(&a, &b).unwrap();
    assert!(!changes.has_changed().unwrap());
    let own = rotate(&b).await.id;
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    b.revoke(&acme(), own).await.unwrap();
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    b.shred(&acme()).await.unwrap();
    assert!(changes.has_changed().unwrap());
    assert_eq!(verified(&b, key), Err(KeyRefused::Unknown));
}

#[tokio::test]
async fn what_a_host_announces_opens_under_its_name_and_its_tenants_alone() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let ((a, _), (b, _)) = (host(&dirs[0], 1).await, host(&dirs[1], 1).await);
    let sealed = a.seal_announcement("host-a", &acme(), b"x").unwrap();
    let check = |host: &str, tenant: &TenantId, ok: bool| {
        let opened = b.open_announcement(host, tenant, &sealed);
        assert_eq!(opened.is_ok_and(|plain| plain.as_slice() == b"x"), ok, "{host} {tenant}");
    };
    check("host-a", &acme(), true);
    check("host-b", &acme(), false);
    check("host-a", &globex(), false);
}
