//! Why the store did not do it: each case names the thing, and what to do next where somebody can do something.

use std::io;
use std::path::PathBuf;

use host_component::Digest;
use host_model::{AgentId, TenantId};

/// A cause of any kind.
pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system refused.
    #[error("cannot {act} {}", path.display())]
    Io {
        /// What was tried: `read`, `write`.
        act: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },

    /// Another process, or another [`DataDir`](crate::DataDir) of this one, holds the lock.
    #[error("another host{} is using {}: stop it or choose another --data", in_brackets(*pid), path.display())]
    InUse {
        /// The data directory.
        path: PathBuf,
        /// Who holds it, as far as the lock file tells.
        pid: Option<u32>,
    },

    /// The directory is not empty, and nothing says that its contents are ours.
    #[error(
        "{} is not a data directory of bailiwick (it has '{found}', and no 'format'): choose an empty one with --data",
        path.display()
    )]
    NotOurs {
        /// The directory.
        path: PathBuf,
        /// One of the entries that are not ours, control characters escaped.
        found: String,
    },

    /// A later version wrote the data directory.
    #[error(
        "{} was written by a newer version (format {found}, this one reads {known}): upgrade bailiwick",
        path.display()
    )]
    NewerFormat {
        /// The data directory.
        path: PathBuf,
        /// The format it has.
        found: u32,
        /// The latest format this version reads.
        known: u32,
    },

    /// The file that tells the format does not.
    #[error("{} does not tell the format of the data: restore it from a backup", path.display())]
    BadFormat {
        /// The file.
        path: PathBuf,
    },

    /// The binary was linked with an SQLite that has known faults.
    #[error("SQLite {found} is too old (at least {floor} is needed): build bailiwick with the bundled SQLite")]
    EngineTooOld {
        /// The version that is linked.
        found: String,
        /// The oldest version that will do.
        floor: &'static str,
    },

    /// A later version migrated the database.
    #[error(
        "{} was written by a newer version (schema {found}, this one knows {known}): upgrade bailiwick",
        path.display()
    )]
    NewerSchema {
        /// The database.
        path: PathBuf,
        /// The first migration in it that this version does not have.
        found: i64,
        /// The latest migration this version has.
        known: i64,
    },

    /// The database could not be opened.
    #[error("cannot open the database {}", path.display())]
    Open {
        /// The database.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: sqlx::Error,
    },

    /// The database could not be brought to this version's schema; it is as it was.
    #[error("cannot migrate the database {}", path.display())]
    Migrate {
        /// The database.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: Box<sqlx::migrate::MigrateError>,
    },

    /// Somebody outside reads the database for so long that its log cannot be cut off.
    #[error("another program is reading the database: end it and try again")]
    LogInUse,

    /// What hosts share over NATS was not read or changed.
    #[error("cannot use what hosts share")]
    Shared(#[from] host_bus::SharedStateError),

    /// Other hosts change what is to be changed all the time.
    #[error("other hosts write the tenant's state all the time: stop its agents and try again")]
    Contended,

    /// A file that holds a key holds something else.
    #[error("{} does not hold 32 bytes: restore it from its backup", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },

    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),

    /// A row holds what was never written.
    #[error("the database is damaged: column '{column}' of '{key}' in table '{table}': restore it from a backup")]
    CorruptRow {
        /// The table.
        table: &'static str,
        /// The row's key, its parts joined by `/`, control characters escaped.
        key: String,
        /// The column that cannot be read.
        column: &'static str,
        /// Why it cannot.
        #[source]
        source: Cause,
    },

    /// A number is larger than the database keeps (2⁶³ − 1).
    #[error("{value} is too large for '{column}'")]
    TooLarge {
        /// What it is.
        column: &'static str,
        /// How large it is.
        value: u64,
    },

    /// A card could not be turned into JSON.
    #[error("cannot write the card as JSON")]
    Card(#[source] serde_json::Error),

    /// No tenant of that id is kept.
    #[error("there is no tenant '{tenant}'")]
    NoTenant {
        /// Who was named.
        tenant: TenantId,
    },

    /// No deployment of that agent is kept.
    #[error("agent '{agent}' of tenant '{tenant}' is not deployed")]
    NotDeployed {
        /// Whose agent it would be.
        tenant: TenantId,
        /// Who was named.
        agent: AgentId,
    },

    /// The bytes of a component are not those its digest was made of.
    #[error("the component {digest} was changed (these bytes have {found}): deploy it again")]
    ChangedComponent {
        /// What was expected.
        digest: Digest,
        /// What the bytes have.
        found: Digest,
    },

    /// The task that used the disk was cut off, which happens only when the host ends.
    #[error("the disk task was cut off")]
    CutOff(#[source] tokio::task::JoinError),
}

fn in_brackets(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
}
