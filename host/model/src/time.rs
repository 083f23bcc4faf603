//! Time and numbers come in from outside, so that every rule can be replayed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::MessageId;

/// A moment, in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The last moment that has a spelling: 9999-12-30T21:59:59.999Z.
    pub const LAST: Self = Self(253_402_207_199_999);

    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(unix_millis: u64) -> Self {
        Self(unix_millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }
}

/// Why a text is no moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a moment: use the form 2026-11-21T18:57:39.123Z")]
pub struct BadTimestamp;

/// Reads the one spelling that [`Timestamp`] is written in, from 1970 to 9999: RFC 3339 allows many more.
impl FromStr for Timestamp {
    type Err = BadTimestamp;

    fn from_str(raw: &str) -> Result<Self, BadTimestamp> {
        read(raw).ok_or(BadTimestamp)
    }
}

fn read(raw: &str) -> Option<Timestamp> {
    let shape = "dddd-dd-ddTdd:dd:dd.dddZ";
    let fits = |(got, wanted): (u8, u8)| if wanted == b'd' { got.is_ascii_digit() } else { got == wanted };
    if raw.len() != shape.len() || !raw.bytes().zip(shape.bytes()).all(fits) {
        return None;
    }
    let number = |from: usize, to: usize| raw.get(from..to)?.parse::<i16>().ok();
    let small = |from: usize| number(from, from + 2)?.try_into().ok();
    let nanos = i32::from(number(20, 23)?) * 1_000_000;
    let (date, time) = ((number(0, 4)?, small(5)?, small(8)?), (small(11)?, small(14)?, small(17)?));
    let civil = jiff::civil::DateTime::new(date.0, date.1, date.2, time.0, time.1, time.2, nanos).ok()?;
    let moment = jiff::tz::TimeZone::UTC.to_timestamp(civil).ok()?;
    moment.as_millisecond().try_into().ok().map(Timestamp).filter(|moment| *moment <= Timestamp::LAST)
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

    #[test]
    fn a_timestamp_is_read_in_its_one_spelling_and_no_other() {
        for millis in [0, 999, 1_000_000_000_123, 1_709_164_800_000, Timestamp::LAST.as_millis()] {
            let moment = Timestamp::from_millis(millis);
            assert_eq!(moment.to_string().parse(), Ok(moment), "{moment}");
        }
        for bad in [
            "2026-11-21T18:57:39Z",
            "2026-11-21t18:57:39.123z",
            "2026-11-21 18:57:39.123Z",
            "2026-11-21T18:57:39.123+00:00",
            "2026-11-21T18:57:60.000Z",
            "2026-11-21T24:00:00.000Z",
            "2026-02-29T00:00:00.000Z",
            "1969-12-31T23:59:59.999Z",
            "9999-12-30T22:00:00.000Z",
            "+026-11-21T18:57:39.123Z",
            "1700000000",
            "",
        ] {
            assert_eq!(bad.parse::<Timestamp>(), Err(BadTimestamp), "{bad}");
        }
    }
}
