//! What a guest holds of the host's: so many handles, so long a list, so much randomness, and no wait past its time.

use host_calls::ENTRY_PRICE;
use host_model::{Outcome, TrapCause};

use super::*;
use crate::settings::{RANDOM_BYTES_MAX, RESOURCES_MAX};

const TIMER: &str =
    r#"(import "wasi:clocks/monotonic-clock@0.2.6" "subscribe-duration" (func $timer (param i64) (result i32)))"#;
const BLOCK: &str = r#"(import "wasi:io/poll@0.2.6" "[method]pollable.block" (func $block (param i32)))"#;
const POLL: &str = r#"(import "wasi:io/poll@0.2.6" "poll" (func $poll (param i32 i32 i32)))"#;
const STDOUT: &str = r#"(import "wasi:cli/stdout@0.2.6" "get-stdout" (func $stdout (result i32)))"#;
const SUBSCRIBE: &str =
    r#"(import "wasi:io/streams@0.2.6" "[method]output-stream.subscribe" (func $subscribe (param i32) (result i32)))"#;
const WRITE: &str =
    r#"(import "wasi:io/streams@0.2.6" "[method]output-stream.write" (func $write (param i32 i32 i32 i32)))"#;
const ZEROES: &str =
    r#"(import "wasi:io/streams@0.2.6" "[method]output-stream.write-zeroes" (func $zeroes (param i32 i64 i32)))"#;
const FIELDS: &str = r#"(import "wasi:http/types@0.2.6" "[constructor]fields" (func $fields (result i32)))"#;
const BUCKET: &str = r#"(import "wasi:keyvalue/store@0.2.0-draft" "open" (func $open (param i32 i32 i32)))"#;
const RANDOM: &str = r#"(import "wasi:random/random@0.2.6" "get-random-bytes" (func $random (param i64 i32)))"#;

/// As long as a guest can ask for: 584 years.
const EVER: &str = "(i64.const -1)";

/// As `REALLOC`, out of the way of what is handed over.
const REALLOC_FAR: &str = r#"(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 524288))"#;

/// Loops this often over `body`.
fn times(count: usize, body: &str) -> String {
    format!(
        "(local i32) (local.set 1 (i32.const {count}))
        (loop $more {body} (br_if $more (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))
        {NO_ANSWER}"
    )
}

fn holder(import: &str, handle: &str) -> Vec<u8> {
    agent(&format!("{import} {MEMORY} {REALLOC}"), handle)
}

#[tokio::test]
async fn a_guest_has_so_many_handles_of_each_kind_and_the_next_one_ends_it() {
    let sandbox = Sandbox::new(Pool::Fast, 1);
    let agent = Agent::with_fuel(1_000_000_000);
    // What one of them takes in the table: a timer is a deadline and what waits for it.
    let kinds = [
        (TIMER, format!("(drop (call $timer {EVER}))"), 2),
        (STDOUT, "(drop (call $stdout))".to_owned(), 1),
        (FIELDS, "(drop (call $fields))".to_owned(), 1),
        (BUCKET, "(call $open (i32.const 64) (i32.const 0) (i32.const 128))".to_owned(), 1),
    ];
    for (import, make, entries) in kinds {
        let made = async |count| {
            let program = sandbox.program(&holder(import, &times(count, &make))).await;
            agent.handle(&program).await.outcome
        };
        assert_eq!(made(RESOURCES_MAX / entries).await, Outcome::Done(None), "{import}");
        for count in [RESOURCES_MAX / entries + 1, 1_000_000] {
            let outcome = made(count).await;
            let trapped = matches!(outcome, Outcome::Trapped { cause: TrapCause::Trap, .. });
            assert!(trapped, "{count} of {import}: {outcome:?}");
        }
    }
}

#[tokio::test]
async fn a_wait_of_five_hundred_years_ends_at_the_deadline_of_its_message() {
    let sandbox = Sandbox::new(Pool::Fast, 1);
    let alone = format!("(call $block (call $timer {EVER})) unreachable");
    let listed = format!(
        "(i32.store (i32.const 64) (call $timer {EVER})) (call $poll (i32.const 64) (i32.const 1) (i32.const 128)) unreachable"
    );
    for guest in [holder(&format!("{TIMER} {BLOCK}"), &alone), holder(&format!("{TIMER} {POLL}"), &listed)] {
        let program = sandbox.program(&guest).await;
        let began = std::time::Instant::now();
        let outcome = Agent::with_deadline(Duration::from_millis(50)).handle(&program).await.outcome;
        assert!(matches!(outcome, Outcome::Trapped { cause: TrapCause::Timeout, .. }), "{outcome:?}");
        assert!((Duration::from_millis(50)..SOON).contains(&began.elapsed()), "after {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn what_is_asked_for_past_its_bound_is_never_made() {
    let sandbox = Sandbox::new(Pool::Fast, 1);
    let agent = Agent::with_fuel(1_000_000_000);
    let random = |len: i64| holder(RANDOM, &format!("(call $random (i64.const {len}) (i32.const 128)) {NO_ANSWER}"));
    let zeroes = |len: i64| {
        let zeroes = format!("(call $zeroes (call $stdout) (i64.const {len}) (i32.const 128)) {NO_ANSWER}");
        holder(&format!("{STDOUT} {ZEROES}"), &zeroes)
    };
    let check = async |guest: Vec<u8>, fits: bool| {
        let outcome = agent.handle(&*sandbox.program(&guest).await).await.outcome;
        match outcome {
            Outcome::Done(None) => assert!(fits),
            Outcome::Trapped { cause: TrapCause::Trap, .. } => assert!(!fits),
            other => panic!("{other:?}"),
        }
    };
    let cap = i64::try_from(RANDOM_BYTES_MAX).unwrap();
    // Its one page has no room for more than it gets: what comes is put at 1 KiB.
    check(random(cap - 1_024), true).await;
    for len in [cap + 1, 1 << 40, -1] {
        check(random(len), false).await;
    }
    check(zeroes(4_096), true).await;
    for len in [4_097, 1 << 40, -1] {
        check(zeroes(len), false).await;
    }
}

#[tokio::test]
async fn a_list_to_wait_for_is_paid_by_the_entry_and_no_longer_than_what_there_can_be_to_wait_for() {
    let sandbox = Sandbox::new(Pool::Fast, 1);
    let agent = Agent::with_fuel(1_000_000_000);
    let poll = async |count: usize, polls: usize| {
        // The one handle again and again, from 4 KiB on.
        let list = "(i32.store (i32.add (i32.const 4096) (i32.shl (local.get 1) (i32.const 2))) (local.get 2))";
        let next = "(br_if $fill (local.tee 1 (i32.sub (local.get 1) (i32.const 1))))";
        let handle = format!(
            "(local i32 i32) (local.set 1 (i32.const {count})) (local.set 2 (call $subscribe (call $stdout)))
            (loop $fill {list} {next}) {polls} {NO_ANSWER}",
            polls = format!("(call $poll (i32.const 4100) (i32.const {count}) (i32.const 128))").repeat(polls)
        );
        let parts = format!(
            r#"{STDOUT} {SUBSCRIBE} {POLL} (memory (export "memory") 8)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536))"#
        );
        agent.handle(&*sandbox.program(&tests_kit::guest::agent(&parts, &handle)).await).await
    };
    let mut used = [0, 0];
    for (fuel, polls) in used.iter_mut().zip([1, 11]) {
        let handled = poll(RESOURCES_MAX, polls).await;
        assert_eq!(handled.outcome, Outcome::Done(None));
        *fuel = handled.fuel_used;
    }
    let entries = 10 * RESOURCES_MAX as u64 * ENTRY_PRICE;
    assert!((entries..entries + 10_000).contains(&(used[1] - used[0])), "{used:?}");
    let outcome = poll(RESOURCES_MAX + 1, 1).await.outcome;
    assert!(
        matches!(&outcome, Outcome::Trapped { cause: TrapCause::Trap, detail } if detail.contains("1025")),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn what_is_too_long_is_paid_for_though_it_is_refused_and_so_is_an_empty_line() {
    const COUNT: u64 = 1_000;
    let sandbox = Sandbox::new(Pool::Fast, 1);
    let agent = Agent::with_fuel(1_000_000_000);
    let parts = |import: &str| format!(r#"{import} (memory (export "memory") 16) {REALLOC_FAR}"#);
    let used = async |import: &str, call: &str| {
        let guest = tests_kit::guest::agent(&parts(import), &format!("{call} {NO_ANSWER}"));
        let handled = agent.handle(&*sandbox.program(&guest).await).await;
        assert_eq!(handled.outcome, Outcome::Done(None), "{call}");
        handled.fuel_used
    };
    let batch = r#"(import "bailiwick:agent/messaging@0.1.0" "batch" (func $batch (param i32 i32 i32)))"#;
    let items = used(batch, &format!("(call $batch (i32.const 65536) (i32.const {COUNT}) (i32.const 128))")).await;
    assert!(items >= COUNT * ENTRY_PRICE, "{items} for {COUNT} items");
    let lines = format!("{STDOUT} {WRITE}");
    // Newlines only, which are no line.
    let print = format!(
        "(memory.fill (i32.const 65536) (i32.const 10) (i32.const {COUNT}))
        (call $write (call $stdout) (i32.const 65536) (i32.const {COUNT}) (i32.const 128))"
    );
    let (none, some) = (used(&lines, "(drop (call $stdout))").await, used(&lines, &print).await);
    assert!((COUNT..4 * COUNT).contains(&(some - none)), "{} for {COUNT} empty lines", some - none);
}

#[tokio::test]
async fn a_list_of_a_million_long_texts_ends_its_guest_before_the_host_holds_them() {
    const LEN: usize = 1 << 20;
    const COUNT: usize = 1_000_000;
    /// What a guest may hand to one host call, by default.
    const CALL_BYTES_MAX: u64 = (1 << 20) + (64 << 10);
    let sandbox = Sandbox::new(Pool::Fast, 1);
    let limits =
        Limits { memory_bytes_max: 64 << 20, fuel_per_message: 1_000_000_000_000, deadline: SOON, ..Limits::default() };
    let agent = Agent::new(limits);
    // A field is four words. Each has the same name: the megabyte at 1 MiB.
    let field = "(local.get 2) (i32.const 1048576) i32.store (local.get 2) (i32.const 1048576) i32.store offset=4";
    let fill = format!(
        "(local i32 i32) (memory.fill (i32.const 1048576) (i32.const 120) (i32.const {LEN}))
        (local.set 1 (i32.const {COUNT})) (local.set 2 (i32.const 2097152))
        (loop $more {field}
            (local.set 2 (i32.add (local.get 2) (i32.const 16)))
            (br_if $more (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))"
    );
    let write = |fields: usize| {
        let call = "call $write (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 2097152)";
        let import = r#"(import "bailiwick:agent/log@0.1.0" "write" (func $write (param i32 i32 i32 i32 i32)))"#;
        let parts = format!(r#"{import} (memory (export "memory") 1024) {REALLOC}"#);
        tests_kit::guest::agent(&parts, &format!("{fill} ({call} (i32.const {fields})) {NO_ANSWER}"))
    };
    let none = agent.handle(&*sandbox.program(&write(0)).await).await;
    assert_eq!(none.outcome, Outcome::Done(None), "as much of the guest's own memory, and nothing to read");
    let before = resident_bytes_max();
    let million = agent.handle(&*sandbox.program(&write(COUNT)).await).await;
    assert!(matches!(million.outcome, Outcome::Trapped { cause: TrapCause::Trap, .. }), "{million:?}");
    let more = resident_bytes_max() - before;
    assert!(more <= 2 * CALL_BYTES_MAX, "{more} bytes more");
}

/// The most memory that this process ever had resident (`VmHWM`), in bytes.
fn resident_bytes_max() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() << 10
}
