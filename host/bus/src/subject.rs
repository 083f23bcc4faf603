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
    use super::*;

    #[test]
    fn each_destination_has_its_place_under_the_tenant() {
        let tenant: TenantId = "acme".parse().unwrap();
        let subject = |to| Subject::of(&tenant, &to).to_string();
        assert_eq!(subject(Destination::Topic("incident.created".parse().unwrap())), "tenants.acme.incident.created");
        assert_eq!(subject(Destination::Agent("b-agents".parse().unwrap())), "tenants.acme.queues.b-agents");
        let token = host_model::ReplyToken::new(7);
        let reply = Destination::Reply { agent: "echo".parse().unwrap(), token };
        assert_eq!(subject(reply), "tenants.acme.replies.00000000000000000000000000000007");
    }
}
