//! What agents log.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One line of an agent's log. Text from the agent is bounded, its control characters escaped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogRecord {
    /// When the host took it (RFC 3339).
    pub at: String,
    /// Whose agent.
    pub tenant_id: String,
    /// Which agent.
    pub agent_id: String,
    /// How loud.
    pub level: LogLevel,
    /// Where from.
    pub source: LogSource,
    /// The line.
    pub message: String,
    /// What the agent said beside it.
    pub fields: Vec<LogField>,
    /// How many lines were lost just before this one, when some were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped: Option<u64>,
}

/// A name and a value beside a log line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogField {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
}

/// A text that is none of the words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("use one of {0}")]
pub struct NotAWord(&'static str);

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $all:literal, { $($(#[$case_doc:meta])* $case:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "lowercase")]
        pub enum $name {
            $($(#[$case_doc])* $case,)*
        }

        impl $name {
            /// The word in JSON.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$case => $word,)*
                }
            }
        }

        impl FromStr for $name {
            type Err = NotAWord;

            fn from_str(raw: &str) -> Result<Self, NotAWord> {
                match raw {
                    $($word => Ok(Self::$case),)*
                    _ => Err(NotAWord($all)),
                }
            }
        }
    };
}

words! {
    /// How loud a log line is.
    LogLevel, "trace, debug, info, warn, error", {
        /// Finest.
        Trace = "trace",
        /// For authors.
        Debug = "debug",
        /// Normal events.
        Info = "info",
        /// Something is off.
        Warn = "warn",
        /// Something failed.
        Error = "error",
    }
}

words! {
    /// Where a log line came from.
    LogSource, "log, stdout, stderr, host", {
        /// The agent's log interface.
        Log = "log",
        /// Its standard output.
        Stdout = "stdout",
        /// Its standard error.
        Stderr = "stderr",
        /// The host, about the agent.
        Host = "host",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_as_they_are_written() {
        for level in [LogLevel::Trace, LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error] {
            assert_eq!(level.as_str().parse(), Ok(level));
            assert_eq!(serde_json::to_value(level).unwrap(), level.as_str());
        }
        assert_eq!("loud".parse::<LogLevel>().unwrap_err().to_string(), "use one of trace, debug, info, warn, error");
        assert_eq!("stdout".parse(), Ok(LogSource::Stdout));
    }
}
