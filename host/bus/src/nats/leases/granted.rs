//! A grant as it lies in the bucket, and the key it lies under.

use std::time::Duration;

use host_model::{AgentId, FencingToken, LeaseId, LeaseName, LeaseScope, Producer};
use serde::{Deserialize, Serialize};

use crate::{Holder, HostId, LeaseTtl};

/// Bytes of one grant; more come from no host.
const BYTES_MAX: usize = 1_024;

/// The latest grant of a lease. It stays when the lease is given back, so that the next one has a higher token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Granted {
    pub(super) token: FencingToken,
    host: HostId,
    agent: AgentId,
    producer: Producer,
    ttl_millis: u64,
    given_back: bool,
}

impl Granted {
    /// A new grant, to a holder on this host.
    pub(super) fn new(token: FencingToken, own: HostId, holder: &Holder, ttl: LeaseTtl) -> Self {
        let (agent, producer) = (holder.agent.clone(), holder.producer);
        Self {
            token,
            host: holder.elsewhere.unwrap_or(own),
            agent,
            producer,
            ttl_millis: ttl.as_millis(),
            given_back: false,
        }
    }

    /// The same grant, for so long from now on.
    pub(super) fn renewed(self, ttl: LeaseTtl) -> Self {
        Self { ttl_millis: ttl.as_millis(), given_back: false, ..self }
    }

    /// The same grant, at its end.
    pub(super) fn given_back(self) -> Self {
        Self { given_back: true, ..self }
    }

    /// Reads what lies in the bucket; what no host writes is none.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let granted: Self = if bytes.len() <= BYTES_MAX { serde_json::from_slice(bytes).ok()? } else { return None };
        LeaseTtl::from_millis(granted.ttl_millis).is_ok().then_some(granted)
    }

    pub(super) fn written(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    pub(super) fn is_on(&self, host: HostId) -> bool {
        self.host == host
    }

    /// Who has it, as this host sees it.
    pub(super) fn holder(&self, own: HostId) -> Holder {
        let elsewhere = (!self.is_on(own)).then_some(self.host);
        Holder { agent: self.agent.clone(), producer: self.producer, elsewhere }
    }

    /// For how long it is had; `None` once it was given back.
    pub(super) fn lasts(&self) -> Option<Duration> {
        (!self.given_back).then_some(Duration::from_millis(self.ttl_millis))
    }
}

/// The key of a lease: `{tenant}.groups.{group}.{id}` or `{tenant}.agents.{agent}.{id}`. No id holds a dot.
pub(super) fn key(name: &LeaseName) -> String {
    format!("{}.{name}", name.tenant)
}

/// Reads a key; what no host writes is none.
pub(super) fn read_key(key: &str) -> Option<LeaseName> {
    let mut tokens = key.split('.');
    let tenant = tokens.next()?.parse().ok()?;
    let (kind, owner) = (tokens.next()?, tokens.next()?);
    let scope = match kind {
        "groups" => LeaseScope::Group(owner.parse().ok()?),
        "agents" => LeaseScope::Agent(owner.parse().ok()?),
        _ => return None,
    };
    let raw = tokens.next()?;
    let id = if raw == LeaseId::leader().as_str() { LeaseId::leader() } else { raw.parse().ok()? };
    tokens.next().is_none().then_some(LeaseName { tenant, scope, id })
}

#[cfg(test)]
mod tests {
    use host_model::{Incarnation, Timestamp};

    use super::*;

    #[test]
    fn a_key_is_read_back_and_what_no_host_writes_is_none() {
        for good in ["acme.groups.search.leader", "acme.agents.kb.index", "leader.agents.leader.leader"] {
            assert_eq!(read_key(good).as_ref().map(key).as_deref(), Some(good));
        }
        for bad in [
            "acme.groups.search",
            "acme.hosts.search.leader",
            "acme.agents.operator.x",
            "acme.agents.kb.a.b",
            "A.agents.kb.x",
        ] {
            assert_eq!(read_key(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_grant_is_read_back_and_says_of_other_hosts_holders_where_they_are() {
        let producer = Producer::new(Timestamp::from_millis(1), Incarnation(2));
        let holder = Holder { agent: "kb".parse().unwrap(), producer, elsewhere: None };
        let ttl = LeaseTtl::from_millis(3_000).unwrap();
        let granted = Granted::new(FencingToken(7), HostId(1), &holder, ttl);
        let read = Granted::read(&granted.written().unwrap()).unwrap();
        assert_eq!(read, granted);
        assert_eq!(read.holder(HostId(1)), holder);
        assert_eq!(read.holder(HostId(2)), Holder { elsewhere: Some(HostId(1)), ..holder });
        assert_eq!((read.lasts(), read.given_back().lasts()), (Some(Duration::from_secs(3)), None));
        let absurd = Granted { ttl_millis: 60_001, ..granted };
        assert_eq!(Granted::read(&absurd.written().unwrap()), None);
        assert_eq!(Granted::read(&[b' '; BYTES_MAX + 1]), None);
    }
}
