//! Which SQLite, and which schema: both are checked before anything is read, and refused where they are not known good.

use std::ops::Deref;
use std::path::Path;

use sqlx::migrate::{Migrate, MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Acquire, ConnectOptions, Connection, Sqlite};

use crate::StoreError;

/// The first SQLite without the corruption of write-ahead logs in 3.7.0 to 3.51.2 (`threats.md` §7).
const ENGINE_FLOOR: &str = "3.51.3";

/// Asks the linked SQLite for its version, away from any file: one that is too old must not touch the database.
pub(crate) async fn check_engine() -> Result<(), StoreError> {
    let mut nowhere = SqliteConnectOptions::new().in_memory(true).connect().await?;
    let version = engine_version(&mut nowhere).await?;
    nowhere.close().await?;
    judge_engine(version)
}

/// Brings the database to this version's schema, each step in a transaction of its own: killed between two, it goes on.
///
/// [`StoreError::NewerSchema`] if it is already past that; the database is then as it was.
pub(crate) async fn migrate<'a, A>(migrations: &Migrator, database: A, path: &Path) -> Result<(), StoreError>
where
    A: Acquire<'a, Database = Sqlite>,
    <A::Connection as Deref>::Target: Migrate,
{
    migrations.run(database).await.map_err(|cause| refusal(migrations, cause, path))
}

async fn engine_version(connection: &mut SqliteConnection) -> Result<String, sqlx::Error> {
    sqlx::query_scalar("SELECT sqlite_version()").fetch_one(connection).await
}

fn judge_engine(found: String) -> Result<(), StoreError> {
    match (parts(&found), parts(ENGINE_FLOOR)) {
        (Some(version), Some(floor)) if version >= floor => Ok(()),
        _ => Err(StoreError::EngineTooOld { found, floor: ENGINE_FLOOR }),
    }
}

fn parts(version: &str) -> Option<[u32; 3]> {
    let parts: Result<Vec<u32>, _> = version.split('.').map(str::parse).collect();
    parts.ok()?.try_into().ok()
}

fn refusal(migrations: &Migrator, cause: MigrateError, path: &Path) -> StoreError {
    let known = migrations.iter().map(|migration| migration.version).max().unwrap_or_default();
    match cause {
        MigrateError::VersionMissing(found) if found > known => {
            StoreError::NewerSchema { path: path.to_owned(), found, known }
        }
        cause => StoreError::Migrate { path: path.to_owned(), source: Box::new(cause) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(version: &str, ok: bool) {
        assert_eq!(judge_engine(version.to_owned()).is_ok(), ok, "{version}");
    }

    #[test]
    fn an_sqlite_is_good_from_the_floor_on() {
        check("3.51.3", true);
        check("3.51.10", true);
        check("3.52.0", true);
        check("4.0.0", true);
        for bad in ["3.51.2", "3.50.99", "2.99.99", "", "3.51", "3.51.3.1", "new"] {
            check(bad, false);
        }
    }

    #[test]
    fn an_old_sqlite_is_one_clear_line() {
        let refused = judge_engine("3.50.2".into()).unwrap_err();
        let line = "SQLite 3.50.2 is too old (at least 3.51.3 is needed): build bailiwick with the bundled SQLite";
        assert_eq!(refused.to_string(), line);
    }

    #[tokio::test]
    async fn the_sqlite_that_is_linked_is_good() {
        check_engine().await.unwrap();
    }
}
