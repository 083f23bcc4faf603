//! The grammar of what a message says about itself, the same at both borders.

use host_model::{Extension, Header};

const TYPE_LEN_MAX: usize = 128;
const CONTENT_TYPE_LEN_MAX: usize = 128;
const CORRELATION_ID_LEN_MAX: usize = 128;
const NAME_LEN_MAX: usize = 64;
const VALUE_LEN_MAX: usize = 1024;
const KEY_LEN_MAX: usize = 256;

/// `[A-Za-z0-9._-]{1,128}`.
pub(crate) fn is_message_type(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=TYPE_LEN_MAX).contains(&text.len()) && text.bytes().all(plain)
}

/// At most 128 bytes of printable ASCII.
pub(crate) fn is_content_type(text: &str) -> bool {
    text.len() <= CONTENT_TYPE_LEN_MAX && text.bytes().all(is_printable)
}

/// 1 to 128 bytes of printable ASCII.
pub(crate) fn is_correlation_id(text: &str) -> bool {
    (1..=CORRELATION_ID_LEN_MAX).contains(&text.len()) && text.bytes().all(is_printable)
}

/// A name of `[A-Za-z0-9_-]{1,64}`, and at most 1,024 bytes without control characters.
pub(crate) fn is_header(header: &Header) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    (1..=NAME_LEN_MAX).contains(&header.name.len()) && header.name.bytes().all(plain) && is_value(&header.value)
}

/// A name of `[a-z0-9.-]{1,64}`, and at most 1,024 bytes without control characters.
pub(crate) fn is_extension(extension: &Extension) -> bool {
    let Extension { name, value, .. } = extension;
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-');
    (1..=NAME_LEN_MAX).contains(&name.len()) && name.bytes().all(plain) && is_value(value)
}

/// 1 to 256 bytes without control characters.
pub(crate) fn is_shard_key(text: &str) -> bool {
    (1..=KEY_LEN_MAX).contains(&text.len()) && is_value(text)
}

/// Whether a media type is JSON's own or one built on it (RFC 6839, section 3.1).
pub(crate) fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let ends_in_json =
        essence.len() > 5 && essence.as_bytes().iter().rev().zip(b"nosj+").all(|(a, b)| a.eq_ignore_ascii_case(b));
    essence.eq_ignore_ascii_case("application/json") || ends_in_json
}

fn is_value(text: &str) -> bool {
    text.len() <= VALUE_LEN_MAX && !text.chars().any(char::is_control)
}

fn is_printable(b: u8) -> bool {
    b == b' ' || b.is_ascii_graphic()
}
