//! The life of agents: deploy, start, stop, restart, delete, and the threads that run them.
//!
//! Bytes and manifests become running agents here, and only here are callers born. What a message may do is not decided here.

mod agent;
mod approval;
mod bindings;
mod control;
mod crash_loop;
mod election;
mod error;
mod external;
mod fleet;
mod groups;
mod health;
mod hold;
mod policy;
mod policy_book;
mod quarantine;
mod repository;
mod runner;
mod seat;
mod seats;
mod sender;
mod shards;
mod source;
mod start;
mod status;
mod streak;
mod tenants;

pub use approval::{LookedAt, Pending};
pub use bindings::queue_limits;
pub use control::{AgentQuarantine, ControlRepository, Notice, Standing, TenantControl};
pub use crash_loop::CrashAlarm;
pub use error::FleetError;
pub use external::{
    BadCursor, BadTokenId, Bearer, Cursor, ExternalRecord, ExternalRepository, Minted, Stream, Streamed, TokenId,
    TokenRecord, UNACKNOWLEDGED_MAX,
};
pub use fleet::{Deploy, Fleet, FleetParts};
pub use groups::{GroupStatus, Settings};
pub use policy::{PolicyInForce, ShadowPolicy};
pub use policy_book::PolicyBook;
pub use repository::{
    AgentData, Components, Deployment, Desired, GroupRecord, PendingRecord, PolicyRecord, Repository, RepositoryError,
    TenantRecord,
};
pub use shards::{Runner, Shard, Shards, Work};
pub use source::{RandomIds, SystemClock};
pub use status::{AgentStatus, LastFailure, Phase, Step};
pub use tenants::{Pressure, QuotaLine, TenantStatus};
