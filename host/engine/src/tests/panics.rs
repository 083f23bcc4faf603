//! A host that panics in the middle of a call: that run is lost, and nothing that others have.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use host_calls::{Answer, Context, HostCall, HostCalls};
use host_model::{Caller, Outcome};

use super::*;

/// When the host panics: as it takes the call, or as its answer is awaited.
#[derive(Debug, Clone, Copy)]
enum When {
    AtOnce,
    Later,
}

/// The host's calls, but for those of one kind.
struct Faulty {
    sound: Arc<dyn HostCalls>,
    kind: &'static str,
    when: When,
}

impl HostCalls for Faulty {
    fn call(&self, caller: &Arc<Caller>, context: Context, call: HostCall) -> Answer {
        if kind(&call) != self.kind {
            return self.sound.call(caller, context, call);
        }
        match self.when {
            When::AtOnce => panic!("a fault in the host"),
            When::Later => Answer::Later(Box::pin(async { panic!("a fault in the host") })),
        }
    }
}

/// No `_` here: who adds a call is reminded to let it fail below.
fn kind(call: &HostCall) -> &'static str {
    match call {
        HostCall::Publish { .. } => "publish",
        HostCall::Send { .. } => "send",
        HostCall::Request { .. } => "request",
        HostCall::Batch(_) => "batch",
        HostCall::Log(_) => "log",
        HostCall::Find(_) => "find",
        HostCall::Card(_) => "card",
        HostCall::Http(_) => "http",
        HostCall::State(_) => "state",
        HostCall::Storage(_) => "storage",
        HostCall::Lease(_) => "lease",
    }
}

/// A call of each kind: the guest that makes it, and what tells it to.
const CALLS: [(&str, &str, &str, &str); 11] = [
    ("publish", "zoo", "publish", r#"{"topic":"zoo.out"}"#),
    ("send", "zoo", "send", r#"{"agent":"kb"}"#),
    ("request", "zoo", "request", r#"{"agent":"kb"}"#),
    ("batch", "zoo", "batch", r#"[{"topic":"zoo.out"}]"#),
    ("log", "zoo", "log", "a line"),
    ("find", "zoo", "find", "{}"),
    ("card", "zoo", "get", "kb"),
    ("http", "caller", "fetch", r#"{"host":"a.test"}"#),
    ("state", "keeper", "state", r#"[["get","key"]]"#),
    ("storage", "keeper", "files", r#"[["stat","file"]]"#),
    ("lease", "keeper", "leases", r#"[["current","lease"]]"#),
];

#[tokio::test]
async fn a_host_that_panics_in_any_call_loses_that_run_and_nothing_else() {
    let sandbox = Sandbox::new(Pool::Fast, 1);
    for (kind, name, message_type, body) in CALLS {
        let bytes = guest(&format!("tests/guests/target/wasm32-wasip2/release/{name}.wasm"));
        let program = sandbox.program(&bytes).await;
        let stamped = Sender::in_tenant("acme").to_agent("guest", body);
        let message = Envelope { message_type: message_type.to_owned(), ..stamped.envelope().clone() };
        for when in [When::AtOnce, When::Later] {
            let mut agent = Agent::with_deadline(SOON);
            let birth = Arc::get_mut(&mut agent.birth).unwrap();
            birth.calls = Arc::new(Faulty { sound: birth.calls.clone(), kind, when });
            let run = AssertUnwindSafe(program.handle_fresh(&agent.birth, &message)).catch_unwind().await;
            assert!(run.is_err(), "{kind} {when:?}: {run:?}");
            let birth = &agent.birth;
            assert_eq!((birth.tenant_memory.used(), birth.tenant_instances.used()), (0, 0), "{kind} {when:?}");
            let sound = Agent::with_deadline(SOON);
            let plain = sandbox.program(&self::agent(&format!("{MEMORY} {REALLOC}"), NO_ANSWER)).await;
            let next = sound.handle(&plain).await;
            assert_eq!(next.outcome, Outcome::Done(None), "the only slot is free again after {kind} {when:?}");
        }
    }
}
