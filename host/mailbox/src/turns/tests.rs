//! Bounds, order and turns; at the end, random operations against a model too simple to be wrong.

use std::sync::Arc;

use host_model::Caller;
use tests_kit::gate::{accepted, body, born};

use super::*;
use crate::Full;

mod shares;

/// A receiver with its caller, released.
fn ready(mailbox: &mut Mailbox, tenant: &str, len_max: u32, in_flight_max: u32) -> (Arc<Caller>, Address) {
    let receiver = born(tenant, "kb");
    let address = mailbox.open(Open { receiver: receiver.clone(), len_max, in_flight_max });
    mailbox.release(address);
    (receiver, address)
}

/// A receiver that any number of messages may wait for and that handles any number at once.
fn wide(mailbox: &mut Mailbox, tenant: &str) -> (Arc<Caller>, Address) {
    ready(mailbox, tenant, 65_536, u32::MAX)
}

fn push(mailbox: &mut Mailbox, to: &(Arc<Caller>, Address), text: &str) {
    mailbox.push(to.1, accepted(&to.0, text)).unwrap();
}

/// The next turn, short: the body of a message, or `#key` of work.
fn next(mailbox: &mut Mailbox) -> Option<String> {
    mailbox.next_turn().map(|turn| match turn {
        Turn::Deliver(_, accepted) => body(accepted.envelope()),
        Turn::Resume(key) => format!("#{key}"),
    })
}

/// All turns until there is nothing to do.
fn rest(mailbox: &mut Mailbox) -> Vec<String> {
    std::iter::from_fn(|| next(mailbox)).collect()
}

#[test]
fn a_mailbox_takes_messages_up_to_its_bound_and_none_past_it() {
    let mut mailbox = Mailbox::default();
    let kb = ready(&mut mailbox, "acme", 2, 1);
    push(&mut mailbox, &kb, "1");
    push(&mut mailbox, &kb, "2");
    let refused = mailbox.push(kb.1, accepted(&kb.0, "3"));
    assert!(matches!(refused, Err(Push::Full(Full { len_max: 2 }))), "{refused:?}");
    assert_eq!(next(&mut mailbox).as_deref(), Some("1"));
    push(&mut mailbox, &kb, "4");
    mailbox.done(kb.1);
    assert_eq!(next(&mut mailbox).as_deref(), Some("2"), "what was refused is not in it");
    mailbox.done(kb.1);
    assert_eq!(rest(&mut mailbox), ["4"]);
}

#[test]
fn a_message_for_another_receiver_is_refused() {
    let mut mailbox = Mailbox::default();
    let (_, address) = wide(&mut mailbox, "acme");
    for other in [born("acme", "kb2"), born("globex", "kb"), born("acme", "kb")] {
        let refused = mailbox.push(address, accepted(&other, "1"));
        assert!(matches!(refused, Err(Push::WrongReceiver)), "{other:?}, another start of it included");
    }
    assert_eq!(rest(&mut mailbox), [""; 0]);
}

#[test]
fn nothing_is_delivered_before_release_nor_while_held() {
    let mut mailbox = Mailbox::default();
    let receiver = born("acme", "kb");
    let address = mailbox.open(Open { receiver: receiver.clone(), len_max: 10, in_flight_max: 10 });
    let kb = (receiver, address);
    push(&mut mailbox, &kb, "1");
    assert_eq!(next(&mut mailbox), None, "opened held");
    mailbox.release(kb.1);
    mailbox.hold(kb.1);
    assert_eq!(next(&mut mailbox), None, "held although it had a turn coming");
    push(&mut mailbox, &kb, "2");
    mailbox.release(kb.1);
    assert_eq!(rest(&mut mailbox), ["1", "2"]);
}

#[test]
fn no_more_messages_are_handled_at_once_than_allowed() {
    let mut mailbox = Mailbox::default();
    let kb = ready(&mut mailbox, "acme", 10, 2);
    for text in ["1", "2", "3", "4"] {
        push(&mut mailbox, &kb, text);
    }
    assert_eq!(rest(&mut mailbox), ["1", "2"]);
    assert_eq!(mailbox.load(kb.1), (2, 2));
    mailbox.done(kb.1);
    assert_eq!(rest(&mut mailbox), ["3"]);
    mailbox.done(kb.1);
    mailbox.done(kb.1);
    assert_eq!(rest(&mut mailbox), ["4"]);
    assert_eq!(mailbox.load(kb.1), (0, 1));
}

#[test]
fn within_a_tenant_who_came_first_is_served_first_among_receivers_that_are_free() {
    let mut mailbox = Mailbox::default();
    let (busy, free, other) =
        (ready(&mut mailbox, "acme", 10, 1), wide(&mut mailbox, "acme"), wide(&mut mailbox, "acme"));
    push(&mut mailbox, &busy, "busy 1");
    push(&mut mailbox, &busy, "busy 2");
    push(&mut mailbox, &other, "other 1");
    push(&mut mailbox, &free, "free 1");
    push(&mut mailbox, &other, "other 2");
    assert_eq!(rest(&mut mailbox), ["busy 1", "other 1", "free 1", "other 2"]);
    push(&mut mailbox, &free, "free 2");
    mailbox.done(busy.1);
    assert_eq!(rest(&mut mailbox), ["busy 2", "free 2"], "it waited longest");
}

#[test]
fn a_busy_receiver_holds_up_nobody_of_its_tenant() {
    let mut mailbox = Mailbox::default();
    let (busy, free) = (ready(&mut mailbox, "acme", 1000, 1), wide(&mut mailbox, "acme"));
    for _ in 0..1000 {
        push(&mut mailbox, &busy, "busy");
    }
    assert_eq!(rest(&mut mailbox), ["busy"]);
    push(&mut mailbox, &free, "free");
    assert_eq!(rest(&mut mailbox), ["free"]);
}

#[test]
fn tenants_take_turns_whatever_waits_for_them() {
    let mut mailbox = Mailbox::default();
    let [a, b, c] = ["a", "b", "c"].map(|tenant| wide(&mut mailbox, tenant));
    for text in ["a", "a", "a", "a"] {
        push(&mut mailbox, &a, text);
    }
    push(&mut mailbox, &b, "b");
    push(&mut mailbox, &b, "b");
    push(&mut mailbox, &c, "c");
    assert_eq!(rest(&mut mailbox), ["a", "b", "c", "a", "b", "a", "a"]);
}

#[test]
fn ten_thousand_messages_of_one_tenant_delay_another_by_at_most_one_turn_each() {
    let mut mailbox = Mailbox::default();
    let many = [(); 10].map(|()| wide(&mut mailbox, "acme"));
    let quiet = wide(&mut mailbox, "globex");
    for number in 0..10_000 {
        push(&mut mailbox, &many[number % many.len()], "a");
    }
    for number in 0..100 {
        push(&mut mailbox, &quiet, "g");
        let turns_until_served = (1..=10_000).find(|_| next(&mut mailbox).as_deref() == Some("g")).unwrap();
        assert!(turns_until_served <= 2, "message {number} was served at turn {turns_until_served}");
    }
}

#[test]
fn woken_work_and_messages_that_wait_take_turns() {
    let mut mailbox = Mailbox::default();
    let kb = wide(&mut mailbox, "acme");
    let acme = kb.0.tenant().clone();
    for (key, text) in [(1, "a"), (2, "b"), (3, "c")] {
        mailbox.wake(&acme, key);
        push(&mut mailbox, &kb, text);
    }
    assert_eq!(rest(&mut mailbox), ["#1", "a", "#2", "b", "#3", "c"]);
    push(&mut mailbox, &kb, "d");
    mailbox.wake(&acme, 4);
    mailbox.wake(&acme, 5);
    assert_eq!(rest(&mut mailbox), ["#4", "d", "#5"]);
}

#[test]
fn work_that_always_wakes_again_leaves_a_turn_to_messages_and_to_other_tenants() {
    let mut mailbox = Mailbox::default();
    let (kb, quiet) = (wide(&mut mailbox, "acme"), wide(&mut mailbox, "globex"));
    mailbox.wake(kb.0.tenant(), 1);
    push(&mut mailbox, &kb, "message");
    push(&mut mailbox, &quiet, "quiet");
    let mut turns = Vec::new();
    for _ in 0..5 {
        let turn = next(&mut mailbox).unwrap();
        if turn == "#1" {
            mailbox.wake(kb.0.tenant(), 1);
        }
        turns.push(turn);
    }
    assert_eq!(turns, ["#1", "quiet", "message", "#1", "#1"]);
}

#[test]
fn a_turn_is_not_lost_to_a_receiver_that_was_closed_or_held() {
    for close in [true, false] {
        let mut mailbox = Mailbox::default();
        let (kb, quiet) = (wide(&mut mailbox, "acme"), wide(&mut mailbox, "globex"));
        let acme = kb.0.tenant().clone();
        mailbox.wake(&acme, 1);
        assert_eq!(next(&mut mailbox).as_deref(), Some("#1"), "so that a message is next");
        push(&mut mailbox, &kb, "never delivered");
        mailbox.wake(&acme, 2);
        push(&mut mailbox, &quiet, "quiet");
        if close {
            mailbox.close(kb.1);
        } else {
            mailbox.hold(kb.1);
        }
        assert_eq!(rest(&mut mailbox), ["#2", "quiet"], "closed: {close}");
    }
}

#[test]
fn a_closed_mailbox_hands_back_what_waited_and_takes_nothing_more() {
    let mut mailbox = Mailbox::default();
    let kb = wide(&mut mailbox, "acme");
    push(&mut mailbox, &kb, "1");
    push(&mut mailbox, &kb, "2");
    assert_eq!(next(&mut mailbox).as_deref(), Some("1"));
    let left: Vec<String> = mailbox.close(kb.1).iter().map(|accepted| body(accepted.envelope())).collect();
    assert_eq!(left, ["2"]);
    assert!(matches!(mailbox.push(kb.1, accepted(&kb.0, "3")), Err(Push::Closed)));
    assert_eq!((next(&mut mailbox), mailbox.load(kb.1)), (None, (0, 0)));
    assert!(mailbox.close(kb.1).is_empty(), "closed once");
}

#[test]
fn an_old_address_does_nothing_to_who_has_the_place_now() {
    let mut mailbox = Mailbox::default();
    let old = ready(&mut mailbox, "acme", 10, 1);
    push(&mut mailbox, &old, "old");
    mailbox.close(old.1);
    let new = ready(&mut mailbox, "globex", 10, 1);
    assert_eq!((new.1.slot, new.1 == old.1), (old.1.slot, false), "the place is the same, the address is not");
    push(&mut mailbox, &new, "new 1");
    push(&mut mailbox, &new, "new 2");
    mailbox.hold(old.1);
    assert_eq!(rest(&mut mailbox), ["new 1"]);
    mailbox.done(old.1);
    assert_eq!((next(&mut mailbox), mailbox.load(new.1)), (None, (1, 1)), "the new one still handles its message");
    assert!(matches!(mailbox.push(old.1, accepted(&old.0, "late")), Err(Push::Closed)));
    assert!(mailbox.close(old.1).is_empty());
    assert_eq!(mailbox.load(old.1), (0, 0));
    mailbox.done(new.1);
    assert_eq!(rest(&mut mailbox), ["new 2"]);
}

mod model {
    //! Random operations against lists that are searched from front to back.

    use std::collections::{HashSet, VecDeque};

    use proptest::prelude::*;

    use super::*;

    const TENANTS: [&str; 3] = ["a", "b", "c"];

    #[derive(Debug, Clone)]
    enum Operation {
        Open { tenant: usize, len_max: u32, in_flight_max: u32 },
        Push(usize),
        Release(usize),
        Hold(usize),
        Done(usize),
        Close(usize),
        Wake(usize),
        Next,
    }

    fn operation() -> impl Strategy<Value = Operation> {
        let receiver = 0..12_usize;
        prop_oneof![
            2 => (0..TENANTS.len(), 1..4_u32, 1..3_u32)
                .prop_map(|(tenant, len_max, in_flight_max)| Operation::Open { tenant, len_max, in_flight_max }),
            6 => receiver.clone().prop_map(Operation::Push),
            3 => receiver.clone().prop_map(Operation::Release),
            1 => receiver.clone().prop_map(Operation::Hold),
            3 => receiver.clone().prop_map(Operation::Done),
            1 => receiver.prop_map(Operation::Close),
            1 => (0..TENANTS.len()).prop_map(Operation::Wake),
            6 => Just(Operation::Next),
        ]
    }

    /// What one receiver should be.
    struct Receiver {
        caller: Arc<Caller>,
        address: Address,
        tenant: usize,
        len_max: u32,
        in_flight_max: u32,
        held: bool,
        open: bool,
        in_flight: u32,
        waiting: VecDeque<u64>,
    }

    impl Receiver {
        /// Its first message, if it may be handled now.
        fn first(&self) -> Option<u64> {
            let may = self.open && !self.held && self.in_flight < self.in_flight_max;
            self.waiting.front().copied().filter(|_| may)
        }
    }

    #[derive(Default)]
    struct Model {
        mailbox: Mailbox,
        receivers: Vec<Receiver>,
        woken: [VecDeque<u64>; TENANTS.len()],
        /// How many turns went to others since a tenant had something to do.
        passed_over: [u32; TENANTS.len()],
        taken: u64,
        delivered: HashSet<u64>,
        handed_back: HashSet<u64>,
    }

    impl Model {
        fn apply(&mut self, operation: &Operation) {
            match *operation {
                Operation::Open { tenant, len_max, in_flight_max } => self.open(tenant, len_max, in_flight_max),
                Operation::Push(receiver) => self.with(receiver, Self::push),
                Operation::Release(receiver) => self.with(receiver, |model, index| {
                    model.mailbox.release(model.receivers[index].address);
                    model.receivers[index].held = false;
                }),
                Operation::Hold(receiver) => self.with(receiver, |model, index| {
                    model.mailbox.hold(model.receivers[index].address);
                    model.receivers[index].held = true;
                }),
                Operation::Done(receiver) => self.with(receiver, |model, index| {
                    model.mailbox.done(model.receivers[index].address);
                    let receiver = &mut model.receivers[index];
                    receiver.in_flight = receiver.in_flight.saturating_sub(1);
                }),
                Operation::Close(receiver) => self.with(receiver, Self::close),
                Operation::Wake(tenant) => {
                    self.taken += 1;
                    self.mailbox.wake(&TENANTS[tenant].parse().unwrap(), self.taken);
                    self.woken[tenant].push_back(self.taken);
                }
                Operation::Next => {
                    self.next();
                }
            }
        }

        fn with(&mut self, receiver: usize, act: impl FnOnce(&mut Self, usize)) {
            if !self.receivers.is_empty() {
                act(self, receiver % self.receivers.len());
            }
        }

        fn open(&mut self, tenant: usize, len_max: u32, in_flight_max: u32) {
            let caller = born(TENANTS[tenant], "kb");
            let address = self.mailbox.open(Open { receiver: caller.clone(), len_max, in_flight_max });
            let (held, open, in_flight, waiting) = (true, true, 0, VecDeque::new());
            self.receivers.push(Receiver {
                caller,
                address,
                tenant,
                len_max,
                in_flight_max,
                held,
                open,
                in_flight,
                waiting,
            });
        }

        fn push(&mut self, index: usize) {
            let number = self.taken + 1;
            let receiver = &mut self.receivers[index];
            let pushed = self.mailbox.push(receiver.address, accepted(&receiver.caller, &number.to_string()));
            if !receiver.open {
                assert!(matches!(pushed, Err(Push::Closed)), "{pushed:?}");
            } else if receiver.waiting.len() == receiver.len_max as usize {
                assert!(matches!(pushed, Err(Push::Full(_))), "{pushed:?}");
            } else {
                assert!(pushed.is_ok(), "{pushed:?}");
                self.taken = number;
                receiver.waiting.push_back(number);
            }
        }

        fn close(&mut self, index: usize) {
            let receiver = &mut self.receivers[index];
            let left: Vec<u64> = self.mailbox.close(receiver.address).iter().map(number_of).collect();
            assert_eq!(left, Vec::from(std::mem::take(&mut receiver.waiting)));
            self.handed_back.extend(left);
            receiver.open = false;
        }

        /// The earliest message of a tenant that may be handled.
        fn first_of(&self, tenant: usize) -> Option<u64> {
            self.receivers.iter().filter(|receiver| receiver.tenant == tenant).filter_map(Receiver::first).min()
        }

        fn has_something(&self, tenant: usize) -> bool {
            !self.woken[tenant].is_empty() || self.first_of(tenant).is_some()
        }

        /// Takes a turn, if there is one, and checks that it is a fair one.
        fn next(&mut self) -> bool {
            let waited = [0, 1, 2].map(|tenant| self.has_something(tenant));
            let Some(turn) = self.mailbox.next_turn() else {
                assert_eq!(waited, [false; 3], "there was something to do");
                self.passed_over = [0; 3];
                return false;
            };
            let served = match turn {
                Turn::Resume(key) => {
                    let tenant = self.woken.iter().position(|keys| keys.front() == Some(&key));
                    let tenant = tenant.expect("what was woken first, once");
                    self.woken[tenant].pop_front();
                    tenant
                }
                Turn::Deliver(address, accepted) => self.deliver(address, &accepted),
            };
            for tenant in 0..TENANTS.len() {
                let over = waited[tenant] && tenant != served;
                self.passed_over[tenant] = if over { self.passed_over[tenant] + 1 } else { 0 };
                assert!(self.passed_over[tenant] < 3, "{} waits for more than a round", TENANTS[tenant]);
            }
            true
        }

        fn deliver(&mut self, address: Address, accepted: &Accepted) -> usize {
            let number = number_of(accepted);
            let index = self.receivers.iter().position(|receiver| receiver.address == address).expect("an address");
            let tenant = self.receivers[index].tenant;
            assert_eq!(self.first_of(tenant), Some(number), "first come, first served among who is free");
            let receiver = &mut self.receivers[index];
            assert_eq!((receiver.first(), accepted.receiver()), (Some(number), &receiver.caller));
            receiver.waiting.pop_front();
            receiver.in_flight += 1;
            assert!(self.delivered.insert(number), "delivered twice");
            tenant
        }

        /// Lets everything out that is still in it.
        fn drain(&mut self) {
            for index in 0..self.receivers.len() {
                self.apply(&Operation::Release(index));
            }
            loop {
                while self.next() {}
                let busy = |receiver: &Receiver| receiver.open && receiver.in_flight > 0;
                let Some(index) = self.receivers.iter().position(busy) else { return };
                self.apply(&Operation::Done(index));
            }
        }
    }

    fn number_of(accepted: &Accepted) -> u64 {
        body(accepted.envelope()).parse().unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

        #[test]
        fn nothing_is_lost_nothing_doubled_and_order_is_kept(
            operations in proptest::collection::vec(operation(), 1..200),
        ) {
            let mut model = Model::default();
            for operation in &operations {
                model.apply(operation);
            }
            model.drain();
            prop_assert!(model.delivered.is_disjoint(&model.handed_back));
            prop_assert!(model.woken.iter().all(VecDeque::is_empty), "woken work was lost");
            prop_assert!(model.receivers.iter().all(|receiver| receiver.waiting.is_empty()), "messages were lost");
        }
    }
}
