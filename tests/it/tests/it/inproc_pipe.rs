//! The seam of the process tier stays true: guests get the same from a courier at the far end of a pipe as from one beside them.
//!
//! Every call, its context and its answer pass as bytes through a socket pair. Two hosts with the same clock, ids and agents, one
//! with the pipe and one without, must then agree on everything that can be seen of them.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use host_bus::{Bus as _, EmbeddedBus, Interest, Subscribe};
use host_calls::{Answer, CallId, Context, HostCall, HostCalls, HostReply, Refusal, RefusalNumbers};
use host_component::{Capability, Digest, Manifest};
use host_courier::{Counters, Courier, CourierParts, LogBook, LogQuery, Mail, Party, Seen};
use host_engine::{Birth, CompilerSettings, Engine, EngineSettings, Program};
use host_fleet::{Runner, Shard, Shards, Work};
use host_gate::{Accepted, Gate, MessageLimits, NoKeys};
use host_mailbox::{Address, Open, Push};
use host_model::{Caller, Draft, Envelope, Incarnation, Limits, Outcome};
use host_quota::Budget;
use host_registry::{Registry, card_of};
use serde::{Deserialize, Serialize};
use tests_kit::gate::{CountedIds, FixedClock, NOW, Sender, born, draft};
use tests_kit::repo;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

type Reply = Result<HostReply, Refusal>;

/// What goes one way.
#[derive(Serialize, Deserialize)]
enum Asked {
    Call { number: u64, context: Context, call: Box<HostCall> },
    Cancel { number: u64 },
}

/// What comes back.
#[derive(Serialize, Deserialize)]
struct Answered {
    number: u64,
    reply: Reply,
}

/// The near end, where the sandbox is: one for each caller, since a caller does not pass through a pipe.
struct Pipe {
    caller: Arc<Caller>,
    near: Arc<Near>,
    numbers: AtomicU64,
}

struct Near {
    socket: Mutex<UnixStream>,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Reply>>>,
}

impl Pipe {
    /// A pipe to a courier. Each end has a thread that reads until the other end is gone.
    fn to(courier: Courier, caller: Arc<Caller>) -> Arc<Self> {
        let (near, far) = UnixStream::pair().unwrap();
        let answers = near.try_clone().unwrap();
        let near = Arc::new(Near { socket: Mutex::new(near), waiting: Mutex::default() });
        let far = Far {
            courier,
            caller: caller.clone(),
            socket: Arc::new(Mutex::new(far.try_clone().unwrap())),
            runtime: Handle::current(),
        };
        let calls = far.socket.lock().unwrap().try_clone().unwrap();
        thread::spawn(move || far.serve(calls));
        let waiting = near.clone();
        thread::spawn(move || waiting.read(answers));
        Arc::new(Self { caller, near, numbers: AtomicU64::new(1) })
    }
}

impl HostCalls for Pipe {
    fn call(&self, caller: &Arc<Caller>, context: Context, call: HostCall) -> Answer {
        assert_eq!(*caller, self.caller, "a pipe speaks for one caller");
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let (sender, reply) = oneshot::channel();
        self.near.waiting.lock().unwrap().insert(number, sender);
        // At once, not when the answer is awaited: a log line is asked for and forgotten.
        send(&self.near.socket, &Asked::Call { number, context, call: Box::new(call) });
        let awaited = Awaited { near: self.near.clone(), number };
        Answer::Later(Box::pin(async move {
            let _awaited = awaited;
            reply.await.unwrap_or_else(|_| Err(Refusal::Unavailable(RefusalNumbers::of("pipe-closed"))))
        }))
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let _ = self.near.socket.lock().unwrap().shutdown(std::net::Shutdown::Both);
    }
}

/// Dropping it before the answer came cancels the call.
struct Awaited {
    near: Arc<Near>,
    number: u64,
}

impl Drop for Awaited {
    fn drop(&mut self) {
        if self.near.waiting.lock().unwrap().remove(&self.number).is_some() {
            send(&self.near.socket, &Asked::Cancel { number: self.number });
        }
    }
}

impl Near {
    fn read(&self, answers: UnixStream) {
        for line in BufReader::new(answers).lines().map_while(Result::ok) {
            let Answered { number, reply } = serde_json::from_str(&line).unwrap();
            if let Some(waiting) = self.waiting.lock().unwrap().remove(&number) {
                let _ = waiting.send(reply);
            }
        }
    }
}

/// The far end, where everything else is.
struct Far {
    courier: Courier,
    caller: Arc<Caller>,
    socket: Arc<Mutex<UnixStream>>,
    runtime: Handle,
}

impl Far {
    fn serve(self, calls: UnixStream) {
        let mut waiting = HashMap::new();
        for line in BufReader::new(calls).lines().map_while(Result::ok) {
            match serde_json::from_str(&line).unwrap() {
                Asked::Call { number, context, call } => match self.courier.call(&self.caller, context, *call) {
                    Answer::Now(reply) => send(&self.socket, &Answered { number, reply }),
                    Answer::Later(reply) => {
                        let socket = self.socket.clone();
                        let answer = async move { send(&socket, &Answered { number, reply: reply.await }) };
                        waiting.insert(number, self.runtime.spawn(answer));
                    }
                },
                Asked::Cancel { number } => {
                    if let Some(answer) = waiting.remove(&number) {
                        answer.abort();
                        // Gone before the next call is looked at.
                        let _ = self.runtime.block_on(answer);
                    }
                }
            }
        }
    }
}

fn send(socket: &Mutex<UnixStream>, message: &impl Serialize) {
    let mut line = serde_json::to_vec(message).unwrap();
    line.push(b'\n');
    // An end that is gone answers nothing, and nobody waits for it any more.
    let _ = socket.lock().unwrap().write_all(&line);
}

/// A host with the agents `zoo`, `echo` and `silent` in one tenant. The same each time.
struct House {
    courier: Courier,
    bus: Arc<EmbeddedBus>,
    registry: Arc<Registry>,
    logs: Arc<LogBook>,
    clock: Arc<FixedClock>,
    shards: Shards,
    manifest: Manifest,
    zoo: Arc<Party>,
}

/// A mailbox on a shard.
struct AtShard(Arc<Shard>, Address);

impl Mail for AtShard {
    fn push(&self, accepted: Accepted) -> Result<(), Push> {
        self.0.push(self.1, accepted)
    }
}

/// Answers with what it got.
struct Echo {
    courier: Courier,
    party: Arc<Party>,
}

impl Runner for Echo {
    fn begin(self: Arc<Self>, accepted: Accepted) -> Work {
        Box::pin(async move {
            let Envelope { message_type, payload, headers, .. } = accepted.envelope().clone();
            let answer = Draft { message_type, payload, headers, ..draft("") };
            self.courier.settle(&self.party, &accepted, Outcome::Done(Some(answer)));
        })
    }
}

impl House {
    fn new() -> Self {
        let (clock, bus, registry) =
            (Arc::new(FixedClock::new()), Arc::new(EmbeddedBus::new()), Arc::new(Registry::new()));
        let logs = Arc::new(LogBook::new(clock.clone()));
        let courier = Courier::new(CourierParts {
            keys: Arc::new(NoKeys),
            gate: Gate::new(MessageLimits::default()),
            bus: bus.clone(),
            registry: registry.clone(),
            logs: logs.clone(),
            ledger: tests_kit::audit::MemoryAudit::nobodys(),
            egress: host_egress::Egress::closed(),
            state: None,
            files: None,
            leases: None,
            clock: clock.clone(),
            ids: Arc::new(CountedIds::default()),
            started: NOW,
        });
        let manifest = std::fs::read_to_string(repo().join("tests/guests/zoo.toml")).unwrap();
        let manifest = Manifest::parse(&manifest).unwrap();
        let shards = Shards::start(1, &Handle::current()).unwrap();
        let zoo = party(&manifest, "zoo", 1);
        let house = Self { courier, bus, registry, logs, clock, shards, manifest, zoo: zoo.clone() };
        house.courier.join(zoo);
        house.receives(&party(&house.manifest, "echo", 2), true);
        house.receives(&party(&house.manifest, "silent", 3), false);
        let card = card_of(house.zoo.caller.tenant(), &house.manifest, "http://127.0.0.1:1");
        house.registry.register(house.zoo.caller.tenant(), Arc::new(card));
        house
    }

    /// An agent with its own queue; one that is not ready holds what it gets for ever.
    fn receives(&self, party: &Arc<Party>, ready: bool) {
        let caller = &party.caller;
        let shard = self.shards.home(caller.tenant()).clone();
        let open = Open { receiver: caller.clone(), len_max: 100, in_flight_max: 10 };
        let address = shard.open(open, Arc::new(Echo { courier: self.courier.clone(), party: party.clone() }));
        if ready {
            shard.release(address);
        }
        let inbound = self.courier.inbound(party.clone(), Arc::new(AtShard(shard, address)));
        let interest = Interest::own(caller.agent(), 10);
        self.bus.subscribe(Subscribe { tenant: caller.tenant().clone(), interest, queue: None, member: None }, inbound);
    }

    fn birth(&self, calls: Arc<dyn HostCalls>) -> Arc<Birth> {
        Arc::new(Birth {
            caller: self.zoo.caller.clone(),
            name: self.manifest.agent.name.clone(),
            calls,
            limits: Limits { deadline: Duration::from_mins(10), ..self.manifest.limits },
            tenant_memory: Budget::new(1 << 30),
            tenant_instances: Budget::new(1_000),
            settings: self.manifest.config.clone(),
            leads: None,
            registry_url: "http://127.0.0.1:1/api/registry".to_owned(),
            clock: self.clock.clone(),
        })
    }

    fn piped(&self) -> Arc<dyn HostCalls> {
        Pipe::to(self.courier.clone(), self.zoo.caller.clone())
    }

    fn direct(&self) -> Arc<dyn HostCalls> {
        Arc::new(self.courier.clone())
    }

    /// Runs a script through the guest and tells all that can be seen of it.
    async fn run(&self, program: &Program, calls: Arc<dyn HostCalls>, script: &[(&str, &str)]) -> Vec<String> {
        let mut watch = self.courier.watch(born("acme", "watcher"), ">".parse().unwrap());
        let birth = self.birth(calls);
        let mut seen = Vec::new();
        for (message_type, payload) in script {
            let message = message(message_type, payload);
            let handled = program.handle_fresh(&birth, &message).await;
            seen.push(format!("{message_type} {payload} -> {}, fuel {}", shown(&handled.outcome), handled.fuel_used));
        }
        // After all of it, on the same way: what comes before it is all there was. An answer may be seen before its question, so by id.
        let mut sent = Vec::new();
        let last = Sender::in_tenant("acme").on_topic("script.ended", "");
        self.bus.publish(last).unwrap();
        while let Some(Seen::Message(accepted)) = watch.next().await {
            if accepted.envelope().to.to_string() == "script.ended" {
                break;
            }
            sent.push(serde_json::to_string(accepted.envelope()).unwrap());
        }
        sent.sort();
        seen.extend(sent);
        let all = LogQuery { since: None, level: None, source: None, contains: None, limit: usize::MAX };
        let caller = &self.zoo.caller;
        seen.extend(self.logs.read(caller.tenant(), caller.agent(), &all).iter().map(|record| format!("{record:?}")));
        seen.push(format!("{:?}", self.zoo.counters.view()));
        seen
    }
}

/// An agent with the grants of a manifest. Its start's number is the same in every house.
fn party(manifest: &Manifest, agent: &str, incarnation: u64) -> Arc<Party> {
    let (tenant, agent) = ("acme".parse().unwrap(), agent.parse().unwrap());
    let caller = Arc::new(Caller::born(tenant, agent, "0.1.0".to_owned(), Incarnation(1_000_000 + incarnation)));
    Arc::new(Party::new(caller, manifest.grants.clone(), Budget::new(10), false, Arc::<Counters>::default()))
}

fn message(message_type: &str, payload: &str) -> Envelope {
    let stamped = Sender::in_tenant("acme").to_agent("zoo", payload);
    Envelope { message_type: message_type.to_owned(), ..stamped.envelope().clone() }
}

/// An outcome with its answer as text.
fn shown(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done(Some(draft)) => format!("{} {}", draft.message_type, String::from_utf8_lossy(&draft.payload)),
        other => format!("{other:?}"),
    }
}

async fn zoo(engine: &Engine) -> Arc<Program> {
    let path = repo().join("tests/guests/target/wasm32-wasip2/release/zoo.wasm");
    let bytes = std::fs::read(&path).expect("run `cargo xtask guests` first");
    engine.program(Digest::of(&bytes), &bytes, &Capability::ALL).await.unwrap()
}

pub(crate) fn engine(folder: &Path) -> Engine {
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("bailiwick");
    assert!(program.exists(), "there is no {}: run `cargo build --workspace` first", program.display());
    let compiler = CompilerSettings { program, ..CompilerSettings::this_program(&["compile-component"]).unwrap() };
    Engine::new(EngineSettings { instances_max: 8, ..EngineSettings::default() }, compiler, folder, &[3; 32]).unwrap()
}

/// Every call there is, with each way it can go.
const SCRIPT: &[(&str, &str)] = &[
    ("publish", r#"{"topic":"zoo.out","payload":{"n":1},"headers":[["a","b"]],"correlation_id":"c-1"}"#),
    ("publish", r#"{"topic":"tenants/acme/zoo/out","size":70000}"#),
    ("publish", r#"{"topic":"other.out"}"#),
    ("publish", r#"{"topic":"tenants/globex/zoo/out"}"#),
    ("publish", r#"{"topic":"agents.echo.status"}"#),
    ("publish", r#"{"topic":"zoo.out","type":"not a type"}"#),
    ("publish", r#"{"topic":"zoo.out","options":[["qos","at-most-once"]]}"#),
    ("send", r#"{"agent":"echo","payload":"told"}"#),
    ("send", r#"{"agent":"nobody"}"#),
    ("send", r#"{"agent":"No Id"}"#),
    ("request", r#"{"agent":"echo","payload":{"q":[1,2]},"correlation_id":"c-2","headers":[["k","v"]]}"#),
    ("request", r#"{"agent":"nobody"}"#),
    ("request", r#"{"agent":"silent","deadline_ms":5}"#),
    ("batch", r#"[{"topic":"zoo.a"},{"topic":"other.b"},{"agent":"echo"},{"agent":"nobody"},{"topic":"zoo.c"}]"#),
    ("batch", "[]"),
    ("log", ""),
    ("log", "plain"),
    ("stdout", "two streams"),
    ("log-flood", "600"),
    ("find", r#"{"skill":"misbehave"}"#),
    ("find", r#"{"pattern":"*zoo*","tag":"test"}"#),
    ("find", r#"{"skill":"unknown"}"#),
    ("get", "zoo"),
    ("get", "nobody"),
    ("identity", ""),
    ("settings", "greeting"),
    ("fail-retry", "5"),
    ("trap", ""),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guests_get_the_same_through_a_pipe_as_without() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path());
    let program = zoo(&engine).await;
    let (beside, behind) = (House::new(), House::new());
    let without = beside.run(&program, beside.direct(), SCRIPT).await;
    let through = behind.run(&program, behind.piped(), SCRIPT).await;
    for (without, through) in without.iter().zip(&through) {
        assert_eq!(through, without);
    }
    assert_eq!(through.len(), without.len());
    // What was compared is not empty: each kind of answer is in it.
    let all = without.join("\n");
    for part in [
        r#""durability":"volatile""#,
        r#""code":"publish-not-granted""#,
        r#""kind":"not-found""#,
        r#""code":"no-answer-in-time""#,
        r#""correlation_id":"c-2""#,
        r#""skills":["misbehave"]"#,
        "log-flood.done 600",
        "stdout: two streams",
        r#""to":{"Queue":"echo"}"#,
    ] {
        assert!(all.contains(part) || all.contains(&part.replace('"', "\\\"")), "{part} is not in:\n{all}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_dropped_at_the_near_end_is_open_no_more_at_the_far_end() {
    let house = House::new();
    let pipe = house.piped();
    let ask = |ordinal, call| {
        let context = Context { id: CallId { run: 1, ordinal }, remaining: Duration::from_mins(10), cause: None };
        match pipe.call(&house.zoo.caller, context, call) {
            Answer::Later(reply) => reply,
            Answer::Now(reply) => panic!("through a pipe at once: {reply:?}"),
        }
    };
    let request = HostCall::Request { agent: "silent".to_owned(), draft: draft("?"), deadline_ms: 600_000 };
    let waits = ask(1, request);
    assert_eq!(ask(2, HostCall::Card("nobody".to_owned())).await, Ok(HostReply::Card(None)));
    assert_eq!(house.zoo.requests.used(), 1);
    drop(waits);
    assert_eq!(ask(3, HostCall::Card("nobody".to_owned())).await, Ok(HostReply::Card(None)));
    assert_eq!(house.zoo.requests.used(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_requests_at_once_get_each_its_own_answer_through_one_pipe() {
    let house = House::new();
    let pipe = house.piped();
    let mut answers = tokio::task::JoinSet::new();
    // As many as may be open at once.
    for number in 0..10_u32 {
        let context =
            Context { id: CallId { run: 1, ordinal: number }, remaining: Duration::from_mins(10), cause: None };
        let call =
            HostCall::Request { agent: "echo".to_owned(), draft: draft(&number.to_string()), deadline_ms: 600_000 };
        let Answer::Later(reply) = pipe.call(&house.zoo.caller, context, call) else { panic!("at once") };
        answers.spawn(async move { (number, reply.await) });
    }
    while let Some(answer) = answers.join_next().await {
        let (number, reply) = answer.unwrap();
        let Ok(HostReply::Answered(envelope)) = reply else { panic!("{number}: {reply:?}") };
        assert_eq!(tests_kit::gate::body(&envelope), number.to_string());
    }
}
