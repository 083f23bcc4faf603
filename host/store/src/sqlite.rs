//! The control database: one SQLite file in the data directory.
//!
//! One connection writes and a few read. SQLite lets one write at a time anyway; behind a pool of one, writers queue first
//! come first served, where several would poll each other's lock and may starve. The log is written ahead, so readers
//! neither wait for a writer's sync nor hold it up.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::files::io_error;
use crate::lock::Lock;
use crate::{DataDir, StoreError, schema};

static MIGRATIONS: Migrator = sqlx::migrate!();

/// The most connections that read the control database; each is a thread, started when needed.
const READERS_MAX: u32 = 2;
/// How long to wait for a lock that a tool outside holds on the file (a backup, a shell).
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a call waits for its turn before it fails.
const TURN_TIMEOUT: Duration = Duration::from_secs(30);

/// What the host keeps in SQL, in one file. Whatever it has acknowledged survives a power loss.
#[derive(Debug)]
pub struct Sqlite {
    pub(crate) writer: SqlitePool,
    pub(crate) readers: SqlitePool,
    _lock: Arc<Lock>,
}

impl Sqlite {
    /// Opens the database of a data directory, creates it (mode 0600) or brings it to this version's schema, and keeps the
    /// directory held.
    ///
    /// Refused with the file untouched: an SQLite with known faults ([`StoreError::EngineTooOld`]), a schema of a newer
    /// version ([`StoreError::NewerSchema`]).
    pub async fn open(data: &DataDir) -> Result<Self, StoreError> {
        schema::check_engine().await?;
        let path = data.database();
        create(&path)?;
        let writer = connect(&path, SqliteSynchronous::Full).await?;
        if let Err(refused) = schema::migrate(&MIGRATIONS, &writer, &path).await {
            writer.close().await;
            return Err(refused);
        }
        Ok(Self { writer, readers: readers(&path, SqliteSynchronous::Full, READERS_MAX), _lock: data.share_lock() })
    }

    /// Waits for what is under way, and folds the log into the database. Without it nothing is lost; the next start does it.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// SQLite would leave the mode to the umask; its log and index files take the database's.
pub(crate) fn create(path: &Path) -> Result<(), StoreError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map(drop).map_err(io_error("create", path))
}

/// The one connection that writes.
pub(crate) async fn connect(path: &Path, synchronous: SqliteSynchronous) -> Result<SqlitePool, StoreError> {
    let writer = pool(1).min_connections(1).idle_timeout(None).max_lifetime(None);
    writer
        .connect_with(settings(path, synchronous).journal_mode(SqliteJournalMode::Wal))
        .await
        .map_err(|source| StoreError::Open { path: path.to_owned(), source })
}

/// The connections that read.
pub(crate) fn readers(path: &Path, synchronous: SqliteSynchronous, connections_max: u32) -> SqlitePool {
    pool(connections_max).connect_lazy_with(settings(path, synchronous).pragma("query_only", "ON"))
}

fn pool(connections_max: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new().max_connections(connections_max).acquire_timeout(TURN_TIMEOUT)
}

/// `threats.md` §7.
pub(crate) fn settings(path: &Path, synchronous: SqliteSynchronous) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .synchronous(synchronous)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("trusted_schema", "OFF")
        .pragma("cell_size_check", "ON")
        // What is deleted is overwritten: a key that was destroyed is not found in the file.
        .pragma("secure_delete", "ON")
        .pragma("mmap_size", "0")
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use sqlx::Row;
    use tempfile::TempDir;

    use super::*;

    /// The database in a directory that nothing holds.
    pub(crate) async fn open(dir: &TempDir) -> Sqlite {
        Sqlite::open(&DataDir::open(dir.path()).unwrap()).await.unwrap()
    }

    async fn pragmas(pool: &SqlitePool) -> Vec<String> {
        let mut values = Vec::new();
        for name in [
            "journal_mode",
            "synchronous",
            "foreign_keys",
            "trusted_schema",
            "cell_size_check",
            "secure_delete",
            "mmap_size",
            "query_only",
        ] {
            let row = sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA {name}"))).fetch_one(pool).await.unwrap();
            let value = row.try_get::<String, _>(0).unwrap_or_else(|_| row.get::<i64, _>(0).to_string());
            values.push(format!("{name}={value}"));
        }
        values
    }

    #[tokio::test]
    async fn every_connection_has_the_settings_of_the_checklist() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&dir).await;
        let common = [
            "journal_mode=wal",
            "synchronous=2",
            "foreign_keys=1",
            "trusted_schema=0",
            "cell_size_check=1",
            "secure_delete=1",
            "mmap_size=0",
        ];
        assert_eq!(pragmas(&store.writer).await, [&common[..], &["query_only=0"]].concat());
        assert_eq!(pragmas(&store.readers).await, [&common[..], &["query_only=1"]].concat());
    }

    #[tokio::test]
    async fn one_connection_writes_so_that_writers_queue() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&dir).await;
        assert_eq!(store.writer.options().get_max_connections(), 1);
    }

    #[tokio::test]
    async fn the_database_is_read_by_the_hosts_user_only() {
        let dir = tempfile::tempdir().unwrap();
        let _store = open(&dir).await;
        for name in ["bailiwick.db", "bailiwick.db-wal", "bailiwick.db-shm"] {
            let mode = fs::metadata(dir.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[tokio::test]
    async fn the_open_database_keeps_the_directory_held() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&dir).await;
        assert!(matches!(DataDir::open(dir.path()), Err(StoreError::InUse { .. })));
        store.close().await;
        drop(store);
        DataDir::open(dir.path()).unwrap();
    }

    #[tokio::test]
    async fn a_newer_schema_is_refused_and_nothing_changed() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&dir).await;
        let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                     VALUES (9000, 'later', TRUE, x'00', 0)";
        sqlx::query(newer).execute(&store.writer).await.unwrap();
        store.close().await;
        drop(store);
        let path = dir.path().join("bailiwick.db");
        let before = fs::read(&path).unwrap();

        let refused = Sqlite::open(&DataDir::open(dir.path()).unwrap()).await.unwrap_err();

        let shown = path.display();
        let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap();
        let line =
            format!("{shown} was written by a newer version (schema 9000, this one knows {known}): upgrade bailiwick");
        assert_eq!(refused.to_string(), line);
        assert_eq!(fs::read(&path).unwrap(), before);
    }

    #[tokio::test]
    async fn a_file_that_is_no_database_is_refused_and_nothing_changed() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(dir.path()).unwrap();
        let rubbish = "not a database, ".repeat(64);
        fs::write(data.database(), &rubbish).unwrap();

        let refused = Sqlite::open(&data).await.unwrap_err();

        assert_eq!(refused.to_string(), format!("cannot open the database {}", data.database().display()));
        assert_eq!(fs::read_to_string(data.database()).unwrap(), rubbish);
    }

    #[tokio::test]
    async fn a_start_that_was_killed_before_the_migration_can_be_repeated() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(dir.path()).unwrap();
        create(&data.database()).unwrap();
        connect(&data.database(), SqliteSynchronous::Full).await.unwrap().close().await;
        Sqlite::open(&data).await.unwrap();
    }
}
