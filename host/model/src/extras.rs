//! What few messages carry.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::MessageId;

/// The length of a `traceparent` of version 00, in bytes.
const TRACE_PARENT_LEN: usize = 55;

/// What few messages carry; boxed in the envelope, so that the others pay one pointer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Extras {
    /// Where the message stands in a distributed trace.
    pub traceparent: Option<TraceParent>,
    /// The dead letter that this message sends again.
    pub replay_of: Option<MessageId>,
    /// What later versions add.
    pub ext: Vec<Extension>,
}

/// Something that a later version of the envelope adds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// `[a-z0-9.-]{1,64}` once verified.
    pub name: String,
    /// Whether who does not know it must refuse the message.
    pub critical: bool,
    /// At most 1,024 bytes without control characters once verified.
    pub value: String,
}

impl Extension {
    /// The key that the message belongs to: of replicas that share by key, it goes to the one of its key.
    pub const KEY: &str = "key";
    /// A lease that its sender held when it was sent, with its token: `groups.search.leader:7`.
    pub const FENCE: &str = "fence";
}

/// Why a text is no `traceparent`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a traceparent of version 00")]
pub struct BadTraceParent;

/// A `traceparent` of version 00 (W3C Trace Context, section 3.2), in its one spelling: lower case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TraceParent(Box<str>);

impl TraceParent {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TraceParent {
    type Err = BadTraceParent;

    fn from_str(raw: &str) -> Result<Self, BadTraceParent> {
        if raw.len() != TRACE_PARENT_LEN {
            return Err(BadTraceParent);
        }
        let parts: Vec<&str> = raw.split('-').collect();
        match parts.as_slice() {
            ["00", trace, parent, flags] if is_id(trace, 32) && is_id(parent, 16) && is_hex(flags, 2) => {
                Ok(Self(raw.into()))
            }
            _ => Err(BadTraceParent),
        }
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for TraceParent {
    type Error = BadTraceParent;

    fn try_from(raw: String) -> Result<Self, BadTraceParent> {
        raw.parse()
    }
}

impl From<TraceParent> for String {
    fn from(trace: TraceParent) -> Self {
        trace.0.into()
    }
}

/// All zeros stand for no id.
fn is_id(text: &str, len: usize) -> bool {
    is_hex(text, len) && text.bytes().any(|b| b != b'0')
}

fn is_hex(text: &str, len: usize) -> bool {
    text.len() == len && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_of_version_00_in_lower_case_and_names_a_span() {
        let check = |raw: &str, ok: bool| assert_eq!(raw.parse::<TraceParent>().is_ok(), ok, "{raw}");
        check("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true);
        check("00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false);
        check("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false);
        check("00-00000000000000000000000000000000-00f067aa0ba902b7-01", false);
        check("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false);
        check("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0", false);
        check("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-", false);
        check("", false);
    }
}
