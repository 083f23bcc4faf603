//! Rates on both sides of their line, for a whole tenant and for nobody else.

use std::sync::Arc;

use host_calls::{Answer, HostCall, HostReply, LogLevel, LogLine, LogSource, Refusal, RefusalNumbers};
use host_gate::MessageLimits;
use host_model::{Cause, MessageId, Outcome};
use host_quota::{Budget, TenantLimits, TenantRates};
use tests_kit::gate::{NOW, born, draft, grants};

use crate::samples::{Peer, World, answered, publish, send};
use crate::{Counters, LogQuery, Party};

/// Two agents of one tenant that share rates, in a world with other tenants.
fn sharing(world: &World, limits: TenantLimits) -> [Peer; 2] {
    let rates = Arc::new(TenantRates::new(&limits));
    ["one", "two"].map(|agent| join_within(world, agent, &rates, 10_000))
}

fn join_within(world: &World, agent: &str, rates: &Arc<TenantRates>, len_max: u32) -> Peer {
    let party = Party::new(born("acme", agent), grants(&["a"]), Budget::new(9), false, Arc::<Counters>::default());
    world.join_as(party.within(rates.clone()), len_max)
}

/// What is refused, with its numbers.
fn over(code: &str, limit: u64, actual: u64) -> RefusalNumbers {
    RefusalNumbers::of(code).past(limit, actual)
}

fn root(number: u128) -> Cause {
    let id: MessageId = format!("{number:032x}").parse().unwrap();
    Cause { id, root_id: id, hop: 1 }
}

#[test]
fn a_tenants_agents_share_its_messages_per_second_and_per_day_and_other_tenants_have_their_own() {
    let second = TenantLimits { messages_per_second_max: 3, ..TenantLimits::default() };
    let day = TenantLimits { messages_per_day_max: 3, ..TenantLimits::default() };
    let now = NOW.as_millis();
    let check = |limits: TenantLimits, code: &str, window: u64| {
        let world = World::new();
        let ([one, two], other) = (sharing(&world, limits), world.join("globex", "kb", &["a"], 10));
        for (peer, agent) in [(&one, "two"), (&two, "one"), (&one, "two")] {
            assert!(world.now(peer, send(agent, "x")).is_ok());
        }
        let numbers = over(code, 3, 4).retry_after_ms(window - now % window);
        for call in [send("one", "x"), publish("a", "x")] {
            assert_eq!(world.now(&two, call), Err(Refusal::OverQuota(numbers.clone())));
        }
        assert_eq!((two.party.counters.view().refused, two.party.counters.view().published), (2, 1));
        assert!(world.now(&other, publish("a", "x")).is_ok(), "another tenant has its own");
        world.clock.advance_ms(window - now % window - 1);
        assert!(world.now(&two, send("one", "x")).is_err(), "a millisecond before the time that was told");
        world.clock.advance_ms(1);
        assert!(world.now(&two, send("one", "x")).is_ok(), "at the time that was told");
    };
    check(second, "messages-per-second", 1_000);
    check(day, "messages-per-day", 86_400_000);
}

#[test]
fn one_message_causes_as_many_as_the_host_allows_however_many_agents_send_them() {
    let world = World::new();
    let [one, two] = sharing(&world, TenantLimits::default());
    let max = u64::from(MessageLimits::default().root_messages_max);
    for number in 0..max {
        let (peer, agent) = if number % 2 == 0 { (&one, "two") } else { (&two, "one") };
        assert!(world.because(peer, send(agent, "x"), root(1)).is_ok(), "message {number}");
    }
    let refused = Err(Refusal::OverQuota(over("root-messages", max, max + 1)));
    assert_eq!(world.because(&one, publish("a", "x"), root(1)), refused);
    assert_eq!(world.because(&two, publish("a", "x"), root(1)), refused);
    assert!(world.because(&one, publish("a", "x"), root(2)).is_ok(), "another root has its own");
    assert!(world.now(&one, publish("a", "x")).is_ok(), "and what nobody caused is a root itself");
}

/// M25: a message that a hundred hear, each of whom answers with another that all of them hear.
#[test]
fn a_topic_on_which_all_answer_all_ends_at_what_one_message_may_cause() {
    let world = World::new();
    let rates = Arc::new(TenantRates::new(&TenantLimits::default()));
    let peers: Vec<Peer> = (0..100).map(|number| join_within(&world, &format!("peer-{number}"), &rates, 1)).collect();
    let max = u64::from(MessageLimits::default().root_messages_max);
    let over = Refusal::OverQuota(over("root-messages", max, max + 1));
    let [mut sent, mut refused] = [0, 0];
    let mut say = |peer: &Peer| match world.because(peer, publish("a", "x"), root(1)) {
        Ok(_) => sent += 1,
        Err(refusal) => {
            assert_eq!(refusal, over);
            refused += 1;
        }
    };
    say(&peers[0]);
    while peers.iter().filter(|peer| peer.receive().is_some()).inspect(|peer| say(peer)).count() > 0 {}
    assert!(sent == max && refused > 0, "{sent} sent, {refused} refused");
}

#[tokio::test]
async fn an_answer_is_a_message_too_and_who_waits_for_one_that_is_over_is_told() {
    let world = World::new();
    let [one, two] = sharing(&world, TenantLimits { messages_per_second_max: 1, ..TenantLimits::default() });
    let answer = world.ask(&one, "two", draft("question"));
    let request = two.receive().expect("it was sent");
    world.courier.settle(&two.party, &request, Outcome::Done(Some(draft("answer"))));
    assert_eq!(answered(answer).await.unwrap_err().code(), "receiver-over-quota");
}

#[test]
fn lines_past_the_tenants_bytes_in_a_second_are_left_out_and_counted() {
    let world = World::new();
    let [one, two] = sharing(&world, TenantLimits { log_bytes_per_second_max: 1_024, ..TenantLimits::default() });
    let log = |peer: &Peer, len: usize| {
        let line =
            LogLine { level: LogLevel::Info, source: LogSource::Log, message: "x".repeat(len), fields: Vec::new() };
        assert!(matches!(world.call(peer, HostCall::Log(line)), Answer::Now(Ok(HostReply::Logged))));
    };
    log(&one, 1_000);
    log(&two, 25);
    log(&two, 24);
    let all = LogQuery { since: None, level: None, source: None, contains: None, limit: 10 };
    let kept = |agent: &str| {
        let lines = world.courier.parts().logs.read(&"acme".parse().unwrap(), &agent.parse().unwrap(), &all);
        lines.iter().map(|line| (line.message.len(), line.left_out)).collect::<Vec<_>>()
    };
    assert_eq!((kept("one"), kept("two")), (vec![(1_000, 0)], vec![(24, 1)]));
}

#[test]
fn a_refused_message_takes_no_number() {
    let world = World::new();
    let [one, two] = sharing(&world, TenantLimits { messages_per_second_max: 1, ..TenantLimits::default() });
    assert!(world.now(&one, send("two", "x")).is_ok());
    assert!(world.now(&one, send("two", "x")).is_err());
    one.party.rates.messages_per_second.set_max(10);
    assert!(world.now(&one, send("two", "x")).is_ok());
    let seqs: Vec<u64> = std::iter::from_fn(|| two.receive()).map(|message| message.envelope().seq).collect();
    assert_eq!(seqs, [1, 2]);
}
