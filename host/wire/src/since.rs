//! From when on: a moment, or so long ago.

use std::str::FromStr;
use std::time::Duration;

/// The longest "ago", in seconds: ten years.
const AGO_SECS_MAX: u64 = 10 * 366 * 86_400;

/// From when on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// So long before now: `90s`, `10m`, `2h`, `7d`.
    Ago(Duration),
    /// At this moment, in milliseconds since the Unix epoch; written in RFC 3339.
    At(u64),
}

/// A text that is neither.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("use a time as in RFC 3339 (2026-11-21T18:57:39Z), or how long ago (90s, 10m, 2h, 7d)")]
pub struct BadSince;

impl Since {
    /// The moment it means, in milliseconds since the Unix epoch, when it is now `now_millis`.
    pub fn as_millis(self, now_millis: u64) -> u64 {
        match self {
            Self::At(millis) => millis,
            Self::Ago(ago) => now_millis.saturating_sub(u64::try_from(ago.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}

impl FromStr for Since {
    type Err = BadSince;

    fn from_str(raw: &str) -> Result<Self, BadSince> {
        parse_ago(raw).or_else(|| parse_moment(raw)).ok_or(BadSince)
    }
}

fn parse_ago(raw: &str) -> Option<Since> {
    let unit = raw.chars().last()?;
    let count = raw.strip_suffix(unit)?;
    if count.is_empty() || !count.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let secs_each = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    let secs = count.parse::<u64>().ok()?.checked_mul(secs_each)?;
    (secs <= AGO_SECS_MAX).then(|| Since::Ago(Duration::from_secs(secs)))
}

fn parse_moment(raw: &str) -> Option<Since> {
    let moment: jiff::Timestamp = raw.parse().ok()?;
    u64::try_from(moment.as_millisecond()).ok().map(Since::At)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, expected: Option<Since>) {
        assert_eq!(raw.parse::<Since>().ok(), expected, "{raw:?}");
    }

    #[test]
    fn so_long_ago_is_a_count_and_a_unit() {
        let ago = |secs| Some(Since::Ago(Duration::from_secs(secs)));
        check("0s", ago(0));
        check("90s", ago(90));
        check("10m", ago(600));
        check("2h", ago(7_200));
        check("7d", ago(604_800));
        for bad in ["", "m", "10", "-1m", "+1m", "1.5h", "10M", "10 m", "10µ", "99999999999999999999s", "9999d"] {
            check(bad, None);
        }
    }

    #[test]
    fn a_moment_is_rfc_3339() {
        check("2001-09-09T01:46:40.123Z", Some(Since::At(1_000_000_000_123)));
        check("2001-09-09T03:46:40+02:00", Some(Since::At(1_000_000_000_000)));
        check("1969-12-31T23:59:59Z", None);
        check("2001-09-09", None);
        check("yesterday", None);
    }

    #[test]
    fn ago_counts_back_from_now_and_stops_at_the_epoch() {
        assert_eq!(Since::Ago(Duration::from_secs(1)).as_millis(5_000), 4_000);
        assert_eq!(Since::Ago(Duration::from_secs(9)).as_millis(5_000), 0);
        assert_eq!(Since::At(7).as_millis(5_000), 7);
    }
}
