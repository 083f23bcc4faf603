//! Log lines.

use host_app::LogRecord;
use host_calls::{LogLevel, LogSource};
use host_model::{AgentId, Header, TenantId};
use host_wire::LogField;

/// A log line of an agent as clients see it.
pub(crate) fn record_of(tenant: &TenantId, agent: &AgentId, record: &LogRecord) -> host_wire::LogRecord {
    host_wire::LogRecord {
        at: record.at.to_string(),
        tenant_id: tenant.to_string(),
        agent_id: agent.to_string(),
        level: match record.level {
            LogLevel::Trace => host_wire::LogLevel::Trace,
            LogLevel::Debug => host_wire::LogLevel::Debug,
            LogLevel::Info => host_wire::LogLevel::Info,
            LogLevel::Warn => host_wire::LogLevel::Warn,
            LogLevel::Error => host_wire::LogLevel::Error,
        },
        source: match record.source {
            LogSource::Log => host_wire::LogSource::Log,
            LogSource::Stdout => host_wire::LogSource::Stdout,
            LogSource::Stderr => host_wire::LogSource::Stderr,
            LogSource::Host => host_wire::LogSource::Host,
        },
        message: record.message.clone(),
        fields: record.fields.iter().map(field_of).collect(),
        dropped: (record.left_out > 0).then_some(record.left_out),
    }
}

fn field_of(field: &Header) -> LogField {
    LogField { name: field.name.clone(), value: field.value.clone() }
}

/// The level a client named.
pub(crate) fn level_of(level: host_wire::LogLevel) -> LogLevel {
    match level {
        host_wire::LogLevel::Trace => LogLevel::Trace,
        host_wire::LogLevel::Debug => LogLevel::Debug,
        host_wire::LogLevel::Info => LogLevel::Info,
        host_wire::LogLevel::Warn => LogLevel::Warn,
        host_wire::LogLevel::Error => LogLevel::Error,
    }
}

/// The source a client named.
pub(crate) fn source_of(source: host_wire::LogSource) -> LogSource {
    match source {
        host_wire::LogSource::Log => LogSource::Log,
        host_wire::LogSource::Stdout => LogSource::Stdout,
        host_wire::LogSource::Stderr => LogSource::Stderr,
        host_wire::LogSource::Host => LogSource::Host,
    }
}
