//! JSON shapes that the API speaks and the CLI reads, word for word.
//!
//! Holds no rule and no id type: what comes in is text until `api` has parsed it. Request bodies refuse fields they do not
//! know; answers tolerate them, so that an older CLI reads a newer host.

mod agent;
mod command;
mod health;
mod log;
mod message;
mod page;
mod problem;
mod since;
mod tenant;
mod vault;

pub use agent::{Agent, AgentCounters, AgentLimits, AgentState, DeployAgent, Desired, LastFailure, RunMode, StartStep};
pub use command::{Command, CommandResult};
pub use health::{Check, Health, Readiness};
pub use log::{LogField, LogLevel, LogRecord, LogSource, NotAWord};
pub use message::{Content, Header, Message, Producer, PublishMessage, Receipt, SendMessage};
pub use page::{LIMIT_DEFAULT, LIMIT_MAX, Page};
pub use problem::Problem;
pub use since::{BadSince, Since};
pub use tenant::{CreateTenant, StoredComponent, Tenant};
pub use vault::{Secret, SetSecret, SigningKey};
