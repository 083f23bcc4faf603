//! Wire addresses.

use std::fmt;

use host_model::{Destination, TenantId};

/// Where a message goes, as NATS addresses it: `tenants.{tenant}.{address}`.
///
/// Built from parsed ids and topics alone, so that no text of a guest or a tenant can leave its prefix, name a system subject
/// (`$JS`, `$SYS`, `_INBOX`), or carry a wildcard.
///
/// ```compile_fail,E0423
/// let forged = host_bus::Subject("$SYS.REQ.SERVER.PING".to_owned());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subject(String);

impl Subject {
    /// The subject of a destination in a tenant.
    pub fn of(tenant: &TenantId, to: &Destination) -> Self {
        Self(format!("tenants.{tenant}.{to}"))
    }

    /// The subject as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use host_model::{ReplyToken, Topic};
    use proptest::prelude::*;

    use super::*;

    /// What a guest or a tenant might write where an id or a topic stands: near to the grammar, and near to what NATS acts on.
    const HOSTILE: &str = "([a-zA-Z0-9_-]{1,5}|[.*>$ /\\t\\r\\n\\x00\\x7f]|\\$JS|\\$SYS|\\$KV|_INBOX|tenants|globex|queues|replies|é|%2e|\\.\\.){1,8}";

    /// `tenants.{tenant}.` and plain tokens: one address in one tenant, for any reader of NATS subjects.
    fn is_inside(tenant: &str, subject: &str) -> bool {
        let plain = |token: &str| {
            !token.is_empty() && token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        };
        let mut tokens = subject.split('.');
        tokens.next() == Some("tenants")
            && tokens.next() == Some(tenant)
            && tokens.clone().count() > 0
            && tokens.all(plain)
    }

    proptest! {
        #[test]
        fn no_text_of_a_guest_leaves_its_tenant_or_names_what_the_server_acts_on(
            tenant in "[a-z0-9]([a-z0-9-]{0,6}[a-z0-9])?",
            raw in HOSTILE,
            token in any::<u128>(),
        ) {
            let tenant: TenantId = tenant.parse().unwrap();
            let reply = Destination::Reply { agent: "echo".parse().unwrap(), token: ReplyToken::new(token) };
            let topic = Topic::parse_in(&tenant, &raw).ok().map(Destination::Topic);
            let agent = raw.parse().ok().map(Destination::Queue);
            for to in topic.into_iter().chain(agent).chain([reply]) {
                let subject = Subject::of(&tenant, &to);
                prop_assert!(is_inside(tenant.as_str(), subject.as_str()), "{raw:?} became {subject}");
            }
        }

        #[test]
        fn no_hostile_text_is_a_tenant(raw in HOSTILE) {
            if let Ok(tenant) = raw.parse::<TenantId>() {
                let subject = Subject::of(&tenant, &Destination::Topic("a".parse().unwrap()));
                prop_assert!(is_inside(&raw, subject.as_str()), "{subject}");
            }
        }
    }

    #[test]
    fn each_destination_has_its_place_under_the_tenant() {
        let tenant: TenantId = "acme".parse().unwrap();
        let subject = |to| Subject::of(&tenant, &to).to_string();
        assert_eq!(subject(Destination::Topic("incident.created".parse().unwrap())), "tenants.acme.incident.created");
        assert_eq!(subject(Destination::Queue("b-agents".parse().unwrap())), "tenants.acme.queues.b-agents");
        let token = ReplyToken::new(7);
        let reply = Destination::Reply { agent: "echo".parse().unwrap(), token };
        assert_eq!(subject(reply), "tenants.acme.replies.00000000000000000000000000000007");
    }
}
