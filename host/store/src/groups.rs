//! What the members of groups share.

use std::collections::BTreeMap;

use host_fleet::GroupRecord;
use sqlx::sqlite::SqliteRow;

use crate::error::StoreError;
use crate::rows::{Fields, Table};
use crate::sqlite::Sqlite;

const SETTINGS: Table = Table { name: "group_settings", key: &["tenant", "group_id", "name"] };

/// All or nothing: one transaction.
pub(crate) async fn replace_group(store: &Sqlite, group: &GroupRecord) -> Result<(), StoreError> {
    let mut transaction = store.writer.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::query("DELETE FROM group_settings WHERE tenant = ?1 AND group_id = ?2")
        .bind(group.tenant.as_str())
        .bind(group.group.as_str())
        .execute(&mut *transaction)
        .await?;
    for (name, value) in &group.settings {
        sqlx::query("INSERT INTO group_settings (tenant, group_id, name, value) VALUES (?1, ?2, ?3, ?4)")
            .bind(group.tenant.as_str())
            .bind(group.group.as_str())
            .bind(name)
            .bind(value)
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(())
}

pub(crate) async fn select_groups(store: &Sqlite) -> Result<Vec<GroupRecord>, StoreError> {
    let sql = "SELECT tenant, group_id, name, value FROM group_settings ORDER BY tenant, group_id, name";
    let rows = sqlx::query(sql).fetch_all(&store.readers).await?;
    let mut groups: Vec<GroupRecord> = Vec::new();
    for row in &rows {
        let (group, name, value) = setting_in(row)?;
        match groups.last_mut().filter(|last| (&last.tenant, &last.group) == (&group.tenant, &group.group)) {
            Some(last) => drop(last.settings.insert(name, value)),
            None => groups.push(GroupRecord { settings: [(name, value)].into(), ..group }),
        }
    }
    Ok(groups)
}

fn setting_in(row: &SqliteRow) -> Result<(GroupRecord, String, String), StoreError> {
    let fields = Fields::of(SETTINGS, row);
    let (tenant, group) = (fields.parsed("tenant")?, fields.parsed("group_id")?);
    Ok((GroupRecord { tenant, group, settings: BTreeMap::new() }, fields.text("name")?, fields.text("value")?))
}

#[cfg(test)]
mod tests {
    use host_fleet::Repository as _;

    use super::*;
    use crate::deployments::tests::record;
    use crate::sqlite::tests::open;

    fn group(tenant: &str, id: &str, settings: &[(&str, &str)]) -> GroupRecord {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        GroupRecord { tenant: tenant.parse().unwrap(), group: id.parse().unwrap(), settings }
    }

    #[tokio::test]
    async fn settings_of_a_group_replace_those_before_and_survive_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&dir).await;
        for tenant in ["acme", "globex"] {
            store.create_tenant(&record(tenant)).await.unwrap();
        }
        let theirs = group("globex", "search", &[("model", "large")]);
        for group in [
            group("acme", "search", &[("model", "small"), ("old", "1")]),
            theirs.clone(),
            group("acme", "index", &[("a", "b")]),
            group("acme", "search", &[("depth", "3"), ("model", "")]),
            group("acme", "index", &[]),
        ] {
            store.save_group(&group).await.unwrap();
        }
        drop(store);
        let ours = group("acme", "search", &[("depth", "3"), ("model", "")]);
        assert_eq!(open(&dir).await.groups().await.unwrap(), [ours, theirs]);
    }
}
