//! What one tenant's instance leaves in a slot of the pool, the next one does not find there.

use host_model::{Outcome, TrapCause};

use super::*;

const REUSES: usize = 10_000;

/// Looks for anything but zeros in memory and table, and traps over it; then writes all over both.
///
/// Left out: the first 64 bytes, which are the answer, and those from 1 KiB to 2 KiB, where the host puts the message.
fn canary(pages: u32, pages_more: u32, elements: u32) -> Vec<u8> {
    let parts = format!(
        r#"(memory (export "memory") {pages}) (table $table {elements} funcref) (elem declare func $look) {REALLOC}
        (func $look (param $at i32) (param $end i32) (local $found i64)
            (loop $more
                (local.set $found (i64.or (local.get $found) (i64.or
                    (i64.or (i64.load (local.get $at)) (i64.load offset=8 (local.get $at)))
                    (i64.or (i64.load offset=16 (local.get $at)) (i64.load offset=24 (local.get $at))))))
                (local.set $at (i32.add (local.get $at) (i32.const 32)))
                (br_if $more (i32.lt_u (local.get $at) (local.get $end))))
            (if (i64.ne (local.get $found) (i64.const 0)) (then unreachable)))
        (func $look_at_table (local $at i32)
            (loop $more
                (if (i32.eqz (ref.is_null (table.get $table (local.get $at)))) (then unreachable))
                (table.set $table (local.get $at) (ref.func $look))
                (local.set $at (i32.add (local.get $at) (i32.const 1)))
                (br_if $more (i32.lt_u (local.get $at) (i32.const {elements})))))"#
    );
    let handle = format!(
        "(drop (memory.grow (i32.const {pages_more})))
        (call $look (i32.const 64) (i32.const 1024))
        (call $look (i32.const 2048) (i32.mul (memory.size) (i32.const 65536)))
        (call $look_at_table)
        (memory.fill (i32.const 64) (i32.const 0xca) (i32.const 960))
        (memory.fill (i32.const 2048) (i32.const 0xca)
            (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 2048)))
        {NO_ANSWER}"
    );
    agent(&parts, &handle)
}

/// One slot, three shapes of guests in turn: within what a pool keeps mapped, over it, and growing past it.
async fn nothing_is_left(pool: Pool) {
    let sandbox = Sandbox::new(pool, 1);
    let shapes = [canary(1, 0, 10), canary(5, 0, 300), canary(2, 4, 100)];
    let mut programs = Vec::new();
    for shape in &shapes {
        programs.push(sandbox.program(shape).await);
    }
    let agent = Agent::with_fuel(1_000_000_000);
    for number in 0..REUSES {
        let handled = agent.handle(&programs[number % programs.len()]).await;
        assert_eq!(handled.outcome, Outcome::Done(None), "reuse {number}");
    }
}

#[tokio::test]
async fn ten_thousand_reuses_of_a_fast_pools_slot_leave_nothing_to_the_next() {
    nothing_is_left(Pool::Fast).await;
}

#[tokio::test]
async fn ten_thousand_reuses_of_a_strict_pools_slot_leave_nothing_to_the_next() {
    nothing_is_left(Pool::Strict).await;
}

#[tokio::test]
async fn a_canary_that_is_there_is_found() {
    let sandbox = Sandbox::new(Pool::Fast, 1);
    let program = sandbox.program(&canary(1, 1, 10)).await;
    let agent = Agent::with_fuel(1_000_000_000);
    let mut resident = program.start(&agent.birth).await.expect("it has no start of its own");
    assert_eq!(resident.handle(&message("anything")).await.outcome, Outcome::Done(None));
    let again = resident.handle(&message("anything")).await.outcome;
    assert!(
        matches!(again, Outcome::Trapped { cause: TrapCause::Trap, .. }),
        "its own memory is as it left it: {again:?}"
    );
}
