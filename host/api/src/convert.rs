//! Between what the house knows and what JSON says.

mod agent;
mod audit;
mod content;
mod external;
mod log;
mod message;
mod policy;
mod queue;
mod tenant;
mod vault;

pub(crate) use agent::agent_of;
pub(crate) use audit::{audit_record_of, check_of, decision_of, usage_of};
pub(crate) use content::{draft_of, sure, wait_of};
pub(crate) use external::{credentials_of, minted_of, post_of, token_of, transport_of};
pub(crate) use log::{level_of, record_of, source_of};
pub(crate) use message::{message_of, receipt_of};
pub(crate) use policy::{explanation_of, pending_of, policy_of, shadow_of};
pub(crate) use queue::{filter_of, letter_of, opened_of, queues_of, replayed_of};
pub(crate) use tenant::{created_tenant_of, overrides_of, quota_of, tenant_details_of, tenant_of};
pub(crate) use vault::{key_of, secret_of};
