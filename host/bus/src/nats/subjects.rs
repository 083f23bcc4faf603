//! Subjects of the wire, written from parsed ids alone and read back token by token.
//!
//! `tenants.{tenant}.{address}` carries what is volatile, `kept.{tenant}.{queue}.{message}.{address}` what a stream keeps.

use host_model::{MessageId, Queue, TenantId, Topic};

use crate::carried::ArrivedAt;

/// Where hosts speak with each other. No tenant's subject begins so.
pub(crate) const CONTROL: &str = "bailiwick";

/// Everything volatile of a tenant.
pub(crate) fn all_of(tenant: &TenantId) -> String {
    format!("tenants.{tenant}.>")
}

/// Answers in all tenants.
pub(crate) const ALL_ANSWERS: &str = "tenants.*.replies.*";

/// Answers in one tenant.
pub(crate) fn answers_of(tenant: &TenantId) -> String {
    format!("tenants.{tenant}.replies.*")
}

/// Where a kept message is shown to those who watch on other hosts: its receivers have it from the stream.
pub(crate) fn shown(tenant: &TenantId, address: &str) -> String {
    format!("shown.{tenant}.{address}")
}

/// Everything that is shown of a tenant.
pub(crate) fn all_shown_of(tenant: &TenantId) -> String {
    shown(tenant, ">")
}

/// The tenant's stream.
pub(crate) fn stream_of(tenant: &TenantId) -> String {
    format!("tenant-{tenant}")
}

/// Everything that the tenant's stream keeps.
pub(crate) fn kept_of(tenant: &TenantId) -> String {
    format!("kept.{tenant}.>")
}

/// Everything that waits in a queue.
pub(crate) fn kept_in(tenant: &TenantId, queue: &Queue) -> String {
    format!("kept.{tenant}.{queue}.>")
}

/// A message that waits in a queue. One subject is one message in one queue: the stream takes it once.
pub(crate) fn kept(tenant: &TenantId, queue: &Queue, message: MessageId, address: &str) -> String {
    format!("kept.{tenant}.{queue}.{message}.{address}")
}

/// What a subject of a tenant's stream says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeptSubject {
    pub(crate) queue: Queue,
    pub(crate) message: MessageId,
    pub(crate) address: String,
}

impl KeptSubject {
    /// Reads a subject of this tenant; anything else is none.
    pub(crate) fn read(tenant: &TenantId, subject: &str) -> Option<Self> {
        let mut tokens = subject.splitn(5, '.');
        if tokens.next()? != "kept" || tokens.next()? != tenant.as_str() {
            return None;
        }
        let queue = tokens.next()?.parse().ok()?;
        let written = tokens.next()?;
        let message: MessageId = written.parse().ok()?;
        // Another spelling of an id would be another subject for the same message.
        (message.to_string() == written).then_some(())?;
        Some(Self { queue, message, address: tokens.next()?.to_owned() })
    }
}

/// Whether a subject of a tenant is one on which external agents meet the hosts: what lies there is no frame, whoever put it there.
pub(crate) fn is_outside(tenant: &TenantId, subject: &str) -> bool {
    let address = subject.strip_prefix("tenants.").and_then(|rest| rest.strip_prefix(tenant.as_str()));
    address.is_some_and(|address| address.starts_with(".ingress.") || address.starts_with(".deliveries."))
}

/// Reads a subject of a tenant that begins so: its address, and what that is.
pub(crate) fn read(begins: &str, tenant: &TenantId, subject: &str) -> Option<(String, ArrivedAt)> {
    let address = subject.strip_prefix(begins)?.strip_prefix('.')?.strip_prefix(tenant.as_str())?.strip_prefix('.')?;
    let to = match address.split_once('.') {
        Some(("queues", queue)) => ArrivedAt::Queue(queue.parse().ok()?),
        Some(("replies", _)) => ArrivedAt::Reply,
        _ => ArrivedAt::Topic(address.parse::<Topic>().ok()?),
    };
    Some((address.to_owned(), to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_message_is_read_back_from_its_subject_in_its_own_tenant_only() {
        let (acme, globex): (TenantId, TenantId) = ("acme".parse().unwrap(), "globex".parse().unwrap());
        let message: MessageId = "00000000-0000-7000-8000-00000000000a".parse().unwrap();
        let queue: Queue = "kb".parse().unwrap();
        let subject = kept(&acme, &queue, message, "incident.created");
        let read = KeptSubject { queue, message, address: "incident.created".to_owned() };
        assert_eq!(KeptSubject::read(&acme, &subject), Some(read));
        assert_eq!(KeptSubject::read(&globex, &subject), None);
        for bad in [
            "kept.acme",
            "kept.acme.kb.x.a",
            "kept.acme.KB.00000000-0000-7000-8000-00000000000a.a",
            "kept.acme.kb.00000000-0000-7000-8000-00000000000A.a",
            "tenants.acme.a",
        ] {
            assert_eq!(KeptSubject::read(&acme, bad), None, "{bad}");
        }
    }

    #[test]
    fn what_lies_where_external_agents_meet_the_hosts_is_no_address() {
        let acme: TenantId = "acme".parse().unwrap();
        let check = |subject: &str, outside: bool| {
            assert_eq!(is_outside(&acme, subject), outside, "{subject}");
            assert_eq!(read("tenants", &acme, subject).is_none(), outside, "{subject}");
        };
        check("tenants.acme.ingress.meter", true);
        check("tenants.acme.deliveries.meter.messages", true);
        check("tenants.acme.ingressed.meter", false);
        check("tenants.acme.a.ingress.meter", false);
    }

    #[test]
    fn an_address_is_a_topic_a_queue_or_an_answer() {
        let acme: TenantId = "acme".parse().unwrap();
        assert!(
            matches!(read("tenants", &acme, "tenants.acme.a.b"), Some((address, ArrivedAt::Topic(_))) if address == "a.b")
        );
        assert!(matches!(read("tenants", &acme, "tenants.acme.queues.kb"), Some((_, ArrivedAt::Queue(_)))));
        assert!(matches!(read("tenants", &acme, "tenants.acme.replies.0f"), Some((_, ArrivedAt::Reply))));
        for bad in
            ["tenants.globex.a", "tenants.acme", "tenants.acmex.a", "tenants.acme.queues.KB", "tenants.acme.a..b"]
        {
            assert!(read("tenants", &acme, bad).is_none(), "{bad}");
        }
    }
}
