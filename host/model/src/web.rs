//! Where an agent may call over HTTP.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest host name, in bytes (RFC 1035 §2.3.4).
const HOST_LEN_MAX: usize = 253;
const LABEL_LEN_MAX: usize = 63;

/// How a request travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// In the clear: only where the pattern says `http://`.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// The scheme as a URL names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port of a URL that names none.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Why a text is no pattern over hosts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a host: use a name such as 'api.example.com', '*.example.com' or 'http://metrics.internal:9090', in lower case"
)]
pub struct BadHost;

/// Hosts by pattern: `[http://]name[:port]`, where a first label `*` stands for one or more labels.
///
/// Without a scheme it is `https`, without a port that scheme's own: a request to another port is another host.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPattern {
    scheme: Scheme,
    /// Without the leading `*.` of a wild one.
    name: Arc<str>,
    wild: bool,
    port: u16,
}

impl HostPattern {
    /// Whether a request to this host is among those the pattern stands for. `name` is in lower case, without a last dot.
    pub fn matches(&self, scheme: Scheme, name: &str, port: u16) -> bool {
        self.scheme == scheme && self.port == port && self.names(name)
    }

    /// Whether every host that `other` stands for is among this pattern's.
    pub fn covers(&self, other: &Self) -> bool {
        let named = if other.wild {
            self.wild && (self.name == other.name || self.names(&other.name))
        } else {
            self.names(&other.name)
        };
        self.scheme == other.scheme && self.port == other.port && named
    }

    /// The hosts that both stand for: one of the two, or none.
    pub fn and(&self, other: &Self) -> Option<Self> {
        if self.covers(other) {
            return Some(other.clone());
        }
        other.covers(self).then(|| self.clone())
    }

    /// Whether it stands for more than one host.
    pub fn is_wild(&self) -> bool {
        self.wild
    }

    fn names(&self, name: &str) -> bool {
        if !self.wild {
            return *self.name == *name;
        }
        name.strip_suffix(&*self.name).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
    }
}

impl FromStr for HostPattern {
    type Err = BadHost;

    fn from_str(raw: &str) -> Result<Self, BadHost> {
        let (scheme, rest) = match raw.split_once("://") {
            None => (Scheme::Https, raw),
            Some(("https", rest)) => (Scheme::Https, rest),
            Some(("http", rest)) => (Scheme::Http, rest),
            Some(_) => return Err(BadHost),
        };
        let (host, port) = match rest.split_once(':') {
            None => (rest, scheme.default_port()),
            Some((host, port)) => (host, parse_port(port)?),
        };
        let (wild, name) = host.strip_prefix("*.").map_or((false, host), |name| (true, name));
        check_name(name)?;
        Ok(Self { scheme, name: name.into(), wild, port })
    }
}

/// Decimal digits and nothing else, without a leading zero.
fn parse_port(raw: &str) -> Result<u16, BadHost> {
    let digits = raw.bytes().all(|b| b.is_ascii_digit()) && !raw.starts_with('0');
    raw.parse().ok().filter(|_| digits).ok_or(BadHost)
}

/// The grammar of host names (RFC 1123 §2.1), in lower case; an IPv4 address in dotted form fits it too.
fn check_name(name: &str) -> Result<(), BadHost> {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let label = |label: &str| {
        (1..=LABEL_LEN_MAX).contains(&label.len())
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.len() <= HOST_LEN_MAX && name.split('.').all(label) { Ok(()) } else { Err(BadHost) }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.scheme == Scheme::Http {
            f.write_str("http://")?;
        }
        if self.wild {
            f.write_str("*.")?;
        }
        f.write_str(&self.name)?;
        if self.port != self.scheme.default_port() {
            write!(f, ":{}", self.port)?;
        }
        Ok(())
    }
}

impl fmt::Debug for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for HostPattern {
    type Error = BadHost;

    fn try_from(raw: String) -> Result<Self, BadHost> {
        raw.parse()
    }
}

impl From<HostPattern> for String {
    fn from(pattern: HostPattern) -> Self {
        pattern.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(raw: &str) -> HostPattern {
        raw.parse().unwrap()
    }

    #[test]
    fn a_host_is_a_name_with_a_scheme_and_a_port_of_its_own() {
        for (raw, shown) in [
            ("api.example.com", "api.example.com"),
            ("https://api.example.com:443", "api.example.com"),
            ("http://localhost:9090", "http://localhost:9090"),
            ("*.example.com:8443", "*.example.com:8443"),
            ("127.0.0.1", "127.0.0.1"),
        ] {
            assert_eq!(pattern(raw).to_string(), shown);
        }
        for bad in [
            "", "*", "*.", "a..b", "A.com", "ftp://a", "a:0", "a:+1", "a:x", "a/b", "u@a", "-a", "a*.b", "[::1]", "a.",
            "a b",
        ] {
            assert_eq!(bad.parse::<HostPattern>(), Err(BadHost), "{bad:?}");
        }
    }

    #[test]
    fn a_pattern_stands_for_its_hosts_and_no_other_port_or_scheme() {
        let check = |raw: &str, scheme, name: &str, port, expected| {
            assert_eq!(pattern(raw).matches(scheme, name, port), expected, "{raw} {name}:{port}");
        };
        check("a.com", Scheme::Https, "a.com", 443, true);
        check("a.com", Scheme::Http, "a.com", 80, false);
        check("a.com", Scheme::Https, "a.com", 8443, false);
        check("a.com", Scheme::Https, "b.a.com", 443, false);
        check("*.a.com", Scheme::Https, "b.a.com", 443, true);
        check("*.a.com", Scheme::Https, "c.b.a.com", 443, true);
        check("*.a.com", Scheme::Https, "a.com", 443, false);
        check("*.a.com", Scheme::Https, "eva.com", 443, false);
        check("*.a.com", Scheme::Https, ".a.com", 443, false);
    }

    #[test]
    fn a_pattern_covers_what_is_narrower() {
        let check = |wide: &str, narrow: &str, expected| {
            assert_eq!(pattern(wide).covers(&pattern(narrow)), expected, "{wide} {narrow}");
        };
        check("*.a.com", "b.a.com", true);
        check("*.a.com", "*.a.com", true);
        check("*.a.com", "*.b.a.com", true);
        check("*.b.a.com", "*.a.com", false);
        check("b.a.com", "*.a.com", false);
        check("a.com", "a.com:8443", false);
        check("http://a.com:443", "a.com", false);
    }
}
