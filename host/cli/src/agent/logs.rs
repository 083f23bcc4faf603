//! `agent logs`: what an agent logged, and what it logs now.

use clap::Args;
use eventsource_stream::Event;
use host_model::AgentId;
use host_wire::{LogLevel, LogRecord, LogSource, Page, Since};

use super::{PATH, Session};
use crate::error::CliError;
use crate::print;
use crate::stream::{self, Then};

/// Which lines.
#[derive(Debug, Args)]
pub(super) struct LogsArgs {
    /// Go on with new lines, until Ctrl-C
    #[arg(long, short = 'f')]
    follow: bool,
    /// From when on: so long ago (90s, 10m, 2h, 7d), or a time as in RFC 3339
    #[arg(long, value_name = "WHEN", value_parser = since)]
    since: Option<String>,
    /// At least so loud: trace, debug, info, warn, error
    #[arg(long)]
    level: Option<LogLevel>,
    /// From where: log, stdout, stderr, host
    #[arg(long)]
    source: Option<LogSource>,
    /// With this text
    #[arg(long, value_name = "TEXT")]
    contains: Option<String>,
    /// The last so many lines, 1 to 1000
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000))]
    limit: Option<u64>,
}

pub(super) async fn run(session: &Session<'_>, id: &AgentId, args: LogsArgs) -> Result<(), CliError> {
    let path = format!("{PATH}/{id}/logs");
    let query = [session.query().to_vec(), args.query()].concat();
    if args.follow {
        let events = session.client.events(&path, &query).await?;
        return events.for_each(|event| follow(session, event)).await;
    }
    let records: Page<LogRecord> = session.client.get(&path, &query).await?;
    session
        .connection
        .output
        .document(&records.items, |records| records.iter().map(line).collect::<Vec<_>>().join("\n"))
}

fn follow(session: &Session<'_>, event: &Event) -> Result<Then, CliError> {
    match event.event.as_str() {
        "log" => session.connection.output.item(&stream::data::<LogRecord>(event)?, line)?,
        "lagged" => print::note(&format!("missed {} lines: they came faster than they were read", event.data)),
        _ => {}
    }
    Ok(Then::GoOn)
}

impl LogsArgs {
    fn query(&self) -> Vec<(&'static str, String)> {
        let given = [
            ("follow", self.follow.then(|| "true".to_owned())),
            ("since", self.since.clone()),
            ("level", self.level.map(|level| level.as_str().to_owned())),
            ("source", self.source.map(|source| source.as_str().to_owned())),
            ("contains", self.contains.clone()),
            ("limit", self.limit.map(|limit| limit.to_string())),
        ];
        given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// Sent as it was written: "ten minutes ago" is for the host's clock to say.
fn since(raw: &str) -> Result<String, host_wire::BadSince> {
    raw.parse::<Since>().map(|_| raw.to_owned())
}

/// One line. Text that holds line breaks or controls is escaped where it is printed.
fn line(record: &LogRecord) -> String {
    let fields =
        record.fields.iter().fold(String::new(), |line, field| format!("{line} {}={}", field.name, field.value));
    let lost = record.dropped.map(|count| format!(" ({count} lines lost before this one)")).unwrap_or_default();
    let message = crate::text::inert(&record.message);
    format!("{} {:5} {:6} {message}{fields}{lost}", record.at, record.level.as_str(), record.source.as_str())
}

#[cfg(test)]
mod tests {
    use host_wire::LogField;

    use super::*;

    #[test]
    fn a_record_is_one_line() {
        let record = LogRecord {
            at: "2026-11-21T18:57:39.123Z".into(),
            tenant_id: "acme".into(),
            agent_id: "echo".into(),
            level: LogLevel::Warn,
            source: LogSource::Log,
            message: "two\nlines".into(),
            fields: vec![LogField { name: "n".into(), value: "1".into() }],
            dropped: Some(3),
        };
        assert_eq!(
            line(&record),
            "2026-11-21T18:57:39.123Z warn  log    two\\nlines n=1 (3 lines lost before this one)"
        );
    }

    #[test]
    fn since_is_checked_here_and_meant_there() {
        assert_eq!(since("10m").unwrap(), "10m");
        assert!(since("soon").is_err());
    }
}
