//! Tokens of external agents: opaque, minted by an operator, each for one agent, kept as digests alone.
//!
//! 256 random bits cannot be guessed, so that looking their digest up in a table tells nobody anything by how long it takes.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use foldhash::fast::RandomState;
use host_component::Digest;
use host_model::{AgentId, TenantId, Timestamp};
use parking_lot::RwLock;

use super::TokenRecord;
use crate::FleetError;

/// Random bytes in a token.
const TOKEN_BYTES: usize = 32;
/// The most tokens of one agent that are valid at once.
pub(super) const TOKENS_MAX: usize = 16;
/// The shortest and the longest time a token may be valid.
const LIFETIME_MIN: Duration = Duration::from_mins(1);
const LIFETIME_MAX: Duration = Duration::from_hours(366 * 24);
/// How much of the digest names a token, in bytes.
const NAME_LEN: usize = 8;

/// A token's name: the first 8 bytes of its digest, as 16 hexadecimal digits. It proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenId(u64);

/// Why a text names no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a token's id: use 16 of 0-9 and a-f, as `agent token AGENT --list` shows them")]
pub struct BadTokenId;

/// A token that was minted: the one time that it is told.
pub struct Minted {
    /// The token.
    pub token: String,
    /// What is kept of it.
    pub record: TokenRecord,
}

/// Shows what is kept, and not the token.
impl fmt::Debug for Minted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Minted").field(&self.record).finish()
    }
}

/// Which tokens there are. At most [`TOKENS_MAX`] for each external agent.
#[derive(Default)]
pub(crate) struct TokenBook(RwLock<HashMap<Digest, TokenRecord, RandomState>>);

impl TokenRecord {
    /// The token's name.
    pub fn id(&self) -> TokenId {
        let first = self.digest.as_bytes().first_chunk::<NAME_LEN>();
        TokenId(first.map_or(0, |bytes| u64::from_be_bytes(*bytes)))
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for TokenId {
    type Err = BadTokenId;

    /// Takes the canonical text alone.
    fn from_str(raw: &str) -> Result<Self, BadTokenId> {
        let id = u64::from_str_radix(raw, 16).map(Self).map_err(|_| BadTokenId)?;
        if id.to_string() == raw { Ok(id) } else { Err(BadTokenId) }
    }
}

/// A new token for an agent, valid from now on.
pub(super) fn mint(
    tenant: &TenantId,
    agent: &AgentId,
    now: Timestamp,
    lifetime: Duration,
) -> Result<Minted, FleetError> {
    if !(LIFETIME_MIN..=LIFETIME_MAX).contains(&lifetime) {
        return Err(FleetError::TokenLifetime { min: LIFETIME_MIN, max: LIFETIME_MAX });
    }
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes).map_err(FleetError::NoRandomness)?;
    let token = URL_SAFE_NO_PAD.encode(bytes);
    let lifetime_ms = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX);
    let record = TokenRecord {
        digest: Digest::of(token.as_bytes()),
        tenant: tenant.clone(),
        agent: agent.clone(),
        created: now,
        expires: Timestamp::from_millis(now.as_millis().saturating_add(lifetime_ms)),
    };
    Ok(Minted { token, record })
}

impl TokenBook {
    pub(super) fn add(&self, token: TokenRecord) {
        self.0.write().insert(token.digest, token);
    }

    /// Whom a token is for, if it is valid now.
    pub(super) fn find(&self, token: &str, now: Timestamp) -> Option<TokenRecord> {
        let found = self.0.read().get(&Digest::of(token.as_bytes())).cloned()?;
        (now < found.expires).then_some(found)
    }

    /// Whether a token that was found is valid still.
    pub(super) fn holds(&self, digest: &Digest, now: Timestamp) -> bool {
        self.0.read().get(digest).is_some_and(|token| now < token.expires)
    }

    /// An agent's tokens, oldest first, those that have expired included.
    pub(super) fn of(&self, tenant: &TenantId, agent: &AgentId) -> Vec<TokenRecord> {
        let tokens = self.0.read();
        let of_agent = tokens.values().filter(|token| token.tenant == *tenant && token.agent == *agent);
        let mut of_agent: Vec<TokenRecord> = of_agent.cloned().collect();
        of_agent.sort_by_key(|token| (token.created, token.id()));
        of_agent
    }

    pub(super) fn remove(&self, digest: &Digest) {
        self.0.write().remove(digest);
    }

    pub(super) fn retain(&self, keep: impl Fn(&TokenRecord) -> bool) {
        self.0.write().retain(|_, token| keep(token));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn minted(lifetime: Duration) -> Result<Minted, FleetError> {
        mint(&"acme".parse().unwrap(), &"meter".parse().unwrap(), NOW, lifetime)
    }

    #[test]
    fn a_token_is_new_each_time_and_only_its_digest_is_kept() {
        let [one, other] = [(); 2].map(|()| minted(LIFETIME_MIN).unwrap());
        assert_ne!(one.token, other.token);
        assert_eq!(URL_SAFE_NO_PAD.decode(&one.token).unwrap().len(), TOKEN_BYTES);
        assert_eq!(one.record.digest, Digest::of(one.token.as_bytes()));
        assert!(!format!("{one:?}").contains(&one.token));
    }

    #[test]
    fn a_token_is_found_until_it_expires_and_no_other_text_is() {
        let (book, minted) = (TokenBook::default(), minted(LIFETIME_MIN).unwrap());
        book.add(minted.record.clone());
        let expires = minted.record.expires;
        let check = |token: &str, at: Timestamp, found| assert_eq!(book.find(token, at).is_some(), found, "{token}");
        check(&minted.token, NOW, true);
        check(&minted.token, Timestamp::from_millis(expires.as_millis() - 1), true);
        check(&minted.token, expires, false);
        check(&minted.record.digest.to_string(), NOW, false);
        check("", NOW, false);
        book.remove(&minted.record.digest);
        check(&minted.token, NOW, false);
    }

    #[test]
    fn a_lifetime_has_two_ends() {
        let check = |lifetime, ok| assert_eq!(minted(lifetime).is_ok(), ok, "{lifetime:?}");
        check(LIFETIME_MIN, true);
        check(LIFETIME_MIN.saturating_sub(Duration::from_millis(1)), false);
        check(LIFETIME_MAX, true);
        check(LIFETIME_MAX + Duration::from_millis(1), false);
    }

    #[test]
    fn a_tokens_name_has_one_spelling() {
        let id = minted(LIFETIME_MIN).unwrap().record.id();
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "0", "00000000000000AB", "000000000000000ab", "+00000000000000a", "xyz"] {
            assert_eq!(bad.parse::<TokenId>(), Err(BadTokenId), "{bad}");
        }
    }
}
