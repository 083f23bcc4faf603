//! JSON shapes that the API speaks and the CLI reads, word for word.
//!
//! Holds no rule and no id type: what comes in is text until `api` has parsed it. Request bodies refuse fields they do not
//! know; answers tolerate them, so that an older CLI reads a newer host.

mod agent;
mod audit;
mod command;
mod external;
mod group;
mod health;
mod log;
mod message;
mod page;
mod policy;
mod post;
mod problem;
mod queue;
mod quota;
mod since;
mod tenant;
mod usage;
mod vault;

pub use agent::{
    Agent, AgentCounters, AgentKind, AgentLimits, AgentState, DeployAgent, Desired, LastFailure, RunMode, StartStep,
};
pub use audit::{AuditBreak, AuditCheck, AuditDecision, AuditRecord, AuditSummary};
pub use command::{Command, CommandResult, Reason};
pub use external::{
    AgentToken, BadLifetime, Lifetime, MintCredentials, MintToken, MintedCredentials, MintedToken, RegisterAgent,
    Transport,
};
pub use group::{Group, GroupLeader, SetGroup};
pub use health::{Check, Health, Readiness};
pub use log::{LogField, LogLevel, LogRecord, LogSource, NotAWord};
pub use message::{Content, Header, Message, Producer, PublishMessage, Receipt, SendMessage};
pub use page::{LIMIT_DEFAULT, LIMIT_MAX, Page};
pub use policy::{DecideVersion, Explanation, Key, PendingVersion, Policy, SetPolicy, WouldDeny};
pub use post::{Acknowledge, Acknowledged, BadPost, BadQos, PostMessage, PostTo, Qos};
pub use problem::Problem;
pub use queue::{
    DeadLetter, DeadLetterDetails, LetterContent, PurgeLetters, Purged, QueueLine, ReplayLetters, Replayed,
};
pub use quota::{Quota, QuotaLine, QuotaState, SetQuota};
pub use since::{BadSince, Since};
pub use tenant::{CreateTenant, StoredComponent, Tenant, TenantDetails, TenantState};
pub use usage::Usage;
pub use vault::{Secret, SetSecret, SigningKey, VaultRotation};
