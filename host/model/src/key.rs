//! The name of a value that an agent keeps.

use std::fmt;

/// The longest key, in bytes.
const KEY_LEN_MAX: usize = 256;

/// A text is too long for a key, or empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key has 1 to {KEY_LEN_MAX} bytes, not {len}")]
pub struct BadKey {
    /// The length it has, in bytes.
    pub len: usize,
}

impl BadKey {
    /// The longest there may be, in bytes.
    pub const LEN_MAX: usize = KEY_LEN_MAX;
}

/// A key of an agent's state: 1 to 256 bytes of UTF-8, any of them. It is compared byte by byte and never joined with anything,
/// so that no two keys, agents or tenants can be mistaken for each other.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StateKey(String);

impl StateKey {
    /// The key of these bytes.
    pub fn new(raw: String) -> Result<Self, BadKey> {
        if (1..=KEY_LEN_MAX).contains(&raw.len()) { Ok(Self(raw)) } else { Err(BadKey { len: raw.len() }) }
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for StateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_to_256_bytes_of_any_kind() {
        let check = |raw: &str, ok: bool| assert_eq!(StateKey::new(raw.to_owned()).is_ok(), ok, "{raw:?}");
        for good in ["a", "\0", "a/b", "../..", "%", "'", "\u{10ffff}", &"x".repeat(256)] {
            check(good, true);
        }
        check("", false);
        check(&"x".repeat(257), false);
        check(&"日".repeat(86), false);
    }
}
