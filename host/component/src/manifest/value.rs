//! The values of a manifest, each with its bound; what does not fit says what would.

use std::fmt;
use std::path::{Component, PathBuf};
use std::time::Duration;

use host_model::{NotShared, Queue, SendGrant, TopicPattern};
use serde::{Deserialize, Deserializer, de};

use crate::error::one_line;

/// One line of text: 1 to `MAX` characters, no control characters.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Line<const MAX: usize>(pub(crate) String);

impl<const MAX: usize> TryFrom<String> for Line<MAX> {
    type Error = String;

    fn try_from(raw: String) -> Result<Self, String> {
        if is_line(&raw, MAX) {
            Ok(Self(raw))
        } else {
            Err(format!("use 1 to {MAX} characters without control characters"))
        }
    }
}

/// Text for people: at most `MAX` characters; line breaks are its only control characters.
#[derive(Debug, Default, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Prose<const MAX: usize>(pub(super) String);

impl<const MAX: usize> TryFrom<String> for Prose<MAX> {
    type Error = String;

    fn try_from(raw: String) -> Result<Self, String> {
        if is_prose(&raw, MAX) {
            Ok(Self(raw))
        } else {
            Err(format!("use at most {MAX} characters, with no control characters but line breaks"))
        }
    }
}

/// Whether text is one line of 1 to `chars_max` characters, none of them a control character.
pub(super) fn is_line(text: &str, chars_max: usize) -> bool {
    !text.is_empty() && text.chars().count() <= chars_max && !text.chars().any(char::is_control)
}

/// Whether text has at most `chars_max` characters, and line breaks as its only control characters.
pub(super) fn is_prose(text: &str, chars_max: usize) -> bool {
    text.chars().count() <= chars_max && !text.chars().any(|c| c.is_control() && c != '\n')
}

/// A list of at most `MAX`.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Vec<T>", bound = "T: Deserialize<'de>")]
pub(crate) struct List<T, const MAX: usize>(pub(crate) Vec<T>);

impl<T, const MAX: usize> TryFrom<Vec<T>> for List<T, MAX> {
    type Error = String;

    fn try_from(items: Vec<T>) -> Result<Self, String> {
        if items.len() <= MAX {
            Ok(Self(items))
        } else {
            Err(format!("has {} entries: use at most {MAX}", items.len()))
        }
    }
}

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// An agent's own version.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Version(pub(super) String);

impl TryFrom<String> for Version {
    type Error = &'static str;

    fn try_from(raw: String) -> Result<Self, &'static str> {
        let inner = |b: u8| b.is_ascii_alphanumeric() || b".+-".contains(&b);
        let fits = raw.len() <= 64 && raw.bytes().all(inner) && raw.starts_with(|c: char| c.is_ascii_alphanumeric());
        if fits {
            Ok(Self(raw))
        } else {
            Err("use a version such as 1.2.0: 1 to 64 of A-Z, a-z, 0-9, '.', '+' and '-'")
        }
    }
}

/// A path relative to the manifest. It may lead upwards: the manifest's author opens it on their own machine.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Line<1024>")]
pub(super) struct RelativePath(pub(super) PathBuf);

impl TryFrom<Line<1024>> for RelativePath {
    type Error = &'static str;

    fn try_from(Line(raw): Line<1024>) -> Result<Self, &'static str> {
        let path = PathBuf::from(raw);
        let relative = path.components().all(|part| !matches!(part, Component::RootDir | Component::Prefix(_)));
        if relative { Ok(Self(path)) } else { Err("use a path relative to the manifest") }
    }
}

/// An amount of memory in bytes: `16MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct MemorySize(pub(crate) usize);

impl TryFrom<String> for MemorySize {
    type Error = String;

    fn try_from(raw: String) -> Result<Self, String> {
        let size = amount(&raw, &[("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)])
            .and_then(|bytes| usize::try_from(bytes).ok());
        size.map(Self).ok_or_else(|| {
            format!("'{}' is not a size: use a whole number with KiB, MiB or GiB, such as \"16MiB\"", one_line(&raw))
        })
    }
}

/// A length of time: `5s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Span(pub(crate) Duration);

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(raw: String) -> Result<Self, String> {
        let millis = amount(&raw, &[("ms", 1), ("s", 1_000), ("m", 60_000)]);
        let span = millis.map(|millis| Self(Duration::from_millis(millis)));
        span.ok_or_else(|| {
            format!("'{}' is not a time: use a whole number with ms, s or m, such as \"5s\"", one_line(&raw))
        })
    }
}

/// A whole number and a unit, in the smallest unit. No signs, no spaces, no fractions.
fn amount(raw: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = raw.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = raw.split_at_checked(digits)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// How many of an agent.
#[derive(Debug, Deserialize)]
#[serde(try_from = "i64")]
pub(crate) struct Replicas(pub(crate) u32);

impl TryFrom<i64> for Replicas {
    type Error = String;

    fn try_from(raw: i64) -> Result<Self, String> {
        let replicas = u32::try_from(raw).ok().filter(|replicas| (1..=64).contains(replicas));
        replicas.map(Self).ok_or_else(|| format!("{raw} is not a number of replicas: use 1 to 64"))
    }
}

/// Topics by pattern, dotted or with slashes. A manifest belongs to no tenant, so it cannot name one.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Pattern(pub(crate) TopicPattern);

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(raw: String) -> Result<Self, String> {
        let bad = |why: &dyn fmt::Display| format!("'{}': {why}", one_line(&raw));
        let dotted = raw.replace('/', ".");
        if dotted.starts_with("tenants.") {
            return Err(bad(&"leave out 'tenants' and the tenant's id: an agent's topics are its tenant's own"));
        }
        // Never both: `data/in.put` would have two readings.
        let one_form = !(raw.contains('/') && raw.contains('.'));
        let pattern = if one_form { dotted.parse() } else { raw.parse() };
        pattern.map(Self).map_err(|why: host_model::BadTopic| bad(&why))
    }
}

/// Which queues an agent may send to: a list of agent ids and shared queues, or `"*"`.
#[derive(Debug, Default, Deserialize)]
#[serde(try_from = "OneOrMany")]
pub(crate) struct Send(pub(crate) SendGrant);

/// The most queues in a grant.
const SEND_LEN_MAX: usize = 256;

#[derive(Deserialize)]
#[serde(untagged, expecting = "use a list of agent ids and shared queues, or \"*\"")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl TryFrom<OneOrMany> for Send {
    type Error = String;

    fn try_from(raw: OneOrMany) -> Result<Self, String> {
        let agents = match raw {
            OneOrMany::One(agent) => vec![agent],
            OneOrMany::Many(agents) => agents,
        };
        if agents.len() > SEND_LEN_MAX {
            return Err(format!("has {} entries: use at most {SEND_LEN_MAX}", agents.len()));
        }
        match agents.as_slice() {
            [any] if any == "*" => Ok(Self(SendGrant::Any)),
            agents if agents.iter().any(|agent| agent == "*") => {
                Err("'*' allows every agent: let it stand alone, or take it out".to_owned())
            }
            queues => ids(queues).map(SendGrant::These).map(Self),
        }
    }
}

fn ids(queues: &[String]) -> Result<Vec<Queue>, String> {
    queues.iter().map(|queue| queue.parse().map_err(|bad: host_model::BadId| bad.to_string())).collect()
}

/// A queue that agents share, by its name.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Shared(pub(crate) Queue);

impl TryFrom<String> for Shared {
    type Error = NotShared;

    fn try_from(raw: String) -> Result<Self, NotShared> {
        Queue::shared(&raw).map(Self)
    }
}

/// What a key holds that this version does not enforce: nothing. Any value is an error.
#[derive(Debug)]
pub(super) struct Unavailable;

/// The message of the error that an [`Unavailable`] key is, before the key's name is known.
pub(super) const UNAVAILABLE: &str = "not available in this version";

impl<'de> Deserialize<'de> for Unavailable {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(de::Error::custom(UNAVAILABLE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_whole_number_with_its_unit() {
        let check = |raw: &str, expected: Option<usize>| {
            assert_eq!(MemorySize::try_from(raw.to_owned()).ok().map(|size| size.0), expected, "{raw:?}");
        };
        check("64KiB", Some(64 << 10));
        check("16MiB", Some(16 << 20));
        check("1GiB", Some(1 << 30));
        for bad in [
            "",
            "16",
            "16MB",
            "MiB",
            "-1MiB",
            "+1MiB",
            "1.5MiB",
            "16 MiB",
            " 16MiB",
            "16mib",
            "99999999999999999999KiB",
            "18446744073709551615GiB",
            "1é",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn a_time_is_a_whole_number_with_its_unit() {
        let check = |raw: &str, expected: Option<u64>| {
            assert_eq!(
                Span::try_from(raw.to_owned()).ok().map(|span| span.0),
                expected.map(Duration::from_millis),
                "{raw:?}"
            );
        };
        check("250ms", Some(250));
        check("5s", Some(5_000));
        check("2m", Some(120_000));
        for bad in ["", "5", "5h", "s", "1.5s", "-1s", "5 s", "5S"] {
            check(bad, None);
        }
    }

    #[test]
    fn a_pattern_names_no_tenant_and_has_one_reading() {
        let check = |raw: &str, expected: Option<&str>| {
            assert_eq!(Pattern::try_from(raw.to_owned()).ok().map(|p| p.0.to_string()).as_deref(), expected, "{raw:?}");
        };
        check("incident.*", Some("incident.*"));
        check("incident/created", Some("incident.created"));
        for bad in ["tenants.acme.data", "tenants/acme/data", "data/in.put", "queues/x", "a..b", ""] {
            check(bad, None);
        }
    }

    #[test]
    fn a_path_is_relative_and_may_lead_upwards() {
        let check = |raw: &str, ok| {
            assert_eq!(
                Line::try_from(raw.to_owned()).and_then(|line| Ok(RelativePath::try_from(line)?)).is_ok(),
                ok,
                "{raw:?}"
            );
        };
        check("echo.wasm", true);
        check("../target/echo.wasm", true);
        check("/etc/passwd", false);
        check("", false);
        check("a\0", false);
    }

    #[test]
    fn a_version_is_plain() {
        let check = |raw: &str, ok| assert_eq!(Version::try_from(raw.to_owned()).is_ok(), ok, "{raw:?}");
        for good in ["1", "0.1.0", "1.0.0-rc.1+build", &"1".repeat(64)] {
            check(good, true);
        }
        for bad in ["", "-1", ".1", "1 0", "1/2", "1\n", &"1".repeat(65)] {
            check(bad, false);
        }
    }
}
