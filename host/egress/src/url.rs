//! The one URL that the way out knows: parsed once, strictly, and never again from text.

use host_model::Scheme;
use http::Uri;

/// The longest URL, in bytes.
const URL_LEN_MAX: usize = 8 << 10;
/// The longest host name and label, in bytes (RFC 1035 §2.3.4).
const HOST_LEN_MAX: usize = 253;
const LABEL_LEN_MAX: usize = 63;

/// Why a text is no URL that can be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// Too long.
    #[error("it has {len} bytes; at most {len_max} are allowed")]
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The longest that is allowed.
        len_max: usize,
    },
    /// Neither `http://` nor `https://`.
    #[error("it begins neither with http:// nor with https://")]
    Scheme,
    /// A byte that is not printed, not ASCII, a backslash, or a `#`.
    #[error("it holds a character that no request line may hold")]
    Character,
    /// Not a name, nor an IPv4 address as four decimal numbers.
    #[error("its host is neither a name nor a dotted address")]
    Host,
    /// Not a number from 1 to 65535 without leading zeros.
    #[error("its port is not a number from 1 to 65535")]
    Port,
    /// Not a path.
    #[error("its path is malformed")]
    Path,
}

/// `scheme://host[:port]/path[?query]`: the host in lower case without a last dot, the port always known.
///
/// Hosts are names (RFC 1123 §2.1) or dotted IPv4 addresses, because grants can name no other. User information, fragments
/// and the other notations of an IPv4 address (octal, hexadecimal, shortened) do not parse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    scheme: Scheme,
    host: String,
    port: u16,
    uri: Uri,
}

impl Url {
    /// The URL in a text of a guest.
    pub fn parse(raw: &str) -> Result<Self, BadUrl> {
        if raw.len() > URL_LEN_MAX {
            return Err(BadUrl::TooLong { len: raw.len(), len_max: URL_LEN_MAX });
        }
        if !raw.bytes().all(|b| b.is_ascii_graphic() && b != b'\\' && b != b'#') {
            return Err(BadUrl::Character);
        }
        let (scheme, rest) = split_scheme(raw)?;
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (host, port) = split_authority(authority, scheme)?;
        let uri = build(scheme, &host, port, target)?;
        Ok(Self { scheme, host, port, uri })
    }

    /// How it travels.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host: a name in lower case without a last dot, or a dotted address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The path without its query; at least `/`.
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// What hyper takes.
    pub(crate) fn uri(&self) -> Uri {
        self.uri.clone()
    }

    /// Whether the path lies under `prefix`, for every server that could read it: one with dot segments or encoded separators
    /// lies under none, since servers disagree over what they mean.
    pub(crate) fn is_under(&self, prefix: &str) -> bool {
        let path = self.path();
        let Some(rest) = path.strip_prefix(prefix) else { return false };
        is_plain(path) && (rest.is_empty() || prefix.ends_with('/') || rest.starts_with('/'))
    }
}

fn split_scheme(raw: &str) -> Result<(Scheme, &str), BadUrl> {
    let https = raw.strip_prefix("https://").map(|rest| (Scheme::Https, rest));
    https.or_else(|| raw.strip_prefix("http://").map(|rest| (Scheme::Http, rest))).ok_or(BadUrl::Scheme)
}

fn split_authority(authority: &str, scheme: Scheme) -> Result<(String, u16), BadUrl> {
    let (host, port) = match authority.split_once(':') {
        None => (authority, scheme.default_port()),
        Some((host, port)) => (host, parse_port(port)?),
    };
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    if is_host(&host) { Ok((host, port)) } else { Err(BadUrl::Host) }
}

fn parse_port(raw: &str) -> Result<u16, BadUrl> {
    let plain = raw.bytes().all(|b| b.is_ascii_digit()) && !raw.starts_with('0');
    raw.parse().ok().filter(|_| plain).ok_or(BadUrl::Port)
}

fn is_host(host: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let label = |label: &str| {
        (1..=LABEL_LEN_MAX).contains(&label.len())
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= HOST_LEN_MAX && host.split('.').all(label) && (!ends_in_number(host) || is_dotted(host))
}

/// Whether some resolver would read the host as an address: its last label is a number (WHATWG URL §3.5).
fn ends_in_number(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    let hexadecimal = last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    hexadecimal || last.bytes().all(|b| b.is_ascii_digit())
}

/// Four decimal numbers without leading zeros.
fn is_dotted(host: &str) -> bool {
    host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.to_string() == host)
}

fn build(scheme: Scheme, host: &str, port: u16, target: &str) -> Result<Uri, BadUrl> {
    let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
    let uri = Uri::builder().scheme(scheme.as_str()).authority(format!("{host}:{port}")).path_and_query(target);
    uri.build().map_err(|_| BadUrl::Path)
}

/// No `.` or `..` as a segment, no empty segment, and nothing encoded that would make one.
fn is_plain(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let encoded = ["%2e", "%2f", "%5c", "%25", "%00"].iter().any(|code| lower.contains(code));
    let dots = path.split('/').any(|segment| matches!(segment.split(';').next(), Some("." | "..")));
    !encoded && !dots && !path.contains("//")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_in_one_way_only() {
        let check = |raw: &str, expected: (Scheme, &str, u16, &str)| {
            let url = Url::parse(raw).unwrap();
            assert_eq!((url.scheme(), url.host(), url.port(), url.path()), expected, "{raw}");
        };
        check("https://API.Example.com", (Scheme::Https, "api.example.com", 443, "/"));
        check("https://a.com.:8443/x?y=1", (Scheme::Https, "a.com", 8443, "/x"));
        check("http://127.0.0.1?q", (Scheme::Http, "127.0.0.1", 80, "/"));
        check("http://1.a/@:b", (Scheme::Http, "1.a", 80, "/@:b"));
    }

    #[test]
    fn every_other_notation_of_a_host_is_refused() {
        let check = |raw: &str, expected: BadUrl| assert_eq!(Url::parse(raw), Err(expected), "{raw:?}");
        for host in [
            "0177.0.0.1",
            "2130706433",
            "0x7f.1",
            "0x7f000001",
            "127.1",
            "127.0.1",
            "1.2.3.4.5",
            "01.2.3.4",
            "256.1.1.1",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "[fe80::1%25eth0]",
            "a@b",
            "user:pass@b",
            "127.0.0.1@a.com",
            "",
            ".",
            "a..b",
            "-a.com",
            "a-.com",
            "a_b.com",
            "%61.com",
            "a.0x1",
        ] {
            let refused = Url::parse(&format!("https://{host}/"));
            assert!(matches!(refused, Err(BadUrl::Host | BadUrl::Port)), "{host}: {refused:?}");
        }
        for raw in [
            "https://ⓛocalhost/",
            "https://a.com\\@b.com/",
            "https://a.com/\r\nX: y",
            "https://a.com/ b",
            "https://a/#f",
        ] {
            check(raw, BadUrl::Character);
        }
        for raw in ["ftp://a/", "//a/", "a", "file:///etc/passwd", "HTTPS://a/", "gopher://a"] {
            check(raw, BadUrl::Scheme);
        }
        for port in ["0", "65536", "+1", "080", "", "8o", "80:80"] {
            check(&format!("https://a.com:{port}/"), BadUrl::Port);
        }
        let long = format!("https://a.com/{}", "x".repeat(URL_LEN_MAX));
        check(&long, BadUrl::TooLong { len: long.len(), len_max: URL_LEN_MAX });
    }

    #[test]
    fn a_path_lies_under_a_prefix_for_every_reader_or_for_none() {
        let check = |path: &str, prefix: &str, expected| {
            let url = Url::parse(&format!("https://a.com{path}")).unwrap();
            assert_eq!(url.is_under(prefix), expected, "{path} under {prefix}");
        };
        check("/v1", "/v1", true);
        check("/v1/x?y=/../..", "/v1", true);
        check("/v10", "/v1", false);
        check("/v1/x", "/v1/", true);
        check("/v1", "/v1/", false);
        check("/anything", "/", true);
        for path in ["/v1/../admin", "/v1/%2e%2E/admin", "/v1/..%2fadmin", "/v1/..;x/admin", "/v1//admin", "/v1/%252e"]
        {
            check(path, "/v1", false);
        }
    }
}
