//! A call that is dropped midway leaves nothing behind: no slot, no memory, no open request.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use host_bus::{Bus as _, Interest, Subscribe};
use host_courier::Mail;
use host_gate::Accepted;
use host_mailbox::{Address, Mailbox, Open, Push};
use host_model::Outcome;
use parking_lot::Mutex;

use super::*;

const DROPS: usize = 1_000;
const INSTANCES: u32 = 4;

/// Drops a call a thousand times once it is midway, in a pool of four instances.
async fn drop_midway(guest: Vec<u8>, agent: &Agent, midway: impl Fn() -> bool) {
    let sandbox = Sandbox::new(Pool::Fast, INSTANCES);
    let program = sandbox.program(&guest).await;
    let anything = message("anything");
    for number in 0..DROPS {
        let mut call = pin!(program.handle_fresh(&agent.birth, &anything));
        loop {
            let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending(), "number {number} has ended: {polled:?}");
            if midway() {
                break;
            }
        }
        assert!(agent.birth.tenant_memory.used() > 0, "it holds memory");
    }
    assert_eq!(agent.birth.tenant_memory.used(), 0);
    let spinning = sandbox.program(&self::agent(MEMORY, SPIN)).await;
    let busy = Agent::with_deadline(Duration::from_millis(50));
    let all =
        tokio::join!(busy.handle(&spinning), busy.handle(&spinning), busy.handle(&spinning), busy.handle(&spinning));
    for handled in [all.0, all.1, all.2, all.3] {
        let cause = host_model::TrapCause::Timeout;
        assert!(matches!(&handled.outcome, Outcome::Trapped { cause: c, .. } if *c == cause), "all slots: {handled:?}");
    }
}

const MEMORY: &str = r#"(memory (export "memory") 1) (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))"#;
const SPIN: &str = "(loop $for_ever (br $for_ever)) unreachable";

#[tokio::test]
async fn a_thousand_calls_dropped_while_the_guest_runs_leak_no_slot() {
    drop_midway(agent(MEMORY, SPIN), &Agent::with_deadline(Duration::from_mins(10)), || true).await;
}

#[tokio::test]
async fn ten_thousand_calls_dropped_while_the_guest_waits_for_a_time_leak_no_slot_and_no_timer() {
    let parts = format!(
        r#"(import "wasi:clocks/monotonic-clock@0.2.6" "subscribe-duration" (func $timer (param i64) (result i32)))
        (import "wasi:io/poll@0.2.6" "[method]pollable.block" (func $block (param i32))) {MEMORY}"#
    );
    let agent = Agent::with_deadline(Duration::from_mins(10));
    for _ in 0..10 {
        let guest = self::agent(&parts, "(call $block (call $timer (i64.const -1))) unreachable");
        drop_midway(guest, &agent, || true).await;
    }
    assert_eq!(agent.birth.tenant_instances.used(), 0);
}

#[tokio::test]
async fn a_thousand_calls_dropped_while_the_guest_awaits_an_answer_leak_no_slot_and_no_request() {
    let agent = Agent::with_deadline(Duration::from_mins(10));
    let silent = silent(&agent);
    // Agent "kb" at 64, type "t" at 66; the other parts are empty. It waits as long as it may.
    let parts = format!(
        r#"(import "bailiwick:agent/messaging@0.1.0" "request" (func $request (param {parameters})))
        (data (i32.const 64) "kbt") {MEMORY}"#,
        parameters = "i32 ".repeat(17),
    );
    let request = "(call $request (i32.const 64) (i32.const 2) (i32.const 66) (i32.const 1)
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 128))";
    let guest = self::agent(&parts, &format!("{request} {NO_ANSWER}"));
    drop_midway(guest, &agent, || agent.party.requests.used() == 1).await;
    assert_eq!(agent.party.requests.used(), 0, "no request is open");
    assert_eq!(silent.counters.view().received, DROPS as u64);
}

struct OneMailbox(Mutex<Mailbox>, Address);

impl Mail for OneMailbox {
    fn push(&self, accepted: Accepted) -> Result<(), Push> {
        self.0.lock().push(self.1, accepted)
    }
}

/// The agent `kb`, which takes requests and answers none.
fn silent(asker: &Agent) -> Arc<Party> {
    let party = Party::new(born("acme", "kb"), grants(&[]), Budget::new(1), false, Arc::<Counters>::default());
    let party = Arc::new(party);
    let mut mailbox = Mailbox::default();
    let address = mailbox.open(Open { receiver: party.caller.clone(), len_max: 65_536, in_flight_max: 1 });
    let inbound = asker.courier.inbound(party.clone(), Arc::new(OneMailbox(Mutex::new(mailbox), address)));
    let (tenant, interest) = (party.caller.tenant().clone(), Interest::own(party.caller.agent(), 1));
    asker.bus.subscribe(Subscribe { tenant, interest, queue: None, member: None }, inbound);
    party
}
