//! A call that is dropped midway leaves nothing behind: no slot, no memory, no open request.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use host_model::Outcome;

use super::*;

const DROPS: usize = 1_000;
const INSTANCES: u32 = 4;

/// Drops a call a thousand times after its first poll, in a pool of four instances.
async fn drop_midway(guest: Vec<u8>, agent: &Agent) {
    let sandbox = Sandbox::new(Pool::Fast, INSTANCES);
    let program = sandbox.program(&guest).await;
    let anything = message("anything");
    for number in 0..DROPS {
        let mut call = pin!(program.handle_fresh(&agent.birth, &anything));
        let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending(), "number {number} was not midway: {polled:?}");
        assert!(agent.birth.tenant_memory.used() > 0, "it holds memory");
    }
    assert_eq!(agent.birth.tenant_memory.used(), 0);
    let plain = self::agent(&format!("(memory (export \"memory\") 1) {REALLOC}"), NO_ANSWER);
    let plain = sandbox.program(&plain).await;
    let all = (0..INSTANCES).map(|_| async { agent.handle(&plain).await.outcome });
    for outcome in all {
        assert_eq!(outcome.await, Outcome::Done(None));
    }
}

#[tokio::test]
async fn a_thousand_calls_dropped_while_the_guest_runs_leak_no_slot() {
    let spinning = agent(
        &format!("(memory (export \"memory\") 1) {REALLOC}"),
        "(loop $for_ever (br $for_ever)) unreachable",
    );
    drop_midway(spinning, &Agent::with_deadline(Duration::from_mins(10))).await;
}

#[tokio::test]
async fn a_thousand_calls_dropped_while_the_guest_awaits_an_answer_leak_no_slot_and_no_request() {
    let agent = Agent::with_deadline(Duration::from_mins(10));
    let silent = Silent::new(&agent);
    // Agent "kb" at 64, type "t" at 66; the other parts are empty. It waits as long as it may.
    let request = "(call $request (i32.const 64))";
    let parts = format!(
        r#"(import "bailiwick:agent/messaging@0.1.0" "request" (func $host (param {parameters})))
        (func $request (param i32)
            (call $host (i32.const 64) (i32.const 2) (i32.const 66) (i32.const 1)
                (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
                (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 128)))
        (memory (export "memory") 1) (data (i32.const 64) "kbt") {REALLOC}"#,
        parameters = "i32 ".repeat(17),
    );
    drop_midway(self::agent(&parts, &format!("{request} {NO_ANSWER}")), &agent).await;
    assert_eq!(agent.party.requests.used(), 0, "no request is open");
    assert_eq!(silent.received(), DROPS as u64);
}

/// The agent `kb`, which takes requests and answers none.
struct Silent(Arc<Party>);

impl Silent {
    fn new(asker: &Agent) -> Self {
        let _ = asker;
        todo_silent(asker)
    }

    fn received(&self) -> u64 {
        self.0.counters.view().received
    }
}
