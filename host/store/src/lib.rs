//! Keeps what must survive a restart: the data directory, the control database in it, and components by digest.
//!
//! The only crate that knows SQL. Rooms above declare the traits they need; this one implements them, on SQLite
//! ([`Sqlite`], [`AgentState`], [`SqliteJournal`]) and on files ([`ComponentFiles`], [`AgentFiles`], [`AuditFiles`], [`UsageFiles`], [`KekFiles`]). Nothing here
//! decides anything: it keeps, and it refuses what it cannot keep or can no longer trust.

mod agent_data;
mod agent_files;
mod audit;
mod cards;
mod components;
mod control;
mod data_dir;
mod deployments;
mod error;
mod externals;
mod files;
mod format;
mod groups;
mod journal;
mod kek;
mod lock;
mod policies;
mod refusal;
mod replays;
mod reserve;
mod rows;
#[cfg(test)]
mod samples;
mod schema;
mod segments;
mod sqlite;
mod state;
mod usage;
mod vault;

pub use agent_data::AgentStores;
pub use agent_files::AgentFiles;
pub use audit::AuditFiles;
pub use components::ComponentFiles;
pub use data_dir::DataDir;
pub use error::StoreError;
pub use files::write_private;
pub use journal::SqliteJournal;
pub use kek::KekFiles;
pub use sqlite::Sqlite;
pub use state::{AgentState, SharedAgentState};
pub use usage::UsageFiles;
