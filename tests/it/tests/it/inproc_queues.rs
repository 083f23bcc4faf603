//! What the embedded bus promises of messages that are kept, on the real gate and the real journal.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use host_bus::{
    Binding, Bus, BusError, Death, EmbeddedBus, Handover, Inbound, Interest, Journal as _, Keeper, KeeperParts, Kept,
    LetterId, Member, NotTaken, Notices, QueueLimits, Recalled, Subscribe, SubscriptionId, Verdict, shard_of,
};
use host_gate::{
    Accepted, Arrival, Delivery, Gate, KeyRefused, Keys, MacKey, MessageLimits, Receiver, Signing, Stamped, Verifying,
};
use host_model::{AgentId, Caller, DeathCause, Durability, KeyId, MessageId, Queue, TenantId};
use host_store::{DataDir, SqliteJournal};
use parking_lot::Mutex;
use tempfile::TempDir;
use tests_kit::eventually;
use tests_kit::gate::{FixedClock, NOW, Sender, body, born, grants};

const LIMITS: QueueLimits = QueueLimits {
    messages_max: 1_000,
    bytes_max: 1 << 20,
    letters_max: 10,
    retention: Duration::from_hours(1),
    attempts_max: 3,
};

/// A bus over a journal in a directory, which can be opened again as after a kill.
struct House {
    dir: TempDir,
    clock: Arc<FixedClock>,
    keeper: Keeper,
    bus: EmbeddedBus,
    journal: Arc<SqliteJournal>,
    deaths: Arc<Deaths>,
}

#[derive(Default)]
struct Deaths(Mutex<Vec<(DeathCause, u32)>>);

impl Notices for Deaths {
    fn died(&self, _tenant: &TenantId, _queue: &Queue, _message: MessageId, death: &Death) {
        self.0.lock().push((death.cause, death.attempts));
    }
}

/// One key for everybody.
struct OneKey(Arc<MacKey>);

impl Keys for OneKey {
    fn signing(&self, _tenant: &TenantId, _sender: &AgentId) -> Option<Signing> {
        Some(Signing { key: key(), mac: self.0.clone() })
    }

    fn verifying(&self, _tenant: &TenantId, _key: KeyId, _sender: &AgentId) -> Result<Verifying, KeyRefused> {
        Ok(Verifying { mac: self.0.clone(), retired: None })
    }
}

fn key() -> KeyId {
    "00000000000000aa".parse().unwrap()
}

fn keys() -> Arc<dyn Keys> {
    Arc::new(OneKey(Arc::new(MacKey::new(&[7; 32]))))
}

impl House {
    async fn new() -> Self {
        Self::over(tempfile::tempdir().unwrap(), Arc::new(FixedClock::new())).await
    }

    async fn over(dir: TempDir, clock: Arc<FixedClock>) -> Self {
        let journal = Arc::new(SqliteJournal::open(&DataDir::open(dir.path()).unwrap()).await.unwrap());
        let gate = Gate::new(MessageLimits::default());
        let parts = KeeperParts { journal: journal.clone(), gate, keys: keys(), clock: clock.clone(), limits: LIMITS };
        let keeper = Keeper::open(parts).await.unwrap();
        let deaths = Arc::new(Deaths::default());
        keeper.notify(deaths.clone());
        Self { dir, clock, bus: EmbeddedBus::keeping(keeper.clone()), keeper, journal, deaths }
    }

    /// The same directory, opened again.
    async fn again(self) -> Self {
        let Self { dir, clock, keeper, journal, bus, .. } = self;
        keeper.close().await;
        journal.close().await;
        drop((bus, keeper, journal));
        Self::over(dir, clock).await
    }

    fn bind(&self, tenant: &str, agent: &str, topics: &[&str]) {
        let topics = topics.iter().map(|raw| raw.parse().unwrap()).collect();
        let binding =
            Binding { tenant: tenant.parse().unwrap(), agent: agent.parse().unwrap(), topics, shared: Vec::new() };
        self.bus.bind(binding);
    }

    fn receiver(&self, tenant: &str, agent: &str, in_flight_max: u32) -> Arc<Desk> {
        let desk = Arc::new(Desk::new(born(tenant, agent), self.clock.clone()));
        desk.subscribe(&self.bus, in_flight_max);
        desk
    }

    async fn keep(&self, stamped: Stamped) {
        let receipt = self.bus.keep(stamped).await.unwrap();
        assert_eq!(receipt.durability, Durability::Durable);
    }

    async fn letters(&self, tenant: &str) -> Vec<host_bus::Letter> {
        self.journal.letters(&tenant.parse().unwrap(), LetterId(0), 100).await.unwrap()
    }
}

/// A receiver that accepts at the gate and ends what it took when the test says so.
struct Desk {
    caller: Arc<Caller>,
    clock: Arc<FixedClock>,
    taken: Mutex<VecDeque<Accepted>>,
}

impl Desk {
    fn new(caller: Arc<Caller>, clock: Arc<FixedClock>) -> Self {
        Self { caller, clock, taken: Mutex::default() }
    }

    fn subscribe(self: &Arc<Self>, bus: &EmbeddedBus, in_flight_max: u32) -> SubscriptionId {
        let interest = Interest::own(self.caller.agent(), in_flight_max);
        bus.subscribe(
            Subscribe { tenant: self.caller.tenant().clone(), interest, queue: None, member: None },
            self.clone(),
        )
    }

    /// The next message it was handed, with its attempt.
    async fn next(&self) -> Accepted {
        eventually("a message arrives", async || self.taken.lock().pop_front()).await
    }

    async fn done(&self, house: &House) -> (String, u32) {
        let accepted = self.next().await;
        let said = (body(accepted.envelope()), accepted.novelty().attempt());
        house.bus.settle(&accepted, Verdict::Done);
        said
    }
}

impl Inbound for Desk {
    fn deliver(&self, _delivery: Delivery) -> Result<(), NotTaken> {
        Err(NotTaken::Refused)
    }

    fn take(&self, kept: &Kept<'_>) -> Handover {
        let gate = Gate::new(MessageLimits::default());
        let verified = match gate.verify(kept.delivery(), &*keys(), Arrival::Kept) {
            Ok(verified) => verified,
            Err(refused) => return Handover::Quarantined(refused.code()),
        };
        let Recalled::New(novelty) = kept.recall(&verified) else { return Handover::Quarantined("copied") };
        let grants = grants(&[">"]);
        let receiver = Receiver::Agent { caller: &self.caller, grants: &grants };
        let now = host_model::Clock::now(&*self.clock);
        self.taken.lock().push_back(gate.accept(verified, novelty, receiver, now).unwrap());
        Handover::Taken
    }
}

fn again(cause: DeathCause) -> Verdict {
    Verdict::Retry { after: Some(Duration::ZERO), cause, detail: "once more".to_owned() }
}

#[tokio::test]
async fn kept_messages_of_one_key_go_to_one_replica_which_holds_up_no_other() {
    let house = House::new().await;
    house.bind("acme", "kb", &[]);
    let sender = Sender::in_tenant("acme");
    for number in 0..40 {
        let key = format!("k{}", number % 8);
        house.keep(sender.to_agent_by_key("kb", &key, &format!("{key} {number}"))).await;
    }
    let replicas = [0, 1, 2].map(|number| {
        let desk = Arc::new(Desk::new(born("acme", "kb"), house.clock.clone()));
        let agent = desk.caller.agent();
        let (interest, member) = (Interest::own(agent, 1), Some(Member::replica(agent, number)));
        house.bus.subscribe(Subscribe { tenant: "acme".parse().unwrap(), interest, queue: None, member }, desk.clone());
        desk
    });
    // The first one ends nothing: its keys wait, and nobody else's.
    replicas[0].next().await;
    let owner = |key: usize| shard_of(&format!("k{key}"), ["kb/0", "kb/1", "kb/2"]).unwrap();
    for (name, replica) in [("kb/1", &replicas[1]), ("kb/2", &replicas[2])] {
        let keys: Vec<usize> = (0..8).filter(|key| owner(*key) == name).collect();
        assert!(!keys.is_empty(), "{name} has a share");
        let mut seen = Vec::new();
        for _ in 0..keys.len() * 5 {
            seen.push(replica.done(&house).await.0);
        }
        for key in keys {
            let mine: Vec<&String> = seen.iter().filter(|body| body.starts_with(&format!("k{key} "))).collect();
            let kept: Vec<String> = (0..5).map(|round| format!("k{key} {}", round * 8 + key)).collect();
            assert!(mine.iter().eq(&kept.iter().collect::<Vec<_>>()), "all of k{key} in their order: {mine:?}");
        }
    }
}

#[tokio::test]
async fn messages_wait_for_an_agent_that_does_not_run_and_come_in_their_order() {
    let house = House::new().await;
    house.bind("acme", "kb", &["news.>"]);
    let sender = Sender::in_tenant("acme");
    for number in 0..600 {
        let (topic, text) = (number % 2 == 0, format!("{number}"));
        house.keep(if topic { sender.on_topic("news.today", &text) } else { sender.to_agent("kb", &text) }).await;
    }
    let kb = house.receiver("acme", "kb", 4);
    for number in 0..600 {
        assert_eq!(kb.done(&house).await, (number.to_string(), 1));
    }
    let view = house.bus.queues(&"acme".parse().unwrap());
    assert_eq!((view.len(), view[0].messages, view[0].bytes, view[0].in_flight), (1, 0, 0, 0));
}

#[tokio::test]
async fn what_was_kept_and_not_done_is_handed_out_again_after_a_restart_and_what_was_done_is_not() {
    let house = House::new().await;
    house.bind("acme", "kb", &[]);
    let sender = Sender::in_tenant("acme");
    for text in ["done", "taken", "waiting"] {
        house.keep(sender.to_agent("kb", text)).await;
    }
    let kb = house.receiver("acme", "kb", 1);
    kb.done(&house).await;
    let taken = kb.next().await;
    assert_eq!(body(taken.envelope()), "taken");
    let house = house.again().await;
    house.bind("acme", "kb", &[]);
    let kb = house.receiver("acme", "kb", 1);
    assert_eq!(kb.done(&house).await, ("taken".to_owned(), 2));
    assert_eq!(kb.done(&house).await, ("waiting".to_owned(), 2));
}

#[tokio::test]
async fn at_most_so_many_are_handed_out_at_once() {
    let house = House::new().await;
    house.bind("acme", "kb", &[]);
    let sender = Sender::in_tenant("acme");
    let kb = house.receiver("acme", "kb", 2);
    for text in ["a", "b", "c"] {
        house.keep(sender.to_agent("kb", text)).await;
    }
    let (first, _second) = (kb.next().await, kb.next().await);
    assert!(kb.taken.lock().is_empty(), "two are in its hands");
    house.bus.settle(&first, Verdict::Done);
    assert_eq!(body(kb.next().await.envelope()), "c");
}

#[tokio::test]
async fn what_fails_is_tried_again_so_many_times_and_becomes_a_dead_letter_with_its_cause() {
    let house = House::new().await;
    house.bind("acme", "kb", &[]);
    let sender = Sender::in_tenant("acme");
    house.keep(sender.to_agent("kb", "poison")).await;
    house.keep(sender.to_agent("kb", "good")).await;
    let kb = house.receiver("acme", "kb", 1);
    let mut attempts = Vec::new();
    while attempts.len() < 3 {
        let accepted = kb.next().await;
        if body(accepted.envelope()) == "good" {
            house.bus.settle(&accepted, Verdict::Done);
            continue;
        }
        attempts.push(accepted.novelty().attempt());
        house.bus.settle(&accepted, again(DeathCause::Trap));
    }
    assert_eq!(attempts, [1, 2, 3]);
    eventually("the letter is written", async || (!house.letters("acme").await.is_empty()).then_some(())).await;
    let letter = house.letters("acme").await.remove(0);
    assert_eq!((letter.death.cause, letter.death.attempts), (DeathCause::Trap, 3));
    assert_eq!(*house.deaths.0.lock(), [(DeathCause::Trap, 3)]);
    assert!(house.letters("globex").await.is_empty());
}

#[tokio::test]
async fn a_message_of_the_same_id_is_known_and_not_sent_twice() {
    let house = House::new().await;
    house.bind("acme", "kb", &[]);
    // Two senders at gates of their own, whose ids count alike.
    let first = Sender::in_tenant("acme").to_agent("kb", "first");
    let second = Sender::in_tenant("acme").to_agent("kb", "second");
    assert_eq!(first.envelope().id, second.envelope().id);
    house.keep(first).await;
    house.keep(second).await;
    house.keep(Sender::in_tenant("acme").to_agent("kb", "third")).await;
    let kb = house.receiver("acme", "kb", 10);
    assert_eq!(kb.done(&house).await.0, "first");
    let view = house.bus.queues(&"acme".parse().unwrap());
    assert_eq!(view[0].messages, 0, "{view:?}");
}

#[tokio::test]
async fn a_tenant_keeps_no_more_than_it_may_and_room_comes_back_with_each_that_is_done() {
    let house = House::new().await;
    house.bind("acme", "kb", &[]);
    house.bind("globex", "kb", &[]);
    let acme = "acme".parse().unwrap();
    house.bus.set_limits(&acme, QueueLimits { messages_max: 2, ..LIMITS });
    let sender = Sender::in_tenant("acme");
    house.keep(sender.to_agent("kb", "a")).await;
    house.keep(sender.to_agent("kb", "b")).await;
    let full = BusError::QueuesFull { limit: "queued-messages", max: 2, used: 3 };
    assert_eq!(house.bus.keep(sender.to_agent("kb", "c")).await, Err(full));
    house.keep(Sender::in_tenant("globex").to_agent("kb", "of another tenant")).await;
    let kb = house.receiver("acme", "kb", 1);
    kb.done(&house).await;
    house.keep(sender.to_agent("kb", "d")).await;
}

#[tokio::test]
async fn a_queue_that_nobody_has_takes_nothing_and_what_waits_for_a_deleted_agent_becomes_dead_letters() {
    let house = House::new().await;
    house.bind("acme", "kb", &[]);
    let sender = Sender::in_tenant("acme");
    assert_eq!(house.bus.keep(sender.to_agent("nobody", "x")).await, Err(BusError::NoReceiver));
    assert_eq!(
        house.bus.keep(Sender::in_tenant("globex").to_agent("kb", "x")).await,
        Err(BusError::NoReceiver),
        "another tenant's queue is none"
    );
    house.keep(sender.to_agent("kb", "left")).await;
    house.bus.unbind(&"acme".parse().unwrap(), &"kb".parse().unwrap());
    eventually("the letter is written", async || (house.letters("acme").await.len() == 1).then_some(())).await;
    assert_eq!(house.letters("acme").await[0].death.cause, DeathCause::Denied);
    assert_eq!(house.bus.keep(sender.to_agent("kb", "x")).await, Err(BusError::NoReceiver));
}

#[tokio::test]
async fn what_waits_for_longer_than_its_tenant_keeps_messages_expires() {
    let house = House::new().await;
    house.bind("acme", "kb", &[]);
    house.keep(Sender::in_tenant("acme").to_agent("kb", "old")).await;
    house.clock.advance_ms(3_600_000);
    house.keeper.tend().await.unwrap();
    assert!(house.letters("acme").await.is_empty(), "an hour is not over before it is past");
    house.clock.advance_ms(1);
    house.keeper.tend().await.unwrap();
    eventually("the letter is written", async || (house.letters("acme").await.len() == 1).then_some(())).await;
    let letter = house.letters("acme").await.remove(0);
    assert_eq!((letter.death.cause, letter.death.attempts, letter.kept), (DeathCause::Expired, 0, NOW));
}

#[tokio::test]
async fn what_goes_back_keeps_its_place_and_was_no_attempt() {
    let house = House::new().await;
    house.bind("acme", "kb", &[]);
    let sender = Sender::in_tenant("acme");
    for text in ["a", "b", "c"] {
        house.keep(sender.to_agent("kb", text)).await;
    }
    let leaves = Arc::new(Desk::new(born("acme", "kb"), house.clock.clone()));
    let subscription = leaves.subscribe(&house.bus, 2);
    let (a, b) = (leaves.next().await, leaves.next().await);
    house.bus.unsubscribe(&"acme".parse().unwrap(), subscription);
    house.bus.settle(&b, Verdict::Back);
    house.bus.settle(&a, Verdict::Back);
    let stays = house.receiver("acme", "kb", 1);
    for text in ["a", "b", "c"] {
        assert_eq!(stays.done(&house).await, (text.to_owned(), 1));
    }
}
