//! The vault's keys and secrets, as it sealed them.

use async_trait::async_trait;
use host_model::{AgentId, KeyId, Principal, SecretName, TenantId};
use host_vault::{KeyRecord, KeyState, Sealed, SealedBytes, SecretRecord, VaultRepository, VaultStoreError};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, Sqlite as Engine, Transaction};

use crate::error::{Cause, StoreError};
use crate::rows::{Fields, Table, millis};
use crate::sqlite::Sqlite;

const KEYS: Table = Table { name: "signing_keys", key: &["tenant", "key_id"] };
const SECRETS: Table = Table { name: "secrets", key: &["tenant", "name"] };

#[async_trait]
impl VaultRepository for Sqlite {
    async fn keys(&self) -> Result<Vec<KeyRecord>, VaultStoreError> {
        select_keys(self).await.map_err(failed("read the keys"))
    }

    async fn save_keys(
        &self,
        tenant: &TenantId,
        saved: &[KeyRecord],
        forgotten: &[KeyId],
    ) -> Result<(), VaultStoreError> {
        save_keys(self, tenant, saved, forgotten).await.map_err(failed("save the keys"))
    }

    async fn secrets(&self) -> Result<Vec<SecretRecord>, VaultStoreError> {
        select_secrets(self).await.map_err(failed("read the secrets"))
    }

    async fn save_secret(&self, secret: &SecretRecord) -> Result<(), VaultStoreError> {
        upsert_secret(self, secret).await.map_err(failed("save the secret"))
    }

    async fn delete_secret(&self, tenant: &TenantId, name: &SecretName) -> Result<(), VaultStoreError> {
        delete_secret(self, tenant, name).await.map_err(failed("delete the secret"))
    }

    async fn shred(&self, tenant: &TenantId) -> Result<(), VaultStoreError> {
        shred(self, tenant).await.map_err(failed("delete the keys and secrets"))
    }

    async fn reseal(&self, tenant: &TenantId, resealed: &Sealed) -> Result<(), VaultStoreError> {
        reseal(self, tenant, resealed).await.map_err(failed("save what was sealed anew"))
    }

    async fn scrub(&self) -> Result<(), VaultStoreError> {
        scrub(self).await.map_err(failed("fold the database's log into it"))
    }
}

async fn select_keys(store: &Sqlite) -> Result<Vec<KeyRecord>, StoreError> {
    let sql =
        "SELECT tenant, key_id, agent, state, created_ms, ended_ms, sealed FROM signing_keys ORDER BY tenant, key_id";
    sqlx::query(sql).fetch_all(&store.readers).await?.iter().map(key_in).collect()
}

async fn save_keys(
    store: &Sqlite,
    tenant: &TenantId,
    saved: &[KeyRecord],
    forgotten: &[KeyId],
) -> Result<(), StoreError> {
    let mut work = store.writer.begin().await?;
    for id in forgotten {
        let sql = "DELETE FROM signing_keys WHERE tenant = ?1 AND key_id = ?2";
        sqlx::query(sql).bind(tenant.as_str()).bind(id.to_string()).execute(&mut *work).await?;
    }
    for key in saved {
        upsert_key(&mut work, tenant, key).await?;
    }
    Ok(work.commit().await?)
}

async fn upsert_key(work: &mut Transaction<'_, Engine>, tenant: &TenantId, key: &KeyRecord) -> Result<(), StoreError> {
    let (state, ended) = match key.state {
        KeyState::Active => ("active", None),
        KeyState::Retired(at) => ("retired", Some(at)),
        KeyState::Revoked(at) => ("revoked", Some(at)),
    };
    let agent = match &key.principal {
        Principal::Host => None,
        Principal::Agent(agent) => Some(agent.as_str()),
    };
    let sql = "INSERT INTO signing_keys (tenant, key_id, agent, state, created_ms, ended_ms, sealed)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
               ON CONFLICT (tenant, key_id) DO UPDATE
               SET state = excluded.state, ended_ms = excluded.ended_ms, sealed = excluded.sealed";
    sqlx::query(sql)
        .bind(tenant.as_str())
        .bind(key.id.to_string())
        .bind(agent)
        .bind(state)
        .bind(millis("created_ms", key.created)?)
        .bind(ended.map(|at| millis("ended_ms", at)).transpose()?)
        .bind(key.sealed.as_ref().map(SealedBytes::as_bytes))
        .execute(&mut **work)
        .await?;
    Ok(())
}

async fn select_secrets(store: &Sqlite) -> Result<Vec<SecretRecord>, StoreError> {
    let sql = "SELECT tenant, name, updated_ms, sealed FROM secrets ORDER BY tenant, name";
    sqlx::query(sql).fetch_all(&store.readers).await?.iter().map(secret_in).collect()
}

async fn upsert_secret(store: &Sqlite, secret: &SecretRecord) -> Result<(), StoreError> {
    let sql = "INSERT INTO secrets (tenant, name, updated_ms, sealed) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (tenant, name) DO UPDATE SET updated_ms = excluded.updated_ms, sealed = excluded.sealed";
    sqlx::query(sql)
        .bind(secret.tenant.as_str())
        .bind(secret.name.as_str())
        .bind(millis("updated_ms", secret.updated)?)
        .bind(secret.sealed.as_bytes())
        .execute(&store.writer)
        .await?;
    Ok(())
}

async fn delete_secret(store: &Sqlite, tenant: &TenantId, name: &SecretName) -> Result<(), StoreError> {
    let sql = "DELETE FROM secrets WHERE tenant = ?1 AND name = ?2";
    sqlx::query(sql).bind(tenant.as_str()).bind(name.as_str()).execute(&store.writer).await?;
    Ok(())
}

async fn shred(store: &Sqlite, tenant: &TenantId) -> Result<(), StoreError> {
    let mut work = store.writer.begin().await?;
    for sql in ["DELETE FROM signing_keys WHERE tenant = ?1", "DELETE FROM secrets WHERE tenant = ?1"] {
        sqlx::query(sql).bind(tenant.as_str()).execute(&mut *work).await?;
    }
    Ok(work.commit().await?)
}

async fn reseal(store: &Sqlite, tenant: &TenantId, resealed: &Sealed) -> Result<(), StoreError> {
    let mut work = store.writer.begin().await?;
    let keys = resealed.keys.iter().map(|(id, sealed)| (id.to_string(), sealed));
    let secrets = resealed.secrets.iter().map(|(name, sealed)| (name.to_string(), sealed));
    let keys = keys.map(|row| ("UPDATE signing_keys SET sealed = ?3 WHERE tenant = ?1 AND key_id = ?2", row));
    let secrets = secrets.map(|row| ("UPDATE secrets SET sealed = ?3 WHERE tenant = ?1 AND name = ?2", row));
    for (sql, (id, sealed)) in keys.chain(secrets) {
        sqlx::query(sql).bind(tenant.as_str()).bind(id).bind(sealed.as_bytes()).execute(&mut *work).await?;
    }
    Ok(work.commit().await?)
}

/// Pages of before stand in the log until it is folded into the database and cut off. In the database itself `secure_delete`
/// has overwritten them.
async fn scrub(store: &Sqlite) -> Result<(), StoreError> {
    let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&store.writer).await?;
    let busy: i64 = row.try_get(0)?;
    if busy == 0 { Ok(()) } else { Err(StoreError::LogInUse) }
}

fn key_in(row: &SqliteRow) -> Result<KeyRecord, StoreError> {
    let fields = Fields::of(KEYS, row);
    Ok(KeyRecord {
        tenant: fields.parsed("tenant")?,
        id: fields.parsed("key_id")?,
        principal: principal_in(&fields)?,
        state: state_in(&fields)?,
        created: fields.moment("created_ms")?,
        sealed: fields.optional("sealed")?.map(SealedBytes::new),
    })
}

fn principal_in(fields: &Fields<'_>) -> Result<Principal, StoreError> {
    match fields.optional::<String>("agent")? {
        None => Ok(Principal::Host),
        Some(_) => fields.parsed::<AgentId>("agent").map(Principal::Agent),
    }
}

fn state_in(fields: &Fields<'_>) -> Result<KeyState, StoreError> {
    let ended = || fields.moment("ended_ms");
    match fields.text("state")?.as_str() {
        "active" => Ok(KeyState::Active),
        "retired" => Ok(KeyState::Retired(ended()?)),
        "revoked" => Ok(KeyState::Revoked(ended()?)),
        _ => Err(fields.corrupt("state", "none of 'active', 'retired' and 'revoked'")),
    }
}

fn secret_in(row: &SqliteRow) -> Result<SecretRecord, StoreError> {
    let fields = Fields::of(SECRETS, row);
    let sealed: Option<Vec<u8>> = fields.optional("sealed")?;
    Ok(SecretRecord {
        tenant: fields.parsed("tenant")?,
        name: fields.parsed("name")?,
        updated: fields.moment("updated_ms")?,
        sealed: SealedBytes::new(sealed.ok_or_else(|| fields.corrupt("sealed", "nothing is there"))?),
    })
}

fn failed(act: &'static str) -> impl Fn(StoreError) -> VaultStoreError {
    move |cause| VaultStoreError { act, source: Cause::from(cause) }
}

#[cfg(test)]
mod tests;
