//! Who sees what, what counts, what expires, and what is one step.

use std::collections::BTreeMap;
use std::task::{Context, Waker};

use host_model::StateKey;
use proptest::prelude::*;
use tests_kit::gate::{NOW, born};

use super::*;
use crate::samples::{Quota, Stores, keeper, told};
use host_courier::{StateWrite, Value};

fn key(raw: &str) -> StateKey {
    StateKey::new(raw.to_owned()).unwrap()
}

fn later(millis: u64) -> Timestamp {
    Timestamp::from_millis(NOW.as_millis() + millis)
}

fn value(text: &str) -> Value {
    Value { bytes: text.into(), expires: None }
}

async fn get(stores: &Stores, caller: &Arc<Caller>, now: Timestamp, raw: &str) -> Option<String> {
    match stores.state.call(caller, now, StateOp::Get(key(raw))).await {
        Ok(StateReply::Value(value)) => value.map(|bytes| String::from_utf8(bytes).unwrap()),
        other => panic!("{other:?}"),
    }
}

async fn write(
    stores: &Stores,
    caller: &Arc<Caller>,
    now: Timestamp,
    raw: &str,
    write: StateWrite,
) -> Result<StateReply, Refusal> {
    stores.state.call(caller, now, StateOp::Write(key(raw), write)).await
}

async fn set(stores: &Stores, caller: &Arc<Caller>, raw: &str, text: &str) -> Result<StateReply, Refusal> {
    write(stores, caller, NOW, raw, StateWrite::Set(value(text))).await
}

async fn keys(stores: &Stores, caller: &Arc<Caller>, prefix: &str) -> Vec<String> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let op = StateOp::Keys(prefix.to_owned(), after);
        let Ok(StateReply::Keys { keys, next }) = stores.state.call(caller, NOW, op).await else { panic!("no page") };
        all.extend(keys);
        let Some(next) = next else { return all };
        after = Some(next);
    }
}

/// Adds whatever comes of it.
fn add(delta: i64) -> StateWrite {
    StateWrite::Increment { delta, sum_min: i64::MIN }
}

/// Keys and bytes in use by `acme`.
fn used(stores: &Stores) -> (u64, u64) {
    (stores.acme.state_keys.used(), stores.acme.state_bytes.used())
}

/// Keys and bytes that lie in the database for `acme`.
async fn kept(stores: &Stores) -> (u64, u64) {
    let size = usage::of_tenant(&stores.state.0.readers, &"acme".parse().unwrap()).await.unwrap();
    (size.keys, size.bytes)
}

#[tokio::test]
async fn what_is_set_is_read_and_survives_a_host_that_is_gone_without_a_word() {
    let dir = tempfile::tempdir().unwrap();
    let stores = Stores::open(&dir, Quota::default()).await;
    set(&stores, &keeper(), "a", "one").await.unwrap();
    set(&stores, &keeper(), "a", "two").await.unwrap();
    set(&stores, &keeper(), "\0", "nul").await.unwrap();
    drop(stores);

    let stores = Stores::open(&dir, Quota::default()).await;

    assert_eq!(get(&stores, &keeper(), NOW, "a").await.as_deref(), Some("two"));
    assert_eq!(get(&stores, &keeper(), NOW, "\0").await.as_deref(), Some("nul"));
    assert_eq!(get(&stores, &keeper(), NOW, "b").await, None);
    assert_eq!(used(&stores), (2, 4 + 4));
}

#[tokio::test]
async fn another_agent_and_another_tenant_see_nothing_and_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let stores = Stores::open(&dir, Quota::default()).await;
    set(&stores, &keeper(), "a", "mine").await.unwrap();
    for stranger in [born("acme", "other"), born("globex", "keeper")] {
        assert_eq!(get(&stores, &stranger, NOW, "a").await, None);
        assert_eq!(keys(&stores, &stranger, "").await, [""; 0]);
        assert_eq!(write(&stores, &stranger, NOW, "a", StateWrite::Delete).await, Ok(StateReply::Done(false)));
        let swap = StateWrite::CompareAndSet(Some(b"mine".to_vec()), value("theirs"));
        assert_eq!(write(&stores, &stranger, NOW, "a", swap).await, Ok(StateReply::Done(false)));
        set(&stores, &stranger, "a", "theirs").await.unwrap();
    }
    assert_eq!(get(&stores, &keeper(), NOW, "a").await.as_deref(), Some("mine"));
    let unopened = set(&stores, &born("initech", "keeper"), "a", "x").await;
    assert_eq!(told(unopened).0, "not-open");
}

#[tokio::test]
async fn a_key_is_there_until_its_time_and_gone_from_that_millisecond_on() {
    let dir = tempfile::tempdir().unwrap();
    let stores = Stores::open(&dir, Quota::default()).await;
    let short = Value { expires: Some(later(1_000)), ..value("short") };
    write(&stores, &keeper(), NOW, "a", StateWrite::Set(short)).await.unwrap();
    assert_eq!(get(&stores, &keeper(), later(999), "a").await.as_deref(), Some("short"));
    assert_eq!(get(&stores, &keeper(), later(1_000), "a").await, None);
    assert_eq!(used(&stores), (1, 6), "it counts until it is swept");
    let sum = write(&stores, &keeper(), later(1_000), "a", add(5)).await;
    assert_eq!(sum, Ok(StateReply::Number(5)), "an expired value is no number to add to");
    assert_eq!((used(&stores), kept(&stores).await), ((1, 2), (1, 2)));
}

#[tokio::test]
async fn expired_keys_make_room_before_a_quota_refuses() {
    let dir = tempfile::tempdir().unwrap();
    let stores = Stores::open(&dir, Quota { keys: 50, ..Quota::default() }).await;
    for number in 0..50 {
        let short = Value { expires: Some(later(10)), ..value("") };
        write(&stores, &keeper(), NOW, &number.to_string(), StateWrite::Set(short)).await.unwrap();
    }
    assert_eq!(told(set(&stores, &keeper(), "x", "").await), ("state-keys".to_owned(), Some(50), Some(51)));
    for (agent, after) in [("other", 34), ("keeper", 19)] {
        write(&stores, &born("acme", agent), later(10), "x", StateWrite::Set(value(""))).await.unwrap();
        assert_eq!(used(&stores).0, after + 1, "a write takes sixteen away");
    }
    assert_eq!(used(&stores), kept(&stores).await);
}

#[tokio::test]
async fn quotas_give_their_last_unit_and_not_one_more() {
    let dir = tempfile::tempdir().unwrap();
    let stores = Stores::open(&dir, Quota { keys: 3, bytes: 1_024, ..Quota::default() }).await;
    let full = "x".repeat(1_023);
    set(&stores, &keeper(), "a", &full).await.unwrap();
    assert_eq!(told(set(&stores, &keeper(), "b", "").await), ("state-bytes".to_owned(), Some(1_024), Some(1_025)));
    assert_eq!(told(set(&stores, &keeper(), "a", &format!("{full}x")).await).2, Some(1_025));
    assert_eq!((get(&stores, &keeper(), NOW, "a").await, used(&stores)), (Some(full), (1, 1_024)));
    set(&stores, &keeper(), "a", "").await.unwrap();
    set(&stores, &born("acme", "other"), "b", "").await.unwrap();
    set(&stores, &keeper(), "c", "").await.unwrap();
    assert_eq!(told(set(&stores, &keeper(), "d", "").await), ("state-keys".to_owned(), Some(3), Some(4)));
    write(&stores, &keeper(), NOW, "c", StateWrite::Delete).await.unwrap();
    set(&stores, &keeper(), "d", "").await.unwrap();
    assert_eq!((used(&stores), kept(&stores).await, stores.globex.state_keys.used()), ((3, 3), (3, 3), 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_at_once_never_pass_the_quota_whoever_stops_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let stores = Stores::open(&dir, Quota { keys: 50, ..Quota::default() }).await;
    let mut writing = tokio::task::JoinSet::new();
    for number in 0..200 {
        let op = StateOp::Write(key(&format!("key-{number:03}")), StateWrite::Set(value("12345")));
        let answer = stores.state.call(&born("acme", &format!("agent-{}", number % 7)), NOW, op);
        writing.spawn(async move {
            let patience = std::time::Duration::from_millis(number % 5);
            if number % 2 == 0 { Some(answer.await) } else { tokio::time::timeout(patience, answer).await.ok() }
        });
    }
    while let Some(answered) = writing.join_next().await {
        match answered.unwrap() {
            None | Some(Ok(StateReply::Set)) => {}
            Some(refused) => assert_eq!(told(refused).0, "state-keys"),
        }
    }
    stores.state.0.writes.close();
    stores.state.0.writes.wait().await;
    assert_eq!((used(&stores), kept(&stores).await), ((50, 50 * 12), (50, 50 * 12)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn increments_and_swaps_at_once_are_each_one_step() {
    let dir = tempfile::tempdir().unwrap();
    let stores = Arc::new(Stores::open(&dir, Quota::default()).await);
    set(&stores, &keeper(), "swap", "old").await.unwrap();
    let mut writing = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let stores = stores.clone();
        writing.spawn(async move {
            write(&stores, &keeper(), NOW, "sum", add(3)).await.unwrap();
            let swap = StateWrite::CompareAndSet(Some(b"old".to_vec()), value("new"));
            write(&stores, &keeper(), NOW, "swap", swap).await.unwrap() == StateReply::Done(true)
        });
    }
    let won = writing.join_all().await.into_iter().filter(|won| *won).count();
    assert_eq!((won, get(&stores, &keeper(), NOW, "sum").await.as_deref()), (1, Some("300")));
}

#[tokio::test]
async fn only_numbers_are_added_and_only_what_is_expected_is_swapped() {
    let dir = tempfile::tempdir().unwrap();
    let stores = Stores::open(&dir, Quota::default()).await;
    let check = async |text: &str, delta: i64, expected: Result<i64, &str>| {
        set(&stores, &keeper(), "n", text).await.unwrap();
        let sum = write(&stores, &keeper(), NOW, "n", add(delta)).await;
        match expected {
            Ok(expected) => assert_eq!(sum, Ok(StateReply::Number(expected))),
            Err(code) => assert_eq!(told(sum).0, code),
        }
    };
    check("41", 1, Ok(42)).await;
    check("-9223372036854775807", -1, Ok(i64::MIN)).await;
    check("9223372036854775807", 1, Err("number-overflow")).await;
    check("9223372036854775808", 0, Err("not-a-number")).await;
    check("", 1, Err("not-a-number")).await;
    check("1.5", 1, Err("not-a-number")).await;
    let swap = async |expected: Option<&str>, done: bool| {
        let swap = StateWrite::CompareAndSet(expected.map(|text| text.as_bytes().to_vec()), value("v"));
        assert_eq!(write(&stores, &keeper(), NOW, "s", swap).await, Ok(StateReply::Done(done)), "{expected:?}");
    };
    swap(Some("v"), false).await;
    swap(None, true).await;
    swap(None, false).await;
    swap(Some("w"), false).await;
    swap(Some("v"), true).await;
}

#[tokio::test]
async fn a_sum_below_its_least_is_refused_without_effect() {
    let dir = tempfile::tempdir().unwrap();
    let stores = Stores::open(&dir, Quota::default()).await;
    let check = async |delta: i64, expected: Result<i64, &str>, left: &str| {
        set(&stores, &keeper(), "n", "-5").await.unwrap();
        let sum = write(&stores, &keeper(), NOW, "n", StateWrite::Increment { delta, sum_min: 0 }).await;
        match expected {
            Ok(expected) => assert_eq!(sum, Ok(StateReply::Number(expected))),
            Err(code) => assert_eq!(told(sum).0, code),
        }
        assert_eq!(get(&stores, &keeper(), NOW, "n").await.as_deref(), Some(left));
    };
    check(4, Err("number-overflow"), "-5").await;
    check(5, Ok(0), "0").await;
    check(6, Ok(1), "1").await;
}

#[tokio::test]
async fn keys_come_in_pages_and_none_twice() {
    let dir = tempfile::tempdir().unwrap();
    let stores = Stores::open(&dir, Quota::default()).await;
    let names: Vec<String> = (0..600).map(|number| format!("key-{number:03}")).collect();
    for name in names.iter().map(String::as_str).chain(["kex", "key", "kez", "\u{10ffff}"]) {
        set(&stores, &keeper(), name, "").await.unwrap();
    }
    assert_eq!(keys(&stores, &keeper(), "key-").await, names);
    assert_eq!(keys(&stores, &keeper(), "").await.len(), 604);
    assert_eq!(keys(&stores, &keeper(), "\u{10ffff}").await.len(), 1);
    assert_eq!(keys(&stores, &keeper(), "none").await, [""; 0]);
}

#[tokio::test]
async fn a_deleted_agent_leaves_no_key_and_frees_what_it_held() {
    let dir = tempfile::tempdir().unwrap();
    let stores = Stores::open(&dir, Quota::default()).await;
    for agent in ["keeper", "other"] {
        set(&stores, &born("acme", agent), "a", "1234").await.unwrap();
        set(&stores, &born("acme", agent), "b", "").await.unwrap();
    }
    for _ in 0..2 {
        stores.state.delete_agent(&"acme".parse().unwrap(), &"keeper".parse().unwrap()).await.unwrap();
        assert_eq!((used(&stores), kept(&stores).await), ((2, 6), (2, 6)));
    }
    assert_eq!(get(&stores, &keeper(), NOW, "a").await, None);
    assert_eq!(get(&stores, &born("acme", "other"), NOW, "a").await.as_deref(), Some("1234"));
}

/// Begins a call as far as it gets without waiting.
fn begun(mut pending: Pending<StateReply>) -> Pending<StateReply> {
    assert!(pending.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    pending
}

#[tokio::test]
async fn a_write_that_waits_for_its_turn_ends_with_who_waits_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let stores = Stores::open(&dir, Quota::default()).await;
    let inner = &stores.state.0;
    let tenant = inner.tenant(&"acme".parse().unwrap()).unwrap();
    let turns = tenant.turns.acquire_many(TURNS_MAX).await.unwrap();
    let write = |number: u32| {
        let op = StateOp::Write(key(&number.to_string()), StateWrite::Set(value("late")));
        begun(stores.state.call(&keeper(), NOW, op))
    };
    let writing: Vec<_> = (0..100).map(write).collect();
    assert_eq!(inner.writes.len(), 0, "nothing works for who waits");
    drop((writing, turns));
    assert_eq!((inner.writes.len(), kept(&stores).await), (0, (0, 0)));
    set(&stores, &keeper(), "a", "").await.unwrap();
}

#[tokio::test]
async fn a_deletion_waits_for_writes_under_way_and_no_later_write_undoes_it() {
    let dir = tempfile::tempdir().unwrap();
    let stores = Stores::open(&dir, Quota::default()).await;
    set(&stores, &keeper(), "a", "1").await.unwrap();
    let tenant = stores.state.0.tenant(&"acme".parse().unwrap()).unwrap();
    let under_way = tenant.turns.acquire_many(1).await.unwrap();
    let late = |stores: &Stores| {
        let op = StateOp::Write(key("late"), StateWrite::Set(value("late")));
        stores.state.call(&keeper(), NOW, op)
    };
    let unpolled = late(&stores);
    let state = stores.state.clone();
    let deleting = async move { state.delete_agent(&"acme".parse().unwrap(), &"keeper".parse().unwrap()).await };
    let mut deleting = Box::pin(deleting);
    assert!(deleting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending(), "one has its turn");
    let behind = begun(unpolled);

    drop(under_way);
    deleting.await.unwrap();

    assert_eq!(told(behind.await).0, "not-open");
    assert_eq!((used(&stores), kept(&stores).await), ((0, 0), (0, 0)));
    // A deployment that failed took its data away; its id may be deployed again.
    set(&stores, &keeper(), "a", "1").await.unwrap();
    assert_eq!(used(&stores), (1, 2));
}

#[tokio::test]
async fn what_is_over_a_lowered_quota_stays_and_only_growth_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let stores = Stores::open(&dir, Quota::default()).await;
    for name in ["a", "b", "c"] {
        set(&stores, &keeper(), name, "12").await.unwrap();
    }
    drop(stores);
    let stores = Stores::open(&dir, Quota { keys: 2, ..Quota::default() }).await;
    assert_eq!(told(set(&stores, &keeper(), "d", "").await), ("state-keys".to_owned(), Some(2), Some(4)));
    set(&stores, &keeper(), "a", "123").await.unwrap();
    assert_eq!(used(&stores), (3, 10));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// S07: whatever tenants, agents and keys look like beside each other, each reads back its own and nobody another's.
    #[test]
    fn no_key_is_ever_taken_for_another(
        writes in proptest::collection::vec((0..4_usize, "[a/\0b.%_]{1,4}", 0..1000_u32), 1..24),
        prefix in "[a/\0%_]{0,2}",
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let stores = Stores::open(&dir, Quota::default()).await;
            let callers = [("acme", "a"), ("acme", "a-b"), ("globex", "a"), ("globex", "b")].map(|(tenant, agent)| born(tenant, agent));
            let mut model: BTreeMap<(usize, &str), String> = BTreeMap::new();
            for (who, name, number) in &writes {
                set(&stores, &callers[*who], name, &number.to_string()).await.unwrap();
                model.insert((*who, name), number.to_string());
            }
            for (who, caller) in callers.iter().enumerate() {
                for (_, name, _) in &writes {
                    assert_eq!(get(&stores, caller, NOW, name).await, model.get(&(who, name)).cloned());
                }
                let own = model.keys().filter(|(whose, name)| *whose == who && name.starts_with(&prefix));
                let own: Vec<&str> = own.map(|(_, name)| *name).collect();
                assert_eq!(keys(&stores, caller, &prefix).await, own);
            }
        });
    }
}
