//! Between what the house knows and what JSON says.

mod agent;
mod content;
mod log;
mod message;
mod vault;

pub(crate) use agent::agent_of;
pub(crate) use content::{draft_of, wait_of};
pub(crate) use log::{level_of, record_of, source_of};
pub(crate) use message::{message_of, receipt_of};
pub(crate) use vault::{key_of, secret_of};

use host_fleet::TenantRecord;
use host_wire::Tenant;

pub(crate) fn tenant_of(record: TenantRecord) -> Tenant {
    Tenant { tenant_id: record.id.to_string(), name: record.name, created_at: record.created.to_string() }
}
