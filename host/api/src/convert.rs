//! Between what the house knows and what JSON says.

mod agent;
mod audit;
mod content;
mod log;
mod message;

pub(crate) use agent::agent_of;
pub(crate) use audit::{audit_record_of, check_of, decision_of, usage_of};
pub(crate) use content::{draft_of, wait_of};
pub(crate) use log::{level_of, record_of, source_of};
pub(crate) use message::{message_of, receipt_of};

use host_fleet::TenantRecord;
use host_wire::Tenant;

pub(crate) fn tenant_of(record: TenantRecord) -> Tenant {
    Tenant { tenant_id: record.id.to_string(), name: record.name, created_at: record.created.to_string() }
}
