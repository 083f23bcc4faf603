//! The names of signing keys, and for whom a key may sign.

use std::fmt;
use std::str::FromStr;

use crate::AgentId;

/// Why a text is no key id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a key id: use 16 of 0-9 and a-f")]
pub struct BadKeyId;

/// The name of a signing key within its tenant: 64 random bits, written as 16 lower-case hexadecimal digits.
///
/// Of fixed size, so that a key id a stranger made up costs no memory and reaches no look-up but the one by value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(u64);

impl KeyId {
    /// The length of its text, in bytes.
    pub const TEXT_LEN: usize = 16;

    /// From 64 random bits.
    pub const fn new(random: u64) -> Self {
        Self(random)
    }

    /// The bits.
    pub const fn bits(self) -> u64 {
        self.0
    }
}

impl FromStr for KeyId {
    type Err = BadKeyId;

    fn from_str(raw: &str) -> Result<Self, BadKeyId> {
        let strict = raw.len() == Self::TEXT_LEN && raw.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if strict { u64::from_str_radix(raw, 16).map(Self).map_err(|_| BadKeyId) } else { Err(BadKeyId) }
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// For whom a key of a tenant may sign.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Principal {
    /// The host: for any sender of the tenant.
    Host,
    /// One agent: for itself alone.
    Agent(AgentId),
}

impl Principal {
    /// Whether it may sign what `sender` sends.
    pub fn speaks_for(&self, sender: &AgentId) -> bool {
        match self {
            Self::Host => true,
            Self::Agent(agent) => agent == sender,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_id_is_sixteen_lower_case_hexadecimal_digits() {
        let check = |raw: &str, ok: bool| assert_eq!(raw.parse::<KeyId>().is_ok(), ok, "{raw:?}");
        check("0123456789abcdef", true);
        for bad in
            ["", "0123456789abcde", "0123456789abcdef0", "0123456789ABCDEF", "+123456789abcdef", "../../../../../x"]
        {
            check(bad, false);
        }
        assert_eq!(KeyId::new(0xab).to_string(), "00000000000000ab");
        assert_eq!("00000000000000ab".parse(), Ok(KeyId::new(0xab)));
    }

    #[test]
    fn the_hosts_key_speaks_for_all_and_another_for_itself() {
        let (echo, kb): (AgentId, AgentId) = ("echo".parse().unwrap(), "kb".parse().unwrap());
        assert!(Principal::Host.speaks_for(&echo) && Principal::Agent(echo.clone()).speaks_for(&echo));
        assert!(!Principal::Agent(echo).speaks_for(&kb));
    }
}
