//! Leases of one host: one holder at a time, and tokens that only grow.

use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::join_all;
use host_model::{Incarnation, LeaseId, Producer, Timestamp};

use super::*;

/// A clock that a test moves.
#[derive(Default)]
struct Moved(AtomicU64);

impl Clock for Moved {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.uptime_millis())
    }

    fn uptime_millis(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Numbers that survive what holds the leases, as a disk does.
#[derive(Default)]
struct Numbers(Mutex<HashMap<LeaseName, u64>>);

#[async_trait]
impl LeaseRepository for Numbers {
    async fn grant(&self, name: &LeaseName) -> Result<FencingToken, LeaseError> {
        let mut numbers = self.0.lock();
        let number = numbers.entry(name.clone()).or_default();
        *number += 1;
        Ok(FencingToken(*number))
    }
}

struct World {
    leases: EmbeddedLeases,
    clock: Arc<Moved>,
    numbers: Arc<Numbers>,
}

impl World {
    fn new() -> Self {
        let (clock, numbers) = (Arc::<Moved>::default(), Arc::<Numbers>::default());
        Self { leases: EmbeddedLeases::new(numbers.clone(), clock.clone()), clock, numbers }
    }

    /// Who holds what is forgotten, the numbers are not.
    fn restarted(self) -> Self {
        let leases = EmbeddedLeases::new(self.numbers.clone(), self.clock.clone());
        Self { leases, ..self }
    }

    fn pass(&self, millis: u64) {
        self.clock.0.fetch_add(millis, Ordering::Relaxed);
    }

    async fn acquire(&self, holder: u64) -> Acquired {
        self.leases.acquire(&name("acme"), &start(holder), ttl(3_000)).await.unwrap()
    }

    async fn held(&self, holder: u64) -> Lease {
        match self.acquire(holder).await {
            Acquired::Held(lease) => lease,
            Acquired::Taken(lease) => panic!("another has it: {lease:?}"),
        }
    }
}

fn name(tenant: &str) -> LeaseName {
    let scope = LeaseScope::Group("search".parse().unwrap());
    LeaseName { tenant: tenant.parse().unwrap(), scope, id: LeaseId::leader() }
}

fn start(number: u64) -> Holder {
    let producer = Producer::new(Timestamp::from_millis(1), Incarnation(number));
    Holder { agent: "kb".parse().unwrap(), producer }
}

fn ttl(millis: u64) -> LeaseTtl {
    LeaseTtl::from_millis(millis).unwrap()
}

#[test]
fn a_time_to_live_is_taken_from_one_second_to_sixty() {
    let check = |millis, ok| assert_eq!(LeaseTtl::from_millis(millis).is_ok(), ok, "{millis}");
    check(999, false);
    check(1_000, true);
    check(60_000, true);
    check(60_001, false);
    check(0, false);
}

#[tokio::test]
async fn one_has_a_lease_until_it_runs_out_and_the_next_has_a_higher_token() {
    let world = World::new();
    let first = world.held(1).await;
    let Acquired::Taken(seen) = world.acquire(2).await else { panic!("two have it") };
    assert_eq!((seen.holder, seen.token), (start(1), first.token));
    world.pass(2_999);
    assert!(matches!(world.acquire(2).await, Acquired::Taken(_)));
    world.pass(1);
    assert_eq!(world.leases.current(&name("acme")).await.unwrap(), None);
    let second = world.held(2).await;
    assert!(second.token > first.token, "{second:?}");
    assert_eq!(world.leases.renew(&first, ttl(3_000)).await.unwrap(), None, "what ran out does not come back");
}

#[tokio::test]
async fn a_renewed_lease_lasts_from_the_renewal_on_under_its_token() {
    let world = World::new();
    let lease = world.held(1).await;
    world.pass(2_000);
    let renewed = world.leases.renew(&lease, ttl(3_000)).await.unwrap().unwrap();
    assert_eq!((renewed.token, renewed.remaining), (lease.token, Duration::from_secs(3)));
    world.pass(2_999);
    assert!(matches!(world.acquire(2).await, Acquired::Taken(_)));
    assert_eq!(world.held(1).await.token, lease.token, "who has it and asks again has the same");
    world.pass(3_000);
    assert_eq!(world.leases.renew(&lease, ttl(3_000)).await.unwrap(), None);
}

#[tokio::test]
async fn tokens_grow_over_a_release_and_a_restart() {
    let world = World::new();
    let first = world.held(1).await;
    assert!(world.leases.release(&first).await.unwrap());
    assert!(!world.leases.release(&first).await.unwrap(), "a second time there is nothing to give back");
    let second = world.held(1).await;
    let world = world.restarted();
    let third = world.held(1).await;
    assert!(first.token < second.token && second.token < third.token, "{first:?} {second:?} {third:?}");
    assert!(!world.leases.release(&second).await.unwrap(), "an old lease gives nothing back");
    assert!(matches!(world.acquire(2).await, Acquired::Taken(_)));
}

#[tokio::test]
async fn whoever_was_followed_is_fenced_and_whoever_only_ran_out_is_not() {
    let world = World::new();
    let first = world.held(1).await.fence();
    world.pass(10_000);
    assert_eq!(world.leases.check(&first), Ok(()), "nobody took it");
    let second = world.held(2).await;
    let latest = second.token;
    assert_eq!(world.leases.check(&first), Err(Fenced { token: first.token, latest }));
    assert_eq!(world.leases.check(&second.fence()), Ok(()));
    world.leases.release(&second).await.unwrap();
    assert!(world.leases.check(&first).is_err(), "that the next one gave it back changes nothing");
}

#[tokio::test]
async fn a_lease_of_one_tenant_says_nothing_of_anothers() {
    let world = World::new();
    let ours = world.held(1).await;
    let theirs = world.leases.acquire(&name("globex"), &start(2), ttl(1_000)).await.unwrap();
    assert!(matches!(theirs, Acquired::Held(_)));
    world.leases.forget(&"globex".parse().unwrap(), None);
    assert!(world.leases.renew(&ours, ttl(1_000)).await.unwrap().is_some());
    world.leases.forget(&"acme".parse().unwrap(), Some(&ours.name.scope));
    assert_eq!(world.leases.renew(&ours, ttl(1_000)).await.unwrap(), None);
}

#[tokio::test]
async fn of_many_who_ask_at_once_one_has_it() {
    let world = World::new();
    let asking = (0..32).map(async |number| matches!(world.acquire(number).await, Acquired::Held(_)));
    let held = join_all(asking).await.into_iter().filter(|held| *held).count();
    assert_eq!(held, 1);
}
