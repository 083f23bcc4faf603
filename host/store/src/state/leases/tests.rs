//! Two who take themselves for the leader, and what is left of what they wrote (F44).

use std::sync::Arc;

use host_bus::{Acquired, EmbeddedLeases, Holder, Lease, LeaseTtl, Leases};
use host_calls::StateReply;
use host_courier::{StateOp, StateStore as _, StateWrite, Value};
use host_model::{Caller, Incarnation, LeaseId, Producer, StateKey};
use tests_kit::gate::{FixedClock, NOW, born};

use super::*;
use crate::samples::{Quota, Stores, keeper};

fn name(id: &str) -> LeaseName {
    let scope = LeaseScope::Agent("keeper".parse().unwrap());
    LeaseName { tenant: "acme".parse().unwrap(), scope, id: id.parse().unwrap() }
}

async fn grant(stores: &Stores, id: &str) -> Result<u64, String> {
    stores.state.grant(&name(id)).await.map(|token| token.0).map_err(|error| error.to_string())
}

fn write(text: &str) -> StateOp {
    let value = Value { bytes: text.into(), expires: None };
    StateOp::Write(StateKey::new("k".to_owned()).unwrap(), StateWrite::Set(value))
}

async fn set(stores: &Stores, caller: &Arc<Caller>, fence: &Fence, text: &str) -> Result<StateReply, Refusal> {
    stores.state.call_under(caller, NOW, write(text), vec![fence.clone()]).await
}

async fn kept(stores: &Stores, caller: &Arc<Caller>) -> Option<String> {
    let get = StateOp::Get(StateKey::new("k".to_owned()).unwrap());
    match stores.state.call(caller, NOW, get).await.unwrap() {
        StateReply::Value(value) => value.map(|bytes| String::from_utf8(bytes).unwrap()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_token_is_never_given_twice_not_even_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let stores = Stores::open(&dir, Quota::default()).await;
    assert_eq!((grant(&stores, "a").await, grant(&stores, "a").await), (Ok(1), Ok(2)));
    assert_eq!(grant(&stores, "b").await, Ok(1), "each name counts for itself");
    stores.state.close().await;
    drop(stores);
    let stores = Stores::open(&dir, Quota::default()).await;
    assert_eq!(grant(&stores, "a").await, Ok(3));
}

#[tokio::test]
async fn a_scope_has_so_many_names_and_not_one_more_and_they_go_with_their_agent() {
    let dir = tempfile::tempdir().unwrap();
    let stores = Stores::open(&dir, Quota::default()).await;
    for number in 0..LEASE_NAMES_MAX {
        assert_eq!(grant(&stores, &format!("l{number}")).await, Ok(1));
    }
    assert_eq!(grant(&stores, "more").await, Err("there are 64 leases already".to_owned()));
    assert_eq!(grant(&stores, "l0").await, Ok(2), "one that is there is granted again");
    let (acme, agent) = ("acme".parse().unwrap(), "keeper".parse().unwrap());
    stores.state.delete_agent(&acme, &agent).await.unwrap();
    assert_eq!(grant(&stores, "more").await, Ok(1));
}

#[tokio::test]
async fn a_write_under_an_earlier_grant_is_refused_with_both_numbers_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let stores = Stores::open(&dir, Quota::default()).await;
    let caller = keeper();
    let fence = |token| Fence { name: name("a"), token: FencingToken(token) };
    grant(&stores, "a").await.unwrap();
    set(&stores, &caller, &fence(1), "first").await.unwrap();
    grant(&stores, "a").await.unwrap();
    let refused = set(&stores, &caller, &fence(1), "late").await.unwrap_err();
    assert_eq!(refused, Refusal::Other(RefusalNumbers::of("fenced").past(2, 1)));
    assert_eq!(kept(&stores, &caller).await.as_deref(), Some("first"));
    set(&stores, &caller, &fence(2), "second").await.unwrap();
    // Another lease, and another tenant's of the same name, say nothing of this one.
    grant(&stores, "b").await.unwrap();
    let theirs = LeaseName { tenant: "globex".parse().unwrap(), ..name("a") };
    for _ in 0..9 {
        stores.state.grant(&theirs).await.unwrap();
    }
    set(&stores, &caller, &fence(2), "third").await.unwrap();
    assert_eq!(kept(&stores, &caller).await.as_deref(), Some("third"));
}

/// F44: two hosts own one tenant, and each counts its lease by a clock of its own. The older one's clock stands still: it takes
/// itself for the leader for ever.
#[tokio::test]
async fn of_two_who_take_themselves_for_the_leader_the_older_one_writes_nothing_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let stores = Stores::open(&dir, Quota::default()).await;
    let host = || EmbeddedLeases::new(Arc::new(stores.state.clone()), Arc::new(FixedClock::new()));
    let (old, new) = (host(), host());
    let lead = async |leases: &EmbeddedLeases, started| -> Lease {
        let holder = Holder {
            agent: "keeper".parse().unwrap(),
            producer: Producer::new(NOW, Incarnation(started)),
            elsewhere: None,
        };
        let name = LeaseName { id: LeaseId::leader(), ..name("a") };
        match leases.acquire(&name, &holder, LeaseTtl::from_millis(1_000).unwrap()).await.unwrap() {
            Acquired::Held(lease) => lease,
            Acquired::Taken(lease) => panic!("{lease:?}"),
        }
    };
    let caller = born("acme", "keeper");
    let older = lead(&old, 1).await;
    set(&stores, &caller, &older.fence(), "older").await.unwrap();
    let newer = lead(&new, 2).await;
    assert!(old.renew(&older, LeaseTtl::from_millis(1_000).unwrap()).await.unwrap().is_some(), "it knows of nothing");
    // Both write as fast as they can; what comes from the older one after the newer one was granted is refused.
    let mut refused = 0;
    for number in 0..50 {
        set(&stores, &caller, &newer.fence(), &format!("newer {number}")).await.unwrap();
        refused += u32::from(set(&stores, &caller, &older.fence(), "older again").await.is_err());
    }
    assert_eq!((refused, kept(&stores, &caller).await.as_deref()), (50, Some("newer 49")));
}
