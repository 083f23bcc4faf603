//! Each verb once: what operators can do, whichever door they come through.
//!
//! The API uses nothing else. A verb finds its tenant, has the ledger record what is asked for, does its work through the fleet
//! and the courier, and says how it ended.

mod app;
mod audit;
mod control;
mod error;
mod external;
mod groups;
mod letters;
mod messages;
mod policy;
mod quarantine;
mod readiness;
mod tenants;
mod usage;
mod vault;

pub use app::{App, AppParts};
pub use error::{AppError, Category};
pub use letters::{LetterFilter, Opened, ReplayReport};
pub use policy::{Choice, Explained};
pub use readiness::{Check, Readiness};

pub use host_bus::accounts::{AgentSubjects, AgentUser, Credentials, Door, Posted, Transport};
pub use host_bus::{Lease, Letter, LetterId, QueueView};
pub use host_courier::{LogQuery, LogRecord, LogStream, Post, PostTarget, Seen, Watch};
pub use host_fleet::{
    AgentStatus, BadCursor, BadTokenId, Bearer, Cursor, Deploy, GroupStatus, Minted, Pending, PolicyInForce,
    ShadowPolicy, Stream, Streamed, TenantStatus, TokenId, TokenRecord,
};
pub use host_ledger::{Break, Decision, Entry, Query, Reason, Record, Summary, Used};
