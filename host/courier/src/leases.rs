//! Leases of a group: the grant said a second time, words parsed, the leases asked, and what is held remembered, so that all that
//! its holder does from then on is done under it.

use std::sync::Arc;

use host_bus::{Acquired, Fenced, Holder, Lease, LeaseError, LeaseTtl, Leases};
use host_calls::{HostReply, LeaseCall, LeaseReply, LeaseView, Refusal, RefusalNumbers};
use host_model::{BadId, LeaseId, LeaseName, Producer, Timestamp};

use crate::{Party, Pending};

/// When it can make sense to ask again after the host failed, in milliseconds.
const RETRY_MS: u64 = 1_000;

/// A [`LeaseCall`] whose words are checked.
#[derive(Debug, PartialEq, Eq)]
enum LeaseOp {
    Acquire(LeaseId, LeaseTtl),
    Renew(LeaseId, LeaseTtl),
    Release(LeaseId),
    Current(LeaseId),
}

pub(crate) fn call(
    leases: Option<&Arc<dyn Leases>>,
    party: &Arc<Party>,
    started: Timestamp,
    call: LeaseCall,
) -> Result<Pending<HostReply>, Refusal> {
    if !party.grants().leases {
        return Err(Refusal::NotGranted(RefusalNumbers::of("leases-not-granted")));
    }
    party.tried("leases", &"true", |grants| grants.leases);
    let op = parse(call)?;
    let leases = leases.cloned().ok_or_else(|| Refusal::Unavailable(RefusalNumbers::of("no-leases-here")))?;
    let asker = Asker { leases, holder: holder(party, started), party: party.clone() };
    Ok(Box::pin(async move { asker.ask(op).await.map(HostReply::Lease) }))
}

/// Who a start of an agent is among those who ask for leases.
pub(crate) fn holder(party: &Party, started: Timestamp) -> Holder {
    let producer = Producer::new(started, party.caller.incarnation());
    Holder { agent: party.caller.agent().clone(), producer, elsewhere: None }
}

/// Refuses what is done under a lease that somebody else was granted since.
pub(crate) fn check(leases: Option<&Arc<dyn Leases>>, party: &Party) -> Result<(), Refusal> {
    let Some(leases) = leases else { return Ok(()) };
    party.held().iter().try_for_each(|lease| leases.check(&lease.fence()).map_err(of_fenced))
}

struct Asker {
    leases: Arc<dyn Leases>,
    holder: Holder,
    party: Arc<Party>,
}

impl Asker {
    async fn ask(self, op: LeaseOp) -> Result<LeaseReply, Refusal> {
        let done = match op {
            LeaseOp::Acquire(id, ttl) => self.acquire(id, ttl).await?,
            LeaseOp::Renew(id, ttl) => self.renew(&id, ttl).await,
            LeaseOp::Release(id) => return self.release(&id).await.map(LeaseReply::Released).map_err(of_leases),
            LeaseOp::Current(id) => self.leases.current(&self.name(id)).await,
        };
        let lease = done.map_err(of_leases)?;
        Ok(LeaseReply::Lease(lease.map(|lease| self.view(&lease))))
    }

    async fn acquire(&self, id: LeaseId, ttl: LeaseTtl) -> Result<Result<Option<Lease>, LeaseError>, Refusal> {
        let name = self.name(id);
        self.party.has_room_for(&name)?;
        Ok(self.leases.acquire(&name, &self.holder, ttl).await.map(|acquired| match acquired {
            Acquired::Held(lease) => {
                self.party.hold(lease.clone());
                Some(lease)
            }
            Acquired::Taken(_) => None,
        }))
    }

    /// One that was lost stays what its holder acts under: that is refused until it has been given back or taken anew.
    async fn renew(&self, id: &LeaseId, ttl: LeaseTtl) -> Result<Option<Lease>, LeaseError> {
        match self.party.held_as(id) {
            Some(lease) => self.leases.renew(&lease, ttl).await,
            None => Ok(None),
        }
    }

    async fn release(&self, id: &LeaseId) -> Result<bool, LeaseError> {
        let Some(lease) = self.party.held_as(id) else { return Ok(false) };
        let released = self.leases.release(&lease).await?;
        self.party.let_go(&lease.name);
        Ok(released)
    }

    fn name(&self, id: LeaseId) -> LeaseName {
        LeaseName { tenant: self.party.caller.tenant().clone(), scope: self.party.scope().clone(), id }
    }

    fn view(&self, lease: &Lease) -> LeaseView {
        LeaseView {
            holder: lease.holder.agent.clone(),
            mine: lease.holder == self.holder,
            token: lease.token,
            remaining_ms: u32::try_from(lease.remaining.as_millis()).unwrap_or(u32::MAX),
        }
    }
}

fn parse(call: LeaseCall) -> Result<LeaseOp, Refusal> {
    Ok(match call {
        LeaseCall::Acquire { name, ttl_ms } => LeaseOp::Acquire(parse_name(&name)?, parse_ttl(ttl_ms)?),
        LeaseCall::Renew { name, ttl_ms } => LeaseOp::Renew(parse_name(&name)?, parse_ttl(ttl_ms)?),
        LeaseCall::Release { name } => LeaseOp::Release(parse_name(&name)?),
        LeaseCall::Current { name } => LeaseOp::Current(match parse_name(&name) {
            // Everybody may know who leads.
            Err(_) if name == LeaseId::leader().as_str() => LeaseId::leader(),
            parsed => parsed?,
        }),
    })
}

fn parse_name(raw: &str) -> Result<LeaseId, Refusal> {
    raw.parse().map_err(|bad| match bad {
        BadId::Grammar(_) => Refusal::Invalid(RefusalNumbers::of("lease-name")),
        BadId::Reserved(_) => Refusal::Invalid(RefusalNumbers::of("reserved-lease")),
    })
}

fn parse_ttl(millis: u32) -> Result<LeaseTtl, Refusal> {
    LeaseTtl::from_millis(millis.into()).map_err(of_leases)
}

pub(crate) fn of_fenced(fenced: Fenced) -> Refusal {
    Refusal::Other(RefusalNumbers::of("fenced").past(fenced.latest.0, fenced.token.0))
}

fn of_leases(error: LeaseError) -> Refusal {
    match error {
        LeaseError::Ttl { millis, min, max } => {
            let limit = if millis < min { min } else { max };
            Refusal::Invalid(RefusalNumbers::of("ttl-ms").past(limit, millis))
        }
        LeaseError::Names { len_max } => {
            Refusal::OverQuota(RefusalNumbers::of("lease-names").past(len_max, len_max + 1))
        }
        LeaseError::Store(cause) => {
            tracing::error!(cause, "leases cannot be granted");
            Refusal::Unavailable(RefusalNumbers::of("store-failed").retry_after_ms(RETRY_MS))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use async_trait::async_trait;
    use host_bus::{EmbeddedLeases, LeaseRepository};
    use host_model::{Extension, FencingToken, LeaseScope};
    use tests_kit::gate::{FixedClock, NOW, body};

    use super::*;
    use crate::samples::{Peer, World, publish, send};

    fn check(call: LeaseCall, expected: Result<(), &str>) {
        let shown = format!("{call:?}");
        assert_eq!(
            parse(call).map(drop).map_err(|refusal| refusal.code().to_owned()),
            expected.map_err(str::to_owned),
            "{shown}"
        );
    }

    #[test]
    fn words_are_taken_up_to_their_bounds_and_refused_past_them() {
        let acquire = |name: &str, ttl_ms| LeaseCall::Acquire { name: name.to_owned(), ttl_ms };
        check(acquire("backup", 1_000), Ok(()));
        check(acquire("backup", 60_000), Ok(()));
        check(acquire("backup", 999), Err("ttl-ms"));
        check(acquire("backup", 60_001), Err("ttl-ms"));
        check(acquire(&"a".repeat(40), 1_000), Ok(()));
        check(acquire(&"a".repeat(41), 1_000), Err("lease-name"));
        for bad in ["", "groups.other.backup", "a b", "*", "Backup"] {
            check(acquire(bad, 1_000), Err("lease-name"));
        }
    }

    #[test]
    fn who_leads_can_be_looked_at_and_nothing_else() {
        let name = || "leader".to_owned();
        check(LeaseCall::Current { name: name() }, Ok(()));
        check(LeaseCall::Acquire { name: name(), ttl_ms: 1_000 }, Err("reserved-lease"));
        check(LeaseCall::Renew { name: name(), ttl_ms: 1_000 }, Err("reserved-lease"));
        check(LeaseCall::Release { name: name() }, Err("reserved-lease"));
    }

    /// Counts grants in memory.
    #[derive(Default)]
    struct Numbers(AtomicU64);

    #[async_trait]
    impl LeaseRepository for Numbers {
        async fn grant(&self, _: &LeaseName) -> Result<FencingToken, LeaseError> {
            Ok(FencingToken(self.0.fetch_add(1, Ordering::Relaxed) + 1))
        }
    }

    /// What `one` of two parties does before and after `two` takes the lease in its place.
    #[tokio::test]
    async fn what_a_holder_sends_says_so_and_is_refused_once_another_was_granted_the_lease() {
        let clock = Arc::new(FixedClock::new());
        let leases = Arc::new(EmbeddedLeases::new(Arc::<Numbers>::default(), clock.clone()));
        let world = World::with_leases(leases.clone());
        let (one, two) = (world.join("acme", "one", &[], 9), world.join("acme", "two", &["a"], 9));
        let ttl = LeaseTtl::from_millis(1_000).unwrap();
        let scope = LeaseScope::Group("g".parse().unwrap());
        let name = LeaseName { tenant: "acme".parse().unwrap(), scope, id: LeaseId::leader() };
        let take = async |peer: &Peer| match leases.acquire(&name, &holder(&peer.party, NOW), ttl).await.unwrap() {
            Acquired::Held(lease) => peer.party.hold(lease),
            Acquired::Taken(lease) => panic!("{lease:?}"),
        };
        take(&one).await;
        world.now(&one, publish("a", "led")).unwrap();
        let seen = two.receive().unwrap();
        let ext = &seen.envelope().extras.as_ref().unwrap().ext;
        assert_eq!(ext[0], Extension { name: "fence".into(), critical: false, value: "groups.g.leader:1".into() });

        clock.advance_ms(1_000);
        world.now(&one, publish("a", "nobody followed yet")).unwrap();
        take(&two).await;
        let fenced = Refusal::Other(RefusalNumbers::of("fenced").past(2, 1));
        assert_eq!(world.now(&one, publish("a", "late")), Err(fenced.clone()));
        assert_eq!(world.now(&one, send("two", "late")), Err(fenced));
        assert!(two.receive().is_some_and(|seen| body(seen.envelope()) == "nobody followed yet"));
        assert!(two.receive().is_none(), "nothing that came too late was carried");
        world.now(&two, send("one", "leads")).unwrap();
        one.party.let_go(&name);
        world.now(&one, publish("a", "as anybody")).unwrap();
        assert!(two.receive().unwrap().envelope().extras.is_none());
    }
}
