//! What a tenant's state is made of, and the subjects it lies under.

use data_encoding::BASE64URL_NOPAD;
use host_model::{AgentId, LeaseScope, StateKey, TenantId, Timestamp};

/// One thing that is read and changed as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateCell {
    /// A key of an agent.
    Entry(AgentId, StateKey),
    /// How much the tenant keeps.
    Usage,
    /// The latest tokens of a scope's leases.
    Tokens(LeaseScope),
}

/// A key of an agent, without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateEntry {
    /// Whose.
    pub agent: AgentId,
    /// Which.
    pub key: StateKey,
    /// Which change of the stream it is.
    pub revision: u64,
    /// Bytes of its value.
    pub value_len: u64,
    /// When it is to be taken for gone; never if not given.
    pub expires: Option<Timestamp>,
}

impl StateCell {
    /// A guest's key becomes one token of letters, digits, `-` and `_` (RFC 4648, base64url): no two keys the same one.
    pub(super) fn subject(&self, tenant: &TenantId) -> String {
        match self {
            Self::Entry(agent, key) => {
                format!("state.{tenant}.keys.{agent}.{}", BASE64URL_NOPAD.encode(key.as_str().as_bytes()))
            }
            Self::Usage => format!("state.{tenant}.usage"),
            Self::Tokens(scope) => format!("state.{tenant}.tokens.{scope}"),
        }
    }
}

/// The stream of a tenant's state.
pub(super) fn stream_of(tenant: &TenantId) -> String {
    format!("state-{tenant}")
}

pub(super) fn all_of(tenant: &TenantId) -> String {
    format!("state.{tenant}.>")
}

/// Where a step says that something has to be as it was.
pub(super) fn compared_in(tenant: &TenantId) -> String {
    format!("state.{tenant}.compared")
}

/// All keys of an agent, or of all agents.
pub(super) fn entries_of(tenant: &TenantId, agent: Option<&AgentId>) -> String {
    match agent {
        Some(agent) => format!("state.{tenant}.keys.{agent}.*"),
        None => format!("state.{tenant}.keys.*.*"),
    }
}

/// Reads the subject of a key; what no host writes is none.
pub(super) fn read_entry(tenant: &TenantId, subject: &str) -> Option<(AgentId, StateKey)> {
    let rest = subject.strip_prefix("state.")?.strip_prefix(tenant.as_str())?.strip_prefix(".keys.")?;
    let (agent, key) = rest.split_once('.')?;
    let key = String::from_utf8(BASE64URL_NOPAD.decode(key.as_bytes()).ok()?).ok()?;
    Some((agent.parse().ok()?, StateKey::new(key).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_key_looks_like_it_is_one_token_and_is_read_back() {
        let tenant: TenantId = "acme".parse().unwrap();
        let agent: AgentId = "kb".parse().unwrap();
        for raw in ["a", "a.b", "*", ">", "\0", " ", "a/b", "\u{10ffff}", &"x".repeat(256)] {
            let key = StateKey::new(raw.to_owned()).unwrap();
            let subject = StateCell::Entry(agent.clone(), key.clone()).subject(&tenant);
            assert_eq!(subject.split('.').count(), 5, "{subject}");
            assert!(subject.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)), "{subject}");
            assert_eq!(read_entry(&tenant, &subject), Some((agent.clone(), key)));
            assert_eq!(read_entry(&"globex".parse().unwrap(), &subject), None);
        }
        for bad in ["state.acme.usage", "state.acme.keys.kb", "state.acme.keys.kb.=", "state.acmex.keys.kb.YQ"] {
            assert_eq!(read_entry(&tenant, bad), None, "{bad}");
        }
    }
}
