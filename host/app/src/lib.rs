//! Each verb once: what operators can do, whichever door they come through.
//!
//! The API uses nothing else. A verb finds its tenant, does its work through the fleet and the courier, and says in the host's log
//! who did what to whom.

mod app;
mod error;
mod messages;
mod readiness;
mod vault;

pub use app::{App, AppParts};
pub use error::{AppError, Category};
pub use readiness::{Check, Readiness};

pub use host_courier::{LogQuery, LogRecord, LogStream, Seen, Watch};
pub use host_fleet::{AgentStatus, Deploy};
