//! The life of agents: deploy, start, stop, restart, delete, and the threads that run them.
//!
//! Bytes and manifests become running agents here, and only here are callers born. What a message may do is not decided here.

mod agent;
mod fleet;
mod repository;
mod runner;
mod shards;
mod source;
mod start;
mod status;

pub use fleet::{Deploy, Fleet, FleetError, FleetParts};
pub use repository::{AgentData, Components, Deployment, Desired, Repository, RepositoryError, TenantRecord};
pub use shards::{Runner, Shard, Shards, Work};
pub use source::{RandomIds, SystemClock};
pub use status::{AgentStatus, LastFailure, Phase, Step};
