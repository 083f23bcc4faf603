//! The chain: each record's hash covers its own bytes and the hash before, so that no record changes, goes or moves unseen.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{Entry, LedgerError};

/// What the hash of every record begins with, so that it is the hash of nothing else.
const DOMAIN: &[u8] = b"bailiwick-audit-record-v1\n";
/// What stands between a record's bytes and its hash.
const HASH_FIELD: &str = ",\"hash\":\"";
/// What stands after the hash.
const END: &str = "\"}";
/// Hexadecimal digits of a hash.
const HEX_LEN: usize = 64;
/// The longest line, in bytes, its line feed included.
pub const LINE_LEN_MAX: usize = 16 << 10;
/// The longest detail, in bytes of JSON; a longer one is left out, and its length said.
const DETAIL_LEN_MAX: usize = 4 << 10;

/// A SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hash(pub(crate) [u8; 32]);

/// A text that is no hash.
#[derive(Debug, thiserror::Error)]
#[error("not 64 hexadecimal digits")]
pub struct BadHash;

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hash {
    type Err = BadHash;

    fn from_str(raw: &str) -> Result<Self, BadHash> {
        let digits = raw.len() == HEX_LEN && raw.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(raw.as_bytes().chunks(2).filter(|_| digits)) {
            let pair = std::str::from_utf8(pair).map_err(|_| BadHash)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| BadHash)?;
        }
        if digits { Ok(Self(hash)) } else { Err(BadHash) }
    }
}

impl TryFrom<String> for Hash {
    type Error = BadHash;

    fn try_from(raw: String) -> Result<Self, BadHash> {
        raw.parse()
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> Self {
        hash.to_string()
    }
}

/// Where a chain stands: its last record's number and hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// The number; 0 before the first record.
    pub seq: u64,
    /// The hash.
    pub hash: Hash,
}

impl Link {
    /// Before the first record: number 0 and 32 zero bytes.
    pub const GENESIS: Self = Self { seq: 0, hash: Hash([0; 32]) };

    /// The line of the next record, with its line feed, and where the chain stands after it.
    pub(crate) fn extend(&self, entry: &Entry) -> Result<(String, Self), LedgerError> {
        let seq = self.seq + 1;
        let said = serde_json::to_string(&bounded(entry)?)?;
        let fields = said.strip_prefix('{').unwrap_or_default().strip_suffix('}').unwrap_or_default();
        let mut line = format!("{{\"seq\":{seq},{}", ascii(fields));
        let hash = self.next_hash(line.as_bytes());
        // Writing to a String cannot fail.
        let _ = writeln!(line, "{HASH_FIELD}{hash}{END}");
        Ok((line, Self { seq, hash }))
    }

    /// The hash of the record whose bytes, up to its hash field, are these.
    pub(crate) fn next_hash(&self, body: &[u8]) -> Hash {
        let mut hasher = Sha256::new();
        hasher.update(DOMAIN);
        hasher.update(self.hash.0);
        hasher.update(body);
        Hash(hasher.finalize().into())
    }
}

/// A line without its line feed, parted into the bytes that are hashed and the hash it carries.
pub(crate) fn part(line: &[u8]) -> Option<(&[u8], Hash)> {
    let rest = line.strip_suffix(END.as_bytes())?;
    let (rest, hash) = rest.split_at_checked(rest.len().checked_sub(HEX_LEN)?)?;
    let body = rest.strip_suffix(HASH_FIELD.as_bytes())?;
    Some((body, std::str::from_utf8(hash).ok()?.parse().ok()?))
}

/// The number that a line says it has.
pub(crate) fn seq_of(line: &[u8]) -> Option<u64> {
    let digits: Vec<u8> = line.strip_prefix(b"{\"seq\":")?.iter().copied().take_while(u8::is_ascii_digit).collect();
    std::str::from_utf8(&digits).ok()?.parse().ok()
}

/// What lies outside of printable ASCII is escaped as JSON does it, so that no reader of the file acts on it.
fn ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if matches!(c, ' '..='~') {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

fn bounded(entry: &Entry) -> Result<Entry, LedgerError> {
    let mut entry = entry.clone();
    if let Some(detail) = &entry.detail {
        let len = serde_json::to_string(detail)?.len();
        if len > DETAIL_LEN_MAX {
            entry.detail = Some(serde_json::json!({ "leftOutBytes": len }));
        }
    }
    Ok(entry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Decision;

    fn entry(target: &str) -> Entry {
        Entry {
            at: host_model::Timestamp::from_millis(1_700_000_000_000),
            tenant: Some("acme".parse().unwrap()),
            actor: "operator".to_owned(),
            action: "agent.stop".into(),
            target: Some(target.to_owned()),
            decision: Decision::Allowed,
            code: None,
            limit: None,
            actual: None,
            count: None,
            first: None,
            of: None,
            detail: None,
        }
    }

    /// The vector of `docs/audit.md`.
    #[test]
    fn the_first_record_is_the_one_in_the_specification() {
        let (line, next) = Link::GENESIS.extend(&entry("echo")).unwrap();
        let body = r#"{"seq":1,"at":1700000000000,"tenant":"acme","actor":"operator","action":"agent.stop","target":"echo","decision":"allowed""#;
        assert_eq!(line, format!("{body},\"hash\":\"{}\"}}\n", next.hash));
        assert_eq!(next.hash.to_string(), "0002ee5a7557c19baf5e6cce631b1777c563ad2d94f87df6890f4d95e05be437");
        assert_eq!(part(line.trim_end().as_bytes()), Some((body.as_bytes(), next.hash)));
        assert_eq!(seq_of(line.as_bytes()), Some(1));
    }

    #[test]
    fn a_line_is_printable_ascii_whatever_was_said() {
        let said = "\u{1b}[2J\r\n\u{85}\u{202e}\u{2028}日😀\"}{\"level\":\"error";
        let (line, _) = Link::GENESIS.extend(&entry(said)).unwrap();
        assert!(line.trim_end_matches('\n').bytes().all(|b| matches!(b, b' '..=b'~')), "{line}");
        let read: crate::Record = serde_json::from_str(&line).unwrap();
        assert_eq!(read.entry.target.as_deref(), Some(said));
    }

    #[test]
    fn a_detail_that_is_too_long_is_left_out_and_said_to_be() {
        let check = |len: usize, kept: bool| {
            let said = Entry { detail: Some("x".repeat(len).into()), ..entry("echo") };
            let (line, _) = Link::GENESIS.extend(&said).unwrap();
            assert!(line.len() <= LINE_LEN_MAX);
            assert_eq!(!line.contains("leftOutBytes"), kept, "{len}");
        };
        check(DETAIL_LEN_MAX - 2, true);
        check(DETAIL_LEN_MAX - 1, false);
    }

    #[test]
    fn a_hash_is_64_lower_case_digits() {
        let hash = Link::GENESIS.next_hash(b"x");
        assert_eq!(hash.to_string().parse::<Hash>().unwrap(), hash);
        for bad in ["", "00", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64), &"A".repeat(64), &"é".repeat(32)] {
            assert!(bad.parse::<Hash>().is_err(), "{bad}");
        }
    }
}
