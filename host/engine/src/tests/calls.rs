//! Fuel: the same work costs the same each time, and what the host does for a guest is part of it.

use std::time::Instant;

use host_calls::{CALL_BASE, ROUTED_BASE, WASI_CALL};
use host_model::{Outcome, TrapCause};

use super::*;

/// Loops this often over `body`.
fn times(count: u32, body: &str) -> String {
    format!(
        "(local i32) (local.set 1 (i32.const {count}))
        (loop $more {body} (br_if $more (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))
        {NO_ANSWER}"
    )
}

/// Reads a setting of four letters that is not there.
const GET: &str = "(call $get (i32.const 64) (i32.const 4) (i32.const 128))";

fn reader(count: u32) -> Vec<u8> {
    let parts = format!(
        r#"(import "bailiwick:agent/settings@0.1.0" "get" (func $get (param i32 i32 i32)))
        (memory (export "memory") 1) (data (i32.const 64) "none") {REALLOC}"#
    );
    agent(&parts, &times(count, GET))
}

#[tokio::test]
async fn the_same_work_takes_the_same_fuel_on_every_engine_and_pool() {
    let guests = [agent(&format!("(memory (export \"memory\") 1) {REALLOC}"), &times(1000, "")), reader(100)];
    for guest in guests {
        let mut used = Vec::new();
        for pool in [Pool::Fast, Pool::Strict, Pool::Fast] {
            let sandbox = Sandbox::new(pool, 2);
            let program = sandbox.program(&guest).await;
            for _ in 0..3 {
                used.push(Agent::with_fuel(10_000_000).handle(&program).await.fuel_used);
            }
        }
        assert!(used[0] > 1000 && used.iter().all(|fuel| *fuel == used[0]), "{used:?}");
    }
}

#[tokio::test]
async fn a_call_costs_its_price_and_each_byte_of_its_words() {
    let sandbox = Sandbox::new(Pool::Fast, 2);
    let idle =
        agent(&format!("(func $get (param i32 i32 i32)) (memory (export \"memory\") 1) {REALLOC}"), &times(10, GET));
    let agent = Agent::with_fuel(10_000_000);
    let [idle, reader] = [sandbox.program(&idle).await, sandbox.program(&reader(10)).await];
    let (without, with) = (agent.handle(&idle).await.fuel_used, agent.handle(&reader).await.fuel_used);
    let price = 10 * (CALL_BASE + 4);
    // A call into the host and one into the guest differ by a few instructions around them.
    assert!(
        (price - 50..=price + 200).contains(&(with - without)),
        "{} for ten calls at {}",
        with - without,
        CALL_BASE + 4
    );
}

#[tokio::test]
async fn printed_lines_are_paid_for_whenever_a_tick_comes() {
    let sandbox = Sandbox::new(Pool::Fast, 2);
    let program = sandbox.program(&guest("tests/guests/target/wasm32-wasip2/release/zoo.wasm")).await;
    let (agent, printing) = (Agent::with_fuel(10_000_000), message("stdout"));
    let mut used = Vec::new();
    for _ in 0..300 {
        let handled = program.handle_fresh(&agent.birth, &printing).await;
        assert!(matches!(handled.outcome, Outcome::Done(Some(_))), "{handled:?}");
        used.push(handled.fuel_used);
    }
    // One line on each stream.
    assert!(used[0] > 2 * CALL_BASE && used.iter().all(|fuel| *fuel == used[0]), "{used:?}");
}

#[tokio::test]
async fn ten_thousand_cheap_calls_end_by_fuel_long_before_the_deadline() {
    let sandbox = Sandbox::new(Pool::Fast, 2);
    let program = sandbox.program(&reader(u32::MAX)).await;
    let began = Instant::now();
    let handled = Agent::with_fuel(10_000 * CALL_BASE).handle(&program).await;
    assert!(matches!(handled.outcome, Outcome::Trapped { cause: TrapCause::Fuel, .. }), "{handled:?}");
    assert_eq!(handled.fuel_used, 10_000 * CALL_BASE, "all of it and no more");
    assert!(began.elapsed() < SOON, "after {:?} of ten minutes", began.elapsed());
}

#[tokio::test]
async fn no_call_has_an_effect_that_was_not_paid_for() {
    // The address of a draft's parts: type "t", empty body, no correlation id, no headers, no options.
    let publish = "(call $publish (i32.const 64) (i32.const 1) (i32.const 65) (i32.const 1)
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 128))";
    let parameters = "i32 ".repeat(16);
    let parts = format!(
        r#"(import "bailiwick:agent/messaging@0.1.0" "publish" (func $publish (param {parameters})))
        (memory (export "memory") 1) (data (i32.const 64) "at") {REALLOC}"#
    );
    let sandbox = Sandbox::new(Pool::Fast, 2);
    let program = sandbox.program(&agent(&parts, &times(u32::MAX, publish))).await;
    let agent = Agent::with_fuel(100 * ROUTED_BASE);
    let handled = agent.handle(&program).await;
    assert!(matches!(handled.outcome, Outcome::Trapped { cause: TrapCause::Fuel, .. }), "{handled:?}");
    let published = agent.party.counters.view().published;
    assert!((90..100).contains(&published), "{published} messages for the fuel of a hundred");
}

#[tokio::test]
async fn calls_of_the_base_cost_their_price_and_each_random_byte_one_more() {
    let sandbox = Sandbox::new(Pool::Fast, 2);
    let program = sandbox.program(&guest("tests/guests/target/wasm32-wasip2/release/zoo.wasm")).await;
    let agent = Agent::with_fuel(1_000_000_000);
    let fuel = async |kind: &str, number: u32| {
        let stamped = Sender::in_tenant("acme").to_agent("guest", &number.to_string());
        let message = Envelope { message_type: kind.to_owned(), ..stamped.envelope().clone() };
        let handled = program.handle_fresh(&agent.birth, &message).await;
        assert!(matches!(handled.outcome, Outcome::Done(Some(_))), "{handled:?}");
        handled.fuel_used
    };
    let readings = fuel("clock", 3_000).await - fuel("clock", 1_000).await;
    assert!((2_000 * WASI_CALL..2_000 * (WASI_CALL + 200)).contains(&readings), "{readings} for 2,000 readings");
    // The guest itself does nothing with most of them; what it does costs far less than one unit a byte.
    let random = fuel("random", 60_000).await - fuel("random", 10_000).await;
    assert!((50_000..75_000).contains(&random), "{random} for 50,000 bytes");
}

#[tokio::test]
async fn a_tenant_has_no_more_instances_at_once_than_it_may_and_gets_their_places_back() {
    let sandbox = Sandbox::new(Pool::Fast, 4);
    let memory = format!("(memory (export \"memory\") 1) {REALLOC}");
    let spinning = sandbox.program(&agent(&memory, "(loop $for_ever (br $for_ever)) unreachable")).await;
    let agent = Agent::with_deadline(Duration::from_millis(100));
    agent.birth.tenant_instances.set_max(2);
    let handled = tokio::join!(agent.handle(&spinning), agent.handle(&spinning), agent.handle(&spinning));
    let cause = |handled: &Handled| match &handled.outcome {
        Outcome::Trapped { cause, detail } => (*cause, detail.clone()),
        other => panic!("{other:?}"),
    };
    let causes = [&handled.0, &handled.1, &handled.2].map(|handled| cause(handled).0);
    assert_eq!(causes, [TrapCause::Timeout, TrapCause::Timeout, TrapCause::Host]);
    assert_eq!(cause(&handled.2).1, "the tenant's instances: 1 more on top of 2 is over 2");
    assert_eq!(agent.birth.tenant_instances.used(), 0);
}

/// A guest that makes one call again and again until its fuel ends.
fn calling(import: &str, call: &str) -> Vec<u8> {
    let parts = format!(r#"{import} (memory (export "memory") 16) {REALLOC}"#);
    agent(&parts, &format!("(loop $for_ever {call} (br $for_ever)) unreachable"))
}

/// The most that one unit of fuel takes of the processor in the host, where it takes 1 in the guest. It takes some 3 to 8.
const HOST_FACTOR_MAX: u64 = 30;

#[tokio::test]
async fn a_unit_of_fuel_buys_about_as_much_of_the_processor_in_the_host_as_in_the_guest() {
    const FUEL: u64 = 50_000_000;
    let sandbox = Sandbox::new(Pool::Fast, 2);
    let picos = async |guest: Vec<u8>| {
        let program = sandbox.program(&guest).await;
        let before = ran_for();
        let handled = Agent::with_fuel(FUEL).handle(&program).await;
        assert!(matches!(handled.outcome, Outcome::Trapped { cause: TrapCause::Fuel, .. }), "{handled:?}");
        u64::try_from(ran_for().saturating_sub(before).as_nanos()).unwrap() * 1_000 / FUEL
    };
    let own = picos(calling("", "(i32.store (i32.const 64) (i32.add (i32.load (i32.const 64)) (i32.const 1)))")).await;
    let now = r#"(import "wasi:clocks/monotonic-clock@0.2.6" "now" (func $now (result i64)))"#;
    let get = r#"(import "bailiwick:agent/settings@0.1.0" "get" (func $get (param i32 i32 i32)))"#;
    let who = r#"(import "bailiwick:agent/identity@0.1.0" "tenant-id" (func $who (param i32)))"#;
    let write = r#"(import "bailiwick:agent/log@0.1.0" "write" (func $write (param i32 i32 i32 i32 i32)))"#;
    let fields = |count: u32| {
        format!("(call $write (i32.const 2) (i32.const 64) (i32.const 0) (i32.const 65536) (i32.const {count}))")
    };
    for (import, call) in [
        (now, "(drop (call $now))"),
        (get, GET),
        (who, "(call $who (i32.const 128))"),
        (write, &fields(0)),
        (write, &fields(10_000)),
    ] {
        let host = picos(calling(import, call)).await;
        assert!(host <= HOST_FACTOR_MAX * own, "{call}: {host} ps a unit, and {own} of the guest's own");
    }
}
