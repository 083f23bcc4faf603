//! Topics and patterns over them: one grammar, so that nothing a guest writes can leave its tenant.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{AgentId, TenantId};

/// The most tokens in a topic.
const TOKENS_MAX: usize = 16;
/// The longest token, in bytes.
const TOKEN_LEN_MAX: usize = 64;
/// First tokens that are the host's own.
const RESERVED_FIRST_TOKENS: [&str; 5] = ["queues", "replies", "dlq", "ingress", "deliveries"];
/// The first token under which each agent owns what carries its own id.
const AGENTS_TOKEN: &str = "agents";

/// Why a text is not a topic, or not a pattern over topics.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTopic {
    /// It does not match the grammar.
    #[error("not a topic: use 1 to 16 tokens of A-Z, a-z, 0-9, '_' and '-' (each at most 64 bytes) joined by '.'")]
    Grammar,
    /// Its first token is the host's own.
    #[error("topics under 'queues', 'replies', 'dlq', 'ingress' and 'deliveries' are the host's own")]
    Reserved,
    /// It names another tenant.
    #[error("a topic lies in one's own tenant")]
    Foreign,
}

/// A topic within a tenant, in its canonical dotted form: `incident.created`.
///
/// It carries no tenant: the bus writes the subject (`tenants.{tenant}.{topic}`), and takes the tenant from the stamp.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Topic(Arc<str>);

impl Topic {
    /// Reads a topic as a member of `tenant` wrote it: dotted or with slashes, with or without its `tenants.{tenant}` prefix.
    pub fn parse_in(tenant: &TenantId, raw: &str) -> Result<Self, BadTopic> {
        canonical_in(tenant, raw)?.parse()
    }

    /// The canonical dotted text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The agent whose own corner of the topics this is in (`agents.{agent}.…`), if it is in one.
    pub fn owner(&self) -> Option<&str> {
        let mut tokens = self.0.split('.');
        (tokens.next() == Some(AGENTS_TOKEN)).then(|| tokens.next().unwrap_or_default())
    }

    /// The topic on which an agent tells how it is: `agents.{agent}.status`.
    pub fn status_of(agent: &AgentId) -> Self {
        Self(format!("{AGENTS_TOKEN}.{agent}.status").into())
    }
}

impl FromStr for Topic {
    type Err = BadTopic;

    fn from_str(raw: &str) -> Result<Self, BadTopic> {
        check_tokens(raw, is_plain_token)?;
        Ok(Self(raw.into()))
    }
}

/// Topics by pattern, with the wildcards of NATS: `*` stands for one token, a last `>` for one or more.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TopicPattern(Arc<str>);

impl TopicPattern {
    /// As [`Topic::parse_in`].
    pub fn parse_in(tenant: &TenantId, raw: &str) -> Result<Self, BadTopic> {
        canonical_in(tenant, raw)?.parse()
    }

    /// As [`parse_in`](Self::parse_in), for one who may watch the host's own addresses too: `queues.>`.
    pub fn parse_address_in(tenant: &TenantId, raw: &str) -> Result<Self, BadTopic> {
        let pattern = canonical_in(tenant, raw)?;
        let watched = pattern.strip_prefix("queues.").or_else(|| pattern.strip_prefix("replies.")).unwrap_or(&pattern);
        watched.parse::<Self>()?;
        Ok(Self(pattern.as_ref().into()))
    }

    /// Whether a topic is among those the pattern stands for.
    pub fn matches(&self, topic: &Topic) -> bool {
        self.matches_text(topic.as_str())
    }

    /// As [`matches`](Self::matches), for a dotted address that is not a topic (an agent's queue).
    pub fn matches_text(&self, address: &str) -> bool {
        let mut tokens = address.split('.');
        for wanted in self.0.split('.') {
            match (wanted, tokens.next()) {
                (">", Some(_)) => return true,
                ("*", Some(_)) => {}
                (wanted, Some(token)) if wanted == token => {}
                _ => return false,
            }
        }
        tokens.next().is_none()
    }

    /// Whether every topic that `other` stands for is among this pattern's.
    pub fn covers(&self, other: &Self) -> bool {
        let mut tokens = other.0.split('.');
        for wide in self.0.split('.') {
            match (wide, tokens.next()) {
                (">", Some(_)) => return true,
                ("*", Some(token)) if token != ">" => {}
                (wide, Some(token)) if wide == token => {}
                _ => return false,
            }
        }
        tokens.next().is_none()
    }

    /// The topics that both stand for: always one pattern, or none.
    pub fn and(&self, other: &Self) -> Option<Self> {
        let mut common = Vec::new();
        let (mut mine, mut theirs) = (self.0.split('.'), other.0.split('.'));
        loop {
            match (mine.next(), theirs.next()) {
                (None, None) => return Some(Self(common.join(".").into())),
                (Some(">"), Some(rest)) => common.extend(std::iter::once(rest).chain(theirs.by_ref())),
                (Some(rest), Some(">")) => common.extend(std::iter::once(rest).chain(mine.by_ref())),
                (Some("*"), Some(token)) | (Some(token), Some("*")) => common.push(token),
                (Some(token), Some(same)) if token == same => common.push(token),
                _ => return None,
            }
        }
    }

    /// Whether it holds a wildcard.
    pub fn is_wild(&self) -> bool {
        self.0.split('.').any(is_wildcard)
    }

    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TopicPattern {
    type Err = BadTopic;

    fn from_str(raw: &str) -> Result<Self, BadTopic> {
        check_tokens(raw, |token| is_plain_token(token) || is_wildcard(token))?;
        let last_only = raw.split('.').rev().skip(1).all(|token| token != ">");
        if last_only { Ok(Self(raw.into())) } else { Err(BadTopic::Grammar) }
    }
}

macro_rules! text_impls {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadTopic;

            fn try_from(raw: String) -> Result<Self, BadTopic> {
                raw.parse()
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0.as_ref().to_owned()
            }
        }
    };
}

text_impls!(Topic);
text_impls!(TopicPattern);

fn is_wildcard(token: &str) -> bool {
    matches!(token, "*" | ">")
}

fn is_plain_token(token: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    (1..=TOKEN_LEN_MAX).contains(&token.len()) && token.bytes().all(plain)
}

fn check_tokens(raw: &str, allowed: impl Fn(&str) -> bool) -> Result<(), BadTopic> {
    let mut tokens = raw.split('.');
    if tokens.clone().next().is_some_and(|first| RESERVED_FIRST_TOKENS.contains(&first)) {
        return Err(BadTopic::Reserved);
    }
    if raw.len() <= TOKENS_MAX * (TOKEN_LEN_MAX + 1) && tokens.clone().count() <= TOKENS_MAX && tokens.all(allowed) {
        return Ok(());
    }
    Err(BadTopic::Grammar)
}

/// Turns the seeds' slash form into the dotted one, and takes the tenant's own prefix off.
fn canonical_in<'a>(tenant: &TenantId, raw: &'a str) -> Result<std::borrow::Cow<'a, str>, BadTopic> {
    if !raw.contains('/') && !raw.starts_with("tenants.") {
        return Ok(raw.into());
    }
    if raw.contains('/') && raw.contains('.') {
        return Err(BadTopic::Grammar);
    }
    let dotted = raw.replace('/', ".");
    let Some(rest) = dotted.strip_prefix("tenants.") else { return Ok(dotted.into()) };
    let (named, topic) = rest.split_once('.').ok_or(BadTopic::Grammar)?;
    if named == tenant.as_str() { Ok(topic.to_owned().into()) } else { Err(BadTopic::Foreign) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn acme() -> TenantId {
        "acme".parse().unwrap()
    }

    fn check(raw: &str, expected: Result<&str, BadTopic>) {
        let topic = Topic::parse_in(&acme(), raw);
        assert_eq!(topic.as_ref().map(Topic::as_str).map_err(Clone::clone), expected, "{raw:?}");
    }

    #[test]
    fn a_topic_is_plain_tokens_joined_by_dots() {
        check("incident.created", Ok("incident.created"));
        check(&vec!["t"; 16].join("."), Ok(&vec!["t"; 16].join(".")));
        for bad in [
            "",
            ".",
            "a..b",
            ".a",
            "a.",
            "a b",
            "a\0",
            "a\u{7f}",
            "*",
            ">",
            "a.*",
            "a.>",
            "$JS.API",
            "\u{e9}",
            &vec!["t"; 17].join("."),
            &"t".repeat(65),
        ] {
            check(bad, Err(BadTopic::Grammar));
        }
    }

    #[test]
    fn the_slash_form_means_the_same() {
        check("tenants/acme/data/input", Ok("data.input"));
        check("tenants.acme.data.input", Ok("data.input"));
        check("data/input", Ok("data.input"));
        check("data/in.put", Err(BadTopic::Grammar));
        check("tenants/acme", Err(BadTopic::Grammar));
    }

    #[test]
    fn a_topic_stays_in_its_tenant_and_off_the_hosts_own_subjects() {
        check("tenants.globex.data", Err(BadTopic::Foreign));
        check("tenants/acme-/data", Err(BadTopic::Foreign));
        check("queues.other", Err(BadTopic::Reserved));
        check("tenants/acme/queues/other", Err(BadTopic::Reserved));
        check("replies.x", Err(BadTopic::Reserved));
        check("_INBOX.x", Ok("_INBOX.x"));
    }

    #[test]
    fn a_pattern_covers_what_is_narrower_and_itself() {
        let check = |wide: &str, narrow: &str, expected| {
            let [wide, narrow]: [TopicPattern; 2] = [wide.parse().unwrap(), narrow.parse().unwrap()];
            assert_eq!(wide.covers(&narrow), expected, "{wide} {narrow}");
        };
        check("a.b", "a.b", true);
        check("a.*", "a.b", true);
        check("a.*", "a.*", true);
        check("a.*", "a.>", false);
        check("a.>", "a.>", true);
        check("a.>", "a.*.c", true);
        check("a.>", "a", false);
        check(">", ">", true);
        check("a.b", "a.*", false);
        check("*.b", "a.b", true);
        check("*", "a.b", false);
        check("*.>", ">", false);
    }

    /// Patterns and topics over two tokens, so that they meet often.
    const PATTERN: &str = "([ab]|\\*)(\\.([ab]|\\*)){0,2}(\\.>)?|>";
    const TOPIC: &str = "[ab](\\.[ab]){0,3}";

    proptest! {
        #[test]
        fn what_is_covered_is_matched(wide in PATTERN, narrow in PATTERN, topic in TOPIC) {
            let [wide, narrow]: [TopicPattern; 2] = [wide.parse().unwrap(), narrow.parse().unwrap()];
            let topic: Topic = topic.parse().unwrap();
            prop_assert!(!(wide.covers(&narrow) && narrow.matches(&topic)) || wide.matches(&topic));
        }

        #[test]
        fn what_both_stand_for_is_one_pattern(one in PATTERN, other in PATTERN, topic in TOPIC) {
            let [one, other]: [TopicPattern; 2] = [one.parse().unwrap(), other.parse().unwrap()];
            let topic: Topic = topic.parse().unwrap();
            let both = one.and(&other);
            prop_assert_eq!(both.is_some_and(|both| both.matches(&topic)), one.matches(&topic) && other.matches(&topic));
        }
    }

    #[test]
    fn patterns_match_as_nats_does() {
        let check = |pattern: &str, topic: &str, expected| {
            let pattern: TopicPattern = pattern.parse().unwrap();
            assert_eq!(pattern.matches(&topic.parse().unwrap()), expected, "{pattern} {topic}");
        };
        check("a.b", "a.b", true);
        check("a.b", "a.b.c", false);
        check("a.*", "a.b", true);
        check("a.*", "a", false);
        check("a.*", "a.b.c", false);
        check("a.>", "a", false);
        check("a.>", "a.b.c", true);
        check(">", "a", true);
        check("*.b", "a.b", true);
        assert!(">.a".parse::<TopicPattern>().is_err());
        assert!("a*.b".parse::<TopicPattern>().is_err());
    }

    #[test]
    fn only_a_watchers_pattern_names_the_hosts_own_addresses() {
        let check = |raw: &str, watcher: bool, agent: bool| {
            assert_eq!(TopicPattern::parse_address_in(&acme(), raw).is_ok(), watcher, "{raw}");
            assert_eq!(TopicPattern::parse_in(&acme(), raw).is_ok(), agent, "{raw}");
        };
        check("queues.>", true, false);
        check("tenants/acme/replies/*", true, false);
        check("incident.*", true, true);
        check("queues.a b", false, false);
        check("tenants.globex.queues.>", false, false);
    }

    #[test]
    fn an_agents_corner_names_its_owner() {
        let owner = |raw: &str| raw.parse::<Topic>().unwrap().owner().map(str::to_owned);
        assert_eq!(owner("agents.echo.status"), Some("echo".into()));
        assert_eq!(owner("agents"), Some(String::new()));
        assert_eq!(owner("agentsx.echo"), None);
    }

    /// What a guest might write for a pattern: near to the grammar, and to what a broker would act on.
    const HOSTILE: &str =
        "([a-z]{1,3}|[.*>$ /\\r\\n\\x00\\x7f]|\\.|tenants|acme|globex|queues|replies|dlq|\\$JS|\\$SYS|_INBOX|é){1,8}";

    proptest! {
        /// M04.
        #[test]
        fn whatever_pattern_parses_stands_for_the_tenants_own_topics_alone(raw in HOSTILE) {
            let first_is_reserved = |text: &str| RESERVED_FIRST_TOKENS.iter().any(|first| text.split('.').next() == Some(first));
            if let Ok(pattern) = TopicPattern::parse_in(&acme(), &raw) {
                prop_assert!(pattern.as_str().split('.').all(|token| is_plain_token(token) || is_wildcard(token)));
                prop_assert!(!first_is_reserved(pattern.as_str()));
            }
            for foreign in ["tenants.globex.", "tenants/globex/", "tenants.*.", "tenants/*/", "tenants.>.", "tenants.acme-."] {
                prop_assert!(TopicPattern::parse_in(&acme(), &format!("{foreign}{raw}")).is_err(), "{foreign}{raw}");
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_parses_is_inside_the_tenant(raw in any::<String>()) {
            if let Ok(topic) = Topic::parse_in(&acme(), &raw) {
                prop_assert!(topic.as_str().split('.').all(is_plain_token));
                prop_assert!(!RESERVED_FIRST_TOKENS.iter().any(|first| topic.as_str().split('.').next() == Some(first)));
            }
        }
    }
}
