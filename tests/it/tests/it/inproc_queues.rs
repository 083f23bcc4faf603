//! What every bus promises of messages that are kept, on the real gate, the real journal, and a real NATS server.

use std::sync::Arc;
use std::time::Duration;

use host_bus::{
    Binding, Bus, BusError, Death, EmbeddedBus, Interest, Journal as _, KeepHealth, Keeper, KeeperParts, LetterId,
    Member, NatsBus, NatsParts, Notices, QueueLimits, Subscribe, Verdict, shard_of,
};
use host_gate::{Gate, MessageLimits, Stamped};
use host_model::{DeathCause, Durability, MessageId, Queue, TenantId};
use host_store::{DataDir, SqliteJournal};
use parking_lot::Mutex;
use tempfile::TempDir;
use tests_kit::gate::{FixedClock, NOW, Sender, body, born, one_key};
use tests_kit::{NatsServer, eventually};

use crate::desk::Desk;
use crate::nats_host::settings;

const LIMITS: QueueLimits = QueueLimits {
    messages_max: 1_000,
    bytes_max: 1 << 20,
    letters_max: 10,
    retention: Duration::from_hours(1),
    attempts_max: 3,
};

/// Makes one test of each promise, on each bus.
macro_rules! on_both {
    ($($promise:ident)*) => {
        mod embedded {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $promise() {
                    super::$promise(super::House::embedded().await).await;
                }
            )*
        }

        mod nats {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $promise() {
                    super::$promise(super::House::nats().await).await;
                }
            )*
        }
    };
}

on_both! {
    messages_wait_for_an_agent_that_does_not_run_and_come_in_their_order
    what_was_kept_and_not_done_is_handed_out_again_after_a_restart_and_what_was_done_is_not
    at_most_so_many_are_handed_out_at_once
    what_fails_is_tried_again_so_many_times_and_becomes_a_dead_letter_with_its_cause
    a_message_of_the_same_id_is_known_and_not_sent_twice
    a_tenant_keeps_no_more_than_it_may_and_room_comes_back_with_each_that_is_done
    a_queue_that_nobody_has_takes_nothing_and_what_waits_for_a_deleted_agent_becomes_dead_letters
    what_waits_for_longer_than_its_tenant_keeps_messages_expires
    what_goes_back_keeps_its_place_and_was_no_attempt
    kept_messages_of_one_key_go_to_one_replica_which_holds_up_no_other
}

/// A bus over a journal in a directory, which can be opened again as after a kill.
struct House {
    dir: TempDir,
    clock: Arc<FixedClock>,
    keeper: Keeper,
    bus: Arc<dyn Bus>,
    nats: Option<(NatsBus, NatsServer)>,
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

impl House {
    async fn embedded() -> Self {
        Self::over(tempfile::tempdir().unwrap(), Arc::new(FixedClock::new()), None).await
    }

    async fn nats() -> Self {
        Self::over(tempfile::tempdir().unwrap(), Arc::new(FixedClock::new()), Some(NatsServer::start())).await
    }

    async fn over(dir: TempDir, clock: Arc<FixedClock>, server: Option<NatsServer>) -> Self {
        let journal = Arc::new(SqliteJournal::open(&DataDir::open(dir.path()).unwrap()).await.unwrap());
        let gate = Gate::new(MessageLimits::default());
        let parts = KeeperParts {
            journal: journal.clone(),
            gate: gate.clone(),
            keys: one_key(),
            clock: clock.clone(),
            limits: LIMITS,
        };
        let keeper = Keeper::open(parts).await.unwrap();
        let deaths = Arc::new(Deaths::default());
        keeper.notify(deaths.clone());
        let nats = match server {
            None => None,
            Some(server) => {
                let parts = NatsParts {
                    settings: settings(&server, 1),
                    keeper: keeper.clone(),
                    gate,
                    keys: one_key(),
                    vault: None,
                };
                let bus = NatsBus::open(parts).await.unwrap();
                eventually("the server is looked at", async || (bus.health() == KeepHealth::Good).then_some(())).await;
                Some((bus, server))
            }
        };
        let bus: Arc<dyn Bus> = match &nats {
            None => Arc::new(EmbeddedBus::keeping(keeper.clone())),
            Some((bus, _)) => Arc::new(bus.clone()),
        };
        Self { dir, clock, keeper, bus, nats, journal, deaths }
    }

    /// The same directory, opened again.
    async fn again(self) -> Self {
        let Self { dir, clock, keeper, journal, bus, nats, .. } = self;
        let server = match nats {
            None => None,
            Some((bus, server)) => {
                bus.close().await;
                Some(server)
            }
        };
        keeper.close().await;
        journal.close().await;
        drop((bus, keeper, journal));
        Self::over(dir, clock, server).await
    }

    async fn tend(&self) {
        self.keeper.tend().await.unwrap();
        if let Some((bus, _)) = &self.nats {
            bus.tend().await;
        }
    }

    /// How many messages there are in the one queue of a tenant, once that is so.
    async fn has_messages(&self, tenant: &str, count: u64) {
        let tenant = tenant.parse().unwrap();
        let has = async || {
            let views = self.bus.queues(&tenant);
            (views.iter().map(|view| view.messages).sum::<u64>() == count).then_some(())
        };
        eventually("the queue has so many messages", has).await;
    }

    fn bind(&self, tenant: &str, agent: &str, topics: &[&str]) {
        let topics = topics.iter().map(|raw| raw.parse().unwrap()).collect();
        let binding =
            Binding { tenant: tenant.parse().unwrap(), agent: agent.parse().unwrap(), topics, shared: Vec::new() };
        self.bus.bind(binding);
    }

    fn receiver(&self, tenant: &str, agent: &str, in_flight_max: u32) -> Arc<Desk> {
        Desk::at(&*self.bus, born(tenant, agent), in_flight_max)
    }

    async fn keep(&self, stamped: Stamped) {
        let receipt = self.bus.keep(stamped).await.unwrap();
        assert_eq!(receipt.durability, Durability::Durable);
    }

    async fn letters(&self, tenant: &str) -> Vec<host_bus::Letter> {
        self.journal.letters(&tenant.parse().unwrap(), LetterId(0), 100).await.unwrap()
    }
}

fn again(cause: DeathCause) -> Verdict {
    Verdict::Retry { after: Some(Duration::ZERO), cause, detail: "once more".to_owned() }
}

async fn kept_messages_of_one_key_go_to_one_replica_which_holds_up_no_other(house: House) {
    house.bind("acme", "kb", &[]);
    let sender = Sender::in_tenant("acme");
    for number in 0..40 {
        let key = format!("k{}", number % 8);
        house.keep(sender.to_agent_by_key("kb", &key, &format!("{key} {number}"))).await;
    }
    let replicas = [0, 1, 2].map(|number| {
        let desk = Arc::new(Desk::new(born("acme", "kb")));
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
            seen.push(replica.done(&*house.bus).await.0);
        }
        for key in keys {
            let mine: Vec<&String> = seen.iter().filter(|body| body.starts_with(&format!("k{key} "))).collect();
            let kept: Vec<String> = (0..5).map(|round| format!("k{key} {}", round * 8 + key)).collect();
            assert!(mine.iter().eq(&kept.iter().collect::<Vec<_>>()), "all of k{key} in their order: {mine:?}");
        }
    }
}

async fn messages_wait_for_an_agent_that_does_not_run_and_come_in_their_order(house: House) {
    house.bind("acme", "kb", &["news.>"]);
    let sender = Sender::in_tenant("acme");
    for number in 0..600 {
        let (topic, text) = (number % 2 == 0, format!("{number}"));
        house.keep(if topic { sender.on_topic("news.today", &text) } else { sender.to_agent("kb", &text) }).await;
    }
    let kb = house.receiver("acme", "kb", 4);
    for number in 0..600 {
        assert_eq!(kb.done(&*house.bus).await, (number.to_string(), 1));
    }
    house.has_messages("acme", 0).await;
    let view = house.bus.queues(&"acme".parse().unwrap());
    assert_eq!((view.len(), view[0].messages, view[0].bytes, view[0].in_flight), (1, 0, 0, 0));
}

async fn what_was_kept_and_not_done_is_handed_out_again_after_a_restart_and_what_was_done_is_not(house: House) {
    house.bind("acme", "kb", &[]);
    let sender = Sender::in_tenant("acme");
    for text in ["done", "taken", "waiting"] {
        house.keep(sender.to_agent("kb", text)).await;
    }
    let kb = house.receiver("acme", "kb", 1);
    kb.done(&*house.bus).await;
    let taken = kb.next().await;
    assert_eq!(body(taken.envelope()), "taken");
    let house = house.again().await;
    house.bind("acme", "kb", &[]);
    let kb = house.receiver("acme", "kb", 1);
    assert_eq!(kb.done(&*house.bus).await, ("taken".to_owned(), 2));
    // Whether this one was handed out before the embedded bus does not know.
    assert_eq!(kb.done(&*house.bus).await.0, "waiting");
}

async fn at_most_so_many_are_handed_out_at_once(house: House) {
    house.bind("acme", "kb", &[]);
    let sender = Sender::in_tenant("acme");
    let kb = house.receiver("acme", "kb", 2);
    for text in ["a", "b", "c"] {
        house.keep(sender.to_agent("kb", text)).await;
    }
    let (first, _second) = (kb.next().await, kb.next().await);
    assert!(kb.has_none(), "two are in its hands");
    house.bus.settle(&first, Verdict::Done);
    assert_eq!(body(kb.next().await.envelope()), "c");
}

async fn what_fails_is_tried_again_so_many_times_and_becomes_a_dead_letter_with_its_cause(house: House) {
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

async fn a_message_of_the_same_id_is_known_and_not_sent_twice(house: House) {
    house.bind("acme", "kb", &[]);
    // Two senders at gates of their own, whose ids count alike.
    let first = Sender::in_tenant("acme").to_agent("kb", "first");
    let second = Sender::in_tenant("acme").to_agent("kb", "second");
    assert_eq!(first.envelope().id, second.envelope().id);
    house.keep(first).await;
    house.keep(second).await;
    house.keep(Sender::in_tenant("acme").to_agent("kb", "third")).await;
    let kb = house.receiver("acme", "kb", 10);
    assert_eq!(kb.done(&*house.bus).await.0, "first");
    house.has_messages("acme", 0).await;
}

async fn a_tenant_keeps_no_more_than_it_may_and_room_comes_back_with_each_that_is_done(house: House) {
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
    kb.done(&*house.bus).await;
    house.has_messages("acme", 1).await;
    house.keep(sender.to_agent("kb", "d")).await;
}

async fn a_queue_that_nobody_has_takes_nothing_and_what_waits_for_a_deleted_agent_becomes_dead_letters(house: House) {
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

async fn what_waits_for_longer_than_its_tenant_keeps_messages_expires(house: House) {
    house.bind("acme", "kb", &[]);
    house.keep(Sender::in_tenant("acme").to_agent("kb", "old")).await;
    house.clock.advance_ms(3_600_000);
    house.tend().await;
    assert!(house.letters("acme").await.is_empty(), "an hour is not over before it is past");
    house.clock.advance_ms(1);
    house.tend().await;
    eventually("the letter is written", async || (house.letters("acme").await.len() == 1).then_some(())).await;
    let letter = house.letters("acme").await.remove(0);
    assert_eq!((letter.death.cause, letter.death.attempts, letter.kept), (DeathCause::Expired, 0, NOW));
}

async fn what_goes_back_keeps_its_place_and_was_no_attempt(house: House) {
    house.bind("acme", "kb", &[]);
    let sender = Sender::in_tenant("acme");
    for text in ["a", "b", "c"] {
        house.keep(sender.to_agent("kb", text)).await;
    }
    let leaves = Arc::new(Desk::new(born("acme", "kb")));
    let subscription = leaves.subscribe(&*house.bus, 2);
    let (a, b) = (leaves.next().await, leaves.next().await);
    house.bus.unsubscribe(&"acme".parse().unwrap(), subscription);
    house.bus.settle(&b, Verdict::Back);
    house.bus.settle(&a, Verdict::Back);
    let stays = house.receiver("acme", "kb", 1);
    for text in ["a", "b", "c"] {
        assert_eq!(stays.done(&*house.bus).await, (text.to_owned(), 1));
    }
}
