//! Keeps what must survive a restart: the data directory, the control database in it, and components by digest.
//!
//! The only crate that knows SQL. Rooms above declare the traits they need; this one implements them, on SQLite
//! ([`Sqlite`]) and on files ([`ComponentFiles`]). Nothing here decides anything: it keeps, and it refuses what it cannot
//! keep or can no longer trust.

mod cards;
mod components;
mod data_dir;
mod deployments;
mod error;
mod files;
mod format;
mod lock;
mod replays;
mod rows;
mod schema;
mod sqlite;
mod vault;

pub use components::ComponentFiles;
pub use data_dir::DataDir;
pub use error::StoreError;
pub use files::write_private;
pub use sqlite::Sqlite;
