//! Headers with a meaning of their own.

use axum::http::{HeaderMap, HeaderValue};

use crate::problem::ApiError;

/// The longest idempotency key, in bytes.
const KEY_LEN_MAX: usize = 128;
/// The longest `Last-Event-ID`, in bytes; ours are shorter.
const EVENT_ID_LEN_MAX: usize = 128;

/// The key under which a request may be sent again (draft-ietf-httpapi-idempotency-key-header): a string in quotes as structured
/// fields have it (RFC 9651 §3.3.3), or the bare text, as many clients send it.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let bad =
        || ApiError::BadHeader(format!("Idempotency-Key: give 1 to {KEY_LEN_MAX} visible ASCII characters, once"));
    let Some(text) = one(headers, "idempotency-key", bad)? else { return Ok(None) };
    let key = match text.strip_prefix('"') {
        Some(quoted) => unquoted(quoted).ok_or_else(bad)?,
        None => text.to_owned(),
    };
    let fits = (1..=KEY_LEN_MAX).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    if fits { Ok(Some(key)) } else { Err(bad()) }
}

/// The last event that a client received, as it says when it comes back (HTML, server-sent events).
pub(crate) fn last_event_id(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let bad = || ApiError::BadHeader("Last-Event-ID: give the id of an event as it came, or none".to_owned());
    match one(headers, "last-event-id", bad)? {
        Some(text) if text.len() > EVENT_ID_LEN_MAX => Err(bad()),
        text => Ok(text.map(str::to_owned)),
    }
}

fn one<'a>(headers: &'a HeaderMap, name: &str, bad: impl Fn() -> ApiError) -> Result<Option<&'a str>, ApiError> {
    let mut given = headers.get_all(name).iter();
    match (given.next(), given.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => HeaderValue::to_str(value).map(|text| Some(text.trim())).map_err(|_| bad()),
        (Some(_), Some(_)) => Err(bad()),
    }
}

/// What stands before the closing quote, which must be the end.
fn unquoted(quoted: &str) -> Option<String> {
    let mut key = String::with_capacity(quoted.len());
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return chars.next().is_none().then_some(key),
            '\\' => key.push(chars.next().filter(|c| matches!(c, '"' | '\\'))?),
            c => key.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(given: &[&str], expected: Result<Option<&str>, u16>) {
        let mut headers = HeaderMap::new();
        for value in given {
            headers.append("idempotency-key", HeaderValue::from_str(value).unwrap());
        }
        let key = idempotency_key(&headers).map_err(|refused| refused.problem().status);
        assert_eq!(key.as_ref().map(Option::as_deref).map_err(|status| *status), expected, "{given:?}");
    }

    #[test]
    fn a_key_is_a_quoted_string_or_bare_and_bounded() {
        check(&[], Ok(None));
        check(&["\"8e03978e-40d5\""], Ok(Some("8e03978e-40d5")));
        check(&["8e03978e-40d5"], Ok(Some("8e03978e-40d5")));
        check(&[r#""a\"b\\c d""#], Ok(Some(r#"a"b\c d"#)));
        check(&[&"k".repeat(KEY_LEN_MAX)], Ok(Some(&"k".repeat(KEY_LEN_MAX))));
        for bad in ["", "\"\"", "\"a", "\"a\"b", r#""a\b""#, &"k".repeat(KEY_LEN_MAX + 1), "a\tb"] {
            check(&[bad], Err(400));
        }
        check(&["a", "a"], Err(400));
    }
}
