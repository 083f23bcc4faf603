//! The handlers, by noun.

pub(crate) mod agents;
pub(crate) mod audit;
pub(crate) mod components;
pub(crate) mod dlq;
pub(crate) mod external;
pub(crate) mod groups;
pub(crate) mod logs;
pub(crate) mod mailbox;
pub(crate) mod messages;
pub(crate) mod policy;
pub(crate) mod quarantine;
pub(crate) mod queues;
pub(crate) mod quotas;
pub(crate) mod registry;
pub(crate) mod tenants;
pub(crate) mod topics;
pub(crate) mod usage;
pub(crate) mod vault;
