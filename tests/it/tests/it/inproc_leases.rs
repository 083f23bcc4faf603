//! What leases promise, those of one host and those of hosts that share a NATS: one holder at a time, and tokens that only grow.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use host_bus::{
    Acquired, EmbeddedLeases, Fenced, Fences, Holder, LEASE_NAMES_MAX, Lease, LeaseError, LeaseRepository, LeaseTtl,
    Leases,
};
use host_model::{FencingToken, Incarnation, LeaseId, LeaseName, LeaseScope, Producer, Timestamp};
use parking_lot::Mutex;
use tests_kit::gate::FixedClock;
use tests_kit::{NatsServer, eventually};
use tokio::task::JoinSet;

use crate::nats_host::NatsHost;

/// Makes one test of each promise, of both kinds.
macro_rules! on_both {
    ($($promise:ident)*) => {
        mod embedded {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $promise() {
                    super::$promise(super::World::embedded()).await;
                }
            )*
        }

        mod nats {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $promise() {
                    super::$promise(super::World::nats().await).await;
                }
            )*
        }
    };
}

on_both! {
    one_has_a_lease_until_it_runs_out_and_the_next_has_a_higher_token
    a_renewed_lease_lasts_from_the_renewal_on_under_its_token
    tokens_grow_over_a_release_and_a_restart
    whoever_was_followed_is_fenced_and_whoever_only_ran_out_is_not
    a_lease_of_one_tenant_says_nothing_of_anothers
    of_many_who_ask_at_once_one_has_it
    a_scope_has_so_many_names_and_not_one_more
}

/// Numbers that survive what holds the leases, as a disk does.
#[derive(Default)]
pub(crate) struct Numbers(Mutex<HashMap<LeaseName, FencingToken>>);

#[async_trait]
impl LeaseRepository for Numbers {
    async fn grant(&self, name: &LeaseName) -> Result<FencingToken, LeaseError> {
        let mut numbers = self.0.lock();
        if numbers.len() as u64 == LEASE_NAMES_MAX && !numbers.contains_key(name) {
            return Err(LeaseError::Names { len_max: LEASE_NAMES_MAX });
        }
        let number = numbers.entry(name.clone()).or_insert(FencingToken(0));
        number.0 += 1;
        Ok(*number)
    }
}

#[async_trait]
impl Fences for Numbers {
    async fn latest(&self, name: &LeaseName) -> Result<Option<FencingToken>, LeaseError> {
        Ok(self.0.lock().get(name).copied())
    }

    async fn raise(&self, name: &LeaseName, token: FencingToken) -> Result<(), LeaseError> {
        let mut numbers = self.0.lock();
        let number = numbers.entry(name.clone()).or_insert(token);
        *number = token.max(*number);
        Ok(())
    }

    async fn heard(&self, name: &LeaseName, token: FencingToken) -> Result<(), LeaseError> {
        self.raise(name, token).await
    }
}

struct World {
    leases: Arc<dyn Leases>,
    clock: Arc<FixedClock>,
    numbers: Arc<Numbers>,
    nats: Option<(NatsHost, NatsServer)>,
}

impl World {
    fn embedded() -> Self {
        Self::over(None, Arc::default(), Arc::default())
    }

    async fn nats() -> Self {
        let server = NatsServer::start();
        let host = NatsHost::on(&server, 1).await;
        Self::over(Some((host, server)), Arc::default(), Arc::default())
    }

    fn over(nats: Option<(NatsHost, NatsServer)>, clock: Arc<FixedClock>, numbers: Arc<Numbers>) -> Self {
        let leases: Arc<dyn Leases> = match &nats {
            None => Arc::new(EmbeddedLeases::new(numbers.clone(), clock.clone())),
            Some((host, _)) => Arc::new(host.bus.leases(numbers.clone(), clock.clone())),
        };
        Self { leases, clock, numbers, nats }
    }

    /// The host is another process; the time since it began to run is another, and what is on its disk is not.
    async fn restarted(self) -> Self {
        let nats = match self.nats {
            None => None,
            Some((host, server)) => {
                host.bus.close().await;
                Some((NatsHost::on(&server, 1).await, server))
            }
        };
        Self::over(nats, self.clock, self.numbers)
    }

    async fn acquire(&self, holder: u64) -> Acquired {
        self.leases.acquire(&leader("acme"), &start(holder), ttl(3_000)).await.unwrap()
    }

    async fn held(&self, holder: u64) -> Lease {
        held(self.acquire(holder).await)
    }
}

pub(crate) fn held(acquired: Acquired) -> Lease {
    match acquired {
        Acquired::Held(lease) => lease,
        Acquired::Taken(lease) => unreachable!("another has it: {lease:?}"),
    }
}

pub(crate) fn leader(tenant: &str) -> LeaseName {
    let scope = LeaseScope::Group("search".parse().unwrap());
    LeaseName { tenant: tenant.parse().unwrap(), scope, id: LeaseId::leader() }
}

pub(crate) fn start(number: u64) -> Holder {
    let producer = Producer::new(Timestamp::from_millis(1), Incarnation(number));
    Holder { agent: "kb".parse().unwrap(), producer, elsewhere: None }
}

pub(crate) fn ttl(millis: u64) -> LeaseTtl {
    LeaseTtl::from_millis(millis).unwrap()
}

async fn one_has_a_lease_until_it_runs_out_and_the_next_has_a_higher_token(world: World) {
    let first = world.held(1).await;
    let Acquired::Taken(seen) = world.acquire(2).await else { unreachable!("two have it") };
    assert_eq!((seen.holder, seen.token), (start(1), first.token));
    world.clock.advance_ms(2_999);
    assert!(matches!(world.acquire(2).await, Acquired::Taken(_)));
    world.clock.advance_ms(1);
    assert_eq!(world.leases.current(&leader("acme")).await.unwrap(), None);
    let second = world.held(2).await;
    assert!(second.token > first.token, "{second:?}");
    assert_eq!(world.leases.renew(&first, ttl(3_000)).await.unwrap(), None, "what ran out does not come back");
}

async fn a_renewed_lease_lasts_from_the_renewal_on_under_its_token(world: World) {
    let lease = world.held(1).await;
    world.clock.advance_ms(2_000);
    let renewed = world.leases.renew(&lease, ttl(3_000)).await.unwrap().unwrap();
    assert_eq!((renewed.token, renewed.remaining), (lease.token, Duration::from_secs(3)));
    world.clock.advance_ms(2_999);
    assert!(matches!(world.acquire(2).await, Acquired::Taken(_)));
    assert_eq!(world.held(1).await.token, lease.token, "who has it and asks again has the same");
    world.clock.advance_ms(3_000);
    assert_eq!(world.leases.renew(&lease, ttl(3_000)).await.unwrap(), None);
}

async fn tokens_grow_over_a_release_and_a_restart(world: World) {
    let first = world.held(1).await;
    assert!(world.leases.release(&first).await.unwrap());
    assert!(!world.leases.release(&first).await.unwrap(), "a second time there is nothing to give back");
    assert_eq!(world.leases.current(&leader("acme")).await.unwrap(), None);
    let second = world.held(1).await;
    let world = world.restarted().await;
    eventually("what a dead host had runs out", async || {
        world.clock.advance_ms(3_000);
        matches!(world.acquire(3).await, Acquired::Held(_)).then_some(())
    })
    .await;
    let third = world.held(3).await;
    assert!(first.token < second.token && second.token < third.token, "{first:?} {second:?} {third:?}");
    assert!(!world.leases.release(&second).await.unwrap(), "an old lease gives nothing back");
    assert!(matches!(world.acquire(2).await, Acquired::Taken(_)));
}

async fn whoever_was_followed_is_fenced_and_whoever_only_ran_out_is_not(world: World) {
    let first = world.held(1).await.fence();
    world.clock.advance_ms(10_000);
    assert_eq!(world.leases.check(&first), Ok(()), "nobody took it");
    let second = world.held(2).await;
    let latest = second.token;
    assert_eq!(world.leases.check(&first), Err(Fenced { token: first.token, latest }));
    assert_eq!(world.leases.check(&second.fence()), Ok(()));
    world.leases.release(&second).await.unwrap();
    assert!(world.leases.check(&first).is_err(), "that the next one gave it back changes nothing");
}

async fn a_lease_of_one_tenant_says_nothing_of_anothers(world: World) {
    let ours = world.held(1).await;
    let theirs = world.leases.acquire(&leader("globex"), &start(2), ttl(1_000)).await.unwrap();
    assert!(matches!(theirs, Acquired::Held(_)));
    world.leases.forget(&"globex".parse().unwrap(), None);
    assert!(world.leases.renew(&ours, ttl(1_000)).await.unwrap().is_some());
    world.leases.forget(&"acme".parse().unwrap(), Some(&ours.name.scope));
    assert_eq!(world.leases.renew(&ours, ttl(1_000)).await.unwrap(), None);
}

async fn of_many_who_ask_at_once_one_has_it(world: World) {
    let mut asking = JoinSet::new();
    for number in 0..32 {
        let leases = world.leases.clone();
        asking.spawn(async move {
            let acquired = leases.acquire(&leader("acme"), &start(number), ttl(3_000)).await.unwrap();
            matches!(acquired, Acquired::Held(_))
        });
    }
    assert_eq!(asking.join_all().await.into_iter().filter(|held| *held).count(), 1);
}

async fn a_scope_has_so_many_names_and_not_one_more(world: World) {
    let ask = async |id: String| {
        let name = LeaseName { id: id.parse().unwrap(), ..leader("acme") };
        world.leases.acquire(&name, &start(1), ttl(3_000)).await.map_err(|error| error.to_string())
    };
    for number in 0..LEASE_NAMES_MAX {
        held(ask(format!("l{number}")).await.unwrap());
    }
    assert_eq!(ask("more".to_owned()).await, Err("there are 64 leases already".to_owned()));
    held(ask("l0".to_owned()).await.unwrap());
}
