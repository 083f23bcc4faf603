//! Which headers a guest may send: none that decides where a request goes, how it is framed, or who sends it.

use http::HeaderName;

use crate::Header;

/// Headers of one request.
const HEADERS_MAX: usize = 64;
/// Bytes of all names and values of one request's headers.
const HEADER_BYTES_MAX: usize = 16 << 10;

/// Why a header cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadHeader {
    /// The host sets it, or nobody may.
    #[error("the host alone decides over it")]
    Forbidden,
    /// Its name or value holds what no header may hold (RFC 9110 §5).
    #[error("malformed")]
    Malformed,
    /// A `content-length` that is not the body's.
    #[error("a content-length that is not the body's")]
    ContentLength,
    /// An `authorization` that names no secret: a guest cannot hold one.
    #[error("an authorization without the placeholder of a secret")]
    Authorization,
    /// Too many.
    #[error("{len} headers, where {len_max} are allowed")]
    TooMany {
        /// How many.
        len: usize,
        /// How many are allowed.
        len_max: usize,
    },
    /// Too large, all together.
    #[error("{len} bytes of headers, where {len_max} are allowed")]
    TooLarge {
        /// Their bytes.
        len: usize,
        /// Bytes that are allowed.
        len_max: usize,
    },
}

/// The headers that are to be sent. `content-length` is not among them: the host's own says the same.
pub(crate) fn admit(headers: Vec<Header>, body_len: usize) -> Result<Vec<(HeaderName, Vec<u8>)>, BadHeader> {
    if headers.len() > HEADERS_MAX {
        return Err(BadHeader::TooMany { len: headers.len(), len_max: HEADERS_MAX });
    }
    let len = headers.iter().map(|header| header.name.len() + header.value.len()).sum();
    if len > HEADER_BYTES_MAX {
        return Err(BadHeader::TooLarge { len, len_max: HEADER_BYTES_MAX });
    }
    let mut admitted = Vec::with_capacity(headers.len());
    for Header { name, value } in headers {
        let name = HeaderName::try_from(name).map_err(|_| BadHeader::Malformed)?;
        check(&name, &value, body_len)?;
        if name != http::header::CONTENT_LENGTH {
            admitted.push((name, value));
        }
    }
    Ok(admitted)
}

fn check(name: &HeaderName, value: &[u8], body_len: usize) -> Result<(), BadHeader> {
    if host_calls::is_forbidden_header(name.as_str()) {
        return Err(BadHeader::Forbidden);
    }
    if *name == http::header::AUTHORIZATION && !crate::secret::holds_placeholder(value) {
        return Err(BadHeader::Authorization);
    }
    if *name == http::header::CONTENT_LENGTH && value != body_len.to_string().as_bytes() {
        return Err(BadHeader::ContentLength);
    }
    // Also where a secret is put in later: the rest of the value stays what it is.
    if http::HeaderValue::from_bytes(value).is_err() { Err(BadHeader::Malformed) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(headers: &[(&str, &str)]) -> Result<Vec<String>, BadHeader> {
        let header = |(name, value): &(&str, &str)| Header { name: (*name).into(), value: (*value).into() };
        let admitted = admit(headers.iter().map(header).collect(), 5)?;
        Ok(admitted.into_iter().map(|(name, _)| name.to_string()).collect())
    }

    #[test]
    fn headers_that_route_frame_or_identify_are_the_hosts_alone() {
        for name in [
            "Host",
            "connection",
            "TE",
            "Transfer-Encoding",
            "upgrade",
            "keep-alive",
            "proxy-authorization",
            "Proxy-Connection",
            "cookie",
            "forwarded",
            "X-Forwarded-For",
            "x-forwarded-host",
            "via",
            "x-tenant",
            "X-Tenant-Id",
            "expect",
            "trailer",
            "http2-settings",
        ] {
            assert_eq!(admitted(&[(name, "1")]), Err(BadHeader::Forbidden), "{name}");
        }
        assert_eq!(admitted(&[("Accept", "a"), ("x-tenants", "")]), Err(BadHeader::Forbidden));
        assert_eq!(admitted(&[("Accept", "a"), ("x-ten", "b")]), Ok(vec!["accept".into(), "x-ten".into()]));
    }

    #[test]
    fn a_length_must_be_the_bodys_and_an_authorization_a_secrets() {
        assert_eq!(admitted(&[("content-length", "5")]), Ok(vec![]));
        for bad in ["4", "6", "+5", "05", "5, 5", ""] {
            assert_eq!(admitted(&[("content-length", bad)]), Err(BadHeader::ContentLength), "{bad:?}");
        }
        assert_eq!(admitted(&[("authorization", "Bearer {{secret:key}}")]), Ok(vec!["authorization".into()]));
        assert_eq!(admitted(&[("Authorization", "Bearer stolen")]), Err(BadHeader::Authorization));
    }

    #[test]
    fn what_would_end_a_line_is_malformed() {
        for (name, value) in
            [("a\r\nb", "c"), ("a", "b\r\nc: d"), ("a", "b\nc"), ("a b", "c"), ("", "c"), ("a:", "b"), ("a", "\0")]
        {
            assert_eq!(admitted(&[(name, value)]), Err(BadHeader::Malformed), "{name:?} {value:?}");
        }
    }

    #[test]
    fn headers_are_counted_and_weighed() {
        let many = |len: usize| admitted(&vec![("a", "b"); len]).map(|admitted| admitted.len());
        assert_eq!(many(HEADERS_MAX), Ok(HEADERS_MAX));
        assert_eq!(many(HEADERS_MAX + 1), Err(BadHeader::TooMany { len: HEADERS_MAX + 1, len_max: HEADERS_MAX }));
        let large = |len: usize| admitted(&[("a", &"b".repeat(len))]).map(drop);
        assert_eq!(large(HEADER_BYTES_MAX - 1), Ok(()));
        let len = HEADER_BYTES_MAX + 1;
        assert_eq!(large(HEADER_BYTES_MAX), Err(BadHeader::TooLarge { len, len_max: HEADER_BYTES_MAX }));
    }
}
