//! What an external agent may do on the wire: publish to one subject, and subscribe under two prefixes.

use std::time::Duration;

use host_model::{AgentId, TenantId};

use super::AccountsError;
use super::claims::{NO_LIMIT, Permission, User};

/// The shortest time for which an external agent's credentials are valid.
pub const LIFETIME_MIN: Duration = Duration::from_mins(1);
/// The longest: what is stolen is worth nothing soon, and an agent asks for the next ones in time.
pub const LIFETIME_MAX: Duration = Duration::from_mins(15);
/// Subscriptions of one connection of an external agent.
const SUBSCRIPTIONS_MAX: i64 = 16;
/// The most bytes of what it publishes: a draft's JSON, as over HTTP, and its headers.
const PAYLOAD_BYTES_MAX: i64 = (2 << 20) + (16 << 10);
/// The longest subject that is answered on, in bytes.
const REPLY_LEN_MAX: usize = 256;

/// Where an external agent meets its tenant's bus. Made of parsed ids alone.
///
/// None of it is an address that a message has: `ingress` and `deliveries` are no topics, so that neither a signed frame comes where
/// drafts are expected nor a draft where frames are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentSubjects {
    /// Where it publishes: drafts, as `POST /api/messages` takes them.
    pub ingress: String,
    /// What it may receive on: what the gate has accepted for it.
    pub deliveries: String,
    /// What its clients begin the subjects with on which they await answers, without a dot at the end. Clients must be told.
    pub inbox: String,
}

impl AgentSubjects {
    /// Those of an agent of a tenant.
    pub fn of(tenant: &TenantId, agent: &AgentId) -> Self {
        Self {
            ingress: format!("tenants.{tenant}.ingress.{agent}"),
            deliveries: format!("tenants.{tenant}.deliveries.{agent}"),
            inbox: format!("_INBOX_{agent}"),
        }
    }

    /// Where it is told of a message.
    pub fn delivery(&self) -> String {
        format!("{}.messages", self.deliveries)
    }

    /// Every tenant's ingress subjects, for whoever takes them in.
    pub(super) fn all_ingress() -> &'static str {
        "tenants.*.ingress.*"
    }

    /// Whose ingress subject this is.
    pub(super) fn sender(subject: &str) -> Option<(TenantId, AgentId)> {
        let tokens: Vec<&str> = subject.split('.').collect();
        let ["tenants", tenant, "ingress", agent] = tokens.as_slice() else { return None };
        Some((tenant.parse().ok()?, agent.parse().ok()?))
    }

    /// The subject on which the agent awaits an answer, if it may await one there.
    ///
    /// The server checks a message's subject against its sender's permissions, never its reply (but for `$JS.ACK.…`, in 2.15):
    /// whoever answers with more rights than the sender must ask first, or publishes for it into somebody else's inbox.
    pub fn reply_to(&self, raw: &str) -> Option<ReplyTo> {
        let plain =
            |token: &str| !token.is_empty() && token.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
        let rest = raw.strip_prefix(&self.inbox)?.strip_prefix('.')?;
        (raw.len() <= REPLY_LEN_MAX && rest.split('.').all(plain)).then(|| ReplyTo(raw.to_owned()))
    }
}

/// A witness: a subject in the private inbox of the agent that named it. Made by [`AgentSubjects::reply_to`] and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyTo(String);

impl ReplyTo {
    /// The subject as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How an external agent speaks to the servers. Never as a leaf node, which speaks for others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Transport {
    /// By NATS itself, also over a web socket: it signs a nonce, so that its token alone is worth nothing.
    #[default]
    Nats,
    /// By MQTT 3.1.1, which signs nothing: whoever has the token is the agent until it ends.
    Mqtt,
}

/// Credentials to be made for an external agent.
#[derive(Debug, Clone)]
pub struct AgentUser {
    /// In which tenant.
    pub tenant: TenantId,
    /// For which agent.
    pub agent: AgentId,
    /// For how long: [`LIFETIME_MIN`] to [`LIFETIME_MAX`].
    pub lifetime: Duration,
    /// For what it connects with.
    pub transport: Transport,
}

impl AgentUser {
    /// Itself, if its lifetime lies within its bounds.
    pub(super) fn checked(&self) -> Result<&Self, AccountsError> {
        let (min, max) = (LIFETIME_MIN, LIFETIME_MAX);
        if (min..=max).contains(&self.lifetime) { Ok(self) } else { Err(AccountsError::Lifetime { min, max }) }
    }

    /// What it may do: no more than stands in the module's first line. There are no response permissions (`allow_responses`): an
    /// answer to what it received would be a message that the gate has not seen.
    pub(super) fn claims(&self) -> User {
        let AgentSubjects { ingress, deliveries, inbox } = AgentSubjects::of(&self.tenant, &self.agent);
        User {
            publish: Permission { allow: vec![ingress] },
            subscribe: Permission { allow: vec![format!("{deliveries}.>"), format!("{inbox}.>")] },
            subs: SUBSCRIPTIONS_MAX,
            data: NO_LIMIT,
            payload: PAYLOAD_BYTES_MAX,
            bearer_token: self.transport == Transport::Mqtt,
            allowed_connection_types: self.transport.connection_types(),
        }
    }
}

impl Transport {
    const fn connection_types(self) -> &'static [&'static str] {
        match self {
            Self::Nats => &["STANDARD", "WEBSOCKET"],
            Self::Mqtt => &["MQTT"],
        }
    }
}

#[cfg(test)]
mod tests {
    use host_model::Topic;

    use super::*;

    fn meter() -> AgentSubjects {
        AgentSubjects::of(&"acme".parse().unwrap(), &"meter".parse().unwrap())
    }

    #[test]
    fn an_answer_goes_into_the_senders_own_inbox_and_nowhere_else() {
        let check = |raw: &str, answered: bool| assert_eq!(meter().reply_to(raw).is_some(), answered, "{raw}");
        check("_INBOX_meter.Kx7.1", true);
        check("_INBOX_meter", false);
        check("_INBOX_meter.", false);
        check("_INBOX_meter..a", false);
        check("_INBOX_meter.>", false);
        check("_INBOX_meter.*", false);
        check("_INBOX_meter.a b", false);
        check("_INBOX_meter2.a", false);
        check("_INBOX_other.a", false);
        check("_INBOX.a", false);
        check("$JS.ACK.tenant-acme.meter.1.1.1.1.1", false);
        check("$SYS.REQ.CLAIMS.UPDATE", false);
        check("tenants.acme.queues.meter", false);
        check(&format!("_INBOX_meter.{}", "a".repeat(REPLY_LEN_MAX)), false);
    }

    #[test]
    fn a_sender_is_read_from_its_ingress_subject_alone() {
        let sender = AgentSubjects::sender(&meter().ingress).unwrap();
        assert_eq!((sender.0.as_str(), sender.1.as_str()), ("acme", "meter"));
        for other in [
            "tenants.acme.ingress",
            "tenants.acme.ingress.meter.x",
            "tenants.acme.queues.meter",
            "tenants.ACME.ingress.meter",
            "tenants.acme.ingress.dlq",
            "x.acme.ingress.meter",
            "",
        ] {
            assert!(AgentSubjects::sender(other).is_none(), "{other}");
        }
    }

    #[test]
    fn no_topic_is_an_ingress_subject_or_a_delivery() {
        for topic in ["ingress.meter", "deliveries.meter.messages", "ingress", "deliveries.x"] {
            assert!(topic.parse::<Topic>().is_err(), "{topic}");
        }
    }

    #[test]
    fn credentials_are_valid_for_a_minute_to_a_quarter_of_an_hour() {
        let check = |lifetime, ok| {
            let (tenant, agent) = ("acme".parse().unwrap(), "meter".parse().unwrap());
            let user = AgentUser { tenant, agent, lifetime, transport: Transport::Nats };
            assert_eq!(user.checked().is_ok(), ok, "{lifetime:?}");
        };
        check(LIFETIME_MIN, true);
        check(LIFETIME_MIN.saturating_sub(Duration::from_millis(1)), false);
        check(LIFETIME_MAX, true);
        check(LIFETIME_MAX + Duration::from_millis(1), false);
    }
}
