//! What every bus promises, as tests on the real gate: [`bus_conformance!`](crate::bus_conformance) makes one of each.
//!
//! Nothing here takes a delivery for done when `publish` returns: a bus may carry over a network. That something did *not* come is
//! told by what was sent after it and did.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use host_bus::{Bus, BusError, Inbound, Interest, Member, NotTaken, Subscribe, SubscriptionId};
use host_gate::{Delivery, Receiver};
use host_model::{AgentId, Caller, Grants, ReplyToken};

use crate::gate::{Sender, accept, body, born, grants, take};

/// Makes one test of each promise of a bus. Takes what makes a fresh bus: `|| -> Arc<dyn Bus>`.
#[macro_export]
macro_rules! bus_conformance {
    ($make:expr) => {
        $crate::bus_conformance! { $make;
            only_subscribers_of_the_same_tenant_receive
            patterns_select_topics_as_nats_does
            messages_of_one_sender_arrive_in_order
            one_of_a_group_receives_and_all_have_their_share
            a_full_member_of_a_group_is_passed_over
            messages_of_one_key_go_to_one_member_and_all_have_their_share
            a_full_member_keeps_its_keys_to_itself
            a_subscriber_with_several_patterns_that_match_is_asked_once
            a_topic_is_refused_as_full_only_if_nobody_could_take_it
            a_queue_is_refused_as_full_only_if_no_member_could_take_it
            a_queue_that_nobody_has_is_no_receiver
            a_topic_nobody_listens_to_takes_messages
            who_watches_sees_topics_queues_and_answers_of_its_tenant
            who_watches_too_slowly_holds_up_nobody
            who_watches_is_no_receiver
            an_ended_subscription_receives_nothing_more
            a_subscription_is_ended_in_its_own_tenant_only
            an_answer_goes_by_its_token_and_past_every_subscription
            an_answer_that_nobody_awaits_is_no_receiver
        }
    };
    ($make:expr; $($promise:ident)*) => {
        $(
            #[test]
            fn $promise() {
                $crate::bus::$promise(($make)());
            }
        )*
    };
}

/// How long anything may take to arrive. Only a failing test waits for it.
const ARRIVAL_MAX: Duration = Duration::from_secs(10);

/// Somebody at the receiving side, who takes in at the gate what fits and remembers it.
struct Ear {
    caller: Arc<Caller>,
    grants: Grants,
    hears: Hears,
    len_max: u32,
    asked: AtomicUsize,
    heard: Mutex<Vec<String>>,
    more: Condvar,
}

#[derive(Clone, Copy)]
enum Hears {
    Messages,
    All,
    AnswersTo(ReplyToken),
}

impl Inbound for Ear {
    fn deliver(&self, delivery: Delivery) -> Result<(), NotTaken> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut heard = self.heard.lock().expect("nobody panics with it");
        if heard.len() >= self.len_max as usize {
            return Err(NotTaken::Full { len_max: self.len_max });
        }
        let (caller, grants) = (&self.caller, &self.grants);
        let receiver = match self.hears {
            Hears::Messages => Receiver::Agent { caller, grants },
            Hears::All => Receiver::Watcher { caller },
            Hears::AnswersTo(token) => Receiver::Asker { caller, token },
        };
        let accepted = take(delivery, receiver);
        heard.push(body(accepted.map_err(|_| NotTaken::Refused)?.envelope()));
        self.more.notify_all();
        Ok(())
    }
}

impl Ear {
    fn new(caller: Arc<Caller>, subscribe: &[&str], hears: Hears, len_max: u32) -> Arc<Self> {
        let grants = grants(subscribe);
        let (asked, more) = (AtomicUsize::new(0), Condvar::new());
        Arc::new(Self { caller, grants, hears, len_max, asked, heard: Mutex::default(), more })
    }

    /// All it has heard, once that is so many messages or more.
    fn heard(&self, count: usize) -> Vec<String> {
        let heard = self.heard.lock().expect("nobody panics with it");
        let (heard, _) = self
            .more
            .wait_timeout_while(heard, ARRIVAL_MAX, |heard| heard.len() < count)
            .expect("nobody panics with it");
        heard.clone()
    }
}

/// An agent that is subscribed to a topic, with room for so many messages.
fn listens(bus: &dyn Bus, tenant: &str, agent: &str, pattern: &str, group: Option<&str>, len_max: u32) -> Arc<Ear> {
    let interest = Interest::Topics(pattern.parse().expect("a pattern"));
    let ear = Ear::new(born(tenant, agent), &[pattern], Hears::Messages, len_max);
    subscribe(bus, interest, group, &ear);
    ear
}

/// An agent with its own queue.
fn has_queue(bus: &dyn Bus, tenant: &str, agent: &str, len_max: u32) -> Arc<Ear> {
    let ear = Ear::new(born(tenant, agent), &[], Hears::Messages, len_max);
    subscribe(bus, Interest::own(ear.caller.agent(), 10), Some(agent), &ear);
    ear
}

/// Somebody who watches a tenant.
fn watches(bus: &dyn Bus, tenant: &str, pattern: &str, len_max: u32) -> Arc<Ear> {
    let ear = Ear::new(born(tenant, "watcher"), &[], Hears::All, len_max);
    subscribe(bus, Interest::Everything(pattern.parse().expect("a pattern")), None, &ear);
    ear
}

fn subscribe(bus: &dyn Bus, interest: Interest, group: Option<&str>, ear: &Arc<Ear>) -> SubscriptionId {
    let queue = group.map(|name| name.parse::<AgentId>().expect("an agent id"));
    bus.subscribe(Subscribe { tenant: ear.caller.tenant().clone(), interest, queue, member: None }, ear.clone())
}

/// Publishes on a topic and checks the receipt.
fn publish(bus: &dyn Bus, sender: &Sender, topic: &str, body: &str) {
    let stamped = sender.on_topic(topic, body);
    let id = stamped.envelope().id;
    let receipt = bus.publish(stamped).expect("somebody takes it, or nobody listens");
    assert_eq!(receipt.id, id, "a receipt names the message");
}

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

/// Two tenants with the same agents, topics and queues never hear each other.
pub fn only_subscribers_of_the_same_tenant_receive(bus: Arc<dyn Bus>) {
    let (acme, globex) = (Sender::in_tenant("acme"), Sender::in_tenant("globex"));
    let ears = ["acme", "globex"].map(|tenant| {
        let ear = Ear::new(born(tenant, "kb"), &[">"], Hears::Messages, 100);
        subscribe(&*bus, Interest::Topics(">".parse().expect("a pattern")), Some("kb"), &ear);
        subscribe(&*bus, Interest::own(ear.caller.agent(), 10), Some("kb"), &ear);
        ear
    });
    publish(&*bus, &acme, "a.b", "acme's topic");
    bus.publish(acme.to_agent("kb", "acme's queue")).expect("kb has its queue");
    publish(&*bus, &globex, "a.b", "globex's topic");
    bus.publish(globex.to_agent("kb", "globex's queue")).expect("kb has its queue");
    assert_eq!(ears[0].heard(2), ["acme's topic", "acme's queue"]);
    assert_eq!(ears[1].heard(2), ["globex's topic", "globex's queue"]);
}

/// `*` is one token, a last `>` one or more.
pub fn patterns_select_topics_as_nats_does(bus: Arc<dyn Bus>) {
    let sender = Sender::in_tenant("acme");
    let ears = ["a.b", "a.*", "a.>", ">", "*.b"].map(|pattern| listens(&*bus, "acme", "kb", pattern, None, 100));
    // The last one is for all of them, so that what did not come before it does not come.
    let topics = ["a", "a.c", "a.b.c", "b", "c.b", "a.b"];
    for topic in topics {
        publish(&*bus, &sender, topic, topic);
    }
    let heard = |ear: &Ear, topics: &[&str]| assert_eq!(ear.heard(topics.len()), topics);
    heard(&ears[0], &["a.b"]);
    heard(&ears[1], &["a.c", "a.b"]);
    heard(&ears[2], &["a.c", "a.b.c", "a.b"]);
    heard(&ears[3], &topics);
    heard(&ears[4], &["c.b", "a.b"]);
}

/// First sent, first received.
pub fn messages_of_one_sender_arrive_in_order(bus: Arc<dyn Bus>) {
    let sender = Sender::in_tenant("acme");
    let (on_topic, in_queue) = (listens(&*bus, "acme", "one", "a", None, 1000), has_queue(&*bus, "acme", "two", 1000));
    for number in numbers(200) {
        publish(&*bus, &sender, "a", &number);
        bus.publish(sender.to_agent("two", &number)).expect("two has its queue");
    }
    assert_eq!(on_topic.heard(200), numbers(200));
    assert_eq!(in_queue.heard(200), numbers(200));
}

/// A message goes to one member of each group and to everybody without one.
pub fn one_of_a_group_receives_and_all_have_their_share(bus: Arc<dyn Bus>) {
    let sender = Sender::in_tenant("acme");
    let members = [(); 3].map(|()| listens(&*bus, "acme", "kb", "a", Some("kb"), 100));
    let others = [(); 2].map(|()| listens(&*bus, "acme", "log", "a", Some("log"), 100));
    let alone = [(); 2].map(|()| listens(&*bus, "acme", "alone", "a", None, 100));
    for number in numbers(30) {
        publish(&*bus, &sender, "a", &number);
    }
    for ear in &alone {
        assert_eq!(ear.heard(30), numbers(30));
    }
    for group in [&members[..], &others[..]] {
        let mut heard: Vec<String> = group.iter().flat_map(|member| member.heard(1)).collect();
        heard.sort_by_key(|number| number.parse::<u32>().expect("a number"));
        assert_eq!(heard, numbers(30), "each message once in a group");
        assert!(group.iter().all(|member| !member.heard(1).is_empty()), "each member has a share");
    }
}

/// Whoever is subscribed to several patterns of one topic loses a message once, if there is no room for it, and counts it once.
pub fn a_subscriber_with_several_patterns_that_match_is_asked_once(bus: Arc<dyn Bus>) {
    let patterns = ["a.b", "a.*", ">"];
    let ear = Ear::new(born("acme", "kb"), &patterns, Hears::Messages, 0);
    for pattern in patterns {
        subscribe(&*bus, Interest::Topics(pattern.parse().expect("a pattern")), Some("kb"), &ear);
    }
    let refused = bus.publish(Sender::in_tenant("acme").on_topic("a.b", "one"));
    assert_eq!(refused, Err(BusError::Full { len_max: 0 }));
    assert_eq!(ear.asked.load(Ordering::Relaxed), 1);
}

/// The group takes it as long as one member can.
pub fn a_full_member_of_a_group_is_passed_over(bus: Arc<dyn Bus>) {
    let sender = Sender::in_tenant("acme");
    let small = listens(&*bus, "acme", "kb", "a", Some("kb"), 1);
    let large = listens(&*bus, "acme", "kb", "a", Some("kb"), 100);
    for number in numbers(10) {
        publish(&*bus, &sender, "a", &number);
    }
    assert_eq!((small.heard(1).len(), large.heard(9).len()), (1, 9));
}

/// Members that have a name of their own share by key: the option `key`, or the correlation id, or the sender.
pub fn messages_of_one_key_go_to_one_member_and_all_have_their_share(bus: Arc<dyn Bus>) {
    let sender = Sender::in_tenant("acme");
    let members = [0, 1, 2].map(|number| shares(&*bus, number, 1_000));
    for round in 0..3 {
        for key in 0..60 {
            let stamped = sender.on_topic_by_key("a", &format!("k{key}"), &format!("{key} {round}"));
            bus.publish(stamped).expect("there is room");
        }
    }
    let heard =
        until(|| members.each_ref().map(|member| member.heard(0)), |heard| heard.iter().flatten().count() == 180);
    for one in &heard {
        assert!(one.len() >= 30, "each member has a share: {}", one.len());
        let keys: BTreeSet<&str> = one.iter().map(|body| body.split(' ').next().expect("a key")).collect();
        assert_eq!(one.len(), keys.len() * 3, "all messages of its keys");
    }
}

/// Another would see a key that is not its own.
pub fn a_full_member_keeps_its_keys_to_itself(bus: Arc<dyn Bus>) {
    let sender = Sender::in_tenant("acme");
    let members = [0, 1].map(|number| shares(&*bus, number, 1));
    let mut refused = BTreeSet::new();
    for number in 0..40 {
        let key = format!("k{}", number % 4);
        let sent = bus.publish(sender.on_topic_by_key("a", &key, &key));
        refused.extend(sent.is_err().then_some(key));
    }
    assert_eq!(refused.len(), 4, "every key is refused once its member is full");
    assert!(members.iter().all(|member| member.heard(0).len() <= 1));
}

/// One of several replicas that share a topic by key.
fn shares(bus: &dyn Bus, number: u32, len_max: u32) -> Arc<Ear> {
    let ear = Ear::new(born("acme", "kb"), &["a"], Hears::Messages, len_max);
    let (interest, queue) = (Interest::Topics("a".parse().expect("a pattern")), Some(ear.caller.agent().clone()));
    let member = Some(Member::replica(ear.caller.agent(), number));
    bus.subscribe(Subscribe { tenant: ear.caller.tenant().clone(), interest, queue, member }, ear.clone());
    ear
}

/// Looks until it is so. Only a failing test looks for long.
fn until<T>(look: impl Fn() -> T, is_so: impl Fn(&T) -> bool) -> T {
    let began = std::time::Instant::now();
    loop {
        let seen = look();
        if is_so(&seen) || began.elapsed() > ARRIVAL_MAX {
            return seen;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// One free subscriber is enough; with none free, the sender hears of it.
pub fn a_topic_is_refused_as_full_only_if_nobody_could_take_it(bus: Arc<dyn Bus>) {
    let sender = Sender::in_tenant("acme");
    let small = listens(&*bus, "acme", "one", "a", None, 1);
    let large = listens(&*bus, "acme", "two", "a", None, 2);
    publish(&*bus, &sender, "a", "both");
    publish(&*bus, &sender, "a", "only the large one");
    let refused = bus.publish(sender.on_topic("a", "nobody"));
    assert!(matches!(refused, Err(BusError::Full { len_max: 1 | 2 })), "{refused:?}");
    assert_eq!(small.heard(1), ["both"]);
    assert_eq!(large.heard(2), ["both", "only the large one"]);
}

/// The same for a queue that several starts of one agent share.
pub fn a_queue_is_refused_as_full_only_if_no_member_could_take_it(bus: Arc<dyn Bus>) {
    let sender = Sender::in_tenant("acme");
    let members = [(); 2].map(|()| has_queue(&*bus, "acme", "kb", 1));
    for number in numbers(2) {
        bus.publish(sender.to_agent("kb", &number)).expect("one has room");
    }
    let refused = bus.publish(sender.to_agent("kb", "nobody"));
    assert_eq!(refused, Err(BusError::Full { len_max: 1 }));
    assert_eq!(members.map(|member| member.heard(1).len()), [1, 1]);
}

/// Also if another tenant has a queue of that name.
pub fn a_queue_that_nobody_has_is_no_receiver(bus: Arc<dyn Bus>) {
    let sender = Sender::in_tenant("acme");
    let send = || bus.publish(sender.to_agent("kb", "a"));
    assert_eq!(send(), Err(BusError::NoReceiver), "nobody at all");
    let foreign = has_queue(&*bus, "globex", "kb", 10);
    assert_eq!(send(), Err(BusError::NoReceiver), "somebody of another tenant");
    let other = has_queue(&*bus, "acme", "kb2", 10);
    let listener = listens(&*bus, "acme", "all", ">", None, 10);
    assert_eq!(send(), Err(BusError::NoReceiver), "others of the same tenant");
    publish(&*bus, &sender, "a", "after");
    assert_eq!(listener.heard(1), ["after"]);
    assert!(foreign.heard(0).is_empty() && other.heard(0).is_empty());
}

/// Publishing needs no listener.
pub fn a_topic_nobody_listens_to_takes_messages(bus: Arc<dyn Bus>) {
    let sender = Sender::in_tenant("acme");
    publish(&*bus, &sender, "a", "nobody at all");
    let listener = listens(&*bus, "acme", "kb", "b", None, 10);
    publish(&*bus, &sender, "a", "nobody on this topic");
    publish(&*bus, &sender, "b", "after");
    assert_eq!(listener.heard(1), ["after"]);
}

/// All that moves in one tenant, by address, and nothing of another.
pub fn who_watches_sees_topics_queues_and_answers_of_its_tenant(bus: Arc<dyn Bus>) {
    let (sender, token) = (Sender::in_tenant("acme"), ReplyToken::new(7));
    let kb = Sender::of(born("acme", "kb"));
    has_queue(&*bus, "acme", "kb", 10);
    let all = watches(&*bus, "acme", ">", 10);
    let kb_only = watches(&*bus, "acme", "*.kb", 10);
    let foreign = watches(&*bus, "globex", ">", 10);
    bus.receive_replies(Ear::new(sender.caller.clone(), &[], Hears::AnswersTo(token), 10));
    publish(&*bus, &sender, "a.b", "topic");
    bus.publish(sender.ask("kb", "queue", token)).expect("kb has its queue");
    let request = accept(&kb.caller, sender.ask("kb", "queue", token));
    bus.publish(kb.answer(&request, "answer")).expect("somebody waits");
    publish(&*bus, &Sender::in_tenant("globex"), "a.b", "globex's own");
    assert_eq!(all.heard(3), ["topic", "queue", "answer"]);
    assert_eq!(kb_only.heard(1), ["queue"]);
    assert_eq!(foreign.heard(1), ["globex's own"]);
}

/// A watcher without room is no reason for a refusal, and the others hear all.
pub fn who_watches_too_slowly_holds_up_nobody(bus: Arc<dyn Bus>) {
    let sender = Sender::in_tenant("acme");
    let slow = watches(&*bus, "acme", ">", 1);
    let quick = watches(&*bus, "acme", ">", 100);
    let listener = listens(&*bus, "acme", "kb", "a", None, 100);
    for number in numbers(20) {
        publish(&*bus, &sender, "a", &number);
    }
    assert_eq!(listener.heard(20), numbers(20));
    assert_eq!(quick.heard(20), numbers(20));
    assert_eq!(slow.heard(1), ["0"]);
}

/// A queue does not exist because somebody looks.
pub fn who_watches_is_no_receiver(bus: Arc<dyn Bus>) {
    let sender = Sender::in_tenant("acme");
    let watcher = watches(&*bus, "acme", ">", 10);
    assert_eq!(bus.publish(sender.to_agent("kb", "a")), Err(BusError::NoReceiver));
    publish(&*bus, &sender, "a", "a topic does");
    assert_eq!(watcher.heard(1), ["a topic does"], "what was not carried is not shown");
}

/// From the moment `unsubscribe` returns.
pub fn an_ended_subscription_receives_nothing_more(bus: Arc<dyn Bus>) {
    let sender = Sender::in_tenant("acme");
    let stays = listens(&*bus, "acme", "stays", "a", None, 10);
    let leaves = Ear::new(born("acme", "leaves"), &["a"], Hears::All, 10);
    let interests = [
        Interest::Topics("a".parse().expect("a pattern")),
        Interest::own(leaves.caller.agent(), 10),
        Interest::Everything("a".parse().expect("a pattern")),
    ];
    let subscriptions = interests.map(|interest| subscribe(&*bus, interest, None, &leaves));
    publish(&*bus, &sender, "a", "before");
    assert_eq!(leaves.heard(2), ["before", "before"], "once as a subscriber, once as a watcher");
    for id in subscriptions {
        bus.unsubscribe(leaves.caller.tenant(), id);
    }
    publish(&*bus, &sender, "a", "after");
    assert_eq!(bus.publish(sender.to_agent("leaves", "after")), Err(BusError::NoReceiver));
    assert_eq!(stays.heard(2), ["before", "after"]);
    assert_eq!(leaves.heard(2).len(), 2);
}

/// A number alone ends nothing.
pub fn a_subscription_is_ended_in_its_own_tenant_only(bus: Arc<dyn Bus>) {
    let sender = Sender::in_tenant("acme");
    let ear = Ear::new(born("acme", "kb"), &["a"], Hears::Messages, 10);
    let id = subscribe(&*bus, Interest::Topics("a".parse().expect("a pattern")), None, &ear);
    bus.unsubscribe(born("globex", "kb").tenant(), id);
    publish(&*bus, &sender, "a", "still here");
    assert_eq!(ear.heard(1), ["still here"]);
}

/// Not even who is subscribed to everything in the tenant gets an answer.
pub fn an_answer_goes_by_its_token_and_past_every_subscription(bus: Arc<dyn Bus>) {
    let (asker, kb) = (Sender::in_tenant("acme"), Sender::of(born("acme", "kb")));
    let everybody = listens(&*bus, "acme", "nosy", ">", None, 10);
    let queue = has_queue(&*bus, "acme", "sender", 10);
    let waits = Ear::new(asker.caller.clone(), &[], Hears::AnswersTo(ReplyToken::new(2)), 10);
    bus.receive_replies(waits.clone());
    let answer = |token, body| {
        let request = accept(&kb.caller, asker.ask("kb", "?", ReplyToken::new(token)));
        bus.publish(kb.answer(&request, body))
    };
    assert_eq!(answer(1, "to another token").map(drop), Err(BusError::NoReceiver));
    answer(2, "to the token").expect("it is awaited");
    publish(&*bus, &asker, "a", "after");
    assert_eq!(waits.heard(1), ["to the token"]);
    assert_eq!(everybody.heard(1), ["after"]);
    assert!(queue.heard(0).is_empty());
}

/// With or without other subscribers in the tenant.
pub fn an_answer_that_nobody_awaits_is_no_receiver(bus: Arc<dyn Bus>) {
    let (asker, kb) = (Sender::in_tenant("acme"), Sender::of(born("acme", "kb")));
    let answer = || {
        let request = accept(&kb.caller, asker.ask("kb", "?", ReplyToken::new(1)));
        bus.publish(kb.answer(&request, "!")).map(drop)
    };
    assert_eq!(answer(), Err(BusError::NoReceiver));
    let _listener = listens(&*bus, "acme", "nosy", ">", None, 10);
    assert_eq!(answer(), Err(BusError::NoReceiver));
}
