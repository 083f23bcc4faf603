//! Two hosts and one lease: who has it, when it moves, and what is left to whoever had it before (F44).

use std::sync::Arc;
use std::time::{Duration, Instant};

use host_bus::{Acquired, Fenced, Lease, LeaseError, Leases as _};
use host_calls::{Refusal, RefusalNumbers, StateReply};
use host_courier::{StateOp, StateStore as _, StateWrite, Value};
use host_fleet::SystemClock;
use host_model::{Clock, Fence, LeaseName, StateKey};
use tests_kit::gate::{FixedClock, NOW, born};
use tests_kit::{NatsServer, eventually};
use tokio::runtime::Runtime;

use crate::inproc_leases::{held, leader, start, ttl};
use crate::nats_host::Member;

impl Member {
    async fn ask(&self, name: &LeaseName) -> Acquired {
        self.leases.acquire(name, &start(1), ttl(3_000)).await.unwrap()
    }

    async fn write_under(&self, fence: &Fence) -> Result<StateReply, Refusal> {
        let value = Value { bytes: "v".into(), expires: None };
        let op = StateOp::Write(StateKey::new("k".to_owned()).unwrap(), StateWrite::Set(value));
        self.state.call_under(&born("acme", "kb"), NOW, op, vec![fence.clone()]).await
    }

    /// Asks until it is granted the lease.
    async fn follows(&self) -> Lease {
        eventually("it is granted the lease", async || match self.ask(&leader("acme")).await {
            Acquired::Held(lease) => Some(lease),
            Acquired::Taken(_) => None,
        })
        .await
    }
}

fn system_clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::new())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_hosts_that_ask_at_once_one_has_it_and_the_other_knows_who() {
    let server = NatsServer::start();
    let (one, two) = (Member::on(&server, 1, system_clock()).await, Member::on(&server, 2, system_clock()).await);
    for number in 0..20 {
        let name = LeaseName { id: format!("l{number}").parse().unwrap(), ..leader("acme") };
        // The same agent, and the same numbers of its start: the host tells them apart.
        let (has, knows) = match tokio::join!(one.ask(&name), two.ask(&name)) {
            (Acquired::Held(has), Acquired::Taken(knows)) | (Acquired::Taken(knows), Acquired::Held(has)) => {
                (has, knows)
            }
            both => panic!("{both:?}"),
        };
        assert_eq!((has.token, has.holder), (knows.token, start(1)));
        assert!(knows.holder.elsewhere.is_some(), "{knows:?}");
    }
}

#[test]
fn a_lease_of_a_host_that_died_moves_within_five_seconds_and_never_before_its_end() {
    let server = NatsServer::start();
    let [runtime, doomed] = [(); 2].map(|()| Runtime::new().unwrap());
    let (dead, last) = doomed.block_on(async {
        let dead = Member::on(&server, 1, system_clock()).await;
        let lease = held(dead.ask(&leader("acme")).await);
        let asked = Instant::now();
        let lease = dead.leases.renew(&lease, ttl(3_000)).await.unwrap().unwrap();
        (dead, (lease, asked))
    });
    let stays = runtime.block_on(Member::on(&server, 2, system_clock()));
    doomed.shutdown_timeout(Duration::from_secs(1));
    let died = Instant::now();
    let follows = runtime.block_on(stays.follows());
    let (lease, asked) = last;
    assert!(follows.token > lease.token, "{follows:?}");
    assert!(died.elapsed() < Duration::from_secs(5), "{:?}", died.elapsed());
    assert!(asked.elapsed() >= Duration::from_secs(3), "{:?}", asked.elapsed());
    drop((dead, runtime));
}

/// F44. The clock of the first one stands still: it takes itself for the leader for ever.
#[tokio::test(flavor = "multi_thread")]
async fn who_was_followed_on_another_host_writes_and_sends_nothing_more() {
    let server = NatsServer::start();
    let clock = Arc::new(FixedClock::new());
    let old = Member::on(&server, 1, Arc::new(FixedClock::new())).await;
    let new = Member::on(&server, 2, clock.clone()).await;
    let older = held(old.ask(&leader("acme")).await);
    old.write_under(&older.fence()).await.unwrap();
    assert!(matches!(new.ask(&leader("acme")).await, Acquired::Taken(_)));
    clock.advance_ms(3_000);
    let newer = held(new.ask(&leader("acme")).await);
    let fenced = Fenced { token: older.token, latest: newer.token };
    assert_eq!((older.token.0, newer.token.0), (1, 2));
    assert_eq!(new.leases.check(&older.fence()), Err(fenced));
    let refused = Err(Refusal::Other(RefusalNumbers::of("fenced").past(2, 1)));
    assert_eq!(new.write_under(&older.fence()).await, refused);
    assert_eq!(new.write_under(&newer.fence()).await, Ok(StateReply::Set));
    // What they share is refused at once, whatever the other one has heard of; the rest as soon as it hears of it.
    assert_eq!(old.write_under(&older.fence()).await, refused);
    let told = async || (old.leases.check(&older.fence()) == Err(fenced)).then_some(());
    eventually("the old one hears of it", told).await;
    assert_eq!(old.leases.renew(&older, ttl(3_000)).await.unwrap(), None);
    assert!(matches!(old.ask(&leader("acme")).await, Acquired::Taken(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_higher_after_a_killed_server_and_after_one_that_lost_everything() {
    let mut server = NatsServer::start();
    let member = Member::on(&server, 1, system_clock()).await;
    let first = held(member.ask(&leader("acme")).await);
    server = server.killed_and_started();
    let renewed = async || member.leases.renew(&first, ttl(60_000)).await.ok().flatten();
    let renewed = eventually("the server is back", renewed).await;
    assert_eq!(renewed.token, first.token, "what is held is held on");
    assert!(eventually("it is given back", async || member.leases.release(&renewed).await.ok()).await);
    let second = held(member.ask(&leader("acme")).await);
    assert!(second.token > first.token);
    assert!(member.leases.release(&second).await.unwrap());

    server.kill();
    server.wipe();
    server.start_again();
    let again = async || member.leases.acquire(&leader("acme"), &start(1), ttl(3_000)).await.ok();
    let third = held(eventually("the bucket is made anew", again).await);
    assert!(third.token > second.token, "{third:?}");
    // A host that never heard of it reads the token from the bucket.
    let other = Member::on(&server, 2, system_clock()).await;
    let seen = other.leases.current(&leader("acme")).await.unwrap();
    assert_eq!(seen.map(|lease| lease.token), Some(third.token));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_nothing_is_granted_and_that_is_known_in_time() {
    let mut server = NatsServer::start();
    let member = Member::on(&server, 1, system_clock()).await;
    let lease = held(member.ask(&leader("acme")).await);
    server.stop();
    let asked = Instant::now();
    let granted = member.leases.acquire(&leader("globex"), &start(1), ttl(3_000)).await;
    assert!(matches!(granted, Err(LeaseError::Store(_))), "{granted:?}");
    let renewed = member.leases.renew(&lease, ttl(3_000)).await;
    assert!(matches!(renewed, Err(LeaseError::Store(_))), "{renewed:?}");
    assert!(asked.elapsed() < Duration::from_secs(5), "two questions of two seconds: {:?}", asked.elapsed());
    server.start_again();
    let follows = member.follows().await;
    assert!(follows.token >= lease.token);
    drop(member.host);
}
