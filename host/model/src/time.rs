//! Time and numbers come in from outside, so that every rule can be replayed.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::MessageId;

/// A moment, in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(unix_millis: u64) -> Self {
        Self(unix_millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }
}

/// RFC 3339 in UTC with milliseconds, as in the seeds' envelopes: `2026-11-21T18:57:39.123Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = i64::try_from(self.0).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        match moment {
            Some(moment) => write!(f, "{moment:.3}"),
            None => write!(f, "{}ms", self.0),
        }
    }
}

/// What the time is.
pub trait Clock: Send + Sync {
    /// The wall clock, at most one tick (1 ms) old.
    fn now(&self) -> Timestamp;

    /// Milliseconds since some moment before the host's start; never goes back.
    fn uptime_millis(&self) -> u64;
}

/// New numbers.
pub trait Ids: Send + Sync {
    /// A message id that was never given before.
    fn message_id(&self, now: Timestamp) -> MessageId;

    /// 128 bits nobody can guess.
    fn secret(&self) -> u128;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_reads_as_rfc_3339_with_milliseconds() {
        assert_eq!(Timestamp::from_millis(1_000_000_000_123).to_string(), "2001-09-09T01:46:40.123Z");
        assert_eq!(Timestamp::from_millis(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::from_millis(u64::MAX).to_string(), "18446744073709551615ms");
    }
}
