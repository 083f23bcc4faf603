//! Log lines.

use host_calls::{LogLevel, LogSource};
use host_wire::LogField;

/// A log line as clients see it.
pub(crate) fn record_of(record: host_app::LogRecord) -> host_wire::LogRecord {
    host_wire::LogRecord {
        at: record.at.to_string(),
        tenant_id: record.tenant.to_string(),
        agent_id: record.agent.to_string(),
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
        message: record.message,
        fields: record.fields.into_iter().map(|field| LogField { name: field.name, value: field.value }).collect(),
        dropped: (record.dropped > 0).then_some(record.dropped),
    }
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
