//! Keys and values that hosts share: what one writes the other reads, each write is one step, and a quota is exact over all hosts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use host_bus::{Acquired, Binding, Bus as _, Leases as _};
use host_calls::{Refusal, RefusalNumbers, StateReply};
use host_courier::{StateOp, StateStore as _, StateWrite, Value};
use host_fleet::AgentData as _;
use host_model::{Caller, Fence, StateKey, Timestamp};
use host_quota::TenantLimits;
use tests_kit::gate::{FixedClock, NOW, born};
use tests_kit::{NatsServer, eventually};
use tokio::task::JoinSet;

use crate::inproc_leases::{held, leader, start, ttl};
use crate::nats_host::{Member, NatsHost};

/// Two hosts of one server.
async fn two(server: &NatsServer, limits: &TenantLimits) -> [Arc<Member>; 2] {
    let member =
        async |id| Arc::new(Member::with(NatsHost::on(server, id).await, Arc::new(FixedClock::new()), limits).await);
    [member(1).await, member(2).await]
}

fn limits(keys: u64, bytes: u64) -> TenantLimits {
    TenantLimits { state_keys_max: keys, state_bytes_max: bytes, ..TenantLimits::default() }
}

fn keeper() -> Arc<Caller> {
    born("acme", "keeper")
}

fn key(raw: &str) -> StateKey {
    StateKey::new(raw.to_owned()).unwrap()
}

fn value(text: &str) -> Value {
    Value { bytes: text.into(), expires: None }
}

fn later(millis: u64) -> Timestamp {
    Timestamp::from_millis(NOW.as_millis() + millis)
}

fn quota(code: &str, max: u64, asked: u64) -> Result<StateReply, Refusal> {
    Err(Refusal::OverQuota(RefusalNumbers::of(code).past(max, asked)))
}

impl Member {
    async fn write(&self, caller: &Arc<Caller>, raw: &str, write: StateWrite) -> Result<StateReply, Refusal> {
        self.state.call(caller, NOW, StateOp::Write(key(raw), write)).await
    }

    async fn set(&self, caller: &Arc<Caller>, raw: &str, text: &str) -> Result<StateReply, Refusal> {
        self.write(caller, raw, StateWrite::Set(value(text))).await
    }

    async fn set_under(&self, fence: &Fence, text: &str) -> Result<StateReply, Refusal> {
        let op = StateOp::Write(key("k"), StateWrite::Set(value(text)));
        self.state.call_under(&keeper(), NOW, op, vec![fence.clone()]).await
    }

    async fn get(&self, caller: &Arc<Caller>, now: Timestamp, raw: &str) -> Option<String> {
        match self.state.call(caller, now, StateOp::Get(key(raw))).await {
            Ok(StateReply::Value(value)) => value.map(|bytes| String::from_utf8(bytes).unwrap()),
            other => unreachable!("{other:?}"),
        }
    }

    async fn keys(&self, caller: &Arc<Caller>, now: Timestamp, prefix: &str) -> Vec<String> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let op = StateOp::Keys(prefix.to_owned(), after);
            let Ok(StateReply::Keys { keys, next }) = self.state.call(caller, now, op).await else {
                unreachable!("no page")
            };
            assert!(keys.len() <= 256);
            all.extend(keys);
            let Some(next) = next else { return all };
            after = Some(next);
        }
    }

    fn used(&self) -> (u64, u64) {
        (self.acme.state_keys.used(), self.acme.state_bytes.used())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_host_writes_the_other_reads_and_nobody_else_does() {
    let server = NatsServer::start();
    let [one, two] = two(&server, &TenantLimits::default()).await;
    for raw in ["a", "\0", "a.b", "*", ">", "\u{10ffff}"] {
        assert_eq!(one.set(&keeper(), raw, raw).await, Ok(StateReply::Set));
        assert_eq!(two.get(&keeper(), NOW, raw).await.as_deref(), Some(raw));
    }
    assert_eq!(two.keys(&keeper(), NOW, "a").await, ["a", "a.b"]);
    for stranger in [born("acme", "other"), born("globex", "keeper")] {
        assert_eq!(two.get(&stranger, NOW, "a").await, None);
        assert_eq!(two.keys(&stranger, NOW, "").await, [""; 0]);
        assert_eq!(two.write(&stranger, "a", StateWrite::Delete).await, Ok(StateReply::Done(false)));
        let swap = StateWrite::CompareAndSet(Some(b"a".to_vec()), value("theirs"));
        assert_eq!(two.write(&stranger, "a", swap).await, Ok(StateReply::Done(false)));
    }
    assert_eq!(two.write(&keeper(), "a", StateWrite::Delete).await, Ok(StateReply::Done(true)));
    assert_eq!(one.get(&keeper(), NOW, "a").await, None);
    assert_eq!(one.write(&keeper(), "a", StateWrite::Delete).await, Ok(StateReply::Done(false)));
    let refused = one.set(&born("initech", "keeper"), "a", "x").await;
    assert_eq!(refused, Err(Refusal::Unavailable(RefusalNumbers::of("not-open"))));
}

#[tokio::test(flavor = "multi_thread")]
async fn increments_and_swaps_of_two_hosts_at_once_are_each_one_step() {
    let server = NatsServer::start();
    let members = two(&server, &TenantLimits::default()).await;
    members[0].set(&keeper(), "swap", "old").await.unwrap();
    let mut writing = JoinSet::new();
    for number in 0..40 {
        let member = members[number % 2].clone();
        writing.spawn(async move {
            let add = StateWrite::Increment { delta: 3, sum_min: i64::MIN };
            member.write(&keeper(), "sum", add).await.unwrap();
            let swap = StateWrite::CompareAndSet(Some(b"old".to_vec()), value("new"));
            member.write(&keeper(), "swap", swap).await.unwrap() == StateReply::Done(true)
        });
    }
    let won = writing.join_all().await.into_iter().filter(|won| *won).count();
    assert_eq!((won, members[1].get(&keeper(), NOW, "sum").await.as_deref()), (1, Some("120")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_gives_its_last_unit_and_not_one_more_whichever_host_is_asked() {
    let server = NatsServer::start();
    let members = two(&server, &limits(20, 1 << 20)).await;
    let mut writing = JoinSet::new();
    for number in 0..60 {
        let member = members[number % 2].clone();
        writing.spawn(async move { member.set(&keeper(), &format!("key-{number:02}"), "12345").await });
    }
    let answers = writing.join_all().await;
    assert_eq!(answers.iter().filter(|answer| **answer == Ok(StateReply::Set)).count(), 20);
    assert_eq!(answers.iter().filter(|answer| **answer == quota("state-keys", 20, 21)).count(), 40);
    assert_eq!(members[0].keys(&keeper(), NOW, "").await.len(), 20);
    let gone = members[0].keys(&keeper(), NOW, "").await.pop().unwrap();
    members[0].write(&keeper(), &gone, StateWrite::Delete).await.unwrap();
    assert_eq!(members[0].used(), (19, 19 * 11));
    members[1].set(&keeper(), "more", "").await.unwrap();
    assert_eq!(members[0].set(&keeper(), "most", "").await, quota("state-keys", 20, 21));
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_count_to_the_last_one_and_what_shrinks_makes_room() {
    let server = NatsServer::start();
    let [one, two] = two(&server, &limits(100, 1_024)).await;
    let full = "x".repeat(1_023);
    one.set(&keeper(), "a", &full).await.unwrap();
    assert_eq!(two.set(&keeper(), "b", "").await, quota("state-bytes", 1_024, 1_025));
    assert_eq!(two.set(&keeper(), "a", &format!("{full}x")).await, quota("state-bytes", 1_024, 1_025));
    assert_eq!(one.get(&keeper(), NOW, "a").await, Some(full));
    two.set(&keeper(), "a", "").await.unwrap();
    one.set(&keeper(), "b", "").await.unwrap();
    assert_eq!(one.used(), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_expired_is_not_there_and_makes_room_before_a_quota_refuses() {
    let server = NatsServer::start();
    let [one, two] = two(&server, &limits(10, 1 << 20)).await;
    for number in 0..10 {
        let short = Value { expires: Some(later(1_000)), ..value("s") };
        one.write(&keeper(), &number.to_string(), StateWrite::Set(short)).await.unwrap();
    }
    assert_eq!(two.get(&keeper(), later(999), "0").await.as_deref(), Some("s"));
    assert_eq!(two.get(&keeper(), later(1_000), "0").await, None);
    assert_eq!(two.keys(&keeper(), later(999), "").await.len(), 10);
    assert_eq!(two.keys(&keeper(), later(1_000), "").await, [""; 0]);
    assert_eq!(two.set(&keeper(), "x", "").await, quota("state-keys", 10, 11));
    let set = StateOp::Write(key("x"), StateWrite::Set(value("")));
    assert_eq!(two.state.call(&keeper(), later(1_000), set).await, Ok(StateReply::Set));
    assert_eq!(two.used(), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_come_in_pages_in_the_order_of_their_bytes() {
    let server = NatsServer::start();
    let [one, two] = two(&server, &TenantLimits::default()).await;
    let names: Vec<String> = (0..300).map(|number| format!("key-{number:03}")).collect();
    for name in names.iter().map(String::as_str).chain(["kex", "key", "kez"]) {
        one.set(&keeper(), name, "").await.unwrap();
    }
    assert_eq!(two.keys(&keeper(), NOW, "key-").await, names);
    assert_eq!(two.keys(&keeper(), NOW, "").await.len(), 303);
    assert_eq!(two.keys(&keeper(), NOW, "none").await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_agent_leaves_no_key_unless_another_host_has_it() {
    let server = NatsServer::start();
    let [one, two] = two(&server, &TenantLimits::default()).await;
    let (acme, agent) = ("acme".parse().unwrap(), "keeper".parse().unwrap());
    let binding = Binding { tenant: acme, agent, topics: Vec::new(), shared: Vec::new() };
    let (acme, agent) = (&binding.tenant, &binding.agent);
    let set = async |caller: Arc<Caller>| {
        one.set(&caller, "a", "1234").await.unwrap();
        one.set(&caller, "b", "").await.unwrap();
    };
    set(born("acme", "other")).await;
    two.host.bus.bind(binding.clone());
    eventually("it is known where the agent is", async || {
        set(keeper()).await;
        one.stores.delete_agent(acme, agent).await.unwrap();
        (one.get(&keeper(), NOW, "a").await.as_deref() == Some("1234")).then_some(())
    })
    .await;
    two.host.bus.unbind(acme, agent);
    eventually("it is deleted with the last host", async || {
        one.stores.delete_agent(acme, agent).await.unwrap();
        one.get(&keeper(), NOW, "a").await.is_none().then_some(())
    })
    .await;
    assert_eq!((one.used(), one.keys(&keeper(), NOW, "").await.len()), ((2, 6), 0));
    assert_eq!(two.get(&born("acme", "other"), NOW, "a").await.as_deref(), Some("1234"));
    one.stores.close_tenant(acme).await.unwrap();
    let gone = async || two.state.call(&born("acme", "other"), NOW, StateOp::Get(key("a"))).await.ok();
    assert_eq!(eventually("nothing is left of the tenant", gone).await, StateReply::Value(None));
}

/// F44: the clock of the older one stands still, and it takes itself for the leader for ever.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_hosts_that_take_themselves_for_the_leader_the_older_one_writes_nothing_any_more() {
    let server = NatsServer::start();
    let clock = Arc::new(FixedClock::new());
    let old = Member::on(&server, 1, Arc::new(FixedClock::new())).await;
    let new = Member::on(&server, 2, clock.clone()).await;
    let ask = async |member: &Member| member.leases.acquire(&leader("acme"), &start(1), ttl(3_000)).await.unwrap();
    let older = held(ask(&old).await);
    old.set_under(&older.fence(), "older").await.unwrap();
    assert!(matches!(ask(&new).await, Acquired::Taken(_)));
    clock.advance_ms(3_000);
    let newer = held(ask(&new).await);
    let fenced = Err(Refusal::Other(RefusalNumbers::of("fenced").past(2, 1)));
    for number in 0..20 {
        let (ours, ahead, behind) = (format!("newer {number}"), newer.fence(), older.fence());
        let (written, refused) = tokio::join!(new.set_under(&ahead, &ours), old.set_under(&behind, "older again"));
        assert_eq!((written, refused), (Ok(StateReply::Set), fenced.clone()));
    }
    assert_eq!(old.get(&keeper(), NOW, "k").await.as_deref(), Some("newer 19"));
}

#[tokio::test(flavor = "multi_thread")]
async fn state_outlives_a_killed_server_and_without_one_calls_are_refused_in_time() {
    let mut server = NatsServer::start();
    let [one, two] = two(&server, &TenantLimits::default()).await;
    one.set(&keeper(), "a", "kept").await.unwrap();
    server.kill();
    let away = |answer: Result<StateReply, Refusal>| match answer {
        Err(Refusal::Unavailable(numbers)) => assert_eq!(numbers.code, "nats-disconnected"),
        other => unreachable!("{other:?}"),
    };
    let asked = Instant::now();
    away(one.set(&keeper(), "a", "lost").await);
    away(two.state.call(&keeper(), NOW, StateOp::Get(key("a"))).await);
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
    server.start_again();
    let back = async || two.state.call(&keeper(), NOW, StateOp::Get(key("a"))).await.ok();
    assert_eq!(eventually("the server is back", back).await, StateReply::Value(Some(b"kept".to_vec())));

    server.kill();
    server.wipe();
    server.start_again();
    let set = async || one.set(&keeper(), "a", "anew").await.ok();
    eventually("the stream is made anew", set).await;
    assert_eq!(two.get(&keeper(), NOW, "a").await.as_deref(), Some("anew"));
}
