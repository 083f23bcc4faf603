//! Up to the edge and over it: of the stack, of a table, and of what one instruction may do.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;

use host_model::{Outcome, TrapCause};

use super::*;
use crate::settings::{MEMORY_BYTES_MAX, TABLE_ELEMENTS_MAX};

/// How many depths of the stack are tried, and how many of them lie over the edge.
const DEPTHS: usize = 1_000;
const OVER: usize = 100;

/// More calls than fit on any stack of ours.
const DEPTH_MAX: usize = 32_768;

/// A guest that calls itself as often as its setting `depth` is long, and then the host.
fn diver(import: &str, call: &str) -> Vec<u8> {
    let parts = format!(
        r#"(import "bailiwick:agent/settings@0.1.0" "get" (func $get (param i32 i32 i32))) {import}
        {MEMORY} {REALLOC} (data (i32.const 64) "depthat")
        (func $down (param $left i32)
            (if (local.get $left)
                (then (call $down (i32.sub (local.get $left) (i32.const 1))))
                (else {call})))"#
    );
    let handle = "(call $get (i32.const 64) (i32.const 5) (i32.const 128)) (call $down (i32.load (i32.const 136)))";
    agent(&parts, &format!("{handle} {NO_ANSWER}"))
}

/// Whether the guest came back from so deep. What is too deep ends it and nothing else.
async fn comes_back(program: &Program, depth: usize) -> bool {
    let mut diving = Agent::with_fuel(100_000_000);
    let settings = [("depth".to_owned(), "x".repeat(depth))].into();
    Arc::get_mut(&mut diving.birth).unwrap().settings = settings;
    match diving.handle(program).await.outcome {
        Outcome::Done(None) => true,
        Outcome::Trapped { cause: TrapCause::Trap, detail } if detail.contains("call stack exhausted") => false,
        other => panic!("at {depth}: {other:?}"),
    }
}

/// The least depth that is too much.
async fn edge(program: &Program) -> usize {
    let (mut fits, mut too_deep) = (0, DEPTH_MAX);
    assert!(comes_back(program, fits).await && !comes_back(program, too_deep).await);
    while too_deep - fits > 1 {
        let middle = fits.midpoint(too_deep);
        if comes_back(program, middle).await { fits = middle } else { too_deep = middle }
    }
    too_deep
}

/// Whatever is left of the guest's stack, the host has its own: it answers, or the guest is cut off.
async fn dives(import: &str, call: &str) {
    let sandbox = Sandbox::new(Pool::Fast, 1);
    let program = sandbox.program(&diver(import, call)).await;
    let edge = edge(&program).await;
    let mut came_back = 0;
    for depth in edge + OVER - DEPTHS..edge + OVER {
        came_back += usize::from(comes_back(&program, depth).await);
    }
    assert_eq!(came_back, DEPTHS - OVER, "the edge is where it was");
}

#[tokio::test]
async fn a_thousand_calls_at_the_edge_of_the_stack_that_come_back_into_the_guest_end_it_or_succeed() {
    dives("", "(call $get (i32.const 64) (i32.const 5) (i32.const 128))").await;
}

#[tokio::test]
async fn a_thousand_calls_at_the_edge_of_the_stack_that_go_through_the_gate_end_the_guest_or_succeed() {
    let parameters = "i32 ".repeat(16);
    let import =
        format!(r#"(import "bailiwick:agent/messaging@0.1.0" "publish" (func $publish (param {parameters})))"#);
    let draft = "(i32.const 0) ".repeat(11);
    let publish =
        format!("(call $publish (i32.const 69) (i32.const 1) (i32.const 70) (i32.const 1) {draft} (i32.const 128))");
    dives(&import, &publish).await;
}

#[tokio::test]
async fn a_table_grows_to_its_bound_and_not_past_it() {
    let sandbox = Sandbox::new(Pool::Fast, 1);
    // Growing costs fuel by the element, given or not.
    let agent = Agent::with_fuel(1_000_000_000_000);
    let check = async |more: i64, grows: bool| {
        let parts = format!("{MEMORY} {REALLOC} (table $table 10 funcref)");
        let grown = format!("(table.grow $table (ref.null func) (i32.const {more}))");
        let expected = if grows { 10 } else { -1 };
        let handle = format!("(if (i32.ne {grown} (i32.const {expected})) (then unreachable)) {NO_ANSWER}");
        let program = sandbox.program(&tests_kit::guest::agent(&parts, &handle)).await;
        assert_eq!(agent.handle(&program).await.outcome, Outcome::Done(None), "{more} more");
    };
    let room = i64::try_from(TABLE_ELEMENTS_MAX).unwrap() - 10;
    check(room, true).await;
    check(room + 1, false).await;
    check(0x7fff_ffff, false).await;
    check(-1, false).await;
}

/// What one instruction may at most take of the processor before others get their turn.
const SLICE_MAX: Duration = Duration::from_millis(50);

#[tokio::test]
async fn a_guest_that_fills_or_copies_all_its_memory_again_and_again_gives_way_in_between() {
    let check = async |work: &str| {
        let sandbox = Sandbox::new(Pool::Fast, 1);
        let pages = MEMORY_BYTES_MAX >> 16;
        let parts = format!(r#"(memory (export "memory") {pages}) {REALLOC}"#);
        let program = sandbox.program(&agent(&parts, &format!("(loop $more {work} (br $more)) unreachable"))).await;
        let limits = Limits {
            memory_bytes_max: MEMORY_BYTES_MAX,
            fuel_per_message: 1_000_000_000_000,
            deadline: Duration::from_millis(500),
            ..Limits::default()
        };
        let agent = Agent::new(limits);
        let mut call = pin!(agent.handle(&program));
        let (slices, longest) = (Cell::new(0), Cell::new(Duration::ZERO));
        let handled = poll_fn(|context| {
            let before = ran_for();
            let polled = call.as_mut().poll(context);
            slices.set(slices.get() + 1);
            longest.set(longest.get().max(ran_for().saturating_sub(before)));
            polled
        })
        .await;
        let timeout = matches!(handled.outcome, Outcome::Trapped { cause: TrapCause::Timeout, .. });
        assert!(timeout && slices.get() > 3, "{work}: {} slices, {handled:?}", slices.get());
        assert!(longest.get() <= SLICE_MAX, "{work}: {:?} at a stretch", longest.get());
    };
    let half = MEMORY_BYTES_MAX / 2;
    check(&format!("(memory.fill (i32.const 0) (i32.const 1) (i32.const {MEMORY_BYTES_MAX}))")).await;
    check(&format!("(memory.copy (i32.const 0) (i32.const {half}) (i32.const {half}))")).await;
}
